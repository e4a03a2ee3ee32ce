//! Sealing and opening of RTP and RTCP.
//!
//! [`SrtpKeys::from_exporter`] splits what DTLS exports; a [`Sealer`] protects what this side sends
//! and an [`Opener`] checks and decrypts what the peer sends. Both derive their session keys once
//! (RFC 3711 section 4.3, key derivation rate 0) and allocate nothing per packet.

mod cipher;
mod derive;
mod keys;
mod opener;
mod replay;
mod sealer;
#[cfg(test)]
mod tests;

pub use keys::{DirectionKey, KeyError, Profile, SrtpKeys};
pub use opener::{OpenError, Opened, Opener, REPLAY_WINDOW_PACKETS, SOURCES_MAX};
pub use sealer::{PACKET_BYTES_MAX, SealError, Sealer};
