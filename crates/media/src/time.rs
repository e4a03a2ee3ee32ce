//! Time as ticks of a timescale, and the one place that converts between timescales.

use std::cmp::Ordering;
use std::fmt;
use std::num::NonZeroU32;

/// Ticks per second. Never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timescale(NonZeroU32);

impl Timescale {
    /// 1,000 ticks a second.
    pub const MILLIS: Self = Self::new(1_000);
    /// 90,000 ticks a second: what video tracks use (RFC 3551; exact for 24, 25, 30, 29.97 fps).
    pub const VIDEO: Self = Self::new(90_000);
    /// 1,000,000,000 ticks a second: Enhanced RTMP's nanosecond offsets fit without rounding.
    pub const NANOS: Self = Self::new(1_000_000_000);

    /// A timescale of `per_second` ticks.
    ///
    /// # Panics
    /// On zero: a timescale of zero is a bug of the caller, input is checked before.
    #[must_use]
    pub const fn new(per_second: u32) -> Self {
        match NonZeroU32::new(per_second) {
            Some(n) => Self(n),
            None => panic!("a timescale has at least one tick per second"),
        }
    }

    /// Ticks per second.
    #[must_use]
    pub const fn per_second(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Debug for Timescale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1/{}", self.0)
    }
}

/// A point on a timeline, or a length of it: `ticks` of a [`Timescale`].
///
/// Comparison is exact across timescales (128-bit cross multiplication).
#[derive(Clone, Copy)]
pub struct Timestamp {
    /// Ticks since the timeline's zero; may be negative before it is anchored.
    pub ticks: i64,
    /// Ticks per second.
    pub timescale: Timescale,
}

impl Timestamp {
    /// `ticks` of `timescale`.
    #[must_use]
    pub const fn new(ticks: i64, timescale: Timescale) -> Self {
        Self { ticks, timescale }
    }

    /// `ms` milliseconds.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self::new(ms, Timescale::MILLIS)
    }

    /// The same instant in another timescale, rounded to the nearest tick (halves away from zero),
    /// saturating at the ends of `i64`.
    #[must_use]
    pub fn rescale(self, to: Timescale) -> Self {
        if self.timescale == to {
            return self;
        }
        let from = i128::from(self.timescale.per_second());
        let scaled = i128::from(self.ticks) * i128::from(to.per_second());
        let half = if scaled < 0 { -from / 2 } else { from / 2 };
        let ticks = ((scaled + half) / from).clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        #[expect(clippy::cast_possible_truncation, reason = "clamped to i64 on the line above")]
        Self::new(ticks as i64, to)
    }

    /// Ticks of the same instant in `to`.
    #[must_use]
    pub fn ticks_in(self, to: Timescale) -> i64 {
        self.rescale(to).ticks
    }

    /// Whole milliseconds, rounded to nearest.
    #[must_use]
    pub fn as_ms(self) -> i64 {
        self.ticks_in(Timescale::MILLIS)
    }

    /// This instant moved by `ticks` of its own timescale, saturating.
    #[must_use]
    pub const fn offset(self, ticks: i64) -> Self {
        Self::new(self.ticks.saturating_add(ticks), self.timescale)
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Timestamp {}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = i128::from(self.ticks) * i128::from(other.timescale.per_second());
        let right = i128::from(other.ticks) * i128::from(self.timescale.per_second());
        left.cmp(&right)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ticks, self.timescale.per_second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rescaling_rounds_to_nearest() {
        assert_eq!(Timestamp::from_ms(41).ticks_in(Timescale::VIDEO), 3_690);
        let third = Timestamp::new(1, Timescale::new(3));
        assert_eq!(third.as_ms(), 333);
        assert_eq!(Timestamp::new(-2, Timescale::new(3)).as_ms(), -667);
    }

    #[test]
    fn comparison_is_exact_across_timescales() {
        assert_eq!(Timestamp::from_ms(500), Timestamp::new(45_000, Timescale::VIDEO));
        assert!(Timestamp::new(1, Timescale::new(3)) > Timestamp::from_ms(333));
    }

    #[test]
    fn extremes_saturate() {
        let far = Timestamp::new(i64::MAX, Timescale::new(1));
        assert_eq!(far.ticks_in(Timescale::NANOS), i64::MAX);
    }
}
