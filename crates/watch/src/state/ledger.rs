//! All shows, and their final figures.

use std::collections::BTreeMap;

use super::{Applied, ShowState};
use crate::finals::{FinalError, FinalRecord, Finals};
use crate::{Evidence, Figures, ShowId};

/// Shows whose evidence is in memory: live ones and those that are not final yet, a day's worth of a
/// large program. [`Ledger::forget`] makes room.
pub const SHOWS_MAX: usize = 100_000;

/// Shows whose final figures are in memory: a few hundred megabytes at most. The store keeps them all;
/// a ledger for new shows begins empty.
pub const FINALS_MAX: usize = 1_000_000;

/// What one node, or all together, knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    shows: BTreeMap<ShowId, ShowState>,
    finals: BTreeMap<ShowId, Finals>,
}

impl Ledger {
    /// Folds one fact in. Doing it again changes nothing.
    pub fn apply(&mut self, evidence: &Evidence) -> Applied {
        if self.shows.len() >= SHOWS_MAX && !self.shows.contains_key(&evidence.show) {
            return Applied::Refused;
        }
        self.shows.entry(evidence.show).or_default().apply(&evidence.fact)
    }

    /// Folds everything another node knows in. Associative, commutative and idempotent as long as no
    /// bound is reached. Final figures are kept where they were written: of two nodes' finals for one
    /// show, the longer list holds.
    pub fn merge(&mut self, other: &Self) -> Applied {
        let mut applied = Applied::Whole;
        for (&id, theirs) in &other.shows {
            if self.shows.len() >= SHOWS_MAX && !self.shows.contains_key(&id) {
                applied = Applied::Refused;
                continue;
            }
            let merged = self.shows.entry(id).or_default().merge(theirs);
            if merged != Applied::Whole {
                applied = merged;
            }
        }
        for (&id, theirs) in &other.finals {
            if self.finals.len() >= FINALS_MAX && !self.finals.contains_key(&id) {
                applied = Applied::Refused;
                continue;
            }
            self.finals.entry(id).or_default().merge(theirs);
        }
        applied
    }

    /// One show's evidence.
    #[must_use]
    pub fn show(&self, id: ShowId) -> Option<&ShowState> {
        self.shows.get(&id)
    }

    /// Every show with evidence, by id.
    pub fn shows(&self) -> impl ExactSizeIterator<Item = (ShowId, &ShowState)> {
        self.shows.iter().map(|(&id, show)| (id, show))
    }

    /// The final figures of a show and their corrections; empty before it is final.
    #[must_use]
    pub fn finals(&self, id: ShowId) -> &[FinalRecord] {
        self.finals.get(&id).map_or(&[], Finals::records)
    }

    /// Every show with final figures, by id.
    pub fn finalized(&self) -> impl ExactSizeIterator<Item = (ShowId, &[FinalRecord])> {
        self.finals.iter().map(|(&id, finals)| (id, finals.records()))
    }

    /// What is published of a show now: the newest final figures, else provisional ones.
    #[must_use]
    pub fn statement(&self, id: ShowId) -> Option<Statement> {
        if let Some(last) = self.finals(id).last() {
            return Some(Statement { figures: last.figures, provisional: false });
        }
        let figures = self.show(id)?.figures();
        Some(Statement { figures, provisional: true })
    }

    /// Writes final figures or a correction into the ledger: the record made by [`FinalRecord::first`]
    /// or [`FinalRecord::correction`], or read from the log. The same record again changes nothing.
    ///
    /// # Errors
    /// What is there already is never changed: see [`FinalError`].
    pub fn record_final(&mut self, id: ShowId, record: FinalRecord) -> Result<(), FinalError> {
        if self.finals.len() >= FINALS_MAX && !self.finals.contains_key(&id) {
            return Err(FinalError::LedgerFull);
        }
        // A record that is refused leaves no empty list behind.
        let mut finals = self.finals.get(&id).cloned().unwrap_or_default();
        finals.add(record)?;
        self.finals.insert(id, finals);
        Ok(())
    }

    /// Drops a show's evidence, once it is final and its log is archived; its finals stay. Gives
    /// back whether there was any.
    pub fn forget(&mut self, id: ShowId) -> bool {
        self.shows.remove(&id).is_some()
    }

    /// Bytes the evidence takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.shows.values().map(ShowState::memory_bytes).sum()
    }
}

/// What is published of a show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The figures.
    pub figures: Figures,
    /// Whether they can still change.
    pub provisional: bool,
}
