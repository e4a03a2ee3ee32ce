//! What a creator may do with a show, fixed when it goes live.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::rules::RulesId;
use crate::{Grant, Level, LevelState, Rules, Standing};

/// The rights of one show. They are kept with it: a level that changes while it is live changes the
/// next show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// The rules they come from.
    pub rules: RulesId,
    /// The creator's level at go-live.
    pub level: Level,
    /// What is granted.
    pub grants: BTreeSet<Grant>,
}

impl Rights {
    /// Whether the show has this grant.
    #[must_use]
    pub fn allow(&self, grant: Grant) -> bool {
        self.grants.contains(&grant)
    }
}

/// The rights of a show that goes live now: those of the level, grace or not, and none at all
/// without good standing.
#[must_use]
pub fn rights_at_go_live(rules: &Rules, state: &LevelState) -> Rights {
    let grants = match state.standing {
        Standing::Good => rules.grants(state.level).clone(),
        Standing::Suspended | Standing::NotEnrolled => BTreeSet::new(),
    };
    Rights { rules: rules.id().clone(), level: state.level, grants }
}
