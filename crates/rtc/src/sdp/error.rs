//! Why a description cannot be read or answered; all of it is the client's doing.

use super::offer::{LINES_MAX, SDP_BYTES_MAX, SECTIONS_MAX};
use super::section::Kind;

/// Why text is no session description. A server answers 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Longer than [`SDP_BYTES_MAX`] or of more lines than any client sends.
    #[error("the description is longer than {SDP_BYTES_MAX} bytes or {LINES_MAX} lines")]
    TooLong,
    /// It does not start with `v=0`.
    #[error("no session description: it does not start with v=0")]
    NotSdp,
    /// More media sections than any client has use for.
    #[error("more than {SECTIONS_MAX} media sections")]
    TooManySections,
    /// It has no media section.
    #[error("no media section")]
    Empty,
    /// An `m=` line without a port, protocol or format, or with a port that is no number.
    #[error("m= line {number} is malformed")]
    MediaLine {
        /// Which `m=` line, counted from 1.
        number: usize,
    },
    /// An attribute that decides the session is malformed.
    #[error("a={0} is malformed")]
    Attribute(&'static str),
    /// Two sections of one `mid`.
    #[error("two media sections have the same mid")]
    DuplicateMid,
}

/// Why a well-formed description gets no answer. A server answers 422, and 406 with a counter-offer
/// where [`Refusal::NothingInCommon`] meets a viewer. // W4, W15
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// More than one audio, video or data channel section.
    #[error("more than one {0} section is offered, one is supported")]
    TooMany(Kind),
    /// Several sections that are not in one BUNDLE group.
    #[error("the media sections are not in one BUNDLE group")]
    NotBundled,
    /// A section without `rtcp-mux`.
    #[error("the {0} section lacks rtcp-mux")]
    NoRtcpMux(Kind),
    /// No `ice-ufrag` and `ice-pwd`.
    #[error("no ice-ufrag and ice-pwd")]
    NoIceCredentials,
    /// No `fingerprint`: without DTLS there is no WebRTC.
    #[error("no fingerprint")]
    NoFingerprint,
    /// Fingerprints of hash functions that are not taken only.
    #[error("the fingerprint's hash function {0} is not supported, use sha-256")]
    UnsupportedHash(String),
    /// `setup:holdconn`, or `actpass` in an answer.
    #[error("the setup attribute leaves no DTLS role")]
    NoDtlsRole,
    /// None of the codecs of what would be sent is offered, or nothing is offered at all.
    #[error("no audio or video section has a codec and direction that can be served")]
    NothingInCommon,
    /// A publisher's section with no codec that is taken.
    #[error("no codec of the {0} section is supported")]
    NoCommonCodec(Kind),
    /// An answer, to a counter-offer or a player's offer, with other sections than the offer.
    #[error("the answer's sections are not those of the offer")]
    SectionsDiffer,
}

/// Why the body of a PATCH is no fragment. A server answers 400. // W8
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// Longer than a description may be.
    #[error("the fragment is longer than {SDP_BYTES_MAX} bytes or {LINES_MAX} lines")]
    TooLong,
    /// A line that is not of the form `x=...`.
    #[error("line {0} is malformed")]
    Line(usize),
    /// `ice-ufrag` without `ice-pwd`, the reverse, or values the grammar forbids.
    #[error("ice-ufrag and ice-pwd are incomplete or malformed")]
    Credentials,
    /// Neither candidates, their end, nor credentials.
    #[error("nothing in the fragment")]
    Empty,
}
