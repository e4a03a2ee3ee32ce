//! Who watches now.

use std::collections::{HashMap, HashSet};

use tally_watch::figures::Person;
use tally_watch::{Ledger, SessionId, ShowId};

/// A session that nothing was heard of for this long has left: longer than a player that buffers goes
/// without a request, as long as a heartbeat may cover.
const GONE_AFTER_MS: i64 = 30_000;

/// When each session was last heard of.
#[derive(Debug, Default)]
pub(super) struct Presence {
    last_ms: HashMap<(ShowId, SessionId), i64>,
}

impl Presence {
    /// A session shows life. It must be known to the ledger, whose bounds are the bounds here.
    pub(super) fn seen(&mut self, show: ShowId, session: SessionId, now_ms: i64) {
        self.last_ms.insert((show, session), now_ms);
    }

    /// How many people watch each show; sessions of one viewer are one.
    pub(super) fn count(&mut self, ledger: &Ledger, now_ms: i64) -> HashMap<ShowId, u64> {
        self.last_ms.retain(|_, last_ms| now_ms - *last_ms < GONE_AFTER_MS);
        let mut people: HashMap<ShowId, HashSet<Person>> = HashMap::new();
        for &(show, session) in self.last_ms.keys() {
            let record = ledger.show(show).and_then(|it| it.session(session)?.record());
            let viewer = record.and_then(|record| record.viewer);
            let person = viewer.map_or(Person::Stranger(session), Person::Viewer);
            people.entry(show).or_default().insert(person);
        }
        people.into_iter().map(|(show, people)| (show, people.len() as u64)).collect()
    }
}
