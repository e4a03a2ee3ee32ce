//! Init segments, segments and parts.

use std::sync::Arc;

use http::HeaderMap;
use tally_hls::Snapshot;
use tally_hls::cache::Resource;
use tokio::time::{Instant, timeout_at};

use super::body::Media;
use super::reply::{self, Description, Response};
use super::{WaitingRoom, found, gone, too_late};
use crate::egress::RenditionOrigin;
use crate::http::connection::ConnectionContext;
use crate::http::problem::Problem;

/// Answers with an init segment.
pub(super) fn init(
    origin: &RenditionOrigin,
    id: u32,
    request: &HeaderMap,
) -> Result<Response, Problem> {
    let snapshot = origin.current().snapshot;
    let init = found(snapshot.init(id))?.ok_or_else(gone)?;
    let description = describe(origin, &snapshot, Resource::Init);
    let media = Media::Whole(init.body.clone());
    Ok(reply::media(media, &format!("\"init{id}\""), &description, request))
}

/// Answers with a whole segment.
pub(super) fn segment(
    origin: &RenditionOrigin,
    msn: u64,
    request: &HeaderMap,
) -> Result<Response, Problem> {
    let snapshot = origin.current().snapshot;
    let segment = found(snapshot.segment(msn))?.ok_or_else(gone)?;
    let description = describe(origin, &snapshot, media_resource(origin));
    Ok(reply::media(Media::Segment(segment), &format!("\"{msn}\""), &description, request))
}

/// Answers with a part. The hinted one is waited for, and then sent whole at link speed (D10).
pub(super) async fn part(
    waiting: &WaitingRoom,
    connection: &ConnectionContext,
    origin: &RenditionOrigin,
    (msn, index): (u64, u32),
    request: &HeaderMap,
) -> Result<Response, Problem> {
    let snapshot = origin.current().snapshot;
    let part = match found(snapshot.part(msn, index))? {
        Some(part) => part,
        None => wait_for_part(waiting, connection, origin, (msn, index)).await?,
    };
    let description = describe(origin, &snapshot, media_resource(origin));
    Ok(reply::media(Media::Part(part), &format!("\"{msn}.{index}\""), &description, request))
}

/// Waits until the part is there, can no more come, or the deadline of D6 is over.
async fn wait_for_part(
    waiting: &WaitingRoom,
    connection: &ConnectionContext,
    origin: &RenditionOrigin,
    (msn, index): (u64, u32),
) -> Result<Arc<tally_cmaf::Part>, Problem> {
    let _waiting = waiting.enter(connection)?;
    let mut versions = origin.follow();
    let deadline = Instant::now() + origin.hold_max();
    loop {
        let snapshot = Arc::clone(&versions.borrow_and_update().snapshot);
        if let Some(part) = found(snapshot.part(msn, index))? {
            return Ok(part);
        }
        timeout_at(deadline, versions.changed()).await.ok().and_then(Result::ok).ok_or_else(too_late)?;
    }
}

fn media_resource(origin: &RenditionOrigin) -> Resource {
    if origin.has_video() { Resource::Video } else { Resource::Audio }
}

fn describe(origin: &RenditionOrigin, snapshot: &Snapshot, resource: Resource) -> Description {
    let content_type = if origin.has_video() { "video/mp4" } else { "audio/mp4" };
    let target_duration_s = snapshot.options().target_duration_s;
    Description { resource, content_type, target_duration_s, modified_unix_ms: None }
}
