//! Figures that all kinds of load report.

use std::time::Duration;

use serde::Serialize;

/// How a time is distributed, in whole milliseconds; zeros where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// How many were measured.
    pub count: u64,
    /// Half took no longer.
    pub p50: u64,
    /// 99 of 100 took no longer.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

impl Percentiles {
    /// Those of `times`, by the nearest-rank method: each is a time that was measured.
    #[must_use]
    pub fn of(times: impl Iterator<Item = Duration>) -> Self {
        let in_ms = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
        let mut times: Vec<_> = times.map(in_ms).collect();
        times.sort_unstable();
        let rank = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(rank).copied().unwrap_or(0)
        };
        Self { count: times.len() as u64, p50: rank(50), p99: rank(99), max: rank(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times = |range: std::ops::RangeInclusive<u64>| {
            Percentiles::of(range.rev().map(Duration::from_millis))
        };
        assert_eq!(times(1..=100), Percentiles { count: 100, p50: 50, p99: 99, max: 100 });
        assert_eq!(times(7..=7), Percentiles { count: 1, p50: 7, p99: 7, max: 7 });
        assert_eq!(Percentiles::of(std::iter::empty()), Percentiles::default());
    }
}
