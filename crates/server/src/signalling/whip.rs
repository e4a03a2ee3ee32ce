//! The publishers' endpoint.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use headers::authorization::Bearer;
use headers::{Authorization, HeaderMapExt as _};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, StatusCode};
use tally_rtc::sdp::{Local, Negotiated, answer_publish};
use tally_store::Handle;
use tokio::sync::mpsc;

use super::body::{self, ACCEPT_POST, SDP};
use super::conditions::EntityTag;
use super::sessions::{Established, Kind, Place};
use super::{FULL_RETRY_S, Signalling, not_admitted, offers, reply};
use crate::http::problem::Problem;
use crate::ingest::{Denied, PUBLISHED_MAX};
use crate::shows::Expected;
use crate::webrtc::NewPublisher;

/// What the endpoint takes.
const ALLOW: &str = "GET, HEAD, POST, OPTIONS";

/// When asking again may help that a store could not answer.
const STORE_RETRY_S: u32 = 5;

/// GET (W2).
pub(super) async fn endpoint() -> Response {
    reply::no_content()
}

/// OPTIONS (W3, W12).
pub(super) async fn options(State(signalling): State<Arc<Signalling>>) -> Response {
    signalling.endpoint_options(ALLOW)
}

/// POST: an offer to publish (W1, W4-W6, W10).
pub(super) async fn publish(
    State(signalling): State<Arc<Signalling>>,
    Path(handle): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let answered = signalling.answer_publisher(&handle, &headers, body).await;
    if answered.is_err() {
        signalling.publishing.metrics.whip.refused.inc();
    }
    answered
}

impl Signalling {
    async fn answer_publisher(
        &self,
        handle: &str,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, Problem> {
        body::require_type(headers, SDP, ACCEPT_POST)?;
        let handle = self.authorize(handle, headers).await?;
        let offer = offers::read(&body::text(body).await?)?;
        self.check_running()?;
        let local = self.webrtc.local();
        let answer = answer_publish(&offer, &local).map_err(|refusal| offers::refused(&refusal))?;
        let (session, place) = self.publish(&handle, local, answer.negotiated)?;
        let links = self.ice_server_links();
        let response =
            reply::session(StatusCode::CREATED, answer.sdp, &place, &session.etag, links);
        self.establish(place, session);
        Ok(response)
    }

    /// Lets a publisher in. The session first: a show is not to be made, or taken from whom it has,
    /// for a publisher that finds no room.
    ///
    /// # Errors
    /// 503 when the server is full or goes down (W11).
    fn publish(
        &self,
        handle: &Handle,
        local: Local,
        negotiated: Negotiated,
    ) -> Result<(Established, Place), Problem> {
        let expected = Expected::of(&negotiated);
        let remote_ice = negotiated.remote_ice.clone();
        let transport_mid = negotiated.transport_mid.clone();
        let (output, published) = mpsc::channel(PUBLISHED_MAX);
        let publisher = NewPublisher { handle: handle.to_string(), local, negotiated, output };
        let (id, control) = self.webrtc.admit_publisher(publisher).map_err(|e| not_admitted(&e))?;
        let publication = self.shows.publish(handle.as_str()).map_err(|refused| {
            // One that is gone already needs no closing.
            let _ = self.webrtc.close(&id);
            Problem::unavailable(&refused.to_string()).retry_after_s(FULL_RETRY_S)
        })?;
        let show = publication.show().id().to_owned();
        let publisher = self.publishing.start(publication, expected, published, control);
        let place = Place::new(handle.as_str(), Kind::Whip, &id);
        let etag = EntityTag::unique();
        let publisher = Some(publisher);
        let video_mid = None;
        let session =
            Established { id, show, etag, remote_ice, transport_mid, video_mid, publisher };
        Ok((session, place))
    }

    /// Who publishes, as the URL and the key say together.
    async fn authorize(&self, handle: &str, headers: &HeaderMap) -> Result<Handle, Problem> {
        let key = headers.typed_get::<Authorization<Bearer>>();
        let key = key.as_ref().map(Authorization::token);
        self.publishing.auth.authorize_as(handle, key).await.map_err(|denied| denial(&denied))
    }
}

/// The answer to who may not publish (RFC 6750 section 3).
fn denial(denied: &Denied) -> Problem {
    let (status, challenge) = match denied {
        Denied::NoKey => (StatusCode::UNAUTHORIZED, "Bearer realm=\"tally\""),
        Denied::UnknownKey => {
            (StatusCode::UNAUTHORIZED, "Bearer realm=\"tally\", error=\"invalid_token\"")
        }
        Denied::AnotherCreators => {
            (StatusCode::FORBIDDEN, "Bearer realm=\"tally\", error=\"insufficient_scope\"")
        }
        Denied::NotAHandle(_) => return Problem::not_found(&denied.to_string()),
        Denied::Unavailable(_) => {
            return Problem::unavailable(&denied.to_string()).retry_after_s(STORE_RETRY_S);
        }
    };
    Problem::new(status, denied.to_string())
        .header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}
