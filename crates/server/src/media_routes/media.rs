//! Init segments, segments and parts.

use tally_hls::cache::Resource;

use super::body::{DeliverySeam, Media, Seam};
use super::reply::{self, Description, Response};
use super::{Asked, found, gone, pieces};
use crate::http::problem::Problem;

/// Answers with an init segment.
pub(super) fn init(asked: &Asked<'_>, id: u32) -> Result<Response, Problem> {
    let init = found(asked.origin.current().snapshot.init(id))?.ok_or_else(gone)?;
    let media = Media::Whole(init.body.clone());
    let etag = format!("\"init{id}\"");
    Ok(reply::media(media, etag, &describe(asked, Resource::Init), &asked.wish, None))
}

/// Answers with a whole segment.
pub(super) fn segment(asked: &Asked<'_>, msn: u64) -> Result<Response, Problem> {
    let segment = found(asked.origin.current().snapshot.segment(msn))?.ok_or_else(gone)?;
    Ok(timed(asked, Media::Segment(segment), format!("\"{msn}\"")))
}

/// Answers with a part. The hinted one is waited for, and then sent whole at link speed (D10).
pub(super) async fn part(asked: &Asked<'_>, msn: u64, index: u32) -> Result<Response, Problem> {
    let (_, part) = asked.wait(|version| found(version.snapshot.part(msn, index))).await?;
    Ok(timed(asked, Media::Part(part), format!("\"{msn}.{index}\"")))
}

/// Media with a place on the timeline: what reached the viewer is reported.
fn timed(asked: &Asked<'_>, media: Media, etag: String) -> Response {
    let resource = if asked.origin.has_video() { Resource::Video } else { Resource::Audio };
    let track = asked.origin.id().0;
    asked.observe(media.stretch_ms());
    let seam = Seam::Delivery(DeliverySeam {
        stream: asked.show.stream().clone(),
        session: asked.session.map(|session| tally_hub::SessionId(session.0)),
        track,
        object: pieces::object(track, &etag),
        pieces: asked.routes.pieces.clone(),
        delivered_bytes: asked.routes.metrics.delivered_bytes.clone(),
    });
    reply::media(media, etag, &describe(asked, resource), &asked.wish, Some(seam))
}

fn describe(asked: &Asked<'_>, resource: Resource) -> Description {
    Description {
        resource,
        content_type: if asked.origin.has_video() { "video/mp4" } else { "audio/mp4" },
        target_duration_s: asked.origin.target_duration_s(),
        modified_unix_ms: None,
    }
}
