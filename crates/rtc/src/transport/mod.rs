//! One peer's ICE, DTLS and data channel, and the keys that come of them.
//!
//! [`Transport`] takes datagrams and time and gives datagrams and events: which path to the peer
//! works, the SRTP keys, and why it ended. [`classify`] and [`stun_local_ufrag`] find, before
//! that, which session a datagram of a shared socket belongs to.
//!
//! Order of calls: after any `handle_*` or mutator, [`Transport::poll_transmit`] and
//! [`Transport::poll_event`] until both are empty, then [`Transport::poll_timeout`].
//!
//! ICE checks come from rtc-ice and DTLS from rtc-dtls; random numbers (transaction identifiers,
//! DTLS keys) are drawn inside those libraries. What they leave open is closed here:
//! - rtc-ice acts on a role conflict before it verifies a message, so anyone could turn a session
//!   around: only messages whose integrity has been checked reach it.
//! - It never leaves the pair it selected first: later nominations are followed here.
//! - It does not answer a nominating request of a pair not yet checked: the nomination is
//!   remembered here and takes effect with the check's answer.
//! - It gives a pair up after 7 requests (1.4 s), while an answer takes seconds to reach a browser.
//! - Any authenticated request counts as consent, and its timer fires every 200 ms for ever: consent
//!   (RFC 7675) is counted from answers to our own requests, and its timer rests once connected.
//! - It takes any number of peer-reflexive candidates: they are capped.
//! - rtc-dtls keeps records of the next epoch without limit during a handshake, and up to 2 MB of
//!   plaintext handshake fragments after it: both are capped, and records that can only be forged
//!   never reach it, because it answers them with a fatal alert.
//! - On any handshake record, even a repeat, it stops its timer and says nothing, so that two peers
//!   can wait for each other for ever: repeats do not reach it. (A flight that arrives in part still
//!   stops the timer; the peer, which lacks our answer, repeats it.)
//! - As server it takes the SRTP profile that the client prefers: it is offered a choice only if the
//!   hello does not have ours.
//! - It writes the PEM label of a private key in a way no other tool reads.

mod certificate;
mod crypto;
mod data;
mod demux;
mod dtls;
mod ice;
mod peer;
mod records;
#[cfg(test)]
mod tests;

use core::net::SocketAddr;

pub use certificate::{Certificate, CertificateError, Fingerprint};
pub use data::DataError;
pub use demux::{Datagram, classify, stun_local_ufrag};
pub use peer::{Transport, TransportOptions};

use crate::srtp::SrtpKeys;

/// What carries datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP the peer opened, framed as RFC 4571 says; the caller frames.
    Tcp,
}

/// From where to where datagrams go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// The address of this host that the peer's datagrams arrive at.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// What carries them.
    pub protocol: Protocol,
}

/// An address of this host that peers can send to.
///
/// It is the address datagrams arrive at: behind a one-to-one NAT that is the inner address, while
/// the SDP names the outer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalCandidate {
    /// The address.
    pub address: SocketAddr,
    /// What listens there.
    pub protocol: Protocol,
}

/// `a=ice-ufrag` and `a=ice-pwd` of one side (RFC 8839 section 5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User fragment, 4 to 256 characters.
    pub ufrag: String,
    /// Password, 22 to 256 characters.
    pub pwd: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, ..)", self.ufrag)
    }
}

/// Which side of DTLS this is: the opposite of the peer's `a=setup` (RFC 8842 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsRole {
    /// `a=setup:active`: sends the first hello.
    Client,
    /// `a=setup:passive`: waits for it.
    Server,
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// From where to where.
    pub path: Path,
    /// The datagram, at most 1,500 bytes.
    pub bytes: Vec<u8>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// The peer is reached and is who the SDP said: media can flow. Once.
    Connected {
        /// Where media goes.
        path: Path,
        /// Keys for it.
        keys: SrtpKeys,
    },
    /// The peer moved: media goes along this path from now on. Only after `Connected`.
    PathChanged(Path),
    /// The end. Nothing happens after it.
    Closed(CloseReason),
}

/// Why a transport ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// No path was found within the time a session has to connect: a firewall, or a peer that left.
    #[error("no path to the peer was found in time")]
    NoPath,
    /// A path was found, but DTLS did not finish in time.
    #[error("the DTLS handshake did not finish in time")]
    HandshakeTimeout,
    /// DTLS failed: the peer refused, or speaks no version, cipher or SRTP profile of ours.
    #[error("the DTLS handshake failed: {0}")]
    Handshake(String),
    /// The peer's certificate is not the one in its SDP: someone is in the middle, or a bug.
    #[error("the peer's certificate does not match the fingerprint in its SDP")]
    FingerprintMismatch,
    /// The peer no longer answers (RFC 7675 section 5.1).
    #[error("the peer has not answered for 30 s")]
    ConsentLapsed,
    /// The peer closed DTLS.
    #[error("the peer closed the session")]
    PeerClosed,
    /// This side closed.
    #[error("closed by this side")]
    Closed,
}

/// Why a transport could not be made or restarted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Credentials outside the lengths of RFC 8839 section 5.4: the peer's fault if they are its own.
    #[error("ICE credentials are too short or too long")]
    Credentials,
    /// The library refused its settings: a bug or a broken host.
    #[error("ICE or DTLS could not be set up: {0}")]
    Setup(String),
}
