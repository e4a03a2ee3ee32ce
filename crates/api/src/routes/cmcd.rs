//! What players that are not ours say about themselves: CMCD version 2 in event mode (CTA-5004-B).

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use tally_watch::cmcd::parse_events;

use super::Api;
use crate::rate::Peer;
use crate::{Problem, media_type};

/// Media types of an event's report; both are in use.
const TYPES: [&str; 2] = ["text/cmcd", "application/cmcd"];

/// `POST /api/v1/playback/{session}/cmcd`: a record a line.
pub(super) async fn take(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Path(session): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    api.limit(peer, 1)?;
    let (show, session) = api.named(&session)?;
    if headers.contains_key(CONTENT_TYPE) && !TYPES.contains(&&*media_type(&headers)) {
        let detail = "CMCD reports are text/cmcd or application/cmcd";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let received_ms = api.now_ms();
    for parsed in parse_events(&String::from_utf8_lossy(&body)) {
        api.0.evidence.observed(show, session, &parsed.record, None, received_ms);
    }
    Ok(StatusCode::NO_CONTENT)
}
