//! The rules as data: what unlocks a level, what keeps it, what it grants and pays.

mod error;
mod keys;
mod parse;

pub use error::RulesError;
pub use parse::RULES_BYTES_MAX;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Figures, Grant, Level};

/// The whole share, in basis points.
pub const BASIS_POINTS_WHOLE: u32 = 10_000;

/// Which rules a decision was made with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RulesId {
    /// The version the operator gave them.
    pub version: u32,
    /// SHA-256 of the file's text, in hexadecimal: tells rules of one version apart.
    pub sha256: String,
}

/// Rules that were read and found to fit together: see `config/levels.toml` for every key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    id: RulesId,
    window_days: u32,
    keep_percent: u32,
    grace_days: u32,
    assurance: Assurance,
    currency: Currency,
    /// One for each of [`Level::ALL`].
    levels: [LevelRule; Level::ALL.len()],
}

/// The rule of one level.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LevelRule {
    /// Its own grants and those of the levels below.
    grants: BTreeSet<Grant>,
    commission_basis_points: u32,
    /// All of them unlock the level. None for the first one.
    unlock: Vec<Condition>,
}

/// What valid watch time must be backed by (WATCH TIME, tags A and B).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Assurance {
    /// Delivered by this server and attested by the player.
    A,
    /// The same, or attested while the media came through a cache.
    AOrB,
}

/// The currency that settled sales are counted in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Currency {
    pub(crate) code: String,
    pub(crate) exponent: u32,
}

/// What a threshold looks at, with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Published media, in milliseconds.
    LiveMs,
    /// UTC calendar days with a show.
    Days,
    /// Valid watch time, in milliseconds.
    ValidMs,
    /// Distinct viewers.
    UniqueViewers,
    /// Settled sales in minor units.
    SettledSalesMinor,
    /// Settled orders.
    Orders,
}

/// A figure that must be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Threshold {
    /// The figure.
    pub measure: Measure,
    /// How much of it, in its unit. Never 0.
    pub at_least: u64,
}

/// Thresholds of which one is enough; never empty. A plain requirement has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The thresholds.
    pub any_of: Vec<Threshold>,
}

impl Condition {
    pub(crate) fn is_met(&self, figures: &Figures) -> bool {
        self.any_of.iter().any(|it| figures.of(it.measure) >= it.at_least)
    }

    fn scaled(&self, percent: u32) -> Self {
        let share = |whole: u64| {
            let share = (u128::from(whole) * u128::from(percent)).div_ceil(100);
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        let scale = |it: &Threshold| Threshold { at_least: share(it.at_least), ..*it };
        Self { any_of: self.any_of.iter().map(scale).collect() }
    }
}

impl Rules {
    /// Which rules these are.
    #[must_use]
    pub const fn id(&self) -> &RulesId {
        &self.id
    }

    /// Length of the window, for [`Figures::over_window`].
    #[must_use]
    pub const fn window_days(&self) -> u32 {
        self.window_days
    }

    /// How long a level is kept after its numbers are not.
    #[must_use]
    pub const fn grace_days(&self) -> u32 {
        self.grace_days
    }

    /// The evidence that watch time must have, for [`ShowRecord::of_final`](crate::ShowRecord).
    #[must_use]
    pub const fn assurance(&self) -> Assurance {
        self.assurance
    }

    /// Everything that a level grants, what it has from the levels below included.
    #[must_use]
    pub const fn grants(&self, level: Level) -> &BTreeSet<Grant> {
        &self.level(level).grants
    }

    /// The commission in basis points for a purchase whose click came while the creator was at
    /// this level.
    #[must_use]
    pub const fn commission_basis_points(&self, level_at_click: Level) -> u32 {
        self.level(level_at_click).commission_basis_points
    }

    /// What unlocks a level: all of it. Nothing is asked for the first.
    #[must_use]
    pub fn unlock(&self, level: Level) -> &[Condition] {
        &self.level(level).unlock
    }

    /// What keeps a level: all of it, a share of what unlocks it (rounded up).
    #[must_use]
    pub fn keep(&self, level: Level) -> Vec<Condition> {
        self.unlock(level).iter().map(|it| it.scaled(self.keep_percent)).collect()
    }

    pub(crate) const fn currency(&self) -> &Currency {
        &self.currency
    }

    const fn level(&self, level: Level) -> &LevelRule {
        &self.levels[level as usize]
    }
}
