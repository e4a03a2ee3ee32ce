//! The names of the keys, and a table being read against them.

use std::ops::RangeInclusive;

use toml::{Table, Value};

use super::{Measure, RulesError};

/// Keys at the top, levels included.
pub(super) const TOP: [&str; 10] = [
    "version",
    "window_days",
    "keep_percent",
    "grace_days",
    "assurance",
    "currency",
    "currency_exponent",
    "rising_star",
    "insider",
    "a_list",
];

/// Keys of the first level, which nothing has to unlock.
pub(super) const FIRST_LEVEL: [&str; 2] = ["grants", "commission_basis_points"];

/// Keys of the other levels.
pub(super) const LEVEL: [&str; 3] = ["grants", "commission_basis_points", "unlock"];

/// The table of thresholds of which one is enough.
pub(super) const ANY: &str = "any";

/// Of a value or a key as typed, this much is shown in an error: enough to find it.
const SHOWN_CHARS_MAX: usize = 80;

/// A key that holds a threshold.
pub(super) struct ThresholdKey {
    pub(super) name: &'static str,
    pub(super) measure: Measure,
    /// How much of the measure's unit is 1 of this key.
    pub(super) unit: u64,
    /// More than any program asks for; with it no figure comes near an overflow.
    pub(super) at_most: i64,
}

const fn threshold(name: &'static str, measure: Measure, unit: u64, at_most: i64) -> ThresholdKey {
    ThresholdKey { name, measure, unit, at_most }
}

/// Every threshold, in the order in which explanations list them.
pub(super) const THRESHOLDS: [ThresholdKey; 6] = [
    threshold("live_min", Measure::LiveMs, 60_000, 1_000_000),
    threshold("days", Measure::Days, 1, 366),
    threshold("valid_h", Measure::ValidMs, 3_600_000, 1_000_000_000),
    threshold("unique_viewers", Measure::UniqueViewers, 1, 1_000_000_000),
    threshold("settled_sales_minor", Measure::SettledSalesMinor, 1, 1_000_000_000_000_000),
    threshold("orders", Measure::Orders, 1, 1_000_000_000),
];

/// A table whose keys all exist.
pub(super) struct Section<'a> {
    /// Its full name; empty at the top.
    name: String,
    table: &'a Table,
}

impl<'a> Section<'a> {
    pub(super) fn new(name: &str, table: &'a Table, known: &[&str]) -> Result<Self, RulesError> {
        let section = Self { name: name.into(), table };
        match table.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(section),
            Some(key) => {
                let near = known.iter().min_by_key(|it| strsim::damerau_levenshtein(it, key));
                let nearest = section.full(near.copied().unwrap_or_default());
                Err(RulesError::Unknown { key: shown(&section.full(key)), nearest })
            }
        }
    }

    /// A key's full name.
    pub(super) fn full(&self, key: &str) -> String {
        if self.name.is_empty() { key.into() } else { format!("{}.{key}", self.name) }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(super) fn number(&self, key: &str, range: RangeInclusive<i64>) -> Result<u64, RulesError> {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        let value = self.value(key, &allowed)?;
        let number = value.as_integer().filter(|number| range.contains(number));
        let number = number.and_then(|number| u64::try_from(number).ok());
        number.ok_or_else(|| self.bad(key, value, &allowed))
    }

    /// A number of at most 32 bits.
    pub(super) fn small(&self, key: &str, range: RangeInclusive<u32>) -> Result<u32, RulesError> {
        let number = self.number(key, i64::from(*range.start())..=i64::from(*range.end()))?;
        Ok(u32::try_from(number).expect("the range is of 32-bit numbers"))
    }

    /// A text that `read` makes something of.
    pub(super) fn text<T>(
        &self,
        key: &str,
        allowed: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, RulesError> {
        let value = self.value(key, allowed)?;
        value.as_str().and_then(read).ok_or_else(|| self.bad(key, value, allowed))
    }

    /// A list of texts that `read` makes something of.
    pub(super) fn list<T>(
        &self,
        key: &str,
        allowed: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, RulesError> {
        let value = self.value(key, allowed)?;
        let items = value.as_array().ok_or_else(|| self.bad(key, value, allowed))?;
        let read_item = |item: &Value| {
            item.as_str().and_then(&read).ok_or_else(|| self.bad(key, item, allowed))
        };
        items.iter().map(read_item).collect()
    }

    /// A table below this one.
    pub(super) fn section(
        &self,
        key: &str,
        allowed: &str,
        known: &[&str],
    ) -> Result<Section<'a>, RulesError> {
        let value = self.value(key, allowed)?;
        let table = value.as_table().ok_or_else(|| self.bad(key, value, allowed))?;
        Section::new(&self.full(key), table, known)
    }

    fn value(&self, key: &str, allowed: &str) -> Result<&'a Value, RulesError> {
        let missing = || RulesError::Missing { key: self.full(key), allowed: allowed.into() };
        self.table.get(key).ok_or_else(missing)
    }

    fn bad(&self, key: &str, value: &Value, allowed: &str) -> RulesError {
        let (key, value) = (self.full(key), shown(&value.to_string()));
        RulesError::BadValue { key, value, allowed: allowed.into() }
    }
}

/// What was typed, fit for one line of a log.
fn shown(typed: &str) -> String {
    let printable = typed.chars().map(|it| if it.is_control() { ' ' } else { it });
    printable.take(SHOWN_CHARS_MAX).collect()
}
