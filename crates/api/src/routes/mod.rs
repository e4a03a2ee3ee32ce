//! The routes of the API.

mod cmcd;
mod heartbeats;
mod live;
mod sessions;
mod watch_time;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::Value;

use tally_watch::{SessionId, ShowId};

use crate::books::Unavailable;
use crate::rate::{Peer, RateLimit};
use crate::{Books, Evidence, LiveShows, Playback, Problem, Tokens};

/// The document that describes the routes (OpenAPI 3.1).
const DOCUMENT: &str = include_str!("openapi.json");

/// What a new session takes out of an address' bucket; a heartbeat takes one. A session costs a
/// record for ever, a heartbeat at most two ranges that mostly join others.
const SESSION_COST: u32 = 5;

/// When a player may send again what the books did not take: half an interval of heartbeats.
const RETRY_AFTER_S: u32 = 5;

/// What the routes work with. Clones share it.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

struct Shared {
    live: Arc<dyn LiveShows>,
    evidence: Evidence,
    tokens: Tokens,
    rate: RateLimit,
    opened: AtomicU64,
}

/// What the API counts; all numbers since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApiHealth {
    /// Requests refused because their address asked for too much.
    pub limited_requests: u64,
    /// Playback sessions that were asked for.
    pub opened_sessions: u64,
    /// Playback sessions whose token was used again.
    pub lost_leases: u64,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("evidence", &self.0.evidence).finish_non_exhaustive()
    }
}

impl Api {
    /// The API over what the server has. An address may ask for `requests_per_second_max` in the mean;
    /// 0 for no limit.
    #[must_use]
    pub fn new(
        live: Arc<dyn LiveShows>,
        evidence: Evidence,
        tokens: Tokens,
        requests_per_second_max: u32,
    ) -> Self {
        let rate = RateLimit::new(requests_per_second_max);
        Self(Arc::new(Shared { live, evidence, tokens, rate, opened: AtomicU64::new(0) }))
    }

    /// The routes. Requests need a [`Peer`] as extension. The caller adds what is the same for all
    /// routes of the server: CORS, the limit of a body, answers for what no route takes.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/api/openapi.json", get(async || answer(StatusCode::OK, DOCUMENT.to_owned())))
            .route("/api/v1/live/{handle}", get(live::show))
            .route("/api/v1/live/{handle}/sessions", post(sessions::open))
            .route("/api/v1/playback/{session}/heartbeats", post(heartbeats::take))
            .route("/api/v1/playback/{session}/cmcd", post(cmcd::take))
            .route("/api/v1/shows/{show}/watch-time", get(watch_time::show))
            .with_state(self.clone())
    }

    /// How it is doing.
    #[must_use]
    pub fn health(&self) -> ApiHealth {
        ApiHealth {
            limited_requests: self.0.rate.refused(),
            opened_sessions: self.0.opened.load(Ordering::Relaxed),
            lost_leases: self.playback().leases.lost(),
        }
    }

    fn now_ms(&self) -> i64 {
        self.playback().outside.now_ms()
    }

    fn playback(&self) -> &Playback {
        self.0.evidence.playback()
    }

    fn books(&self) -> &Books {
        self.0.evidence.books()
    }

    /// The show and the session of a name.
    fn named(&self, session: &str) -> Result<(ShowId, SessionId), Problem> {
        let unknown = || Problem::not_found("there is no such playback session");
        self.playback().sessions().read(session).ok_or_else(unknown)
    }

    fn limit(&self, peer: Peer, cost: u32) -> Result<(), Problem> {
        self.0.rate.take(peer, cost, self.now_ms()).map_err(|seconds| {
            let detail = "this address asks for too much at a time";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after_s(seconds)
        })
    }
}

/// What a client is told when the books did not take something.
fn unavailable(error: Unavailable) -> Problem {
    Problem::unavailable(&error.to_string()).retry_after_s(RETRY_AFTER_S)
}

/// An answer in JSON that no cache keeps: it is one viewer's, or of this moment.
fn json(status: StatusCode, body: &Value) -> Response {
    answer(status, body.to_string())
}

fn answer(status: StatusCode, body: String) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
