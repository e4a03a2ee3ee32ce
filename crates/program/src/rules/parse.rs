//! From the text of `levels.toml` to [`Rules`]: each key is checked, then whether all fit.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use toml::Table;

use super::keys::{ANY, FIRST_LEVEL, LEVEL, Section, THRESHOLDS, TOP, ThresholdKey};
use super::{
    Assurance, BASIS_POINTS_WHOLE, Condition, Currency, LevelRule, Rules, RulesError, RulesId,
    Threshold,
};
use crate::{Grant, Level};

/// A file of rules with its comments has some 3,000 bytes; twenty times that is another file.
pub const RULES_BYTES_MAX: usize = 64 * 1024;

/// A year, leap day included: longer windows and graces are typing mistakes.
const DAYS_MAX: u32 = 366;

/// Digits after the point: no currency has more.
const EXPONENT_MAX: u32 = 4;

/// Versions are counted up by hand.
const VERSION_MAX: u32 = 1_000_000_000;

impl Rules {
    /// Reads the text of a `levels.toml`.
    ///
    /// # Errors
    /// [`RulesError`] with the first thing found wrong.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        if text.len() > RULES_BYTES_MAX {
            let (bytes, bytes_max) = (text.len(), RULES_BYTES_MAX);
            return Err(RulesError::TooLong { bytes, bytes_max });
        }
        let table = text.parse::<Table>().map_err(|error| syntax(text, &error))?;
        let top = Section::new("", &table, &TOP)?;
        let id = RulesId { version: top.small("version", 1..=VERSION_MAX)?, sha256: sha256(text) };
        let window_days = top.small("window_days", 1..=DAYS_MAX)?;
        let keep_percent = top.small("keep_percent", 1..=100)?;
        let grace_days = top.small("grace_days", 1..=DAYS_MAX)?;
        let assurance = top.text("assurance", "\"A\" or \"A+B\"", |text| match text {
            "A" => Some(Assurance::A),
            "A+B" => Some(Assurance::AOrB),
            _ => None,
        })?;
        let currency = Currency {
            code: top.text("currency", "three capital letters such as \"USD\"", currency_code)?,
            exponent: top.small("currency_exponent", 0..=EXPONENT_MAX)?,
        };
        let [first, second, third] = Level::ALL;
        let first = read_level(&top, first, None, window_days)?;
        let second = read_level(&top, second, Some((Level::RisingStar, &first)), window_days)?;
        let third = read_level(&top, third, Some((Level::Insider, &second)), window_days)?;
        let levels = [first, second, third];
        Ok(Self { id, window_days, keep_percent, grace_days, assurance, currency, levels })
    }
}

fn read_level(
    top: &Section<'_>,
    level: Level,
    below: Option<(Level, &LevelRule)>,
    window_days: u32,
) -> Result<LevelRule, RulesError> {
    let known: &[&str] = if below.is_some() { &LEVEL } else { &FIRST_LEVEL };
    let section = top.section(level.name(), "a table with the rule of this level", known)?;
    let rule = LevelRule {
        grants: read_grants(&section, level, below)?,
        commission_basis_points: section
            .small("commission_basis_points", 0..=BASIS_POINTS_WHOLE)?,
        unlock: match below {
            None => Vec::new(),
            Some(_) => read_unlock(&section, window_days)?,
        },
    };
    if let Some((level, below)) = below {
        not_below(&section, &rule, level, below)?;
    }
    Ok(rule)
}

