//! Answer now, hold, or refuse: what a playlist request gets.

use std::sync::Arc;

use super::Snapshot;
use crate::window::Entry;
use crate::{Directives, Position, Skip};

/// Segments beyond the last one that a request may name. // D5
const ADVANCE_SEGMENTS_MAX: u64 = 2;

/// What a playlist request gets from this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The playlist, in this form.
    Now(Delivery),
    /// Nothing yet: ask the next version again, 503 after [`crate::Options::hold_ms_max`]. // D6
    Wait,
    /// An error at once.
    Reject(Rejection),
}

/// The form of a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// The whole window.
    Full = 0,
    /// A delta update without old segments. // D9
    Skip = 1,
    /// A delta update without old segments and old date ranges. // D9
    SkipV2 = 2,
}

impl Delivery {
    pub(crate) const COUNT: usize = 3;
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The segment is too far ahead of live to wait for. // D5
    #[error("_HLS_msn is too far ahead of the last segment")]
    SegmentTooFarAhead,
    /// The part is too far ahead of live to wait for. // D5
    #[error("_HLS_part is too far ahead of the last part")]
    PartTooFarAhead,
}

impl Rejection {
    /// The HTTP status: 400. // D5
    #[must_use]
    pub const fn status(self) -> u16 {
        400
    }
}

impl Snapshot {
    /// What a request with these directives gets.
    ///
    /// Until the first segment is complete every request waits, because players fail on a playlist
    /// without a segment. Naming the last segment counts the growing one: the more lenient reading
    /// of D5, so that no player is refused for being a part early.
    #[must_use]
    pub fn decide(&self, directives: &Directives) -> Decision {
        if self.ended {
            return Decision::Now(Delivery::Full); // D8
        }
        let (Some(last), Some(last_whole)) = (self.last(), self.listed().last()) else {
            return Decision::Wait;
        };
        let Some(msn) = directives.msn else {
            return Decision::Now(self.delivery(directives.skip));
        };
        if msn < self.media_sequence() {
            // Whatever the player has is too old to patch: the whole playlist. // D7
            return Decision::Now(Delivery::Full);
        }
        if msn > last.msn.saturating_add(ADVANCE_SEGMENTS_MAX) {
            return Decision::Reject(Rejection::SegmentTooFarAhead);
        }
        let listed = match directives.part {
            None => last_whole.msn >= msn, // D1
            Some(part) => {
                let wanted = self.roll_over(Position { msn, part });
                if self.is_too_far(wanted, last) {
                    return Decision::Reject(Rejection::PartTooFarAhead);
                }
                last >= wanted // D2
            }
        };
        if listed { Decision::Now(self.delivery(directives.skip)) } else { Decision::Wait }
    }

    /// A part beyond the end of a complete segment is the first of the next, however far beyond:
    /// the player cannot know where the segment ends. // D3
    fn roll_over(&self, wanted: Position) -> Position {
        match self.whole(wanted.msn) {
            Some(entry) if wanted.part >= entry.len() => Position::first_of(wanted.msn + 1),
            _ => wanted,
        }
    }

    /// Whether a part is farther ahead than the Advance Part Limit. Across a segment's end the
    /// distance is not known; the least it can be is counted. // D5
    fn is_too_far(&self, wanted: Position, last: Position) -> bool {
        let ahead = if wanted.msn > last.msn {
            wanted.part.saturating_add(1)
        } else if wanted.msn == last.msn {
            wanted.part.saturating_sub(last.part)
        } else {
            0
        };
        ahead > self.options.advance_parts_max()
    }

    /// A delta only where it leaves something out; the whole playlist needs no newer version. // P2
    fn delivery(&self, skip: Skip) -> Delivery {
        match skip {
            Skip::No => Delivery::Full,
            _ if self.skippable() == 0 => Delivery::Full,
            Skip::Segments => Delivery::Skip,
            Skip::SegmentsAndDateRanges => Delivery::SkipV2,
        }
    }

    /// The complete segment `msn`, listed or only fetchable.
    pub(super) fn whole(&self, msn: u64) -> Option<&Arc<Entry>> {
        let first = self.entries.first()?.msn;
        self.entries.get(usize::try_from(msn.checked_sub(first)?).ok()?)
    }
}
