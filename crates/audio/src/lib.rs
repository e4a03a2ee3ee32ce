//! AAC and Opus into each other: frames in, frames out, one timeline kept.
//!
//! A [`Transcoder`] decodes each frame of one track once, brings it to stereo at 48 kHz, and encodes it
//! once, however many viewers there are.
//!
//! # Calling order
//! [`Transcoder::new`], then [`Transcoder::push`] for each frame and [`Transcoder::poll_frame`] until it
//! gives `None`; [`Transcoder::set_track`] where the publisher changes parameters, and
//! [`Transcoder::finish`] at the end. [`Transcoder::output_track`] is the same for all of its life.
//!
//! # What it takes
//! - AAC-LC, HE-AAC and HE-AAC v2, SBR and PS included, signalled or not, of one to eight channels, at the
//!   rates of ISO/IEC 14496-3 table 1.18; LC frames of 960 samples too. HE-AAC on 960 samples, Main, SSR
//!   and LTP are refused.
//! - Opus of mapping family 0 (mono and stereo), packets of 2.5 to 120 ms. Multistream is refused.
//!
//! Everything that is refused is refused by [`Unsupported`], before the first frame.
//!
//! # Time
//! The time of a frame is that of the first sample its decoder gives, which is how players take it. An
//! encoder's look-ahead is subtracted from the times of what it makes, so that a sound stays where it
//! was; the resampler's delay is cut off. Positions are counted in whole samples: nothing accumulates,
//! over however many hours. What the publisher's stamps do against that count is settled in one place,
//! which its file (`place.rs`) explains: rounding is not followed, a drifting clock is, a gap becomes
//! silence or a jump.
//!
//! # Must never
//! Know the hub, a protocol, a task or the clock.

mod decode;
mod downmix;
mod encode;
mod error;
mod line;
mod place;
mod resample;
mod transcoder;

pub use error::{PushError, Unsupported};
pub use transcoder::{Options, QUEUE_FRAMES_MAX, Target, Transcoder};

/// Sound in the middle of the chain: two channels, left and right, of equal length.
type Stereo = [Vec<f32>; 2];
