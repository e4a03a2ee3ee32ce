//! What our player says about itself.

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use headers::authorization::Bearer;
use headers::{Authorization, HeaderMapExt as _};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tally_watch::{Heartbeat, PlayerState, parse_permille};

use super::{Api, json, unavailable};
use crate::playback::TAKEN_OVER;
use crate::rate::Peer;
use crate::{Problem, SessionGrant};

/// The body. `token` stands in for the header, which a beacon cannot send.
#[derive(Deserialize)]
struct Batch {
    #[serde(default)]
    token: Option<String>,
    heartbeats: Vec<Wire>,
}

/// One heartbeat as it is on the wire.
#[derive(Deserialize)]
struct Wire {
    sn: u64,
    media_ms: [i64; 2],
    clock_ms: [i64; 2],
    state: String,
    /// A decimal number, never made a float.
    #[serde(default)]
    rate: Option<Box<RawValue>>,
    #[serde(default)]
    visible: bool,
    #[serde(default)]
    pip: bool,
    #[serde(default)]
    audible: bool,
}

impl From<Wire> for Heartbeat {
    fn from(wire: Wire) -> Self {
        let rate = wire.rate.as_deref().map_or("1", RawValue::get);
        Self {
            sequence: wire.sn,
            media_ms: wire.media_ms,
            clock_ms: wire.clock_ms,
            // A word this server does not know is nothing that renders.
            state: PlayerState::parse(&wire.state).unwrap_or(PlayerState::Stalled),
            // Nobody plays at a speed that is no number.
            rate_permille: parse_permille(rate).unwrap_or(0),
            visible: wire.visible,
            picture_in_picture: wire.pip,
            audible: wire.audible,
        }
    }
}

/// `POST /api/v1/playback/{session}/heartbeats`. Answered when they are on disk.
pub(super) async fn take(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Path(session): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    api.limit(peer, 1)?;
    let Batch { token, heartbeats } = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(&format!("these are no heartbeats: {error}")))?;
    let bearer = headers.typed_get::<Authorization<Bearer>>();
    let token = bearer.as_ref().map(|bearer| bearer.token()).or(token.as_deref());
    let grant = authorize(&api, &session, token)?;
    let received_ms = api.now_ms();
    let batch: Vec<Heartbeat> = heartbeats.into_iter().map(Heartbeat::from).collect();
    let receipt = api.books().heartbeats(grant, batch, received_ms).await.map_err(unavailable)?;
    let mut answer = json!({
        "acknowledged": receipt.acknowledged,
        "admitted": receipt.admitted,
        "refused": receipt.refused,
    });
    if grant.is_due(received_ms) {
        let next = api.0.tokens.session(&grant.session, grant.show, grant.lease, received_ms);
        answer["token"] = next.into();
    }
    Ok(json(StatusCode::OK, &answer))
}

/// What the token says, if it may speak for the session.
fn authorize(api: &Api, session: &str, token: Option<&str>) -> Result<SessionGrant, Problem> {
    let missing = || Problem::unauthorized("heartbeats need their session's token");
    let grant = api.0.tokens.read_session(token.ok_or_else(missing)?, api.now_ms());
    let grant = grant.map_err(|error| Problem::unauthorized(&error.to_string()))?;
    if api.named(session)? != (grant.show, grant.session.id) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "the token is for another session"));
    }
    if !api.playback().keeps_lease(&grant) {
        return Err(Problem::new(StatusCode::CONFLICT, TAKEN_OVER));
    }
    Ok(grant)
}
