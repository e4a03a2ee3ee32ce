//! Events: what happened, kept until it was told, and what could not be told.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use crate::{Result, Store};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Names what happened. A second event of the same key is the same event and is not kept.
    pub key: String,
    /// What kind of thing, such as `show.finalized`.
    pub kind: &'static str,
    /// JSON, sent as it is.
    pub body: String,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Rises with every event.
    pub id: i64,
    /// Names what happened; the same in every attempt, so that receivers can tell.
    pub key: String,
    /// What kind of thing.
    pub kind: String,
    /// What is sent.
    pub body: String,
    /// When it happened, in Unix milliseconds.
    pub created_at_ms: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// What was wrong the last time.
    pub problem: Option<String>,
}

/// The events of a [`Store`].
#[derive(Clone, Copy, Debug)]
pub struct Events<'a>(pub(crate) &'a Store);

impl Store {
    /// What happened, and who was told.
    #[must_use]
    pub const fn events(&self) -> Events<'_> {
        Events(self)
    }
}

macro_rules! select_event {
    ($rest:literal) => {
        concat!("SELECT id, key, kind, body, created_at_ms, attempts, problem FROM events ", $rest)
    };
}

impl Events<'_> {
    /// Events that are to be sent by now, oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn due(&self, now_ms: i64, limit: u32) -> Result<Vec<Event>> {
        let rows = sqlx::query(select_event!("WHERE next_at_ms <= $1 ORDER BY id LIMIT $2"))
            .bind(now_ms)
            .bind(limit)
            .fetch_all(&self.0.pool)
            .await
            .map_err(|source| self.0.error(source))?;
        self.read_all(&rows)
    }

    /// Events that were given up, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn given_up(&self, limit: u32) -> Result<Vec<Event>> {
        let rows = sqlx::query(select_event!(
            "WHERE next_at_ms IS NULL AND sent_at_ms IS NULL ORDER BY id DESC LIMIT $1"
        ))
        .bind(limit)
        .fetch_all(&self.0.pool)
        .await
        .map_err(|source| self.0.error(source))?;
        self.read_all(&rows)
    }

    /// An event was received.
    ///
    /// # Errors
    /// What the database says; it is sent again then, with the same key.
    pub async fn sent(&self, id: i64, at_ms: i64) -> Result<()> {
        let query = sqlx::query(
            "UPDATE events SET sent_at_ms = $2, attempts = attempts + 1, next_at_ms = NULL, \
             problem = NULL WHERE id = $1",
        );
        let done = query.bind(id).bind(at_ms).execute(&self.0.pool).await;
        done.map(drop).map_err(|source| self.0.error(source))
    }

    /// An attempt failed. It is tried again at `next_at_ms`; without that it is given up.
    ///
    /// # Errors
    /// What the database says.
    pub async fn failed(&self, id: i64, problem: &str, next_at_ms: Option<i64>) -> Result<()> {
        let query = sqlx::query(
            "UPDATE events SET attempts = attempts + 1, next_at_ms = $2, problem = $3 \
             WHERE id = $1 AND sent_at_ms IS NULL",
        );
        let query = query.bind(id).bind(next_at_ms).bind(problem);
        let done = query.execute(&self.0.pool).await;
        done.map(drop).map_err(|source| self.0.error(source))
    }

    /// An event that was given up is sent again, from `now_ms` on. Gives back whether there is one.
    ///
    /// # Errors
    /// What the database says.
    pub async fn replay(&self, id: i64, now_ms: i64) -> Result<bool> {
        let query = sqlx::query(
            "UPDATE events SET next_at_ms = $2, attempts = 0 \
             WHERE id = $1 AND next_at_ms IS NULL AND sent_at_ms IS NULL",
        );
        let done = query.bind(id).bind(now_ms).execute(&self.0.pool).await;
        done.map(|done| done.rows_affected() > 0).map_err(|source| self.0.error(source))
    }

    /// Forgets events from before this Unix millisecond, told or not. Gives back how many.
    ///
    /// # Errors
    /// What the database says.
    pub async fn forget_before(&self, at_ms: i64) -> Result<u64> {
        let query = sqlx::query("DELETE FROM events WHERE created_at_ms < $1").bind(at_ms);
        let done = query.execute(&self.0.pool).await;
        done.map(|done| done.rows_affected()).map_err(|source| self.0.error(source))
    }

    fn read_all(&self, rows: &[SqliteRow]) -> Result<Vec<Event>> {
        let read = |row: &SqliteRow| {
            Ok(Event {
                id: row.try_get(0)?,
                key: row.try_get(1)?,
                kind: row.try_get(2)?,
                body: row.try_get(3)?,
                created_at_ms: row.try_get(4)?,
                attempts: row.try_get(5)?,
                problem: row.try_get(6)?,
            })
        };
        let events = rows.iter().map(read).collect::<std::result::Result<_, _>>();
        events.map_err(|source: sqlx::Error| self.0.error(source))
    }
}

/// Keeps an event in the transaction of what it tells of.
pub(crate) async fn put_event(
    connection: &mut SqliteConnection,
    event: Option<&NewEvent>,
) -> std::result::Result<(), sqlx::Error> {
    let Some(event) = event else { return Ok(()) };
    sqlx::query(
        "INSERT INTO events (key, kind, body, created_at_ms, next_at_ms) \
         VALUES ($1, $2, $3, $4, $4) ON CONFLICT (key) DO NOTHING",
    )
    .bind(&event.key)
    .bind(event.kind)
    .bind(&event.body)
    .bind(event.at_ms)
    .execute(connection)
    .await?;
    Ok(())
}
