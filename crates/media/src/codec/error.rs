//! What can be wrong with a codec record.

/// Why a decoder record or frame header was refused. Always the encoder's fault (or a codec feature
/// we name as unsupported), never ours; the text names the record and the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The record ends before the field it announces.
    #[error("{record} ends too early")]
    Truncated {
        /// The structure that was being read.
        record: &'static str,
    },
    /// A field holds a value its specification forbids.
    #[error("{record} has a forbidden {field}: {value}")]
    Invalid {
        /// The structure that was being read.
        record: &'static str,
        /// The field, in the specification's words.
        field: &'static str,
        /// What it held.
        value: u64,
    },
    /// Something a decoder needs is not in the record.
    #[error("{record} lacks its {part}")]
    Missing {
        /// The structure that was being read.
        record: &'static str,
        /// What is missing.
        part: &'static str,
    },
    /// Legal, but not carried by this server.
    #[error("{what} is not supported")]
    Unsupported {
        /// The feature by name.
        what: &'static str,
    },
}
