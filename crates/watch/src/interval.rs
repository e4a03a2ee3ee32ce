//! One half-open stretch of integer milliseconds.

/// Instants lie within this many milliseconds around zero: the range in which a JSON number is exact,
/// and far enough from the ends of `i64` that no sum or difference here can overflow.
pub const INSTANT_MS_MAX: i64 = 1 << 53;

/// The milliseconds from `start_ms` up to, but not including, `end_ms`; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    start_ms: i64,
    end_ms: i64,
}

impl Interval {
    /// `[start_ms, end_ms)`; nothing if that is empty, runs backward or lies beyond
    /// [`INSTANT_MS_MAX`].
    #[must_use]
    pub const fn new(start_ms: i64, end_ms: i64) -> Option<Self> {
        if start_ms < end_ms && start_ms >= -INSTANT_MS_MAX && end_ms <= INSTANT_MS_MAX {
            Some(Self { start_ms, end_ms })
        } else {
            None
        }
    }

    /// The first millisecond.
    #[must_use]
    pub const fn start_ms(self) -> i64 {
        self.start_ms
    }

    /// The first millisecond after it.
    #[must_use]
    pub const fn end_ms(self) -> i64 {
        self.end_ms
    }

    /// How many milliseconds it holds: at least 1.
    #[must_use]
    pub const fn length_ms(self) -> u64 {
        self.end_ms.abs_diff(self.start_ms)
    }

    /// What both hold.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        Self::new(self.start_ms.max(other.start_ms), self.end_ms.min(other.end_ms))
    }

    /// The smallest interval that holds both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { start_ms: self.start_ms.min(other.start_ms), end_ms: self.end_ms.max(other.end_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_never_empty_backward_or_out_of_bounds() {
        assert!(Interval::new(5, 5).is_none());
        assert!(Interval::new(6, 5).is_none());
        assert!(Interval::new(i64::MIN, 0).is_none());
        assert!(Interval::new(0, i64::MAX).is_none());
        assert_eq!(Interval::new(-3, 4).unwrap().length_ms(), 7);
    }

    #[test]
    fn neighbours_share_nothing() {
        let [left, right] = [Interval::new(0, 5).unwrap(), Interval::new(5, 9).unwrap()];
        assert_eq!(left.intersection(right), None);
        assert_eq!(left.hull(right), Interval::new(0, 9).unwrap());
    }
}
