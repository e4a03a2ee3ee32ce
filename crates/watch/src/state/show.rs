//! One show's evidence: when it was live, what was published, and its sessions.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::{Applied, SessionState};
use crate::{Fact, Interval, IntervalSet, SessionId};

/// Sessions of one show that are kept: ten times the viewers one node is built for. Evidence of
/// further ones is refused; their time is missing, never wrong.
pub const SESSIONS_MAX: usize = 1_000_000;

/// Viewers may still render the last buffered media this long after a show's end.
const AFTER_END_MS: i64 = 60_000;

/// What is known of one show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShowState {
    went_live_ms: Option<i64>,
    ended_ms: Option<i64>,
    published: IntervalSet,
    sessions: BTreeMap<SessionId, SessionState>,
}

impl ShowState {
    /// When it went live, in Unix milliseconds: the record, or the first media if that is earlier.
    #[must_use]
    pub fn went_live_ms(&self) -> Option<i64> {
        let first = self.published.hull().map(Interval::start_ms);
        self.went_live_ms.into_iter().chain(first).min()
    }

    /// What the record of going live says, for a snapshot.
    pub(crate) fn recorded_live_ms(&self) -> Option<i64> {
        self.went_live_ms
    }

    /// When it ended, in Unix milliseconds; nothing while it is live.
    #[must_use]
    pub fn ended_ms(&self) -> Option<i64> {
        self.ended_ms
    }

    /// `P`: published media.
    #[must_use]
    pub fn published(&self) -> &IntervalSet {
        &self.published
    }

    /// Every session with evidence, by id.
    pub fn sessions(&self) -> impl ExactSizeIterator<Item = (SessionId, &SessionState)> {
        self.sessions.iter().map(|(&id, session)| (id, session))
    }

    /// One session.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<&SessionState> {
        self.sessions.get(&id)
    }

    /// The wall clock in which watching counts: from go-live to 60 s after the end.
    ///
    /// The end is the later of the record and the end of published media, also once the record is
    /// there: so that more evidence can only widen the window, and no figure shrinks when a show ends.
    #[must_use]
    pub fn window(&self) -> Option<Interval> {
        let last = self.published.hull().map(Interval::end_ms);
        let end_ms = self.ended_ms.into_iter().chain(last).max()?;
        Interval::new(self.went_live_ms()?, end_ms.saturating_add(AFTER_END_MS))
    }

    /// Bytes its sessions take.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let sessions = self.sessions.values().map(SessionState::memory_bytes);
        sessions.sum::<usize>() + self.sessions.len() * size_of::<SessionId>()
    }

    pub(super) fn apply(&mut self, fact: &Fact) -> Applied {
        let id = match *fact {
            Fact::WentLive { at_ms } => {
                self.went_live_ms = Some(self.went_live_ms.map_or(at_ms, |it| it.min(at_ms)));
                return Applied::Whole;
            }
            Fact::Ended { at_ms } => {
                self.ended_ms = self.ended_ms.max(Some(at_ms));
                return Applied::Whole;
            }
            Fact::Published { media } => {
                let dropped = self.published.insert(media);
                return dropped.map_or(Applied::Whole, |range| Applied::Trimmed {
                    dropped_ms: range.length_ms(),
                });
            }
            Fact::Session(record) => record.id,
            Fact::Delivered(delivered) => delivered.session,
            Fact::Attested(attested) => attested.session,
            Fact::Judged { session, .. } => session,
        };
        let Some(session) = self.session_mut(id) else { return Applied::Refused };
        match fact {
            Fact::Session(record) => session.mint(*record),
            Fact::Delivered(delivered) => return session.deliver(delivered.kind, delivered.media),
            Fact::Attested(attested) => return session.attest(attested),
            Fact::Judged { verdict, .. } => session.judge(*verdict),
            Fact::WentLive { .. } | Fact::Ended { .. } | Fact::Published { .. } => {}
        }
        Applied::Whole
    }

    pub(super) fn merge(&mut self, other: &Self) -> Applied {
        let mut applied = Applied::Whole;
        if let Some(at_ms) = other.went_live_ms {
            applied = self.apply(&Fact::WentLive { at_ms });
        }
        self.ended_ms = self.ended_ms.max(other.ended_ms);
        self.published.absorb(&other.published);
        for (&id, theirs) in &other.sessions {
            match self.session_mut(id) {
                Some(ours) => ours.merge(theirs),
                None => applied = Applied::Refused,
            }
        }
        applied
    }

    fn session_mut(&mut self, id: SessionId) -> Option<&mut SessionState> {
        let full = self.sessions.len() >= SESSIONS_MAX;
        match self.sessions.entry(id) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(_) if full => None,
            Entry::Vacant(vacant) => Some(vacant.insert(SessionState::default())),
        }
    }
}
