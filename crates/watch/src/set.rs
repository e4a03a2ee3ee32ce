//! Sets of milliseconds, kept as sorted intervals that neither overlap nor touch.

use crate::Interval;

/// Intervals a stored set holds at most: 4 kB. A viewer of a whole show needs one to five; pausing or
/// losing a stretch every five minutes for twenty hours needs 240.
pub const RANGES_MAX: usize = 256;

/// A set of milliseconds. Equal sets are equal values, whatever order they were built in.
///
/// Two ways in: [`insert`](Self::insert) is for sets that are kept, and holds them to [`RANGES_MAX`]; the
/// algebra ([`union`](Self::union), [`intersection`](Self::intersection),
/// [`difference`](Self::difference)) is for figures, and is exact.
///
/// # At the bound
/// When an insertion would leave more than [`RANGES_MAX`] intervals, the shortest one goes (the earliest
/// of equals). A set can so only lose milliseconds it was given, never hold one it was not: figures
/// fall short, they never exceed. Below the bound the order of insertions does not matter; at the bound
/// it can matter for which short interval is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntervalSet {
    ranges: Vec<Interval>,
}

impl IntervalSet {
    /// The empty set; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// The intervals in order; no two of them touch.
    #[must_use]
    pub fn ranges(&self) -> &[Interval] {
        &self.ranges
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many milliseconds it holds.
    #[must_use]
    pub fn length_ms(&self) -> u64 {
        self.ranges.iter().map(|range| range.length_ms()).sum()
    }

    /// Its longest unbroken stretch.
    #[must_use]
    pub fn longest_ms(&self) -> u64 {
        self.ranges.iter().map(|range| range.length_ms()).max().unwrap_or(0)
    }

    /// From its first to its last millisecond, holes included.
    #[must_use]
    pub fn hull(&self) -> Option<Interval> {
        Some(self.ranges.first()?.hull(*self.ranges.last()?))
    }

    /// Adds an interval to a kept set, and gives back what had to go at the bound, if anything.
    ///
    /// Constant time where evidence arrives in order; otherwise a binary search and a move of the
    /// intervals behind it.
    pub fn insert(&mut self, interval: Interval) -> Option<Interval> {
        self.add(interval);
        (self.ranges.len() > RANGES_MAX).then(|| self.drop_shortest())
    }

    /// Adds all of `other` to a kept set, under the same bound.
    pub fn absorb(&mut self, other: &Self) {
        if other.ranges.iter().any(|range| !self.covers(*range)) {
            *self = self.union(other);
            while self.ranges.len() > RANGES_MAX {
                self.drop_shortest();
            }
            self.ranges.shrink_to_fit();
        }
    }

    /// Whether every millisecond of `interval` is in the set.
    #[must_use]
    pub fn covers(&self, interval: Interval) -> bool {
        let after = self.ranges.partition_point(|range| range.start_ms() <= interval.start_ms());
        after > 0 && self.ranges[after - 1].end_ms() >= interval.end_ms()
    }

    /// What either holds. Exact: not held to [`RANGES_MAX`].
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.is_empty() || other.is_empty() {
            return if self.is_empty() { other.clone() } else { self.clone() };
        }
        let mut ranges: Vec<Interval> = Vec::with_capacity(self.ranges.len() + other.ranges.len());
        let (mut left, mut right) = (self.ranges.as_slice(), other.ranges.as_slice());
        loop {
            let from_left = match (left.first(), right.first()) {
                (Some(a), Some(b)) => a.start_ms() <= b.start_ms(),
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => return Self { ranges },
            };
            let source = if from_left { &mut left } else { &mut right };
            let next = source[0];
            *source = &source[1..];
            match ranges.last_mut() {
                Some(last) if last.end_ms() >= next.start_ms() => *last = last.hull(next),
                _ => ranges.push(next),
            }
        }
    }

    /// What both hold.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        let (mut left, mut right) = (self.ranges.as_slice(), other.ranges.as_slice());
        while let (Some(a), Some(b)) = (left.first(), right.first()) {
            ranges.extend(a.intersection(*b));
            if a.end_ms() <= b.end_ms() {
                left = &left[1..];
            } else {
                right = &right[1..];
            }
        }
        Self { ranges }
    }

    /// What this holds and `other` does not.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        let mut holes = other.ranges.as_slice();
        for range in &self.ranges {
            let mut start_ms = range.start_ms();
            while let Some(hole) = holes.first().filter(|hole| hole.start_ms() < range.end_ms()) {
                ranges.extend(Interval::new(start_ms, hole.start_ms()));
                start_ms = start_ms.max(hole.end_ms());
                if hole.end_ms() > range.end_ms() {
                    break;
                }
                holes = &holes[1..];
            }
            ranges.extend(Interval::new(start_ms, range.end_ms()));
        }
        Self { ranges }
    }

    /// What of it lies in `window`.
    #[must_use]
    pub fn within(&self, window: Interval) -> Self {
        self.intersection(&Self { ranges: vec![window] })
    }

    /// Its first `length_ms` milliseconds, and the rest.
    #[must_use]
    pub fn split_after(&self, length_ms: u64) -> (Self, Self) {
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        let mut left_ms = length_ms;
        for range in &self.ranges {
            let taken_ms = left_ms.min(range.length_ms());
            left_ms -= taken_ms;
            let cut_ms = range.start_ms().saturating_add_unsigned(taken_ms);
            first.extend(Interval::new(range.start_ms(), cut_ms));
            rest.extend(Interval::new(cut_ms, range.end_ms()));
        }
        (Self { ranges: first }, Self { ranges: rest })
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.ranges.capacity() * size_of::<Interval>()
    }

    fn add(&mut self, interval: Interval) {
        let first = match self.ranges.last_mut() {
            // Evidence mostly arrives in order: it begins a new stretch or lengthens the last.
            Some(last) if last.start_ms() <= interval.start_ms() => {
                if last.end_ms() >= interval.start_ms() {
                    *last = last.hull(interval);
                } else {
                    self.push(interval);
                }
                return;
            }
            Some(_) => self.ranges.partition_point(|range| range.end_ms() < interval.start_ms()),
            None => return self.push(interval),
        };
        let after = self.ranges.partition_point(|range| range.start_ms() <= interval.end_ms());
        if first == after {
            self.ranges.reserve_exact(1);
            self.ranges.insert(first, interval);
        } else {
            let joined = self.ranges[first].hull(self.ranges[after - 1]).hull(interval);
            self.ranges[first] = joined;
            self.ranges.drain(first + 1..after);
        }
    }

    /// Most sets stay at one or two intervals, so the vector's usual first step of four would waste
    /// more than it saves; from four on it doubles as usual.
    fn push(&mut self, interval: Interval) {
        if self.ranges.len() < 4 {
            self.ranges.reserve_exact(1);
        }
        self.ranges.push(interval);
    }

    fn drop_shortest(&mut self) -> Interval {
        let lengths = self.ranges.iter().enumerate();
        let shortest = lengths.min_by_key(|(_, range)| range.length_ms()).map_or(0, |(at, _)| at);
        self.ranges.remove(shortest)
    }
}

/// Builds the exact union, not held to [`RANGES_MAX`].
impl FromIterator<Interval> for IntervalSet {
    fn from_iter<T: IntoIterator<Item = Interval>>(intervals: T) -> Self {
        let mut sorted: Vec<Interval> = intervals.into_iter().collect();
        sorted.sort_unstable();
        let mut set = Self::new();
        for interval in sorted {
            set.add(interval);
        }
        set
    }
}
