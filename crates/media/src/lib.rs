//! What every other crate speaks: frames, tracks, time and codec records.
//!
//! # Owns
//! - [`Timestamp`] and [`Timescale`]: the only place in the project that rescales time.
//! - [`Frame`]: one encoded picture or audio packet whose payload is never copied again.
//! - [`Track`] and [`Codec`]: one encoding of one medium, its decoder record, its RFC 6381 string;
//!   [`codec`] has one reader for each codec's records.
//! - [`nal`] and [`obu`]: walking the units of a frame, and finding where a decoder can start.
//! - [`timeline`]: how a publisher's wire clock becomes the show's one timeline.
//!
//! # Must never
//! Know a protocol, a container, a socket, a task or the clock. Times are passed in.

mod frame;
mod time;
mod track;

pub mod codec;
pub mod nal;
pub mod obu;
pub mod timeline;

pub use codec::Codec;
pub use frame::Frame;
pub use time::{Timescale, Timestamp};
pub use track::{Color, Medium, Track, TrackId};
