//! Whole sessions: transport, SRTP and media of one peer behind one surface.
//!
//! [`WhepSession`] plays to a viewer, [`WhipSession`] takes what a publisher sends. Both are given
//! datagrams and time; what they send goes into an [`Outbox`].
//!
//! Order of calls: after any input (a datagram, a timeout, a frame, a candidate, a restart, a close)
//! call `send`, and `poll_event` (for publishers `poll_published` too) until empty, then sleep until
//! `poll_timeout` and call `handle_timeout`. After `Closed` one more `send` tells the peer.
//!
//! Nothing here is random: ids and secrets come in [`crate::sdp::Local`] and [`Numbers`].

mod assembly;
mod numbers;
mod order;
mod peer;
#[cfg(test)]
mod tests;
mod whep;
mod whip;

use crate::srtp::{KeyError, SealError};
use crate::transport::{self, Certificate, LocalCandidate, Path};

pub use numbers::Numbers;
pub use whep::{WhepEvent, WhepSession, WhepStats};
pub use whip::{Published, WhipSession, WhipStats};

/// Where a session's datagrams go.
pub trait Outbox {
    /// Makes room for a datagram of at most `bytes_max` bytes along `path`; `write` fills its start
    /// and returns its length in bytes, or 0 if there is nothing to send after all.
    fn push(&mut self, path: Path, bytes_max: usize, write: impl FnOnce(&mut [u8]) -> usize);
}

/// What this host brings to a session, beside its part in the answer.
#[derive(Clone, Debug)]
pub struct PeerOptions {
    /// Addresses datagrams arrive at: behind a one-to-one NAT the inner ones.
    pub local_candidates: Vec<LocalCandidate>,
    /// The certificate whose fingerprint the answer has.
    pub certificate: Certificate,
}

/// What becomes of the way to the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// The peer is reached and is who its SDP said: media can flow along this path. Once.
    Connected(Path),
    /// Everything after this goes along another path.
    PathChanged(Path),
    /// The end, after everything else there is to tell. Nothing happens after it.
    Closed(CloseReason),
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// Its transport ended.
    #[error(transparent)]
    Transport(#[from] transport::CloseReason),
    /// A publisher that keeps its connection alive but publishes nothing, or nothing a decoder could
    /// start with.
    #[error("the publisher has sent no media for 30 s")]
    NoMedia,
    /// The keys of the handshake do not fit their profile: a bug.
    #[error("SRTP could not be set up: {0}")]
    Keys(KeyError),
    /// No packet can be protected any more.
    #[error("SRTP can go on no longer: {0}")]
    Seal(SealError),
}
