//! What can be done with a session by its URL.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use http::{HeaderMap, StatusCode, header};
use tally_rtc::transport::Credentials;

use super::body::{self, ACCEPT_PATCH, ACCEPT_POST, FRAGMENT, JSON, SDP};
use super::conditions::EntityTag;
use super::patch::{self, Asked};
use super::sessions::{Countered, Established, Kind, Place, State as SessionState, gone};
use super::{Signalling, layer as layers, offers, reply};
use crate::http::problem::Problem;
use crate::webrtc::SessionId;

/// What a session takes.
const ALLOW: &str = "GET, HEAD, PATCH, DELETE, OPTIONS";

/// When asking again may help that a worker was far behind: it catches up within a second or not.
const BEHIND_RETRY_S: u32 = 1;

/// The methods of a session's URL.
pub(super) fn methods(kind: Kind) -> MethodRouter<Arc<Signalling>> {
    type Url = Path<(String, String)>;
    let place = move |Path((handle, name)): Url| Place { handle, kind, name };
    get(move |State(signalling): State<Arc<Signalling>>, url: Url| async move {
        signalling.on(&place(url), |_| Ok(reply::no_content()))
    })
    .patch(
        move |State(signalling): State<Arc<Signalling>>,
              url: Url,
              headers: HeaderMap,
              body: Body| async move { signalling.patch(&place(url), &headers, body).await },
    )
    .delete(move |State(signalling): State<Arc<Signalling>>, url: Url| async move {
        signalling.end(&place(url))
    })
    .options(|| async { reply::options(ALLOW, ACCEPT_PATCH, FRAGMENT) })
}

/// POST: which layer of the picture is wanted.
pub(super) async fn layer(
    State(signalling): State<Arc<Signalling>>,
    Path((handle, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    body::require_type(&headers, JSON, ACCEPT_POST)?;
    let choice = layers::read(&body::text(body).await?)?;
    let place = Place { handle, kind: Kind::Whep, name };
    signalling.on(&place, |state| {
        let session = established(state)?;
        if choice.media.is_some() && choice.media != session.video_mid {
            return Err(unprocessable("mediaId is not that of the video"));
        }
        if let Some(track) = choice.layer {
            let show = signalling.shows.by_id(&session.show);
            let tracks = show.map(|show| show.stream().tracks()).unwrap_or_default();
            let has_track = tracks.iter().any(|it| it.id == track);
            if !has_track {
                return Err(unprocessable("the show has no such layer"));
            }
        }
        let chosen = signalling.webrtc.choose_layer(&session.id, choice.layer);
        chosen.map_err(|_| signalling.untold(&session.id))?;
        Ok(reply::ok())
    })
}

impl Signalling {
    /// Remembers a session that was admitted.
    pub(super) fn establish(&self, place: Place, session: Established) {
        self.sessions.establish(place, session, |id| self.webrtc.contains(id));
    }

    /// PATCH (W8, W9, W15).
    async fn patch(
        &self,
        place: &Place,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, Problem> {
        match body::media_type(headers).as_str() {
            FRAGMENT => {
                // What the request lacks is said before its body is read.
                self.on(place, |state| established(state)?.etag.check(headers))?;
                let fragment = patch::read(&body::text(body).await?)?;
                self.on(place, |state| {
                    let session = established(state)?;
                    session.etag.check(headers)?;
                    match patch::asked(fragment, &session.remote_ice) {
                        Asked::Candidates(candidates) => self.add(session, candidates),
                        Asked::Restart(remote, candidates) => {
                            self.restart(session, remote, candidates)
                        }
                    }
                })
            }
            SDP => {
                self.on(place, |state| countered(state).map(drop))?;
                let answer = offers::read(&body::text(body).await?)?;
                self.on(place, |state| {
                    *state = SessionState::Established(self.accept(countered(state)?, &answer)?);
                    Ok(reply::no_content())
                })
            }
            _ => {
                self.on(place, |_| Ok(()))?;
                Err(body::unsupported(FRAGMENT, ACCEPT_PATCH))
            }
        }
    }
}

impl Signalling {
    /// Works on a session that still runs, or a counter-offer that stands.
    ///
    /// # Errors
    /// 404 when there is none, or what `work` says.
    fn on<T>(
        &self,
        place: &Place,
        work: impl FnOnce(&mut SessionState) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        self.sessions.with(place, |state| match state {
            SessionState::Established(session) if !self.webrtc.contains(&session.id) => Err(gone()),
            state => work(state),
        })
    }

    /// DELETE (W7). Whatever `If-Match` says (W6).
    fn end(&self, place: &Place) -> Result<Response, Problem> {
        self.on(place, |_| Ok(()))?;
        if let SessionState::Established(session) = self.sessions.remove(place)? {
            // First: a publisher that says goodbye is not to be taken for lost.
            if let Some(publisher) = &session.publisher {
                publisher.end();
            }
            // Its show may have closed a publisher's session by now.
            let _ = self.webrtc.close(&session.id);
        }
        Ok(reply::ok())
    }

    /// Why a session could not be told something: it has just ended, or its worker is far behind.
    fn untold(&self, id: &SessionId) -> Problem {
        if self.webrtc.contains(id) {
            Problem::unavailable("the session cannot take that now").retry_after_s(BEHIND_RETRY_S)
        } else {
            gone()
        }
    }

    /// W8
    fn add(&self, session: &Established, candidates: Vec<String>) -> Result<Response, Problem> {
        let added = self.webrtc.add_candidates(&session.id, candidates);
        added.map_err(|_| self.untold(&session.id))?;
        Ok(reply::no_content())
    }

    /// W9
    fn restart(
        &self,
        session: &mut Established,
        remote: Credentials,
        candidates: Vec<String>,
    ) -> Result<Response, Problem> {
        let local = self.webrtc.local();
        let restarted = self.webrtc.restart(&session.id, local.ice.clone(), remote.clone());
        restarted.map_err(|_| self.untold(&session.id))?;
        // Without them the peer's own checks tell where it is: the restart stands either way.
        let _ = self.webrtc.add_candidates(&session.id, candidates);
        session.remote_ice = remote;
        session.etag = EntityTag::unique();
        let answer = local.restart_answer(session.transport_mid.as_deref());
        let mut response = reply::text(StatusCode::OK, FRAGMENT, answer);
        response.headers_mut().insert(header::ETAG, session.etag.header());
        Ok(response)
    }
}

/// # Errors
/// 409 while a counter-offer waits for its answer: nothing else can be done with it.
fn established(state: &mut SessionState) -> Result<&mut Established, Problem> {
    match state {
        SessionState::Established(session) => Ok(session),
        SessionState::Countered(_) => {
            Err(Problem::new(StatusCode::CONFLICT, "the offer has not been answered yet"))
        }
    }
}

/// # Errors
/// 415 once there is nothing more to be answered.
fn countered(state: &SessionState) -> Result<&Countered, Problem> {
    match state {
        SessionState::Countered(offer) => Ok(offer),
        SessionState::Established(_) => Err(body::unsupported(FRAGMENT, ACCEPT_PATCH)),
    }
}

fn unprocessable(detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}
