//! Levels, what they grant, and where a creator stands.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The levels, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Everyone who is enrolled. Never lost.
    RisingStar,
    /// The second.
    Insider,
    /// The highest.
    AList,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Self; 3] = [Self::RisingStar, Self::Insider, Self::AList];

    /// The level above.
    #[must_use]
    pub const fn above(self) -> Option<Self> {
        match self {
            Self::RisingStar => Some(Self::Insider),
            Self::Insider => Some(Self::AList),
            Self::AList => None,
        }
    }

    /// The level below.
    #[must_use]
    pub const fn below(self) -> Option<Self> {
        match self {
            Self::RisingStar => None,
            Self::Insider => Some(Self::RisingStar),
            Self::AList => Some(Self::Insider),
        }
    }

    /// Its name in configuration and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RisingStar => "rising_star",
            Self::Insider => "insider",
            Self::AList => "a_list",
        }
    }
}

/// The name people read.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RisingStar => "Rising Star",
            Self::Insider => "Insider",
            Self::AList => "A-List",
        })
    }
}

/// What a level gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// To go live.
    Stream,
    /// Commission.
    Earn,
    /// A place on the live page.
    LivePage,
    /// A place on the creator's storefront.
    Storefront,
    /// A place on the pages of the first products that the show features.
    ProductPage,
    /// A place at the top of the live page.
    LiveTop,
    /// A place on the home page.
    HomePage,
    /// Invitations to events.
    Events,
    /// Support that answers first.
    PrioritySupport,
}

impl Grant {
    /// Every grant.
    pub const ALL: [Self; 9] = [
        Self::Stream,
        Self::Earn,
        Self::LivePage,
        Self::Storefront,
        Self::ProductPage,
        Self::LiveTop,
        Self::HomePage,
        Self::Events,
        Self::PrioritySupport,
    ];

    /// Its name in configuration and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Earn => "earn",
            Self::LivePage => "live_page",
            Self::Storefront => "storefront",
            Self::ProductPage => "product_page",
            Self::LiveTop => "live_top",
            Self::HomePage => "home_page",
            Self::Events => "events",
            Self::PrioritySupport => "priority_support",
        }
    }
}

/// Whether a creator takes part at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Enrolled, and nothing against them.
    Good,
    /// Enrolled, but suspended by the operator: no rights and no way up while it lasts.
    Suspended,
    /// Not enrolled (yet, or any more): no rights and no way up.
    NotEnrolled,
}

/// The time in which a creator keeps a level whose numbers they do not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grace {
    /// When it was found and the creator told, in Unix milliseconds.
    pub since_ms: i64,
    /// The first Unix millisecond at which the level can go down. Fixed with the notice: rules
    /// that change later do not move it.
    pub ends_ms: i64,
}

/// Where a creator stands: all that one decision hands to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LevelState {
    /// The level.
    pub level: Level,
    /// When it was reached, in Unix milliseconds.
    pub since_ms: i64,
    /// The grace that runs, if one does.
    pub grace: Option<Grace>,
    /// Whether they take part.
    pub standing: Standing,
}

impl LevelState {
    /// A creator who enrols at this Unix millisecond.
    #[must_use]
    pub const fn enrolled(at_ms: i64) -> Self {
        let (level, standing) = (Level::RisingStar, Standing::Good);
        Self { level, since_ms: at_ms, grace: None, standing }
    }
}
