//! What the segmenter's tests share: tracks, an encoder in virtual time, and a checker that holds
//! every rule that must hold always.
#![allow(dead_code, unused_imports, clippy::unwrap_used, missing_docs, unreachable_pub)]

mod checker;
pub mod clip;
mod encoder;

pub use checker::{Checker, Sample};
pub use encoder::{AudioSource, Encoder, VideoSource, aac, avc, opus};

/// Plays `encoder` until `end_ms`, with the clock ticking every 20 ms.
pub fn play(checker: &mut Checker, encoder: &mut Encoder, end_ms: i64) {
    while encoder.next_ms() < end_ms {
        let at = encoder.next_ms();
        wait(checker, at);
        let (id, frame) = encoder.next();
        checker.push(id, frame);
    }
    wait(checker, end_ms);
}

/// Lets the clock tick until `end_ms`.
pub fn wait(checker: &mut Checker, end_ms: i64) {
    while checker.now_ms / 20 < end_ms / 20 {
        checker.tick((checker.now_ms / 20 + 1) * 20);
    }
}
