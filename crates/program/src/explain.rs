//! What is missing to a level, as numbers and as sentences.

use serde::Serialize;

use crate::rules::{BASIS_POINTS_WHOLE, Condition, Currency, Measure, Threshold};
use crate::{Figures, Level, LevelState, Rules, Standing};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// How far a creator is from unlocking or keeping a level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The level in question.
    pub level: Level,
    /// Whether it is about reaching the level or about keeping it.
    pub goal: Goal,
    /// The creator's standing: only a good one lets them rise, whatever the figures.
    pub standing: Standing,
    /// One row per requirement; all must be met.
    pub requirements: Vec<Requirement>,
    /// The least of the requirements' progress: 10,000 means that all are met.
    pub progress_basis_points: u32,
    /// The whole in one line.
    pub text: String,
}

/// What a creator wants of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// To reach it.
    Unlock,
    /// To keep it: they have it.
    Keep,
}

/// One requirement; any one of its measures is enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// What is measured; never empty, mostly one.
    pub any_of: Vec<Progress>,
    /// Whether it is met.
    pub is_met: bool,
    /// The best of the measures' progress.
    pub progress_basis_points: u32,
    /// The requirement in one line.
    pub text: String,
}

/// A figure beside what it must reach, in the measure's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// What is measured.
    pub measure: Measure,
    /// What there is.
    pub have: u64,
    /// What there must be.
    pub need: u64,
    /// What is missing.
    pub missing: u64,
    /// `have` of `need`, rounded down, at most 10,000: only what is met is whole.
    pub progress_basis_points: u32,
}

/// Explains a level to a creator with this state and these figures: what is missing to reach it, or
/// what keeps it, if they have it or a higher one.
#[must_use]
pub fn explain(rules: &Rules, state: &LevelState, figures: &Figures, level: Level) -> Explanation {
    let goal = if level > state.level { Goal::Unlock } else { Goal::Keep };
    let conditions = match goal {
        Goal::Unlock => rules.unlock(level).to_vec(),
        Goal::Keep => rules.keep(level),
    };
    let requirements: Vec<_> =
        conditions.iter().map(|it| requirement(it, figures, rules.currency())).collect();
    let progress = requirements.iter().map(|it| it.progress_basis_points).min();
    let progress_basis_points = progress.unwrap_or(BASIS_POINTS_WHOLE);
    let text = summary(state, level, &requirements);
    let standing = state.standing;
    Explanation { level, goal, standing, requirements, progress_basis_points, text }
}

/// The requirements that are not met, in one line. Empty if all are.
pub(crate) fn shortfall(conditions: &[Condition], figures: &Figures, rules: &Rules) -> String {
    let unmet = conditions.iter().filter(|condition| !condition.is_met(figures));
    let texts = unmet.map(|it| requirement(it, figures, rules.currency()).text);
    texts.collect::<Vec<_>>().join("; ")
}

fn requirement(condition: &Condition, figures: &Figures, currency: &Currency) -> Requirement {
    let any_of: Vec<_> = condition.any_of.iter().map(|it| progress(it, figures)).collect();
    let texts = any_of.iter().map(|it| line(it, currency));
    Requirement {
        is_met: condition.is_met(figures),
        progress_basis_points: any_of.iter().map(|it| it.progress_basis_points).max().unwrap_or(0),
        text: texts.collect::<Vec<_>>().join(", or "),
        any_of,
    }
}

fn progress(threshold: &Threshold, figures: &Figures) -> Progress {
    let (have, need) = (figures.of(threshold.measure), threshold.at_least);
    let whole = u128::from(BASIS_POINTS_WHOLE);
    let share = u128::from(have.min(need)) * whole / u128::from(need.max(1));
    Progress {
        measure: threshold.measure,
        have,
        need,
        missing: need.saturating_sub(have),
        progress_basis_points: u32::try_from(share).unwrap_or(BASIS_POINTS_WHOLE),
    }
}

fn summary(state: &LevelState, level: Level, requirements: &[Requirement]) -> String {
    let unmet = requirements.iter().filter(|it| !it.is_met).map(|it| it.text.as_str());
    let missing = unmet.collect::<Vec<_>>().join("; ");
    if level < state.level {
        return format!("{level} is below your level, {}", state.level);
    }
    if level == state.level {
        return match missing.is_empty() {
            true => format!("You keep {level}"),
            false => format!("To keep {level}: {missing}"),
        };
    }
    let standing = match state.standing {
        Standing::Good => "",
        Standing::Suspended => "Suspended, so there is no way up. ",
        Standing::NotEnrolled => "Not enrolled, so there is no way up. ",
    };
    let first = state.level.above().filter(|next| *next != level);
    let first = first.map(|next| format!(" ({next} comes first)")).unwrap_or_default();
    match missing.is_empty() {
        true => {
            format!("{standing}{level}{first}: all {} requirements are met", requirements.len())
        }
        false => format!("{standing}To {level}{first}: {missing}"),
    }
}

/// Such as `live time: 41 of 90 min, 49 missing`. What is there is rounded down and what is missing
/// up, so that nothing reads as reached before it is.
fn line(progress: &Progress, currency: &Currency) -> String {
    let Progress { measure, have, need, missing, .. } = *progress;
    let in_unit = |name: &str, ms: u64, unit: &str| {
        let numbers = [have / ms, need.div_ceil(ms), missing.div_ceil(ms)];
        row(name, numbers.map(|number| number.to_string()), unit)
    };
    let counted = |name: &str, unit: &str| {
        row(name, [have, need, missing].map(|number| number.to_string()), unit)
    };
    match measure {
        // A threshold of a kept share need not be whole hours: minutes show it.
        Measure::ValidMs if need.is_multiple_of(HOUR_MS) => in_unit("watch time", HOUR_MS, " h"),
        Measure::ValidMs => in_unit("watch time", MINUTE_MS, " min"),
        Measure::LiveMs => in_unit("live time", MINUTE_MS, " min"),
        Measure::Days => counted("days with a show", ""),
        Measure::UniqueViewers => counted("unique viewers", ""),
        Measure::Orders => counted("orders", ""),
        Measure::SettledSalesMinor => {
            let numbers = [have, need, missing].map(|minor| amount(minor, currency.exponent));
            row("settled sales", numbers, &format!(" {}", currency.code))
        }
    }
}

fn row(name: &str, [have, need, missing]: [String; 3], unit: &str) -> String {
    // What is missing is rounded up, so it is all zeros only if nothing is.
    if missing.chars().all(|digit| matches!(digit, '0' | '.')) {
        return format!("{name}: {have} of {need}{unit}");
    }
    format!("{name}: {have} of {need}{unit}, {missing} missing")
}

/// Minor units with the currency's point.
fn amount(minor: u64, exponent: u32) -> String {
    if exponent == 0 {
        return minor.to_string();
    }
    let whole = 10_u64.pow(exponent);
    let width = exponent as usize;
    format!("{}.{:0width$}", minor / whole, minor % whole)
}
