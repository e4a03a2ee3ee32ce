//! A synthetic show without any encoder: what `tally demo`, tests and load generation publish.
//!
//! Pictures are H.264 Constrained Baseline made by hand: every macroblock is one flat colour, so a
//! picture is a small mosaic ([`scene`]) whose intra-coded macroblocks need no transform search, and
//! a P picture codes only the macroblocks that changed. Sound is AAC-LC from a dozen access units
//! that were encoded once ([`sound`]). Both run on one timeline from zero and never end.
//!
//! A decoder gives back exactly the colours that were painted, so a test can compare pictures to the
//! sample, and a player's canvas tells the frame number ([`scene::Scene::frame_number`]) and with it
//! the latency.
//!
//! # Owns
//! The picture, the bitstream, the tone.
//!
//! # Must never
//! Read a clock, open a socket or use randomness: the same options give the same bytes.

mod bits;
mod picture;
pub mod scene;
mod sets;
pub mod sound;
mod source;

pub use source::{Options, OptionsError, TestSource};
