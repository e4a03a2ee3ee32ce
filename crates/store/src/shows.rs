//! Shows: which there were, whose, and when.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use tally_program::Rights;
use tally_watch::ShowId;
use tally_watch::figures::Window;

use crate::events::put_event;
use crate::{CreatorId, Handle, NewEvent, Result, Store};

/// One broadcast, for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Show {
    /// The ledger's number.
    pub id: ShowId,
    /// What URLs call it.
    pub name: String,
    /// Whose it is.
    pub creator: CreatorId,
    /// The creator's handle now.
    pub handle: Handle,
    /// When it went live, in Unix milliseconds.
    pub went_live_at_ms: i64,
    /// When it ended, in Unix milliseconds; nothing while it is live.
    pub ended_at_ms: Option<i64>,
    /// When its figures became final, in Unix milliseconds; nothing while they can change.
    pub final_at_ms: Option<i64>,
    /// What it may do, fixed when it went live; nothing for a creator without a level.
    pub rights: Option<Rights>,
}

/// A show that goes live.
#[derive(Clone, Copy, Debug)]
pub struct NewShow<'a> {
    /// The ledger's number.
    pub id: ShowId,
    /// What URLs call it.
    pub name: &'a str,
    /// Whose it is.
    pub creator: CreatorId,
    /// When, in Unix milliseconds.
    pub went_live_at_ms: i64,
    /// What it may do; nothing for a creator without a level.
    pub rights: Option<&'a Rights>,
}

/// The shows of a [`Store`].
#[derive(Clone, Copy, Debug)]
pub struct Shows<'a>(pub(crate) &'a Store);

macro_rules! select_show {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.name, s.creator_id, c.handle, s.went_live_at_ms, s.ended_at_ms, ",
            "s.final_at_ms, s.rights FROM shows s JOIN creators c ON c.id = s.creator_id ",
            $rest
        )
    };
}

impl Shows<'_> {
    /// A show goes live; `event` tells of it. One that is there already stays as it is.
    ///
    /// # Errors
    /// What the database says; for a creator it does not know, too. Nothing is kept then.
    pub async fn begin(&self, show: &NewShow<'_>, event: Option<&NewEvent>) -> Result<()> {
        let mut transaction = self.0.begin_write().await?;
        let put = async {
            sqlx::query(
                "INSERT INTO shows (id, name, creator_id, went_live_at_ms, rights) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING",
            )
            .bind(show.id.0.cast_signed())
            .bind(show.name)
            .bind(show.creator.0)
            .bind(show.went_live_at_ms)
            .bind(show.rights.map(to_json))
            .execute(&mut *transaction)
            .await?;
            put_event(&mut transaction, event).await
        };
        put.await.map_err(|source| self.0.error(source))?;
        transaction.commit().await.map_err(|source| self.0.error(source))
    }

    /// A show has ended; `event` tells of it. Of two ends the later holds, as in the ledger; a final
    /// show has its end.
    ///
    /// # Errors
    /// What the database says; nothing is kept then.
    pub async fn end(&self, id: ShowId, ended_at_ms: i64, event: Option<&NewEvent>) -> Result<()> {
        let mut transaction = self.0.begin_write().await?;
        let put = async {
            sqlx::query(
                "UPDATE shows SET ended_at_ms = max(coalesce(ended_at_ms, $2), $2) \
                 WHERE id = $1 AND final_at_ms IS NULL",
            )
            .bind(id.0.cast_signed())
            .bind(ended_at_ms)
            .execute(&mut *transaction)
            .await?;
            put_event(&mut transaction, event).await
        };
        put.await.map_err(|source| self.0.error(source))?;
        transaction.commit().await.map_err(|source| self.0.error(source))
    }

    /// One show.
    ///
    /// # Errors
    /// What the database says.
    pub async fn get(&self, id: ShowId) -> Result<Option<Show>> {
        let row = sqlx::query(select_show!("WHERE s.id = $1"))
            .bind(id.0.cast_signed())
            .fetch_optional(&self.0.pool)
            .await
            .map_err(|source| self.0.error(source))?;
        row.map(|row| self.read(&row)).transpose()
    }

    /// A creator's shows that went live in the window, oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn of_creator(&self, creator: CreatorId, window: Window) -> Result<Vec<Show>> {
        let rows = sqlx::query(select_show!(
            "WHERE s.creator_id = $1 AND s.went_live_at_ms >= $2 AND s.went_live_at_ms < $3 \
             ORDER BY s.went_live_at_ms, s.id"
        ))
        .bind(creator.0)
        .bind(window.from_ms)
        .bind(window.until_ms)
        .fetch_all(&self.0.pool)
        .await
        .map_err(|source| self.0.error(source))?;
        rows.iter().map(|row| self.read(row)).collect()
    }

    /// Shows whose figures can still change: live ones, and those that ended not long ago.
    ///
    /// # Errors
    /// What the database says.
    pub async fn not_final(&self) -> Result<Vec<Show>> {
        let rows = sqlx::query(select_show!("WHERE s.final_at_ms IS NULL ORDER BY s.id"))
            .fetch_all(&self.0.pool)
            .await
            .map_err(|source| self.0.error(source))?;
        rows.iter().map(|row| self.read(row)).collect()
    }

    fn read(&self, row: &SqliteRow) -> Result<Show> {
        let read = || -> std::result::Result<Show, sqlx::Error> {
            let handle: &str = row.try_get("handle")?;
            let rights: Option<&str> = row.try_get("rights")?;
            Ok(Show {
                id: ShowId(row.try_get::<i64, _>("id")?.cast_unsigned()),
                name: row.try_get("name")?,
                creator: CreatorId(row.try_get("creator_id")?),
                handle: handle
                    .parse()
                    .map_err(|problem| bad_column::<crate::InvalidHandle>("handle", problem))?,
                went_live_at_ms: row.try_get("went_live_at_ms")?,
                ended_at_ms: row.try_get("ended_at_ms")?,
                final_at_ms: row.try_get("final_at_ms")?,
                rights: rights.map(|rights| from_json("rights", rights)).transpose()?,
            })
        };
        read().map_err(|source| self.0.error(source))
    }
}

impl Store {
    /// The shows there were.
    #[must_use]
    pub const fn shows(&self) -> Shows<'_> {
        Shows(self)
    }
}

/// Records of `program` as text. They are plain data with text keys, which always has a JSON form.
pub(crate) fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(
    column: &str,
    text: &str,
) -> std::result::Result<T, sqlx::Error> {
    serde_json::from_str(text).map_err(|problem| bad_column(column, problem))
}

/// A column holds what this program does not write.
pub(crate) fn bad_column<E>(column: &str, problem: E) -> sqlx::Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(problem) }
}
