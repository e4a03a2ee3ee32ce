//! WHIP and WHEP: how WebRTC sessions begin, change their paths and end, over HTTP.
//!
//! | path | method | what |
//! |---|---|---|
//! | `/live/{handle}/whip` | POST | a publisher's offer; answered with 201 |
//! | `/live/{handle}/whep` | POST | a viewer's offer; answered with 201, or 406 and an offer of ours |
//! | `/live/{handle}/{whip,whep}/{session}` | PATCH | more candidates, an ICE restart, or the answer to our offer |
//! | the same | DELETE | the end |
//! | `/live/{handle}/whep/{session}/layer` | POST | which layer of the picture is wanted |
//!
//! `GET /api/v1/webrtc/sessions` on the admin listener lists how sessions do.
//!
//! GET answers 204 everywhere, OPTIONS tells what is taken, everything refused is a problem
//! document. A session's URL holds 160 random bits: who has it may do with the session what its
//! client may, so no key is asked for there.
//!
//! # Owns
//! Status codes, headers, tags and URLs (PROTOCOLS W1-W17), counter-offers until they are answered,
//! and how often one address may ask.
//!
//! # Must never
//! Touch a socket or media: sessions are admitted to [`crate::webrtc`], and what a publisher sends
//! goes to its show in [`crate::ingest`].

mod body;
mod conditions;
mod ice_servers;
mod layer;
mod listing;
mod offers;
mod patch;
mod reply;
mod session;
mod sessions;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod whep;
mod whip;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderValue, Method, StatusCode, header};
use tally_api::{Peer, Playback, RateLimit};

use crate::clock;
use crate::config;
use crate::http::connection::ConnectionContext;
use crate::http::problem::Problem;
use crate::ingest::WhipService;
use crate::metrics::SignallingMetrics;
use crate::shows::Shows;
use crate::shutdown::Phase;
use crate::webrtc::{AdmitError, WebRtc};
use ice_servers::IceServers;
use sessions::Sessions;

/// When asking a server again may help that is full: viewers come and go.
const FULL_RETRY_S: u32 = 10;

/// When asking again may help while this server goes down: another one may have its address by then.
const DRAINING_RETRY_S: u32 = 5;

/// What the routes share.
#[derive(Debug)]
pub struct Signalling {
    shows: Shows,
    playback: Playback,
    publishing: WhipService,
    webrtc: WebRtc,
    ice_servers: IceServers,
    rate: RateLimit,
    sessions: Sessions,
    metrics: SignallingMetrics,
}

impl Signalling {
    /// No session yet.
    pub fn new(
        shows: Shows,
        playback: Playback,
        publishing: WhipService,
        webrtc: WebRtc,
        config: &config::WebRtc,
    ) -> Self {
        Self {
            metrics: publishing.metrics.signalling.clone(),
            shows,
            playback,
            publishing,
            webrtc,
            ice_servers: IceServers::new(config),
            rate: RateLimit::new(config.requests_per_second_max),
            sessions: Sessions::default(),
        }
    }

    /// # Errors
    /// 429 when an address has used up what it may ask for.
    fn take(&self, address: IpAddr) -> Result<(), Problem> {
        self.rate.take(Peer(address), 1, clock::unix_ms()).map_err(|seconds| {
            self.metrics.limited.inc();
            let detail = "too many requests from this address";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after_s(seconds)
        })
    }

    /// # Errors
    /// 503 once the server goes down: nobody new is let in.
    fn check_running(&self) -> Result<(), Problem> {
        match self.publishing.shutdown.phase() {
            Phase::Running => Ok(()),
            _ => Err(Problem::unavailable("this server is shutting down")
                .retry_after_s(DRAINING_RETRY_S)),
        }
    }

    fn ice_server_links(&self) -> Vec<HeaderValue> {
        self.ice_servers.links(clock::unix_ms())
    }

    /// The answer to OPTIONS at an endpoint. Not to preflights: those never come here (W12).
    fn endpoint_options(&self, allow: &'static str) -> Response {
        let mut response = reply::options(allow, body::ACCEPT_POST, body::SDP);
        for link in self.ice_server_links() {
            response.headers_mut().append(header::LINK, link);
        }
        response
    }
}

/// 503 without room for another session (W11), 422 for an offer that no session can be made of.
fn not_admitted(error: &AdmitError) -> Problem {
    let detail = error.to_string();
    match error {
        AdmitError::Full => Problem::unavailable(&detail).retry_after_s(FULL_RETRY_S),
        AdmitError::Draining => Problem::unavailable(&detail).retry_after_s(DRAINING_RETRY_S),
        AdmitError::Transport(_) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
    }
}

/// The routes for publishers and viewers.
pub fn router(signalling: Arc<Signalling>) -> Router {
    Router::new()
        .route(
            "/live/{handle}/whip",
            post(whip::publish).get(whip::endpoint).options(whip::options),
        )
        .route(
            "/live/{handle}/whep",
            post(whep::play).get(whep::endpoint).head(whep::head).options(whep::options),
        )
        .route("/live/{handle}/whip/{session}", session::methods(sessions::Kind::Whip))
        .route("/live/{handle}/whep/{session}", session::methods(sessions::Kind::Whep))
        .route("/live/{handle}/whep/{session}/layer", post(session::layer))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&signalling), limit_rate))
        .with_state(signalling)
}

/// What an operator may ask, on a listener of the operator's: `/api/v1/webrtc/sessions`.
pub fn admin_router(signalling: Arc<Signalling>) -> Router {
    Router::new().route("/api/v1/webrtc/sessions", get(listing::sessions)).with_state(signalling)
}

/// Holds every request that makes work to its address' allowance (W14).
async fn limit_rate(
    State(signalling): State<Arc<Signalling>>,
    Extension(connection): Extension<ConnectionContext>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if matches!(*request.method(), Method::POST | Method::PATCH | Method::DELETE) {
        signalling.take(connection.peer().ip())?;
    }
    Ok(next.run(request).await)
}
