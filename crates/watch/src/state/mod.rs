//! What is known of all shows: evidence folded into interval sets.
//!
//! Every part of the state is a join: sets grow by union, `go-live` only moves earlier, the end only
//! later, verdicts only to higher revisions. So facts can come in any order, twice, or on several
//! nodes, and the states of nodes can be merged in any tree.

mod ledger;
mod session;
mod show;

pub use ledger::{FINALS_MAX, Ledger, SHOWS_MAX, Statement};
pub use session::{AttestedSets, SessionState};
pub use show::{SESSIONS_MAX, ShowState};

/// What became of a fact. Anything but `Whole` is for a counter: evidence was lost at a bound, and a
/// figure may fall short by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// It is in the state, or was there already.
    Whole,
    /// A set was full: this many milliseconds went (see [`IntervalSet`](crate::IntervalSet)).
    Trimmed {
        /// The length of the interval that went.
        dropped_ms: u64,
    },
    /// The show had [`SESSIONS_MAX`] sessions, or the ledger [`SHOWS_MAX`] shows or [`FINALS_MAX`]
    /// final ones.
    Refused,
}
