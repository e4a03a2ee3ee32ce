//! Measured bit rates of one rendition.

use crate::limits::ticks;
use crate::{Bitrates, Segment};

/// Segments shorter than this say nothing about the peak: one keyframe alone would look like a
/// tenfold rate. They count in the average.
const PEAK_MIN: i64 = ticks(900);

/// Sums over the segments seen.
#[derive(Debug, Default)]
pub(super) struct Meter {
    bits: u128,
    duration: u128,
    peak_bps: u64,
}

impl Meter {
    /// Counts a segment; GAP segments are no media.
    pub(super) fn see(&mut self, segment: &Segment) {
        let media = segment.parts.iter().filter(|part| !part.gap);
        let media: i64 = media.map(|part| part.duration.ticks).sum();
        let duration = u128::try_from(media).unwrap_or(0);
        let bits = u128::from(segment.len_bytes) * 8;
        self.bits += bits;
        self.duration += duration;
        if media >= PEAK_MIN || self.peak_bps == 0 {
            self.peak_bps = self.peak_bps.max(per_second(bits, duration));
        }
    }

    /// `None` before the first media.
    pub(super) fn bitrates(&self) -> Option<Bitrates> {
        (self.duration > 0).then(|| Bitrates {
            peak_bps: self.peak_bps,
            average_bps: per_second(self.bits, self.duration),
        })
    }
}

fn per_second(bits: u128, duration: u128) -> u64 {
    u64::try_from(bits * 90_000 / duration.max(1)).unwrap_or(u64::MAX)
}
