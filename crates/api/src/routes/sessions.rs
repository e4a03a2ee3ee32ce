//! Opening a playback session.

use std::sync::atomic::Ordering;

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tally_watch::PlaybackSession;

use super::{Api, SESSION_COST, json, live};
use crate::identity::show_id;
use crate::rate::Peer;
use crate::{PlaybackAuth, Problem, SessionKind, TokenError, Viewer, ViewerKind, started_at_ms};

/// How often a player reports: what [`tally_watch::RANGE_MS_MAX`] is three times of.
const HEARTBEAT_INTERVAL_MS: i64 = tally_watch::RANGE_MS_MAX / 3;

/// The body of a request for a session. Everything may be left out.
#[derive(Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    viewer: Option<String>,
}

/// `POST /api/v1/live/{handle}/sessions`.
pub(super) async fn open(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Path(handle): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    api.limit(peer, SESSION_COST)?;
    let show = live::find(&api, &handle)?;
    let wanted: Wanted = if body.is_empty() {
        Wanted::default()
    } else {
        let wrong = |_| Problem::bad_request("the body must be JSON such as {\"viewer\": \"...\"}");
        serde_json::from_slice(&body).map_err(wrong)?
    };
    let (viewer, next) = who(&api, wanted.viewer.as_deref(), &handle)?;
    let (playback, now_ms) = (api.playback(), api.now_ms());
    let id = playback.sessions().mint(SessionKind::Asked, now_ms);
    let lease = match viewer.kind {
        ViewerKind::Account { lease } => Some(lease),
        ViewerKind::Device | ViewerKind::Named => None,
    };
    if let Some(lease) = lease {
        let full = |_| Problem::unavailable("too many viewers play with tokens at a time");
        playback.leases.take(lease, id, now_ms).map_err(full)?;
    }
    let session = PlaybackSession {
        id,
        viewer: Some(viewer.key),
        started_at_ms: started_at_ms(id),
        basis: playback.options().basis,
    };
    let number = show_id(&show.id);
    let name = playback.sessions().name(number, id);
    api.0.opened.fetch_add(1, Ordering::Relaxed);
    if let Err(error) = api.books().minted(number, session).await {
        // The token says the same: the record comes with the first heartbeat.
        tracing::warn!(%error, "a playback session was not recorded");
    }
    let body = json!({
        "session": name,
        "token": api.0.tokens.session(&session, number, lease, now_ms),
        "show": show.id,
        // Sent again as `viewer`, so that it is the same viewer next time.
        "viewer": next.or(wanted.viewer),
        "hls": format!("/live/{handle}/s/{name}/index.m3u8"),
        "whep": format!("/live/{handle}/whep?session={name}"),
        "heartbeats": format!("/api/v1/playback/{name}/heartbeats"),
        "heartbeat_interval_ms": HEARTBEAT_INTERVAL_MS,
    });
    Ok(json(StatusCode::CREATED, &body))
}

/// Who wants to watch, and what to send as `viewer` next time if that is something new.
fn who(api: &Api, viewer: Option<&str>, handle: &str) -> Result<(Viewer, Option<String>), Problem> {
    let is_open = api.playback().options().auth == PlaybackAuth::Open;
    let refuse = |error: TokenError| match error {
        TokenError::BadName => Problem::bad_request(&error.to_string()),
        _ => Problem::unauthorized(&error.to_string()),
    };
    let Some(viewer) = viewer else {
        if !is_open {
            return Err(refuse(TokenError::NotSigned));
        }
        let (token, viewer) = api.0.tokens.device(&api.playback().outside);
        return Ok((viewer, Some(token)));
    };
    let (viewer, next) = api.0.tokens.viewer(viewer, handle, api.now_ms()).map_err(refuse)?;
    if !is_open && !matches!(viewer.kind, ViewerKind::Account { .. }) {
        return Err(refuse(TokenError::NotSigned));
    }
    Ok((viewer, next))
}
