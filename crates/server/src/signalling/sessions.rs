//! What signalling remembers of each session: whose it is, and which ICE session its tag names.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tally_rtc::sdp::{CounterOffer, Local, Playable};
use tally_rtc::transport::Credentials;
use tokio::time::Instant;

use super::conditions::EntityTag;
use crate::http::problem::Problem;
use crate::ingest::WhipPublisher;
use crate::webrtc::SessionId;

/// How long a viewer may take to answer a counter-offer (W15).
pub(super) const COUNTER_OFFER_LIFETIME: Duration = Duration::from_secs(30);

/// Counter-offers open at a time, some 10 KB each. A client that asks for them without answering
/// must not fill the memory; more are refused with 503.
const COUNTER_OFFERS_MAX: usize = 256;

/// When asking again may help: some of them have been withdrawn by then.
const COUNTER_OFFERS_FULL_RETRY_S: u32 = 10;

/// Below this many entries the table is not searched for those that have ended.
const SWEEP_MIN: usize = 64;

/// Which way media goes. Each has URLs of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// From a publisher.
    Whip,
    /// To a viewer.
    Whep,
}

impl Kind {
    /// The path segment.
    pub(super) const fn segment(self) -> &'static str {
        match self {
            Self::Whip => "whip",
            Self::Whep => "whep",
        }
    }
}

/// What a session's URL says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// The creator.
    pub(super) handle: String,
    /// Which endpoint made it.
    pub(super) kind: Kind,
    /// The session's id; of one that began as a counter-offer, the offer's.
    pub(super) name: String,
}

impl Place {
    /// Where a session is. Its id cannot be guessed, and so neither can its URL (W14).
    pub(super) fn new(handle: &str, kind: Kind, id: &SessionId) -> Self {
        Self { handle: handle.to_owned(), kind, name: id.as_str().to_owned() }
    }

    /// The URL, from the root of this server.
    pub(super) fn path(&self) -> String {
        format!("/live/{}/{}/{}", self.handle, self.kind.segment(), self.name)
    }
}

/// A session that media flows in.
#[derive(Clone, Debug)]
pub(super) struct Established {
    /// Its id among the workers.
    pub(super) id: SessionId,
    /// The id of its show.
    pub(super) show: String,
    /// Names its ICE session.
    pub(super) etag: EntityTag,
    /// The peer's credentials of that ICE session.
    pub(super) remote_ice: Credentials,
    /// The `mid` that carries the transport: answers to restarts name it.
    pub(super) transport_mid: Option<String>,
    /// The `mid` of video, which layers are chosen for.
    pub(super) video_mid: Option<String>,
    /// Of a publisher: its side of the show.
    pub(super) publisher: Option<WhipPublisher>,
}

/// A viewer that is let in, or will be once it has answered.
#[derive(Clone, Debug)]
pub(super) struct Viewer {
    /// The id of the show. Not the show: one that ends is not to be kept for this.
    pub(super) show: String,
    /// What of it is played.
    pub(super) playable: Playable,
    /// In whose name.
    pub(super) session: Option<tally_hub::SessionId>,
    /// The ids and secrets of this side.
    pub(super) local: Local,
}

/// A counter-offer that waits for the viewer's answer.
#[derive(Debug)]
pub(super) struct Countered {
    /// Who is to answer.
    pub(super) viewer: Viewer,
    /// The offer.
    pub(super) offer: CounterOffer,
    /// Names its ICE session.
    pub(super) etag: EntityTag,
    /// When it is withdrawn.
    pub(super) expires: Instant,
}

/// What a session's URL stands for.
#[derive(Debug)]
pub(super) enum State {
    /// It waits for the viewer's answer.
    Countered(Box<Countered>),
    /// It runs, or has just ended.
    Established(Established),
}

/// A session as it is listed.
#[derive(Debug)]
pub(super) struct Listed {
    /// The creator.
    pub(super) handle: String,
    /// Which way its media goes.
    pub(super) kind: Kind,
    /// The id of its show.
    pub(super) show: String,
    /// Its own.
    pub(super) id: SessionId,
}

/// All sessions that have a URL.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<Place, State>,
    /// How many entries there may be before those that have ended are looked for: twice as many as
    /// were left the last time, so that the search costs each session the same small share.
    sweep_at: usize,
}

impl Sessions {
    /// Remembers a session that was admitted. `is_alive` tells which sessions still run: the others
    /// are forgotten now and then.
    pub(super) fn establish(
        &self,
        place: Place,
        session: Established,
        is_alive: impl Fn(&SessionId) -> bool,
    ) {
        let mut table = self.table();
        if table.entries.len() >= table.sweep_at {
            table.sweep(is_alive);
        }
        table.entries.insert(place, State::Established(session));
    }

    /// Remembers a counter-offer until it is answered or withdrawn.
    ///
    /// # Errors
    /// 503 when as many wait for their answer as may.
    pub(super) fn counter(&self, place: Place, offer: Countered) -> Result<(), Problem> {
        let now = Instant::now();
        let mut table = self.table();
        let mut waiting = 0;
        table.entries.retain(|_, state| match state {
            State::Countered(offer) if offer.expires <= now => false,
            State::Countered(_) => {
                waiting += 1;
                true
            }
            State::Established(_) => true,
        });
        if waiting >= COUNTER_OFFERS_MAX {
            let detail = "as many viewers as may are being offered something else to play";
            return Err(Problem::unavailable(detail).retry_after_s(COUNTER_OFFERS_FULL_RETRY_S));
        }
        table.entries.insert(place, State::Countered(Box::new(offer)));
        Ok(())
    }

