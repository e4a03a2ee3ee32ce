//! Evidence that is joined before it is logged: many parts of a second become one stretch.

use std::collections::HashMap;

use tally_watch::{DeliveryKind, Interval, IntervalSet, SessionId, ShowId};

/// Sessions are logged in this many turns, each once a second: the work of a full house is spread.
pub(super) const TURNS: usize = 10;

/// Sessions and shows that can have something pending: twice what one node is built for. The log is
/// refusing records by then, or somebody is making sessions up.
const PENDING_MAX: usize = 200_000;

/// Whom a stretch is about: a session, or the show itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct About {
    pub(super) show: ShowId,
    pub(super) session: Option<(SessionId, DeliveryKind)>,
}

impl About {
    fn turn(&self) -> usize {
        // Numbers of sessions end in a counter.
        self.session.map_or(0, |(session, _)| (session.0 % TURNS as u64) as usize)
    }
}

/// What waits to be logged.
#[derive(Debug, Default)]
pub(super) struct Pending {
    turns: [HashMap<About, IntervalSet>; TURNS],
}

impl Pending {
    /// Joins a stretch; false when there is no room for one more session.
    pub(super) fn add(&mut self, about: About, media: Interval) -> bool {
        let turn = &mut self.turns[about.turn()];
        if turn.len() >= PENDING_MAX / TURNS && !turn.contains_key(&about) {
            return false;
        }
        // A set that is full drops its shortest stretch: less is counted, never more.
        turn.entry(about).or_default().insert(media);
        true
    }

    /// Everything whose turn it is.
    pub(super) fn take(&mut self, turn: usize) -> Vec<(About, IntervalSet)> {
        self.turns[turn].drain().collect()
    }

    /// Back to where it was taken from.
    pub(super) fn put_back(&mut self, about: About, stretches: &IntervalSet) {
        self.turns[about.turn()].entry(about).or_default().absorb(stretches);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.turns.iter().map(HashMap::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_session_become_one_stretch_and_sessions_are_bounded() {
        let mut pending = Pending::default();
        let about = |session| About {
            show: ShowId(1),
            session: Some((SessionId(session), DeliveryKind::Media)),
        };
        for part in 0..4 {
            let media = Interval::new(part * 250, (part + 1) * 250).unwrap();
            assert!(pending.add(about(3), media));
        }
        let taken = pending.take(3);
        assert_eq!((taken.len(), taken[0].1.ranges().len(), taken[0].1.length_ms()), (1, 1, 1_000));
        assert_eq!(pending.len(), 0);
        pending.put_back(taken[0].0, &taken[0].1);
        let media = Interval::new(0, 250).unwrap();
        let added = (0..PENDING_MAX as u64 * 2).filter(|&it| pending.add(about(it), media)).count();
        assert_eq!((added, pending.len()), (PENDING_MAX, PENDING_MAX));
    }
}