fn read_grants(
    section: &Section<'_>,
    level: Level,
    below: Option<(Level, &LevelRule)>,
) -> Result<BTreeSet<Grant>, RulesError> {
    let names = Grant::ALL.map(|grant| format!("\"{}\"", grant.name())).join(", ");
    let own = section.list("grants", &format!("a list of {names}"), |text| {
        Grant::ALL.into_iter().find(|grant| grant.name() == text)
    })?;
    let mut grants = below.map(|(_, rule)| rule.grants.clone()).unwrap_or_default();
    for (index, grant) in own.iter().enumerate() {
        if !grants.insert(*grant) {
            let by = match below {
                Some((lower, _)) if !own[..index].contains(grant) => lower,
                _ => level,
            };
            let (key, grant) = (section.full("grants"), grant.name());
            return Err(RulesError::GrantedTwice { key, grant, by });
        }
    }
    Ok(grants)
}

/// What unlocks a level: every threshold for itself, then those of which one is enough.
fn read_unlock(section: &Section<'_>, window_days: u32) -> Result<Vec<Condition>, RulesError> {
    let names: Vec<&str> = THRESHOLDS.iter().map(|key| key.name).collect();
    let with_any: Vec<&str> = names.iter().copied().chain([ANY]).collect();
    let allowed = format!("a table with one or more of {}", names.join(", "));
    let unlock = section.section("unlock", &allowed, &with_any)?;
    let alone = |threshold| Condition { any_of: vec![threshold] };
    let mut all_of: Vec<_> =
        read_thresholds(&unlock, window_days)?.into_iter().map(alone).collect();
    if unlock.has(ANY) {
        let any_of = read_thresholds(&unlock.section(ANY, &allowed, &names)?, window_days)?;
        if any_of.is_empty() {
            return Err(RulesError::Missing { key: unlock.full(ANY), allowed });
        }
        all_of.push(Condition { any_of });
    }
    if all_of.is_empty() {
        return Err(RulesError::Missing { key: section.full("unlock"), allowed });
    }
    Ok(all_of)
}

fn read_thresholds(section: &Section<'_>, window_days: u32) -> Result<Vec<Threshold>, RulesError> {
    let mut thresholds = Vec::new();
    for ThresholdKey { name, measure, unit, at_most } in &THRESHOLDS {
        if !section.has(name) {
            continue;
        }
        let number = section.number(name, 1..=*at_most)?;
        if *name == "days" && number > u64::from(window_days) {
            let key = section.full(name);
            return Err(RulesError::DaysBeyondWindow { key, days: number, window_days });
        }
        thresholds.push(Threshold { measure: *measure, at_least: number * unit });
    }
    Ok(thresholds)
}

/// A level pays no less than the one below and asks for no less of what both ask for. Otherwise a
/// creator could keep the higher one while losing the lower, or lose money by rising.
fn not_below(
    section: &Section<'_>,
    rule: &LevelRule,
    level: Level,
    below: &LevelRule,
) -> Result<(), RulesError> {
    let refuse = |key: String, value: u64, below: u64| {
        Err(RulesError::BelowLowerLevel { key, value, level, below })
    };
    let (pays, paid) = (rule.commission_basis_points, below.commission_basis_points);
    if pays < paid {
        return refuse(section.full("commission_basis_points"), pays.into(), paid.into());
    }
    for key in &THRESHOLDS {
        let asked = |rule: &LevelRule| {
            let alone = rule.unlock.iter().filter(|condition| condition.any_of.len() == 1);
            let mut found = alone.filter_map(|condition| condition.any_of.first());
            found.find(|threshold| threshold.measure == key.measure).map(|it| it.at_least)
        };
        if let (Some(asks), Some(asked)) = (asked(rule), asked(below))
            && asks < asked
        {
            let name = section.full(&format!("unlock.{}", key.name));
            return refuse(name, asks / key.unit, asked / key.unit);
        }
    }
    Ok(())
}

fn currency_code(text: &str) -> Option<String> {
    let fits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    fits.then(|| text.into())
}

fn syntax(text: &str, error: &toml::de::Error) -> RulesError {
    let before = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = 1 + text.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count();
    let reason = error.message().lines().collect::<Vec<_>>().join(", ");
    RulesError::Syntax { line, reason }
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes everything");
        hex
    })
}
