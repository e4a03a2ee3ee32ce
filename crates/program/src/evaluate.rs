//! The decision: up, down, or how it stands. The same inputs give the same decision, always.

use serde::{Deserialize, Serialize};

use crate::explain::shortfall;
use crate::figures::DAY_MS;
use crate::rules::{Condition, RulesId};
use crate::{Figures, Grace, Level, LevelState, Rules, Standing};

/// A decision as it is kept: what it was made with, from and when, and what came out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Decision {
    /// The rules it was made with.
    pub rules: RulesId,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
    /// Where the creator stood.
    pub before: LevelState,
    /// The figures it was made from.
    pub figures: Figures,
    /// What was decided.
    pub outcome: Outcome,
    /// Where the creator stands now.
    pub after: LevelState,
    /// Why, in one line for people.
    pub reason: String,
}

impl Decision {
    /// Whether these rules give this very decision again. Not so with any other rules.
    #[must_use]
    pub fn is_reproduced_by(&self, rules: &Rules) -> bool {
        evaluate(rules, &self.before, &self.figures, self.at_ms) == *self
    }
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// One level up, at once.
    Up,
    /// The level stays and nothing is up.
    Stays,
    /// The figures fell below what keeps the level: the creator is told, the grace begins.
    GraceBegins,
    /// The grace runs.
    InGrace,
    /// The figures keep the level again before it was lost: the grace is over.
    Recovered,
    /// The grace ended: one level down.
    Down,
}

impl Outcome {
    /// Whether the creator is to be told of it.
    #[must_use]
    pub const fn is_notice(self) -> bool {
        matches!(self, Self::Up | Self::GraceBegins | Self::Recovered | Self::Down)
    }
}

/// Decides on a creator's level at `now_ms`: when a show's figures become final, daily, and when a
/// grace ends.
///
/// Moves one level at most. At or before the instant the level was reached nothing changes, so a
/// decision that is asked for twice is made once.
#[must_use]
pub fn evaluate(rules: &Rules, current: &LevelState, figures: &Figures, now_ms: i64) -> Decision {
    let (outcome, after, reason) = decide(rules, current, figures, now_ms);
    let (rules, before, figures) = (rules.id().clone(), *current, *figures);
    Decision { rules, at_ms: now_ms, before, figures, outcome, after, reason }
}

fn decide(
    rules: &Rules,
    current: &LevelState,
    figures: &Figures,
    now_ms: i64,
) -> (Outcome, LevelState, String) {
    let level = current.level;
    if now_ms <= current.since_ms {
        return (Outcome::Stays, *current, format!("{level} was not reached before this"));
    }
    if let Some(next) = level.above()
        && current.standing == Standing::Good
        && all_met(rules.unlock(next), figures)
    {
        let reason = format!("all that unlocks {next} is met");
        return (Outcome::Up, moved(current, next, now_ms), reason);
    }
    let keep = rules.keep(level);
    let Some(below) = level.below().filter(|_| !all_met(&keep, figures)) else {
        let (outcome, reason) = match current.grace {
            Some(_) => (Outcome::Recovered, format!("all that keeps {level} is met again")),
            None => (Outcome::Stays, stays(rules, current, figures)),
        };
        return (outcome, LevelState { grace: None, ..*current }, reason);
    };
    let short = shortfall(&keep, figures, rules);
    match current.grace {
        None => {
            let days = rules.grace_days();
            let ends_ms = now_ms.saturating_add(i64::from(days) * DAY_MS);
            let grace = Some(Grace { since_ms: now_ms, ends_ms });
            let reason = format!("{level} is kept for {days} more days; to keep it: {short}");
            (Outcome::GraceBegins, LevelState { grace, ..*current }, reason)
        }
        Some(grace) if now_ms < grace.ends_ms => {
            let reason = format!("the grace runs; to keep {level}: {short}");
            (Outcome::InGrace, *current, reason)
        }
        Some(_) => {
            let reason = format!("the grace ended; what was missing to keep {level}: {short}");
            (Outcome::Down, moved(current, below, now_ms), reason)
        }
    }
}

fn stays(rules: &Rules, current: &LevelState, figures: &Figures) -> String {
    let level = current.level;
    match (current.standing, level.above()) {
        (Standing::Suspended, _) => format!("{level} stays: suspended, so there is no way up"),
        (Standing::NotEnrolled, _) => format!("{level} stays: not enrolled, so there is no way up"),
        (Standing::Good, None) => format!("{level} is kept"),
        (Standing::Good, Some(next)) => {
            let short = shortfall(rules.unlock(next), figures, rules);
            format!("{level} is kept; to {next}: {short}")
        }
    }
}

fn all_met(conditions: &[Condition], figures: &Figures) -> bool {
    conditions.iter().all(|condition| condition.is_met(figures))
}

fn moved(current: &LevelState, level: Level, now_ms: i64) -> LevelState {
    LevelState { level, since_ms: now_ms, grace: None, ..*current }
}
