//! Frames in, CMAF parts and segments out, payloads by reference.
//!
//! # Owns
//! - [`Init`]: the `ftyp` + `moov` a decoder needs first, for every codec the house carries.
//! - Fragments: a small `moof` and `mdat` header written by hand in front of the frames' own bytes.
//! - [`Segmenter`]: one per show. It holds the first group, decides the [`Plan`] once, then cuts
//!   parts and segments for all [`Rendition`]s in step: same media sequence numbers, same cuts.
//!
//! # Calling order
//! [`Segmenter::set_track`] for each track, [`Segmenter::push`] for each frame in the order it
//! came, [`Segmenter::tick`] some times per part with the show's clock, [`Segmenter::interrupted`]
//! and [`Segmenter::resumed`] around an encoder's absence, [`Segmenter::finish`] once. After each
//! call, drain [`Segmenter::poll_output`]. Nothing happens between calls: no clock, no task, no
//! socket.
//!
//! # Must never
//! Copy a payload byte, know a playlist tag, or change [`Plan`] once it is out.

mod body;
mod boxes;
mod fragment;
mod init;
mod limits;
mod options;
mod output;
mod rendition;
mod segmenter;
mod stats;

pub use body::Body;
pub use options::{Options, Plan};
pub use output::{Init, Output, Part, Segment};
pub use rendition::{Bitrates, FrameRate, NotARendition, Rendition, RenditionId};
pub use segmenter::Segmenter;
pub use stats::Stats;
