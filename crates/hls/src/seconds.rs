//! Durations as playlists write them: decimal seconds that never drift.
//!
//! Times are first rounded to a fixed grid (10 µs), then subtracted. Rounding *ends* instead of
//! *lengths* makes the sum of any run of durations exact to one step of the grid, however long the
//! show runs (P23), and makes the durations of a segment's parts add up to its EXTINF.

use std::fmt;

use tally_media::{Timescale, Timestamp};

/// The grid: five decimal places, finer than half a tick of the 90 kHz clock.
const GRID: Timescale = Timescale::new(100_000);

/// Grid steps in one millisecond.
const STEPS_PER_MS: i64 = 100;

/// A length or a point of the show's timeline, in steps of 10 µs. Displays as decimal seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seconds(i64);

impl Seconds {
    pub(crate) const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(STEPS_PER_MS))
    }

    /// A point of the timeline, rounded to the grid.
    pub(crate) fn at(time: Timestamp) -> Self {
        Self(time.ticks_in(GRID))
    }

    /// The end of what starts at `start` and lasts `duration`, rounded once, after the addition.
    pub(crate) fn end_of(start: Timestamp, duration: Timestamp) -> Self {
        let ticks = duration.ticks_in(start.timescale);
        Self::at(start.offset(ticks))
    }

    pub(crate) const fn as_ms(self) -> i64 {
        self.0 / STEPS_PER_MS
    }

    /// Milliseconds of a length, for bit rates and limits; negative lengths count as none.
    pub(crate) const fn length_ms(self) -> u64 {
        if self.0 < 0 { 0 } else { self.0.unsigned_abs() / STEPS_PER_MS.unsigned_abs() }
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub(crate) const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Seconds {
    /// At least one decimal place, no trailing zeros beyond it: `2.0`, `0.25`, `1.98333`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The grammar of EXTINF and of every duration attribute has no sign.
        let steps = self.0.max(0).unsigned_abs();
        let (whole, mut fraction) = (steps / 100_000, steps % 100_000);
        let mut places = 5;
        while places > 1 && fraction % 10 == 0 {
            fraction /= 10;
            places -= 1;
        }
        write!(f, "{whole}.{fraction:0places$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_short_and_exact() {
        assert_eq!(Seconds::from_ms(2_000).to_string(), "2.0");
        assert_eq!(Seconds::from_ms(250).to_string(), "0.25");
        assert_eq!(Seconds(198_333).to_string(), "1.98333");
        assert_eq!(Seconds(5).to_string(), "0.00005");
        assert_eq!(Seconds::from_ms(-1).to_string(), "0.0");
    }

    #[test]
    fn sums_of_any_run_stay_within_one_step() {
        // P23: 29.97 fps segments of 60 frames, for a day.
        let video = |frame: i64| Timestamp::new(frame * 3_003, Timescale::VIDEO);
        let mut sum = Seconds::default();
        for segment in 0..43_200 {
            let (start, end) = (video(segment * 60), video(segment * 60 + 60));
            let length = Timestamp::new(end.ticks - start.ticks, Timescale::VIDEO);
            sum = sum.plus(Seconds::end_of(start, length).minus(Seconds::at(start)));
        }
        assert_eq!(sum, Seconds::at(video(43_200 * 60)));
    }

    #[test]
    fn rounding_never_lifts_a_part_over_its_target() {
        // P4: whatever the phase of the start against the grid.
        let target = Seconds::from_ms(250);
        for start in 0..1_000 {
            let start = Timestamp::new(start, Timescale::VIDEO);
            let length = Timestamp::new(22_500, Timescale::VIDEO);
            let shown = Seconds::end_of(start, length).minus(Seconds::at(start));
            assert!(shown <= target, "{start:?}: {shown}");
        }
    }
}
