//! RTMP and Enhanced RTMP v2 publishing sessions: bytes and time in, bytes and events out.
//!
//! # Owns
//! - [`Session`]: the server's side of one publisher's connection, from the first handshake byte to
//!   the last frame.
//! - [`chunk`]: the chunk layer, both ways. The reader copies each payload byte once, into a buffer
//!   of its own that becomes [`tally_media::Frame::payload`] by slicing.
//! - [`client::Publisher`]: the other side, for the demo, tests and load generation.
//! - [`Limits`]: what one peer may cost. Every buffer, queue and map here has its bound there.
//!
//! # Calling order
//! ```text
//! loop {
//!     while let Some(bytes) = session.poll_transmit()  { write them }
//!     while let Some(event) = session.poll_event()     { act; accept_ / reject_publish() }
//!     if session.is_closed()                           { close the connection }
//!     wait for bytes -> session.handle_bytes(..)
//!          or for session.poll_timeout() -> session.handle_timeout(..)
//! }
//! ```
//! Poll both queues dry after every call that may fill them: `handle_*`, `accept_publish`,
//! `reject_publish`, `request_reconnect`, `close`, and also after an error: the events before it
//! still count.
//!
//! # Must never
//! Open a socket, read the clock, start a task, make random numbers (they are passed in), know the
//! hub or a playlist, or log. Stream keys are in no `Debug` output and no error.
//!
//! # Why not `rml_rtmp`
//! Its chunk reader panics when a message begins inside another one on its chunk stream, its AMF
//! reader overflows the stack on nested values, its session drops the Enhanced RTMP fields. Its
//! handshake is safe on hostile input, but makes its own random numbers and takes no chunk of its
//! input by reference; its serializer repeats full headers inside a message when asked for full
//! headers. What was left to use was less than what this crate has to test anyway; it is the
//! independent peer in this crate's tests and benchmarks instead.

#![forbid(unsafe_code)]

mod amf;
pub mod chunk;
pub mod client;
mod error;
mod event;
mod flv;
mod handshake;
mod ingest;
mod limits;
pub mod message_type;
mod outbound;
mod session;
#[cfg(test)]
mod testing;

pub use amf::AmfError;
pub use error::Error;
pub use event::{Capabilities, ConnectInfo, Event, Metadata, PublishRequest};
pub use limits::Limits;
pub use session::{CloseReason, RejectReason, Session};
