//! How regularly a track's frames come.

use std::collections::VecDeque;

use crate::FrameRate;
use crate::limits::{SLACK, ticks};

/// Intervals remembered: long enough to see 3:2 patterns, short enough to follow a change.
const INTERVALS_MAX: usize = 16;
/// Intervals needed before a prediction: fewer may be regular by chance.
const INTERVALS_MIN: usize = 4;
/// Longer intervals in milliseconds are interruptions, not cadence.
const INTERVAL_MS_MAX: u32 = 1_100;
/// Frame rates encoders mean, in millihertz. Rates measured from millisecond timestamps over one
/// group are off by up to 0.05 %.
const RATES: [u32; 13] = [
    15_000, 20_000, 23_976, 24_000, 25_000, 29_970, 30_000, 47_952, 48_000, 50_000, 59_940, 60_000,
    120_000,
];

/// The latest intervals between frames, in 90 kHz ticks.
#[derive(Clone, Debug, Default)]
pub(super) struct Cadence {
    last: Option<i64>,
    intervals: VecDeque<i64>,
}

impl Cadence {
    /// Sees a frame at `at`.
    pub(super) fn see(&mut self, at: i64) {
        if let Some(last) = self.last {
            let interval = at - last;
            if interval > 0 && interval <= ticks(INTERVAL_MS_MAX) {
                if self.intervals.len() == INTERVALS_MAX {
                    self.intervals.pop_front();
                }
                self.intervals.push_back(interval);
            }
        }
        self.last = Some(at);
    }

    /// The shortest interval, when the latest ones differ by no more than rounding to milliseconds
    /// explains.
    pub(super) fn steady(&self) -> Option<i64> {
        if self.intervals.len() < INTERVALS_MIN {
            return None;
        }
        let shortest = self.shortest()?;
        (self.longest()? - shortest <= SLACK).then_some(shortest)
    }

    /// Frames and the time they took, over the latest intervals.
    pub(super) fn seen(&self) -> (i64, i64) {
        let frames = i64::try_from(self.intervals.len()).unwrap_or(0);
        (frames, self.intervals.iter().sum())
    }

    /// The shortest of the latest intervals.
    pub(super) fn shortest(&self) -> Option<i64> {
        self.intervals.iter().min().copied()
    }

    /// The longest of the latest intervals.
    pub(super) fn longest(&self) -> Option<i64> {
        self.intervals.iter().max().copied()
    }
}

/// Pictures per second of `frames` frames over `span` ticks, as the nearest usual rate where one is
/// within 0.1 %.
pub(super) fn frame_rate(frames: i64, span: i64) -> Option<FrameRate> {
    if frames < 1 || span < 1 {
        return None;
    }
    let measured = u32::try_from((frames * 90_000_000 + span / 2) / span).ok()?;
    let nearest = RATES.into_iter().min_by_key(|rate| rate.abs_diff(measured))?;
    let is_near = nearest.abs_diff(measured) <= nearest / 1_000;
    Some(FrameRate { millihertz: if is_near { nearest } else { measured } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_to_milliseconds_is_steady_and_variable_rate_is_not() {
        let mut cadence = Cadence::default();
        for frame in 0..20 {
            cadence.see(frame * 1_000 / 30 * 90);
        }
        let step = cadence.steady().expect("30 fps is steady");
        assert_eq!(step, 33 * 90);
        cadence.see(20_000 / 30 * 90 + 9_000);
        assert_eq!(cadence.steady(), None);
    }

    #[test]
    fn measured_rates_are_named_as_encoders_mean_them() {
        let rate = |frames, ms: u32| frame_rate(frames, ticks(ms)).map(|rate| rate.millihertz);
        assert_eq!(rate(60, 2_002), Some(29_970));
        assert_eq!(rate(48, 2_000), Some(24_000));
        assert_eq!(rate(48, 2_002), Some(23_976));
        assert_eq!(rate(60, 2_000), Some(30_000));
        assert_eq!(rate(7, 1_000), Some(7_000));
        assert_eq!(rate(0, 1_000), None);
    }
}
