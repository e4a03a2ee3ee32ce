//! WebRTC both ways: WHIP in, WHEP out, as state machines.
//!
//! # Owns
//! - [`sdp`]: offers read, answers made; which codecs, headers and feedback a session uses.
//! - [`transport`]: one peer's ICE, DTLS and data channel, and the keys that come of them.
//! - [`srtp`]: sealing and opening of RTP and RTCP.
//! - [`rtcp`]: messages of compound packets, read and written.
//! - [`rtp`]: headers, extensions, sequence numbers, and the payloads packetizing makes.
//! - [`packetize`] and [`depacketize`]: frames into payloads, once per stream; payloads into frames.
//! - [`ingest`]: what a publisher sends: reordering, repair, feedback, tracks and frames.
//! - [`egress`]: what one viewer gets: headers, repair, congestion control, layers.
//! - [`session`]: all of it as one session of a viewer or a publisher.
//!
//! # Must never
//! Open a socket, start a task, read the clock, speak HTTP or know the hub.

pub mod depacketize;
pub mod egress;
pub mod ingest;
pub mod packetize;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod session;
pub mod srtp;
pub mod transport;
