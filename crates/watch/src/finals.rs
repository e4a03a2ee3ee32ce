//! Final figures: written once, never changed; a correction is another record with its reason.

use crate::Figures;

/// A reason for a correction is a sentence or two, not a document.
pub const REASON_BYTES_MAX: usize = 500;

/// Corrections of one show; more would mean the first figures were not final at all.
pub const CORRECTIONS_MAX: usize = 100;

/// Figures of a show that do not change any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FinalRecord {
    /// 0 for the first record, then one more with each correction.
    pub number: u32,
    /// When it was written, in Unix milliseconds.
    pub at_ms: i64,
    /// The figures.
    pub figures: Figures,
    /// Why there is a correction; nothing for the first record.
    pub reason: Option<Box<str>>,
}

impl FinalRecord {
    /// The first final figures of a show.
    #[must_use]
    pub fn first(figures: Figures, at_ms: i64) -> Self {
        Self { number: 0, at_ms, figures, reason: None }
    }

    /// The correction after `previous`.
    ///
    /// # Errors
    /// [`FinalError::ReasonInvalid`] if the reason is empty or longer than [`REASON_BYTES_MAX`].
    pub fn correction(
        previous: &Self,
        figures: Figures,
        at_ms: i64,
        reason: &str,
    ) -> Result<Self, FinalError> {
        let number = previous.number.saturating_add(1);
        let record = Self { number, at_ms, figures, reason: Some(reason.into()) };
        record.check()?;
        Ok(record)
    }

    fn check(&self) -> Result<(), FinalError> {
        match (self.number, self.reason.as_deref().map(str::len)) {
            (0, None) => Ok(()),
            (1.., Some(1..=REASON_BYTES_MAX)) => Ok(()),
            _ => Err(FinalError::ReasonInvalid),
        }
    }
}

/// Why a final record was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FinalError {
    /// Other figures with this number are there: final is final.
    #[error("the show has other final figures with this number")]
    AlreadyFinal,
    /// The record before it is missing.
    #[error("the final record before this one is missing")]
    OutOfOrder,
    /// A first record has no reason; a correction has one of 1 to [`REASON_BYTES_MAX`] bytes.
    #[error("a correction needs a reason of at most {REASON_BYTES_MAX} bytes, a first record none")]
    ReasonInvalid,
    /// The ledger holds final figures of [`FINALS_MAX`](crate::FINALS_MAX) shows already.
    #[error("the ledger holds final figures of too many shows")]
    LedgerFull,
    /// There are [`CORRECTIONS_MAX`] corrections already.
    #[error("the show has {CORRECTIONS_MAX} corrections already")]
    TooMany,
}

/// The final records of one show, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finals {
    records: Vec<FinalRecord>,
}

impl Finals {
    pub(crate) fn records(&self) -> &[FinalRecord] {
        &self.records
    }

    pub(crate) fn add(&mut self, record: FinalRecord) -> Result<(), FinalError> {
        record.check()?;
        let at = usize::try_from(record.number).map_err(|_| FinalError::TooMany)?;
        match self.records.get(at) {
            Some(known) if *known == record => Ok(()),
            Some(_) => Err(FinalError::AlreadyFinal),
            None if at > CORRECTIONS_MAX => Err(FinalError::TooMany),
            None if at > self.records.len() => Err(FinalError::OutOfOrder),
            None => {
                self.records.push(record);
                Ok(())
            }
        }
    }

    /// Only the node that owns a show finalizes it, so that one list begins the other. Should two
    /// nodes disagree all the same, all settle on the same list: the longer, then the greater.
    pub(crate) fn merge(&mut self, other: &Self) {
        let rank = |it: &Self| it.records.len();
        if (rank(other), other) > (rank(self), &*self) {
            self.clone_from(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(counted_ms: u64) -> Figures {
        Figures { counted_ms, ..Figures::default() }
    }

    #[test]
    fn final_figures_are_never_changed_only_corrected() {
        let mut finals = Finals::default();
        let first = FinalRecord::first(figures(10), 1);
        finals.add(first.clone()).unwrap();
        finals.add(first.clone()).unwrap();
        let other = FinalRecord::first(figures(11), 1);
        assert_eq!(finals.add(other), Err(FinalError::AlreadyFinal));
        let second = FinalRecord::correction(&first, figures(9), 2, "bots found").unwrap();
        let third = FinalRecord::correction(&second, figures(8), 3, "more bots").unwrap();
        assert_eq!(finals.add(third.clone()), Err(FinalError::OutOfOrder));
        finals.add(second.clone()).unwrap();
        finals.add(third.clone()).unwrap();
        assert_eq!(finals.records(), [first, second, third]);
    }

    #[test]
    fn a_correction_has_a_reason() {
        let first = FinalRecord::first(figures(10), 1);
        for reason in ["", &"x".repeat(REASON_BYTES_MAX + 1)] {
            let correction = FinalRecord::correction(&first, figures(9), 2, reason);
            assert_eq!(correction, Err(FinalError::ReasonInvalid));
        }
        let unexplained = FinalRecord { number: 1, ..first };
        assert_eq!(Finals::default().add(unexplained), Err(FinalError::ReasonInvalid));
    }

    #[test]
    fn corrections_are_bounded() {
        let mut finals = Finals::default();
        let mut last = FinalRecord::first(figures(1), 1);
        for _ in 0..=CORRECTIONS_MAX {
            finals.add(last.clone()).unwrap();
            last = FinalRecord::correction(&last, figures(1), 1, "again").unwrap();
        }
        assert_eq!(finals.add(last), Err(FinalError::TooMany));
    }
}