    /// Works on what a URL stands for, one request at a time.
    ///
    /// # Errors
    /// 404 when there is nothing (any more), or what `work` says.
    pub(super) fn with<T>(
        &self,
        place: &Place,
        work: impl FnOnce(&mut State) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mut table = self.table();
        let state = table.entries.get_mut(place).filter(|state| !state.is_withdrawn());
        work(state.ok_or_else(gone)?)
    }

    /// Forgets what a URL stands for.
    ///
    /// # Errors
    /// 404 when there is nothing (any more).
    pub(super) fn remove(&self, place: &Place) -> Result<State, Problem> {
        let removed = self.table().entries.remove(place);
        removed.filter(|state| !state.is_withdrawn()).ok_or_else(gone)
    }

    /// How many sessions there are, ended ones that are not forgotten yet included, and up to `max` of
    /// them.
    pub(super) fn list(&self, max: usize) -> (usize, Vec<Listed>) {
        let table = self.table();
        let listed = table.entries.iter().filter_map(|(place, state)| match state {
            State::Countered(_) => None,
            State::Established(session) => Some(Listed {
                handle: place.handle.clone(),
                kind: place.kind,
                show: session.show.clone(),
                id: session.id.clone(),
            }),
        });
        (table.entries.len(), listed.take(max).collect())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_withdrawn(&self) -> bool {
        matches!(self, Self::Countered(offer) if offer.expires <= Instant::now())
    }
}

impl Table {
    fn sweep(&mut self, is_alive: impl Fn(&SessionId) -> bool) {
        self.entries.retain(|_, state| match state {
            State::Countered(_) => !state.is_withdrawn(),
            State::Established(session) => is_alive(&session.id),
        });
        self.sweep_at = SWEEP_MIN.max(2 * self.entries.len());
    }
}

/// The session is over, or never was: nobody is told which.
pub(super) fn gone() -> Problem {
    Problem::not_found("there is no such session (any more)")
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use tally_rtc::sdp::VideoFormat;

    use super::super::testing::local;
    use super::*;

    fn place(kind: Kind) -> Place {
        Place::new("alice", kind, &SessionId::random())
    }

    fn established(id: SessionId) -> Established {
        Established {
            id,
            show: "show".to_owned(),
            etag: EntityTag::unique(),
            remote_ice: local().ice,
            transport_mid: None,
            video_mid: None,
            publisher: None,
        }
    }

    fn offer() -> Countered {
        let playable = Playable { video: Some(VideoFormat::Vp8), opus: true };
        let offer = CounterOffer::new(&playable, &local()).unwrap();
        let viewer = Viewer { show: "show".to_owned(), playable, session: None, local: local() };
        let expires = Instant::now() + COUNTER_OFFER_LIFETIME;
        Countered { viewer, offer, etag: EntityTag::unique(), expires }
    }

    fn is_there(sessions: &Sessions, place: &Place) -> bool {
        sessions.with(place, |_| Ok(())).is_ok()
    }

    #[test]
    fn sessions_that_ended_are_forgotten_and_the_others_kept() {
        let sessions = Sessions::default();
        let mut alive = Vec::new();
        for number in 0..100 * SWEEP_MIN {
            let (place, id) = (place(Kind::Whep), SessionId::random());
            if number % SWEEP_MIN == 0 {
                alive.push((place.clone(), id.clone()));
            }
            let running: Vec<_> = alive.iter().map(|(_, id)| id.clone()).collect();
            sessions.establish(place, established(id), |id| running.contains(id));
        }
        assert!(alive.iter().all(|(place, _)| is_there(&sessions, place)));
        assert!(sessions.list(usize::MAX).0 <= 3 * alive.len(), "{}", sessions.list(0).0);
        assert_eq!(sessions.list(7).1.len(), 7);
    }

    /// W15
    #[tokio::test(start_paused = true)]
    async fn counter_offers_are_bounded_and_withdrawn() {
        let sessions = Sessions::default();
        let first = place(Kind::Whep);
        sessions.counter(first.clone(), offer()).unwrap();
        for _ in 1..COUNTER_OFFERS_MAX {
            sessions.counter(place(Kind::Whep), offer()).unwrap();
        }
        let refused = sessions.counter(place(Kind::Whep), offer()).unwrap_err();
        assert_eq!(refused.into_response().status(), 503);
        assert!(is_there(&sessions, &first));
        tokio::time::advance(COUNTER_OFFER_LIFETIME).await;
        assert!(!is_there(&sessions, &first));
        sessions.counter(place(Kind::Whep), offer()).unwrap();
        assert_eq!(sessions.list(0).0, 1);
    }

    #[test]
    fn a_session_is_found_under_its_own_url_only() {
        let sessions = Sessions::default();
        let place = place(Kind::Whep);
        sessions.establish(place.clone(), established(SessionId::random()), |_| true);
        assert!(!is_there(&sessions, &Place { kind: Kind::Whip, ..place.clone() }));
        assert!(!is_there(&sessions, &Place { handle: "bob".to_owned(), ..place.clone() }));
        assert!(sessions.remove(&place).is_ok() && sessions.remove(&place).is_err());
    }
}
