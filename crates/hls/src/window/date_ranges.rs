//! The date ranges of a window: where each is listed, and which went away lately.

use std::collections::VecDeque;

use crate::Position;
use crate::date_range::{DATE_RANGES_MAX, DateRange, DateRangeError};
use crate::seconds::Seconds;

/// Date ranges in the order they were added, which is the order of their lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct DateRanges {
    listed: Vec<Listed>,
    removed: VecDeque<Removed>,
}

/// One line. The same id may have several, each adding attributes.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    range: DateRange,
    /// The part that came next when it was added: its line stays where it was appended. // P16
    pub(crate) before: Position,
    pub(crate) line: String,
}

#[derive(Clone, Debug)]
struct Removed {
    id: String,
    /// The show's end when it was removed.
    at: Seconds,
}

impl DateRanges {
    pub(crate) fn add(&mut self, range: DateRange, before: Position) -> Result<(), DateRangeError> {
        let line = range.line()?;
        if self.listed.len() + self.removed.len() >= DATE_RANGES_MAX {
            return Err(DateRangeError::TooMany);
        }
        for stated in self.listed.iter().filter(|stated| stated.range.id == range.id) {
            range.check_same(&stated.range)?;
        }
        // An id that comes back is no longer a removed one.
        self.removed.retain(|removed| removed.id != range.id);
        self.listed.push(Listed { range, before, line });
        Ok(())
    }

    /// Removes what ended before the first listed segment, and forgets removals older than a
    /// player that may ask for a delta can have missed. Says whether a line went. // P16
    pub(crate) fn expire(&mut self, first_unix_ms: i64, end: Seconds, skip: Seconds) -> bool {
        while self.removed.front().is_some_and(|removed| end.minus(removed.at) > skip) {
            self.removed.pop_front();
        }
        let over: Vec<String> = self
            .listed
            .iter()
            .filter(|stated| self.end_of(&stated.range).is_some_and(|end| end < first_unix_ms))
            .map(|stated| stated.range.id.clone())
            .collect();
        if over.is_empty() {
            return false;
        }
        self.listed.retain(|stated| !over.contains(&stated.range.id));
        for id in over {
            if self.removed.iter().all(|removed| removed.id != id) {
                self.removed.push_back(Removed { id, at: end });
            }
        }
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.removed.is_empty()
    }

    pub(crate) fn listed(&self) -> &[Listed] {
        &self.listed
    }

    pub(crate) fn removed_ids(&self) -> impl Iterator<Item = &str> {
        self.removed.iter().map(|removed| removed.id.as_str())
    }

    /// When a range is over; one that ends on the next of its class, when that starts.
    fn end_of(&self, range: &DateRange) -> Option<i64> {
        if !range.end_on_next {
            return range.end();
        }
        let follows = |other: &&Listed| {
            other.range.class == range.class && other.range.start_unix_ms > range.start_unix_ms
        };
        self.listed.iter().filter(follows).map(|other| other.range.start_unix_ms).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(id: &str, start_unix_ms: i64, end_unix_ms: Option<i64>) -> DateRange {
        DateRange { id: id.into(), start_unix_ms, end_unix_ms, ..DateRange::default() }
    }

    fn ids(ranges: &DateRanges) -> Vec<&str> {
        ranges.listed().iter().map(|listed| listed.range.id.as_str()).collect()
    }

    const HERE: Position = Position::first_of(3);
    const SKIP: Seconds = Seconds::from_ms(12_000);

    #[test]
    fn a_second_statement_adds_an_end_and_changes_nothing() {
        let mut ranges = DateRanges::default();
        ranges.add(range("a", 0, None), HERE).unwrap();
        ranges.add(range("a", 0, Some(5_000)), HERE).unwrap();
        let moved = ranges.add(range("a", 1, None), HERE);
        assert_eq!(moved, Err(DateRangeError::Changed("a".into(), "START-DATE".into())));
        let longer = ranges.add(range("a", 0, Some(6_000)), HERE);
        assert_eq!(longer, Err(DateRangeError::Changed("a".into(), "END-DATE".into())));
        assert_eq!(ids(&ranges), ["a", "a"]);
    }

    #[test]
    fn a_range_goes_when_it_ended_before_the_window_and_is_named_for_a_while() {
        let mut ranges = DateRanges::default();
        ranges.add(range("over", 0, Some(999)), HERE).unwrap();
        ranges.add(range("open", 0, None), HERE).unwrap();
        assert!(!ranges.expire(999, Seconds::from_ms(60_000), SKIP));
        assert!(ranges.expire(1_000, Seconds::from_ms(60_000), SKIP));
        assert_eq!(ids(&ranges), ["open"]);
        assert_eq!(ranges.removed_ids().collect::<Vec<_>>(), ["over"]);
        ranges.expire(1_000, Seconds::from_ms(72_000), SKIP);
        assert_eq!(ranges.removed_ids().count(), 1);
        ranges.expire(1_000, Seconds::from_ms(72_001), SKIP);
        assert_eq!(ranges.removed_ids().count(), 0);
    }

    #[test]
    fn end_on_next_ends_where_the_next_of_its_class_starts() {
        let classed = |id: &str, start_unix_ms| DateRange {
            class: Some("chapter".into()),
            end_on_next: true,
            ..range(id, start_unix_ms, None)
        };
        let mut ranges = DateRanges::default();
        ranges.add(classed("one", 0), HERE).unwrap();
        assert!(!ranges.expire(10_000, Seconds::default(), SKIP));
        ranges.add(classed("two", 5_000), HERE).unwrap();
        assert!(ranges.expire(10_000, Seconds::default(), SKIP));
        assert_eq!(ids(&ranges), ["two"]);
    }

    #[test]
    fn their_number_is_bounded() {
        let mut ranges = DateRanges::default();
        for number in 0..DATE_RANGES_MAX {
            ranges.add(range(&number.to_string(), 0, Some(0)), HERE).unwrap();
        }
        assert_eq!(ranges.add(range("more", 0, None), HERE), Err(DateRangeError::TooMany));
        // Those removed count until no delta has to name them.
        ranges.expire(1, Seconds::default(), SKIP);
        assert_eq!(ranges.add(range("more", 0, None), HERE), Err(DateRangeError::TooMany));
        ranges.expire(1, Seconds::from_ms(12_001), SKIP);
        assert_eq!(ranges.add(range("more", 0, None), HERE), Ok(()));
    }
}
