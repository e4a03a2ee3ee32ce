//! Who would stand elsewhere, had other rules been in force.

use serde::Serialize;

use crate::{Decision, Figures, Level, LevelState, Rules, ShowRecord, evaluate};

/// What happened to one creator.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// The creator, by whatever name the caller knows them.
    pub creator: &'a str,
    /// Their show records, from the longest window before the first decision on.
    pub shows: &'a [ShowRecord],
    /// Every decision, oldest first.
    pub decisions: &'a [Decision],
}

/// A creator who would stand elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Move {
    /// The creator.
    pub creator: String,
    /// The level they have.
    pub from: Level,
    /// The level they would have.
    pub to: Level,
}

/// Makes every decision of the histories again with other rules, at the same instants, and lists
/// whose last level differs, in the order of the histories.
///
/// Figures are computed anew over the window of these rules; sales are the recorded ones, which are
/// those of the recorded window. Standing is what it was.
#[must_use]
pub fn what_if(rules: &Rules, histories: &[History<'_>]) -> Vec<Move> {
    let of_one = |history: &History<'_>| {
        let (first, last) = (history.decisions.first()?, history.decisions.last()?);
        let redo = |state: LevelState, made: &Decision| {
            let figures = Figures::over_window(history.shows, made.at_ms, rules.window_days());
            let figures = figures.with_sales(made.figures.sales);
            let state = LevelState { standing: made.before.standing, ..state };
            evaluate(rules, &state, &figures, made.at_ms).after
        };
        let (from, to) =
            (last.after.level, history.decisions.iter().fold(first.before, redo).level);
        (from != to).then(|| Move { creator: history.creator.into(), from, to })
    };
    histories.iter().filter_map(of_one).collect()
}
