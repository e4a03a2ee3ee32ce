//! Whose stream key is it?

use sqlx::Row;

use crate::creators::select_creator;
use crate::stream_key::KeyHash;
use crate::{Creator, CreatorId, Result, Store};

impl Store {
    /// The creator whose stream key `presented` is, as the encoder sent it (without its query). Any text
    /// may be given; its length is the caller's to bound.
    ///
    /// A wrong key takes as long as a right one: both are hashed, searched by the hash's first bytes,
    /// and compared in constant time.
    ///
    /// # Errors
    /// What the database says. A wrong key is `None`.
    pub async fn authenticate(&self, presented: &str) -> Result<Option<Creator>> {
        let hash = KeyHash::of(presented);
        let row = sqlx::query(select_creator!("WHERE k.selector = $1"))
            .bind(hash.selector())
            .fetch_optional(&self.pool)
            .await
            .map_err(|source| self.error(source))?;
        let Some(row) = row else {
            let _same_work = hash.matches(KeyHash::of("").as_bytes());
            return Ok(None);
        };
        let stored: &[u8] = row.try_get("hash").map_err(|source| self.error(source))?;
        if !hash.matches(stored) {
            return Ok(None);
        }
        self.read_creator(&row).map(Some)
    }

    /// Notes that a creator's key was used to publish at `now_ms` (Unix milliseconds).
    ///
    /// Apart from [`Store::authenticate`], so that a disk that is full or read-only does not keep
    /// creators from publishing: the caller logs the error and goes on.
    ///
    /// # Errors
    /// What the database says.
    pub async fn note_key_used(&self, creator: CreatorId, now_ms: i64) -> Result<()> {
        sqlx::query("UPDATE stream_keys SET last_used_at_ms = $2 WHERE creator_id = $1")
            .bind(creator.0)
            .bind(now_ms)
            .execute(&self.pool)
            .await
            .map_err(|source| self.error(source))?;
        Ok(())
    }
}
