//! Who is live.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use super::{Api, json};
use crate::identity::show_id;
use crate::{LiveShow, Problem};

/// `GET /api/v1/live/{handle}`: the creator's show of now.
pub(super) async fn show(
    State(api): State<Api>,
    Path(handle): Path<String>,
) -> Result<Response, Problem> {
    let show = find(&api, &handle)?;
    // A year beyond 9999 is a broken clock; the field is left out then.
    let started = Timestamp::from_millisecond(show.started_at_unix_ms).ok();
    let body = json!({
        "show": show.id,
        "handle": show.handle,
        "state": show.state.as_str(),
        "started_at": started.map(|at| format!("{at:.3}")),
        "viewers": api.books().viewers(show_id(&show.id)),
        "hls": format!("/live/{handle}/index.m3u8"),
        "whep": format!("/live/{handle}/whep"),
        "sessions": format!("/api/v1/live/{handle}/sessions"),
    });
    Ok(json(StatusCode::OK, &body))
}

/// The creator's newest show.
pub(super) fn find(api: &Api, handle: &str) -> Result<LiveShow, Problem> {
    let not_live = || Problem::not_found("this creator is not live").retry_after_s(2);
    api.0.live.by_handle(handle).ok_or_else(not_live)
}
