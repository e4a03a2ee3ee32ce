//! What a creator's shows come to within the window.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tally_watch::figures::Window;
use tally_watch::{FinalRecord, ShowId, ViewerKey};

use crate::rules::{Assurance, Measure};

/// A day of the UTC calendar; Unix time has no leap seconds.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// One statement of a show's figures. A show may have several: a provisional one, the final one,
/// corrections. They can come in any order and more than once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShowRecord {
    /// The show.
    pub show: ShowId,
    /// When and as which record its figures became final; none while they are provisional.
    pub finality: Option<Finality>,
    /// When it went live, in Unix milliseconds.
    pub start_ms: i64,
    /// Published media, in milliseconds.
    pub live_ms: u64,
    /// Valid watch time of all viewers, in milliseconds.
    pub valid_ms: u64,
    /// Viewers that were unique to the show, by valid time. Keys and not their number, because a
    /// viewer of ten shows is one viewer.
    pub unique_viewers: Vec<ViewerKey>,
}

/// Which final record of a show the figures are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finality {
    /// 0 for the first, then one more with each correction.
    pub number: u32,
    /// When it was written, in Unix milliseconds.
    pub at_ms: i64,
}

impl ShowRecord {
    /// The record of final figures, with the watch time that has the evidence the rules want.
    #[must_use]
    pub fn of_final(
        show: ShowId,
        start_ms: i64,
        record: &FinalRecord,
        unique_viewers: Vec<ViewerKey>,
        assurance: Assurance,
    ) -> Self {
        let figures = &record.figures;
        let valid_ms = match assurance {
            Assurance::A => figures.valid_assurance.a_ms,
            Assurance::AOrB => figures.valid_ms,
        };
        let finality = Some(Finality { number: record.number, at_ms: record.at_ms });
        Self { show, finality, start_ms, live_ms: figures.live_ms, valid_ms, unique_viewers }
    }
}

/// What was sold within the window, after returns, in the currency of the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sales {
    /// Settled sales in minor units. Below zero if more came back than was sold.
    pub settled_minor: i64,
    /// Settled orders.
    pub orders: u64,
}

/// A creator's figures over a window: what decisions are made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Figures {
    /// Length of the window in days.
    pub window_days: u32,
    /// Published media, in milliseconds.
    pub live_ms: u64,
    /// UTC calendar days on which a show started that published something.
    pub days: u64,
    /// Valid watch time, in milliseconds.
    pub valid_ms: u64,
    /// Distinct viewers that were unique to at least one show.
    pub unique_viewers: u64,
    /// What was sold.
    pub sales: Sales,
}

impl Figures {
    /// Figures of the shows that started in the `window_days` before `now_ms`, by what was final
    /// at `now_ms`: of each show the latest final record, whatever else is among the records.
    ///
    /// A show belongs to the window whole, by its start. Nothing is sold yet: see
    /// [`Figures::with_sales`].
    #[must_use]
    pub fn over_window(shows: &[ShowRecord], now_ms: i64, window_days: u32) -> Self {
        let from_ms = now_ms.saturating_sub(i64::from(window_days) * DAY_MS);
        let window = Window { from_ms, until_ms: now_ms };
        let mut latest: BTreeMap<ShowId, &ShowRecord> = BTreeMap::new();
        for record in shows.iter().filter(|record| is_final_at(record, now_ms)) {
            let known = latest.entry(record.show).or_insert(record);
            *known = record.max(known);
        }
        let mut figures = Self { window_days, ..Self::default() };
        let mut days = BTreeSet::new();
        let mut viewers: BTreeSet<ViewerKey> = BTreeSet::new();
        for record in latest.into_values().filter(|record| window.holds(record.start_ms)) {
            figures.live_ms = figures.live_ms.saturating_add(record.live_ms);
            figures.valid_ms = figures.valid_ms.saturating_add(record.valid_ms);
            viewers.extend(&record.unique_viewers);
            if record.live_ms > 0 {
                days.insert(record.start_ms.div_euclid(DAY_MS));
            }
        }
        figures.days = days.len() as u64;
        figures.unique_viewers = viewers.len() as u64;
        figures
    }

    /// The same figures with what was sold within the window.
    #[must_use]
    pub const fn with_sales(self, sales: Sales) -> Self {
        Self { sales, ..self }
    }

    /// The figure that a measure looks at.
    #[must_use]
    pub fn of(&self, measure: Measure) -> u64 {
        match measure {
            Measure::LiveMs => self.live_ms,
            Measure::Days => self.days,
            Measure::ValidMs => self.valid_ms,
            Measure::UniqueViewers => self.unique_viewers,
            Measure::SettledSalesMinor => self.sales.settled_minor.try_into().unwrap_or(0),
            Measure::Orders => self.sales.orders,
        }
    }
}

fn is_final_at(record: &ShowRecord, now_ms: i64) -> bool {
    record.finality.is_some_and(|finality| finality.at_ms <= now_ms)
}
