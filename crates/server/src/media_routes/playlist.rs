//! Playlists: the multivariant one, and media playlists with blocking reload and deltas.

use std::sync::Arc;
use std::time::Duration;

use tally_hls::cache::Resource;
use tally_hls::{Decision, Directives, Encoding};
use tally_watch::Basis;
use tokio::time::timeout;

use super::body::{ListingSeam, Seam};
use super::reply::{self, Description, Response};
use super::wish::Wish;
use super::{Asked, MediaRoutes, MultivariantPath, session};
use crate::clock;
use crate::egress::{Presentation, Version};
use crate::http::connection::ConnectionContext;
use crate::http::problem::Problem;
use crate::shows::{Show, ShowState};

const MEDIA_TYPE: &str = "application/vnd.apple.mpegurl";

/// How long a request for a show that has just begun waits for its first part, so that a viewer
/// who comes with the creator needs no second try. A plan is made within 4.5 s at the defaults.
const STARTING_TIMEOUT: Duration = Duration::from_secs(8);

/// Answers with the multivariant playlist of the creator's newest show.
pub(super) async fn multivariant(
    routes: &MediaRoutes,
    connection: &ConnectionContext,
    path: &MultivariantPath,
    wish: &Wish,
) -> Result<Response, Problem> {
    let handle = path.handle.as_str();
    let not_live = || Problem::not_found(&format!("{handle} is not live")).retry_after_s(2);
    let show = routes.shows.by_handle(handle).ok_or_else(not_live)?;
    let (playback, known) = (&routes.playback, path.session.as_deref());
    playback.admit(show.id(), known)?;
    let presentation = match show.hls().presentation() {
        Some(presentation) => presentation,
        None => {
            let _waiting = routes.waiting.enter(connection)?;
            first_presentation(&show).await.ok_or_else(not_live)?
        }
    };
    let description = Description {
        resource: Resource::Multivariant,
        content_type: MEDIA_TYPE,
        target_duration_s: presentation.plan.target_duration_s,
        modified_unix_ms: None,
    };
    let basis = playback.options().basis;
    let name = match known {
        // Below the session's path everything is: the text is the same for all.
        Some(_) if basis == Basis::Direct => {
            let text = &presentation.multivariant;
            return Ok(reply::playlist(text, &description, wish, None));
        }
        Some(name) => name.to_owned(),
        None => playback.stranger(show.id())?,
    };
    let text = presentation.multivariant.body(Encoding::Identity);
    let text = String::from_utf8_lossy(&text);
    let text = session::rewrite(&text, show.id(), &name, basis, known.is_some());
    Ok(reply::private_playlist(text, &description))
}

async fn first_presentation(show: &Show) -> Option<Arc<Presentation>> {
    let mut presentation = show.hls().follow();
    let mut state = show.watch_state();
    let ready = async {
        tokio::select! {
            ready = presentation.wait_for(Option::is_some) => ready.ok()?.clone(),
            _ = state.wait_for(|state| *state == ShowState::Ended) => None,
        }
    };
    timeout(STARTING_TIMEOUT, ready).await.ok().flatten()
}

/// Answers with a media playlist, once it is what was asked for (D1, D2).
pub(super) async fn media(asked: &Asked<'_>, query: &str) -> Result<Response, Problem> {
    let directives =
        Directives::parse(query).map_err(|error| Problem::bad_request(&error.to_string()))?;
    let decided = asked.wait(|version| match version.snapshot.decide(&directives) {
        Decision::Now(delivery) => Ok(Some(delivery)),
        Decision::Wait => Ok(None),
        Decision::Reject(why) => Err(Problem::bad_request(&why.to_string())),
    });
    let (Version { snapshot, reports }, delivery) = decided.await?;
    let description = Description {
        resource: Resource::Playlist { blocking: directives.is_blocking() },
        content_type: MEDIA_TYPE,
        target_duration_s: asked.origin.target_duration_s(),
        // An encoder may run ahead of the clock; nothing is modified in the future.
        modified_unix_ms: Some(snapshot.modified_unix_ms().min(clock::unix_ms())),
    };
    asked.observe(None);
    let listing = asked.session.zip(asked.show.evidence()).zip(snapshot.listed_ms(delivery));
    let is_cached = asked.routes.playback.options().basis == Basis::Cached;
    let seam = listing.filter(|_| is_cached).map(|((session, evidence), stretch_ms)| {
        Seam::Listing(ListingSeam { evidence: Arc::clone(evidence), session, stretch_ms })
    });
    let rendered = snapshot.playlist(delivery, &reports);
    Ok(reply::playlist(rendered, &description, &asked.wish, seam))
}
