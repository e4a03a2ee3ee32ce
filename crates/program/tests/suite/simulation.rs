//! Months of a creator's shows and the decisions made along the way.

use proptest::collection::vec;
use proptest::prelude::*;
use tally_program::{
    DAY_MS, Decision, Figures, Finality, LevelState, Rules, Sales, ShowId, ShowRecord, ViewerKey,
    evaluate,
};

pub(crate) const MINUTE_MS: u64 = 60_000;
pub(crate) const HOUR_MS: u64 = 60 * MINUTE_MS;

/// Day 0 of the simulations: a UTC midnight in 2026.
pub(crate) const START_MS: i64 = 20_500 * DAY_MS;

/// A creator's months.
#[derive(Clone, Debug)]
pub(crate) struct Months {
    pub(crate) shows: Vec<ShowRecord>,
    /// Settled sales as they stand on each day.
    pub(crate) sales: Vec<Sales>,
}

/// Months with quiet and busy weeks, so that creators rise, fall and recover.
pub(crate) fn months() -> impl Strategy<Value = Months> {
    let week = (0_u64..=2, vec((0_i64..DAY_MS, 0_u64..=100, 0_u64..=100, 0_u128..40), 7));
    let sales = (-10_000_i64..800_000, 0_u64..130);
    (vec(week, 20..28), vec(sales, 28)).prop_map(|(weeks, sales)| {
        let days = weeks.iter().flat_map(|(busy, days)| days.iter().map(move |day| (busy, day)));
        let shows = days.enumerate().filter(|(_, (busy, _))| **busy > 0);
        let shows = shows.map(|(day, (busy, (offset_ms, live, valid, viewer)))| {
            let start_ms = START_MS + day as i64 * DAY_MS + offset_ms;
            ShowRecord {
                show: ShowId(day as u64),
                finality: Some(Finality { number: 0, at_ms: start_ms + 2 * DAY_MS }),
                start_ms,
                live_ms: live * busy * MINUTE_MS / 2,
                valid_ms: valid * busy * busy * HOUR_MS / 8,
                unique_viewers: (*viewer..viewer + 4).map(ViewerKey).collect(),
            }
        });
        let sales = sales.into_iter().flat_map(|(settled_minor, orders)| {
            [Sales { settled_minor, orders }; 7] // the same for a week
        });
        let mut shows: Vec<ShowRecord> = shows.collect();
        let corrections: Vec<_> = shows.iter().step_by(3).map(corrected).collect();
        shows.extend(corrections);
        Months { shows, sales: sales.collect() }
    })
}

/// A correction that comes three days after the first final figures and takes half of them.
fn corrected(show: &ShowRecord) -> ShowRecord {
    let at_ms = show.start_ms + 5 * DAY_MS;
    let finality = Some(Finality { number: 1, at_ms });
    ShowRecord { finality, valid_ms: show.valid_ms / 2, ..show.clone() }
}

/// The instants at which decisions are made: daily, and when a show becomes final.
fn instants(months: &Months) -> Vec<i64> {
    let daily = (1..=months.sales.len() as i64).map(|day| START_MS + day * DAY_MS);
    let finals = months.shows.iter().filter_map(|show| Some(show.finality?.at_ms));
    let end_ms = START_MS + months.sales.len() as i64 * DAY_MS;
    let mut instants: Vec<_> = daily.chain(finals).filter(|at_ms| *at_ms <= end_ms).collect();
    instants.sort_unstable();
    instants.dedup();
    instants
}

/// The figures at an instant.
pub(crate) fn figures(rules: &Rules, months: &Months, now_ms: i64) -> Figures {
    let day = usize::try_from((now_ms - START_MS - 1) / DAY_MS).expect("it has begun");
    let figures = Figures::over_window(&months.shows, now_ms, rules.window_days());
    figures.with_sales(months.sales[day.min(months.sales.len() - 1)])
}

/// Every decision of these months, for a creator who enrolled as they began.
pub(crate) fn decide(rules: &Rules, months: &Months) -> Vec<Decision> {
    let mut state = LevelState::enrolled(START_MS);
    let decide_at = |now_ms| {
        let decision = evaluate(rules, &state, &figures(rules, months, now_ms), now_ms);
        state = decision.after;
        decision
    };
    instants(months).into_iter().map(decide_at).collect()
}
