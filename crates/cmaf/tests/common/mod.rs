//! What the segmenter's tests share: tracks, an encoder in virtual time, and a checker that holds
//! every rule that must hold always.
#![allow(dead_code, unused_imports, clippy::unwrap_used, missing_docs, unreachable_pub)]

mod checker;
mod encoder;

pub use checker::{Checker, Sample};
pub use encoder::{AudioSource, Encoder, VideoSource, aac, avc, opus};
