//! Sums over a creator's shows.

use std::collections::BTreeSet;

use crate::{Figures, ViewerKey};

/// A stretch of time that shows are sorted into by when they went live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first millisecond.
    pub from_ms: i64,
    /// The first millisecond after it.
    pub until_ms: i64,
}

impl Window {
    /// Whether a show that went live at `went_live_ms` belongs to it. A show belongs to one window
    /// whole, however long it goes on.
    #[must_use]
    pub const fn holds(self, went_live_ms: i64) -> bool {
        self.from_ms <= went_live_ms && went_live_ms < self.until_ms
    }
}

/// What a creator's shows come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreatorTotals {
    /// How many shows.
    pub shows: u64,
    /// Sum of `live_ms`.
    pub live_ms: u64,
    /// Sum of `delivered_ms`.
    pub delivered_ms: u64,
    /// Sum of `gross_ms`.
    pub gross_ms: u64,
    /// Sum of `counted_ms`.
    pub counted_ms: u64,
    /// Sum of `valid_ms`.
    pub valid_ms: u64,
    /// Sum of the A share of `valid_ms`.
    pub valid_a_ms: u64,
    /// Sum of `idle_ms`.
    pub idle_ms: u64,
    /// Distinct viewers that were unique, by valid time, to at least one of the shows.
    pub valid_unique_viewers: u64,
}

/// Sums up the shows that went live in the window: `(went_live_ms, figures, unique viewers)` each.
#[must_use]
pub fn creator_totals<'a>(
    shows: impl IntoIterator<Item = (i64, &'a Figures, &'a [ViewerKey])>,
    window: Window,
) -> CreatorTotals {
    let mut totals = CreatorTotals::default();
    let mut viewers: BTreeSet<ViewerKey> = BTreeSet::new();
    let add = |sum: &mut u64, of_one: u64| *sum = sum.saturating_add(of_one);
    for (_, figures, unique) in shows.into_iter().filter(|&(at_ms, ..)| window.holds(at_ms)) {
        totals.shows += 1;
        add(&mut totals.live_ms, figures.live_ms);
        add(&mut totals.delivered_ms, figures.delivered_ms);
        add(&mut totals.gross_ms, figures.gross_ms);
        add(&mut totals.counted_ms, figures.counted_ms);
        add(&mut totals.valid_ms, figures.valid_ms);
        add(&mut totals.valid_a_ms, figures.valid_assurance.a_ms);
        add(&mut totals.idle_ms, figures.idle_ms);
        viewers.extend(unique);
    }
    totals.valid_unique_viewers = viewers.len() as u64;
    totals
}
