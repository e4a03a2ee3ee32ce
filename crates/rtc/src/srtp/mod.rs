//! Sealing and opening of RTP and RTCP.

mod keys;

pub use keys::{DirectionKey, Profile, SrtpKeys};
