//! Where creators stand, and the decisions that brought them there.

use sqlx::Row as _;
use sqlx::SqliteConnection;
use tally_program::{Decision, LevelState};

use crate::events::put_event;
use crate::shows::{from_json, to_json};
use crate::{CreatorId, NewEvent, Result, Store};

/// The levels of a [`Store`].
#[derive(Clone, Copy, Debug)]
pub struct Levels<'a>(pub(crate) &'a Store);

impl Store {
    /// Where creators stand.
    #[must_use]
    pub const fn levels(&self) -> Levels<'_> {
        Levels(self)
    }
}

impl Levels<'_> {
    /// Where a creator stands; nothing before they are enrolled.
    ///
    /// # Errors
    /// What the database says.
    pub async fn state(&self, creator: CreatorId) -> Result<Option<LevelState>> {
        let mut connection = self.0.pool.acquire().await.map_err(|it| self.0.error(it))?;
        state(&mut connection, creator).await.map_err(|source| self.0.error(source))
    }

    /// Sets where a creator stands without a decision: they enrol, or the operator suspends them.
    ///
    /// # Errors
    /// What the database says; for a creator it does not know, too.
    pub async fn set(&self, creator: CreatorId, state: &LevelState) -> Result<()> {
        let mut connection = self.0.pool.acquire().await.map_err(|it| self.0.error(it))?;
        set(&mut connection, creator, state).await.map_err(|source| self.0.error(source))
    }

    /// Keeps a decision, where it leaves the creator, and the `event` that tells of it, in one
    /// transaction. Gives back false, and
    /// keeps nothing, if the creator does not stand where the decision begins (any more): another one
    /// came before it, perhaps this very one.
    ///
    /// # Errors
    /// What the database says; nothing is kept then.
    pub async fn decide(
        &self,
        creator: CreatorId,
        decision: &Decision,
        event: Option<&NewEvent>,
    ) -> Result<bool> {
        let mut transaction = self.0.begin_write().await?;
        let put = async {
            if state(&mut transaction, creator).await? != Some(decision.before) {
                return Ok(false);
            }
            set(&mut transaction, creator, &decision.after).await?;
            sqlx::query(
                "INSERT INTO level_decisions (creator_id, at_ms, outcome, decision) \
                 VALUES ($1, $2, $3, $4)",
            )
            .bind(creator.0)
            .bind(decision.at_ms)
            .bind(to_json(&decision.outcome).trim_matches('"'))
            .bind(to_json(decision))
            .execute(&mut *transaction)
            .await?;
            put_event(&mut transaction, event).await?;
            Ok(true)
        };
        let kept = put.await.map_err(|source| self.0.error(source))?;
        transaction.commit().await.map_err(|source| self.0.error(source))?;
        Ok(kept)
    }

    /// A creator's newest decisions, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn decisions(&self, creator: CreatorId, limit: u32) -> Result<Vec<Decision>> {
        let rows = sqlx::query(
            "SELECT decision FROM level_decisions WHERE creator_id = $1 \
             ORDER BY at_ms DESC, id DESC LIMIT $2",
        )
        .bind(creator.0)
        .bind(limit)
        .fetch_all(&self.0.pool)
        .await
        .map_err(|source| self.0.error(source))?;
        let decisions = rows.iter().map(|row| from_json("decision", row.try_get(0)?));
        decisions.collect::<std::result::Result<_, _>>().map_err(|source| self.0.error(source))
    }

    /// Every creator who has a level, by id: whom the daily evaluation goes through.
    ///
    /// # Errors
    /// What the database says.
    pub async fn enrolled(&self) -> Result<Vec<CreatorId>> {
        let ids = sqlx::query_scalar("SELECT creator_id FROM creator_levels ORDER BY creator_id")
            .fetch_all(&self.0.pool)
            .await
            .map_err(|source| self.0.error(source))?;
        Ok(ids.into_iter().map(CreatorId).collect())
    }
}

async fn state(
    connection: &mut SqliteConnection,
    creator: CreatorId,
) -> std::result::Result<Option<LevelState>, sqlx::Error> {
    let row = sqlx::query("SELECT state FROM creator_levels WHERE creator_id = $1")
        .bind(creator.0)
        .fetch_optional(connection)
        .await?;
    row.map(|row| from_json("state", row.try_get(0)?)).transpose()
}

async fn set(
    connection: &mut SqliteConnection,
    creator: CreatorId,
    state: &LevelState,
) -> std::result::Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO creator_levels (creator_id, state) VALUES ($1, $2)")
        .bind(creator.0)
        .bind(to_json(state))
        .execute(connection)
        .await?;
    Ok(())
}
