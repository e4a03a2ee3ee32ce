//! Counters of a stream and its tracks.

use std::sync::atomic::{AtomicU64, Ordering};

use tally_media::TrackId;

use crate::DeliveryTotals;

/// A stream's counters at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamStats {
    /// Readers attached now.
    pub readers: usize,
    /// How often a reader was overtaken and had to skip to the newest keyframe.
    pub skips: u64,
    /// Payload bytes the stream keeps now.
    pub kept_bytes: usize,
    /// What was reported as delivered to viewers.
    pub delivered: DeliveryTotals,
    /// Every track the stream ever had, in the order of their ids.
    pub tracks: Vec<(TrackId, TrackStats)>,
}

/// A track's counters since the stream began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackStats {
    /// Frames written.
    pub frames: u64,
    /// Payload bytes written.
    pub bytes: u64,
    /// Keyframes written.
    pub keyframes: u64,
    /// Frames not taken because no keyframe came before them.
    pub undecodable_frames: u64,
    /// Frames that readers missed because they were too slow, summed over readers.
    pub skipped_frames: u64,
}

#[derive(Debug, Default)]
pub(crate) struct TrackCounters {
    frames: AtomicU64,
    bytes: AtomicU64,
    keyframes: AtomicU64,
    undecodable_frames: AtomicU64,
    skipped_frames: AtomicU64,
}

impl TrackCounters {
    pub(crate) fn add_frame(&self, bytes: usize, keyframe: bool) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.keyframes.fetch_add(u64::from(keyframe), Ordering::Relaxed);
    }

    pub(crate) fn add_undecodable(&self) {
        self.undecodable_frames.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_skipped(&self, frames: u64) {
        self.skipped_frames.fetch_add(frames, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> TrackStats {
        TrackStats {
            frames: self.frames.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            keyframes: self.keyframes.load(Ordering::Relaxed),
            undecodable_frames: self.undecodable_frames.load(Ordering::Relaxed),
            skipped_frames: self.skipped_frames.load(Ordering::Relaxed),
        }
    }
}
