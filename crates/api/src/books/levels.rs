//! Levels of creators: decided when figures become final, and every hour for those whose time runs.

use std::sync::Arc;
use std::time::Duration;

use tally_program::{
    DAY_MS, Decision, Figures, LevelState, Rights, Rules, evaluate, rights_at_go_live,
};
use tally_store::{CreatorId, Handle, Store};
use tally_watch::ShowId;
use tally_watch::figures::Window;
use tokio::sync::broadcast;
use tokio::time::{MissedTickBehavior, interval};

use super::events::level_changed;
use crate::Outside;

/// Everybody is evaluated this often: the window moves, and graces end. Days would do; an hour lets
/// nobody wait for their level for long because a notice was missed.
const EVALUATE_EVERY: Duration = Duration::from_secs(3_600);

/// The levels of all creators, under one set of rules. Clones share them.
#[derive(Clone, Debug)]
pub struct Levels {
    store: Store,
    rules: Arc<Rules>,
    outside: Outside,
}

impl Levels {
    /// Levels under these rules.
    #[must_use]
    pub fn new(store: Store, rules: Arc<Rules>, outside: Outside) -> Self {
        Self { store, rules, outside }
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What a show that goes live now may do. Who goes live for the first time is enrolled by that.
    ///
    /// # Errors
    /// What the database says.
    pub async fn rights(&self, creator: CreatorId) -> tally_store::Result<Rights> {
        let levels = self.store.levels();
        let state = match levels.state(creator).await? {
            Some(state) => state,
            None => {
                let state = LevelState::enrolled(self.outside.now_ms());
                levels.set(creator, &state).await?;
                state
            }
        };
        Ok(rights_at_go_live(&self.rules, &state))
    }

    /// A creator's figures over the window, as of now. Sales are not known here.
    ///
    /// # Errors
    /// What the database says.
    pub async fn figures(&self, creator: CreatorId) -> tally_store::Result<Figures> {
        self.figures_at(creator, self.outside.now_ms()).await
    }

    async fn figures_at(&self, creator: CreatorId, now_ms: i64) -> tally_store::Result<Figures> {
        let days = self.rules.window_days();
        let from_ms = now_ms.saturating_sub(i64::from(days) * DAY_MS);
        let window = Window { from_ms, until_ms: now_ms };
        let totals = self.store.watch_totals();
        let records = totals.records(creator, window, self.rules.assurance()).await?;
        Ok(Figures::over_window(&records, now_ms, days))
    }

    /// Decides on a creator's level. Gives back, and keeps, the decision if it changes anything.
    ///
    /// # Errors
    /// What the database says; nothing is decided then.
    pub async fn decide(
        &self,
        creator: CreatorId,
        handle: &Handle,
    ) -> tally_store::Result<Option<Decision>> {
        let levels = self.store.levels();
        let Some(state) = levels.state(creator).await? else { return Ok(None) };
        let now_ms = self.outside.now_ms();
        let figures = self.figures_at(creator, now_ms).await?;
        let decision = evaluate(&self.rules, &state, &figures, now_ms);
        if decision.after == decision.before {
            return Ok(None);
        }
        let event = level_changed(creator, handle, &decision);
        let kept = levels.decide(creator, &decision, Some(&event)).await?;
        Ok(kept.then_some(decision))
    }

    /// Decides on everybody's level.
    ///
    /// # Errors
    /// What the database says; who came before has been decided on.
    pub async fn decide_all(&self) -> tally_store::Result<()> {
        for creator in self.store.creators().list().await? {
            self.decide(creator.id, &creator.handle).await?;
        }
        Ok(())
    }

    /// Decides whenever a show's figures become final ([`Books::finalized`](super::Books::finalized)),
    /// and every hour. Ends with the books.
    pub async fn run(self, mut finalized: broadcast::Receiver<ShowId>) {
        let mut ticks = interval(EVALUATE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let decided = tokio::select! {
                _ = ticks.tick() => self.decide_all().await,
                show = finalized.recv() => match show {
                    Ok(show) => self.decide_for(show).await,
                    // So many at once that all are gone through anyway.
                    Err(broadcast::error::RecvError::Lagged(_)) => self.decide_all().await,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
            };
            if let Err(error) = decided {
                tracing::warn!(%error, "levels were not decided; they are again within the hour");
            }
        }
    }

    async fn decide_for(&self, show: ShowId) -> tally_store::Result<()> {
        if let Some(show) = self.store.shows().get(show).await? {
            self.decide(show.creator, &show.handle).await?;
        }
        Ok(())
    }
}
