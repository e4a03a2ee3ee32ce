//! Viewers at a time: sweeps over wall-clock spans.

use std::collections::BTreeMap;

use crate::{Interval, IntervalSet};

/// Rows of a minute series: a week. Minutes further from the first are left out of the series; the
/// totals hold them.
pub const MINUTES_MAX: i64 = 7 * 24 * 60;

const MINUTE_MS: i64 = 60_000;

/// One minute of the wall clock.
///
/// Media minutes lie on the EXT-X-PROGRAM-DATE-TIME axis, which is the origin's wall clock, so all
/// columns share one scale. Columns are lengths of sets and add up to `live_ms`, `|M|` and `|W|`;
/// `counted_ms`, the smaller of two sums per viewer, has no series of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    /// Its start in Unix milliseconds, a multiple of 60,000.
    pub start_ms: i64,
    /// Media published.
    pub live_ms: u64,
    /// `|M|` of all viewers: media of this minute that was watched, whenever.
    pub media_ms: u64,
    /// `|W|` of all viewers: time spent watching in this minute, whatever media.
    pub presence_ms: u64,
    /// The most viewers at any one time.
    pub peak: u64,
}

/// The steps of the number of viewers: how many come less how many go, at each instant.
fn steps(presence: &[IntervalSet]) -> Vec<(i64, i64)> {
    let ranges = || presence.iter().flat_map(|viewer| viewer.ranges());
    let mut steps: Vec<(i64, i64)> =
        ranges().flat_map(|range| [(range.start_ms(), 1), (range.end_ms(), -1)]).collect();
    // Half-open: who goes at an instant goes before the next one comes. -1 sorts before 1.
    steps.sort_unstable();
    steps
}

/// The most viewers at any one time.
pub(super) fn peak(presence: &[IntervalSet]) -> u64 {
    let mut now = 0_i64;
    let counts = steps(presence).into_iter().map(|(_, step)| {
        now += step;
        now
    });
    u64::try_from(counts.max().unwrap_or(0)).unwrap_or(0)
}

/// The series; a row for each minute with anything in it.
pub(super) fn minutes(
    published: &IntervalSet,
    presence: &[IntervalSet],
    media: &[IntervalSet],
) -> Vec<Minute> {
    let firsts = presence.iter().chain(media).chain([published]).filter_map(IntervalSet::hull);
    let Some(first) = firsts.map(|hull| hull.start_ms().div_euclid(MINUTE_MS)).min() else {
        return Vec::new();
    };
    let mut series = Series { first, rows: BTreeMap::new() };
    series.spread(std::slice::from_ref(published), |row| &mut row.live_ms);
    series.spread(media, |row| &mut row.media_ms);
    series.spread(presence, |row| &mut row.presence_ms);
    series.peaks(presence);
    series.rows.into_values().collect()
}

struct Series {
    first: i64,
    rows: BTreeMap<i64, Minute>,
}

impl Series {
    /// Adds the sets' lengths to the minutes they lie in. Minutes that are wholly inside an interval
    /// are counted by its two ends, so the cost does not grow with its length.
    fn spread(&mut self, sets: &[IntervalSet], column: fn(&mut Minute) -> &mut u64) {
        let mut inside: BTreeMap<i64, i64> = BTreeMap::new();
        for range in sets.iter().flat_map(|set| set.ranges()) {
            let first = range.start_ms().div_euclid(MINUTE_MS);
            let last = (range.end_ms() - 1).div_euclid(MINUTE_MS);
            self.add(first, *range, column);
            if last > first {
                self.add(last, *range, column);
                *inside.entry(first + 1).or_default() += 1;
                *inside.entry(last).or_default() -= 1;
            }
        }
        let mut now = 0_i64;
        let mut steps = inside.into_iter().peekable();
        while let Some((from, step)) = steps.next() {
            now += step;
            let to = steps.peek().map_or(from, |&(to, _)| to);
            for minute in from..to.min(self.first + MINUTES_MAX) {
                if now > 0 {
                    let whole_ms = now.unsigned_abs() * MINUTE_MS.unsigned_abs();
                    self.row(minute)
                        .map(column)
                        .into_iter()
                        .for_each(|it| *it = it.saturating_add(whole_ms));
                }
            }
        }
    }

    fn add(&mut self, minute: i64, range: Interval, column: fn(&mut Minute) -> &mut u64) {
        let whole = Interval::new(minute * MINUTE_MS, (minute + 1) * MINUTE_MS);
        let part_ms = whole.and_then(|it| it.intersection(range)).map_or(0, Interval::length_ms);
        self.row(minute).map(column).into_iter().for_each(|it| *it = it.saturating_add(part_ms));
    }

    fn peaks(&mut self, presence: &[IntervalSet]) {
        let mut now = 0_i64;
        let mut steps = steps(presence).into_iter().peekable();
        while let Some((at_ms, step)) = steps.next() {
            now += step;
            // The number holds until the next step, in every minute up to there.
            let until_ms = steps.peek().map_or(at_ms, |&(next_ms, _)| next_ms);
            if now > 0 && until_ms > at_ms {
                let last = (until_ms - 1).div_euclid(MINUTE_MS).min(self.first + MINUTES_MAX);
                for minute in at_ms.div_euclid(MINUTE_MS)..=last {
                    self.raise_peak(minute, now);
                }
            }
        }
    }

    fn raise_peak(&mut self, minute: i64, viewers: i64) {
        if let Some(row) = self.row(minute) {
            row.peak = row.peak.max(viewers.unsigned_abs());
        }
    }

    fn row(&mut self, minute: i64) -> Option<&mut Minute> {
        if !(self.first..self.first + MINUTES_MAX).contains(&minute) {
            return None;
        }
        let empty = Minute { start_ms: minute * MINUTE_MS, ..Minute::default() };
        Some(self.rows.entry(minute).or_insert(empty))
    }
}
