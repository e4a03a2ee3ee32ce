//! Where everything that is known of viewers goes: one place that asks whether it counts, and passes it
//! on to the books.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tally_watch::cmcd::{CmcdRecord, Observation, Observer};
use tally_watch::{Delivered, DeliveryKind, Heartbeat, Interval, SessionId, ShowId};

use crate::{Books, Playback, started_at_ms};

/// Sessions whose players' own words (CMCD) are followed at a time: 10 MB. Beyond, the oldest are
/// forgotten, whose next word then begins anew.
const OBSERVED_MAX: usize = 100_000;

/// Takes evidence in. Clones share everything.
#[derive(Clone, Debug)]
pub struct Evidence {
    books: Books,
    playback: Playback,
    observers: Arc<Observers>,
}

impl Evidence {
    /// Evidence of sessions of `playback`, for `books`.
    #[must_use]
    pub fn new(books: Books, playback: Playback) -> Self {
        Self { books, playback, observers: Arc::default() }
    }

    /// The books it goes to.
    #[must_use]
    pub const fn books(&self) -> &Books {
        &self.books
    }

    pub(crate) const fn playback(&self) -> &Playback {
        &self.playback
    }

    /// Media was published, on the EXT-X-PROGRAM-DATE-TIME axis.
    pub fn published(&self, show: ShowId, media: Interval) {
        self.books.published(show, media);
    }

    /// Media was completely delivered to a session, or listed by a playlist that was. Neither waits nor
    /// allocates.
    pub fn delivered(&self, show: ShowId, session: SessionId, kind: DeliveryKind, media: Interval) {
        if self.playback.earns(session) {
            self.books.delivered(show, Delivered { session, kind, media });
        }
    }

    /// A player that is not ours said something of itself at `received_ms`, with its request for
    /// `object` if there was one.
    pub fn observed(
        &self,
        show: ShowId,
        session: SessionId,
        record: &CmcdRecord,
        object: Option<Interval>,
        received_ms: i64,
    ) {
        if !self.playback.earns(session) {
            return;
        }
        let clock_ms = received_ms - started_at_ms(session);
        let observation = Observation::new(record, object, clock_ms);
        if let Some(heartbeat) = self.observers.observe(session, observation) {
            self.books.derived(show, session, heartbeat, received_ms);
        }
    }
}

/// The last word of each session's player.
#[derive(Debug, Default)]
struct Observers {
    /// Numbers of sessions rise with the time they began: the first is the oldest.
    by_session: Mutex<BTreeMap<SessionId, Observer>>,
}

impl Observers {
    fn observe(&self, session: SessionId, observation: Observation) -> Option<Heartbeat> {
        // An observer's change is complete before anything that could panic.
        let mut observers = self.by_session.lock().unwrap_or_else(PoisonError::into_inner);
        if observers.len() >= OBSERVED_MAX && !observers.contains_key(&session) {
            observers.pop_first();
        }
        observers.entry(session).or_default().observe(observation)
    }
}

#[cfg(test)]
mod tests {
    use tally_watch::cmcd::parse;

    use super::*;

    const PDT: i64 = 1_795_000_000_000;

    #[test]
    fn two_words_of_one_session_make_a_heartbeat_and_the_oldest_are_forgotten() {
        let observers = Observers::default();
        let observe = |session, clock_ms| {
            let record = parse(&format!("sta=p,pt={}", PDT + clock_ms)).record;
            observers.observe(SessionId(session), Observation::new(&record, None, clock_ms))
        };
        assert_eq!(observe(0, 0), None);
        assert_eq!(observe(0, 5_000).unwrap().media_ms, [PDT, PDT + 5_000]);
        for session in 1..=OBSERVED_MAX as u64 {
            assert_eq!(observe(session, 6_000), None);
        }
        assert_eq!(observe(0, 7_000), None, "it was the oldest");
        assert_eq!(observers.by_session.lock().unwrap().len(), OBSERVED_MAX);
    }
}
