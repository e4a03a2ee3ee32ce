//! The viewers' endpoint.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::header::{CONTENT_TYPE, LINK};
use http::{HeaderMap, HeaderValue, StatusCode};
use tally_hub::SessionId;
use tally_rtc::sdp::{CounterOffer, Negotiated, Offer, Playable, Refusal};
use tokio::time::Instant;

use super::body::{self, ACCEPT_POST, SDP};
use super::conditions::EntityTag;
use super::sessions::{COUNTER_OFFER_LIFETIME, Countered, Established, Kind, Place, Viewer};
use super::{Signalling, not_admitted, offers, reply};
use crate::http::problem::Problem;
use crate::shows::{Show, ShowState};
use crate::webrtc::{self, NewViewer};

/// What the endpoint takes.
const ALLOW: &str = "GET, HEAD, POST, OPTIONS";

/// How long to wait before a show that is not live is asked for again: the delay a viewer who comes
/// before the creator does not notice much.
const NOT_LIVE_RETRY_S: u32 = 2;

/// GET (W2).
pub(super) async fn endpoint() -> Response {
    reply::no_content()
}

/// HEAD (W2).
pub(super) async fn head() -> Response {
    let mut response = reply::ok();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(SDP));
    response
}

/// OPTIONS (W3, W12).
pub(super) async fn options(State(signalling): State<Arc<Signalling>>) -> Response {
    signalling.endpoint_options(ALLOW)
}

/// POST: an offer to watch (W1, W4-W6, W15, W16).
pub(super) async fn play(
    State(signalling): State<Arc<Signalling>>,
    Path(handle): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    body::require_type(&headers, SDP, ACCEPT_POST)?;
    let offer = offers::read(&body::text(body).await?)?;
    signalling.check_running()?;
    let (show, playables) = signalling.playable_show(&handle)?;
    if show.whep().has_b_frames() {
        return Err(out_of_order(&show));
    }
    let session = signalling.playback_session(&show, query.as_deref().unwrap_or_default())?;
    let local = signalling.webrtc.local();
    match offers::play(&offer, &playables, &local) {
        Ok((playable, answer)) => {
            let viewer = Viewer { show: show.id().to_owned(), playable, session, local };
            let session = signalling.admit(&show, viewer, answer.negotiated)?;
            let place = Place::new(show.handle(), Kind::Whep, &session.id);
            let mut links = signalling.ice_server_links();
            links.push(reply::layer_link(&place));
            let response =
                reply::session(StatusCode::CREATED, answer.sdp, &place, &session.etag, links);
            signalling.establish(place, session);
            Ok(response)
        }
        Err(Refusal::NothingInCommon) => {
            let playable = playables[0];
            let viewer = Viewer { show: show.id().to_owned(), playable, session, local };
            signalling.counter(&show, viewer)
        }
        Err(refusal) => Err(offers::refused(&refusal)),
    }
}

/// Says that a show is LL-HLS only, why, and where.
fn out_of_order(show: &Show) -> Problem {
    let playlist = format!("/live/{}/index.m3u8", show.handle());
    let detail = format!(
        "this show's encoder sends B-frames, which WebRTC players cannot show: it can be watched at {playlist}"
    );
    let link = format!("<{playlist}>; rel=\"alternate\"; type=\"application/vnd.apple.mpegurl\"");
    let link = HeaderValue::try_from(link).expect("handles are letters and digits");
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).header(LINK, link)
}

/// The playback session that a query names (`session`). Names need no decoding.
fn session_of(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("session="))
}

impl Signalling {
    /// The creator's show with what of it WebRTC viewers can be sent.
    ///
    /// # Errors
    /// 409 when it is not live, not playable yet, or there is no such creator: nobody is told which
    /// (W16).
    fn playable_show(&self, handle: &str) -> Result<(Arc<Show>, Vec<Playable>), Problem> {
        let show = self.shows.by_handle(handle);
        let playables = show.as_ref().map(|show| show.whep().playables()).unwrap_or_default();
        show.filter(|_| !playables.is_empty()).map(|show| (show, playables)).ok_or_else(|| {
            let detail = format!("{handle} is not live");
            Problem::new(StatusCode::CONFLICT, detail).retry_after_s(NOT_LIVE_RETRY_S)
        })
    }

    /// In whose name is played. Without a name, a stranger's, as over LL-HLS.
    ///
    /// # Errors
    /// See [`tally_api::Playback::admit`].
    fn playback_session(&self, show: &Show, query: &str) -> Result<Option<SessionId>, Problem> {
        let name = session_of(query).map(str::to_owned);
        let name = name.map_or_else(|| self.playback.stranger(show.id()), Ok)?;
        let session = self.playback.admit(show.id(), Some(&name))?;
        Ok(session.map(|session| SessionId(session.0)))
    }

    /// Lets a viewer in.
    ///
    /// # Errors
    /// 503 when the server is full (W11).
    fn admit(
        &self,
        show: &Arc<Show>,
        viewer: Viewer,
        negotiated: Negotiated,
    ) -> Result<Established, Problem> {
        let remote_ice = negotiated.remote_ice.clone();
        let transport_mid = negotiated.transport_mid.clone();
        let video_mid = negotiated.video.as_ref().and_then(|video| video.mid.clone());
        let Viewer { show: show_id, playable, session, local } = viewer;
        let show = Arc::clone(show);
        let viewer = NewViewer { show, local, negotiated, playable, playback_session: session };
        let id = self.webrtc.admit_viewer(viewer).map_err(|error| not_admitted(&error))?;
        Ok(Established {
            id,
            show: show_id,
            etag: EntityTag::unique(),
            remote_ice,
            transport_mid,
            video_mid,
            publisher: None,
        })
    }

    /// Offers a viewer what the show has, in place of what it offered (W15).
    ///
    /// # Errors
    /// 503 when as many such offers wait as may.
    fn counter(&self, show: &Show, viewer: Viewer) -> Result<Response, Problem> {
        let offer = CounterOffer::new(&viewer.playable, &viewer.local);
        let offer = offer.ok_or_else(|| offers::refused(&Refusal::NothingInCommon))?;
        let place = Place::new(show.handle(), Kind::Whep, &webrtc::SessionId::random());
        let etag = EntityTag::unique();
        let links = self.ice_server_links();
        let sdp = offer.sdp().to_owned();
        let response = reply::session(StatusCode::NOT_ACCEPTABLE, sdp, &place, &etag, links);
        let expires = Instant::now() + COUNTER_OFFER_LIFETIME;
        let kept = self.sessions.counter(place, Countered { viewer, offer, etag, expires });
        let metrics = &self.metrics;
        let made = kept.as_ref().map(|()| &metrics.counter_offers);
        made.unwrap_or(&metrics.counter_offers_refused).inc();
        kept.map(|()| response)
    }

    /// Takes the viewer's answer to a counter-offer.
    ///
    /// # Errors
    /// 422 when the answer is no good, which leaves the offer standing; 409 when the show has ended;
    /// 503 when the server is full.
    pub(super) fn accept(
        &self,
        offered: &Countered,
        answer: &Offer,
    ) -> Result<Established, Problem> {
        let show = self.shows.by_id(&offered.viewer.show);
        let show = show.filter(|show| show.state() != ShowState::Ended);
        let show = show.ok_or_else(|| Problem::new(StatusCode::CONFLICT, "the show has ended"))?;
        let negotiated = offered.offer.accept(answer).map_err(|e| offers::refused(&e))?;
        let session = self.admit(&show, offered.viewer.clone(), negotiated)?;
        Ok(Established { etag: offered.etag.clone(), ..session })
    }
}
