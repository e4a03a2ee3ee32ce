//! Creators: adding, listing, and giving them new keys.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqliteConnection, Transaction};

use crate::stream_key::KeyHash;
use crate::{Error, Handle, Result, Store, StreamKey};

/// Names a creator for good, also when the handle changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CreatorId(pub i64);

/// Somebody who may publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creator {
    /// The name for good.
    pub id: CreatorId,
    /// The public name.
    pub handle: Handle,
    /// When the creator was added, in Unix milliseconds.
    pub created_at_ms: i64,
    /// When the stream key was made, in Unix milliseconds. Without a key nobody can publish, except
    /// where publishing is open.
    pub key_created_at_ms: Option<i64>,
    /// When the key was last used to publish, in Unix milliseconds.
    pub key_last_used_at_ms: Option<i64>,
}

/// The columns of a [`Creator`], for [`Store::read_creator`].
macro_rules! select_creator {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.handle, c.created_at_ms, ",
            "k.created_at_ms AS key_created_at_ms, k.last_used_at_ms, k.hash ",
            "FROM creators c LEFT JOIN stream_keys k ON k.creator_id = c.id ",
            $rest
        )
    };
}
pub(crate) use select_creator;

/// The creators of a [`Store`], for who administers them.
#[derive(Clone, Copy, Debug)]
pub struct Creators<'a>(pub(crate) &'a Store);

impl Creators<'_> {
    /// Adds a creator; gives the only copy of the stream key.
    ///
    /// # Errors
    /// [`Error::HandleTaken`], and what the database says.
    pub async fn add(&self, handle: &Handle) -> Result<StreamKey> {
        let mut transaction = self.0.begin_write().await?;
        let id = insert_creator(&mut transaction, handle)
            .await
            .map_err(|source| self.0.error(source))?
            .ok_or_else(|| Error::HandleTaken(handle.clone()))?;
        self.give_key(transaction, id).await
    }

    /// Every creator, by handle.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list(&self) -> Result<Vec<Creator>> {
        let rows = sqlx::query(select_creator!("ORDER BY c.handle"))
            .fetch_all(&self.0.pool)
            .await
            .map_err(|source| self.0.error(source))?;
        rows.iter().map(|row| self.0.read_creator(row)).collect()
    }

    /// Gives a creator a new stream key, the only copy of it; the old one is worth nothing from now on.
    ///
    /// # Errors
    /// [`Error::UnknownCreator`], and what the database says.
    pub async fn rotate_key(&self, handle: &Handle) -> Result<StreamKey> {
        let mut transaction = self.0.begin_write().await?;
        let id = find_id(&mut transaction, handle)
            .await
            .map_err(|source| self.0.error(source))?
            .ok_or_else(|| Error::UnknownCreator(handle.clone()))?;
        self.give_key(transaction, id).await
    }

    /// Makes a new key the only one of a creator, and the transaction's changes last.
    async fn give_key(
        &self,
        mut transaction: Transaction<'static, Sqlite>,
        id: i64,
    ) -> Result<StreamKey> {
        let key = StreamKey::generate()?;
        let put = put_key(&mut transaction, id, &key).await;
        put.map_err(|source| self.0.error(source))?;
        transaction.commit().await.map_err(|source| self.0.error(source))?;
        Ok(key)
    }
}

impl Store {
    /// The creator of this handle, added without a key if there is none: for open publishing.
    ///
    /// # Errors
    /// What the database says.
    pub async fn ensure_creator(&self, handle: &Handle) -> Result<Creator> {
        // Looked for first: a creator that is there costs no write.
        if let Some(creator) = self.creator(handle).await? {
            return Ok(creator);
        }
        let mut transaction = self.begin_write().await?;
        let inserted = insert_creator(&mut transaction, handle).await;
        inserted.map_err(|source| self.error(source))?;
        transaction.commit().await.map_err(|source| self.error(source))?;
        let creator = self.creator(handle).await?;
        creator.ok_or_else(|| Error::UnknownCreator(handle.clone()))
    }

    /// The creator of this handle.
    ///
    /// # Errors
    /// What the database says.
    pub async fn creator(&self, handle: &Handle) -> Result<Option<Creator>> {
        let row = sqlx::query(select_creator!("WHERE c.handle = $1"))
            .bind(handle.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(|source| self.error(source))?;
        row.map(|row| self.read_creator(&row)).transpose()
    }

    /// A creator from a row of `select_creator!`.
    pub(crate) fn read_creator(&self, row: &SqliteRow) -> Result<Creator> {
        let read = || -> std::result::Result<Creator, sqlx::Error> {
            let handle: &str = row.try_get("handle")?;
            Ok(Creator {
                id: CreatorId(row.try_get("id")?),
                handle: handle.parse().map_err(|problem| sqlx::Error::ColumnDecode {
                    index: "handle".to_owned(),
                    source: Box::<crate::InvalidHandle>::new(problem),
                })?,
                created_at_ms: row.try_get("created_at_ms")?,
                key_created_at_ms: row.try_get("key_created_at_ms")?,
                key_last_used_at_ms: row.try_get("last_used_at_ms")?,
            })
        };
        read().map_err(|source| self.error(source))
    }
}

/// The new creator's id; nothing if the handle is taken.
async fn insert_creator(
    connection: &mut SqliteConnection,
    handle: &Handle,
) -> std::result::Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "INSERT INTO creators (handle) VALUES ($1) ON CONFLICT (handle) DO NOTHING RETURNING id",
    )
    .bind(handle.as_str())
    .fetch_optional(connection)
    .await
}

async fn find_id(
    connection: &mut SqliteConnection,
    handle: &Handle,
) -> std::result::Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT id FROM creators WHERE handle = $1")
        .bind(handle.as_str())
        .fetch_optional(connection)
        .await
}

/// Makes `key` the only key of a creator.
async fn put_key(
    connection: &mut SqliteConnection,
    id: i64,
    key: &StreamKey,
) -> std::result::Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM stream_keys WHERE creator_id = $1")
        .bind(id)
        .execute(&mut *connection)
        .await?;
    let hash = KeyHash::of(key.reveal());
    sqlx::query("INSERT INTO stream_keys (creator_id, selector, hash) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(hash.selector())
        .bind(hash.as_bytes())
        .execute(connection)
        .await?;
    Ok(())
}
