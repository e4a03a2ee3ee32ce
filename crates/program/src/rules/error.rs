//! What can be wrong with a file of rules: always one line with the key, the value and what to do.

use crate::Level;

/// Why rules were not taken. Always the operator's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// The text is longer than rules can be.
    #[error("the rules have {bytes} bytes; they take at most {bytes_max}: is it the right file?")]
    TooLong {
        /// Length of the text.
        bytes: usize,
        /// [`RULES_BYTES_MAX`](super::RULES_BYTES_MAX).
        bytes_max: usize,
    },
    /// The text is not TOML.
    #[error("line {line}: not valid TOML: {reason}")]
    Syntax {
        /// Line number, counted from 1.
        line: usize,
        /// What the parser said, in one line.
        reason: String,
    },
    /// A key that does not exist.
    #[error("unknown key {key}; did you mean {nearest}?")]
    Unknown {
        /// The key's full name as given.
        key: String,
        /// The nearest one that exists there.
        nearest: String,
    },
    /// A key that must be there.
    #[error("{key} is missing; give it {allowed}")]
    Missing {
        /// The key's full name.
        key: String,
        /// What it takes.
        allowed: String,
    },
    /// A value its key does not take.
    #[error("{key} = {value}: give it {allowed}")]
    BadValue {
        /// The key's full name.
        key: String,
        /// The value as given.
        value: String,
        /// What it takes.
        allowed: String,
    },
    /// A grant twice, in one level or in two.
    #[error("{key}: \"{grant}\" is granted by {} already; leave it out here", .by.name())]
    GrantedTwice {
        /// The list's full name.
        key: String,
        /// The grant.
        grant: &'static str,
        /// A level that has it.
        by: Level,
    },
    /// More days than the window has.
    #[error("{key} = {days}: the window has {window_days}; lower it or raise window_days")]
    DaysBeyondWindow {
        /// The key's full name.
        key: String,
        /// What it asks for.
        days: u64,
        /// What there is.
        window_days: u32,
    },
    /// A level that is easier or pays less than the one below.
    #[error("{key} = {value} is less than the {below} of {}; raise it", .level.name())]
    BelowLowerLevel {
        /// The key's full name.
        key: String,
        /// Its value.
        value: u64,
        /// The level below.
        level: Level,
        /// What that one has.
        below: u64,
    },
}
