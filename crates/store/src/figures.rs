//! What shows came to: provisional totals and final records, each with the log position it holds for.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row as _, Sqlite, SqliteConnection};
use tally_program::ShowRecord;
use tally_program::rules::Assurance;
use tally_watch::figures::{Minute, Report, Window};
use tally_watch::log::Position;
use tally_watch::{Figures, FinalRecord, NodeId, ShowId, ViewerKey};

use crate::events::put_event;
use crate::{CreatorId, NewEvent, Result, Store};

/// The figures' columns, in the order of [`Figures::to_numbers`].
macro_rules! figures {
    () => {
        "live_ms, delivered_ms, gross_ms, counted_ms, valid_ms, idle_ms, unique_viewers, \
         valid_unique_viewers, views, peak, acv_milli, a_ms, b_ms, c_ms, d_ms, valid_a_ms, valid_b_ms"
    };
}

/// What shows came to, in a [`Store`].
#[derive(Clone, Copy, Debug)]
pub struct WatchTotals<'a>(pub(crate) &'a Store);

impl Store {
    /// What shows came to.
    #[must_use]
    pub const fn watch_totals(&self) -> WatchTotals<'_> {
        WatchTotals(self)
    }
}

impl WatchTotals<'_> {
    /// Keeps provisional totals, in one transaction with the position of the log they were computed
    /// at: the last record in them, which must be on disk. Shows that are final, or not in the store,
    /// are passed over.
    ///
    /// # Errors
    /// What the database says; nothing is kept then.
    pub async fn put(
        &self,
        position: Position,
        at_ms: i64,
        totals: &[(ShowId, Figures)],
    ) -> Result<()> {
        let mut transaction = self.0.begin_write().await?;
        let put = async {
            put_position(&mut transaction, position).await?;
            for (show, figures) in totals {
                let query = sqlx::query(concat!(
                    "INSERT OR REPLACE INTO show_watch_totals (show_id, at_ms, ",
                    figures!(),
                    ") SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
                     $16, $17, $18, $19 FROM shows WHERE id = $1 AND final_at_ms IS NULL",
                ));
                let query = query.bind(show.0.cast_signed()).bind(at_ms);
                bind_figures(query, figures).execute(&mut *transaction).await?;
            }
            Ok(())
        };
        put.await.map_err(|source| self.0.error(source))?;
        transaction.commit().await.map_err(|source| self.0.error(source))
    }

    /// Keeps a final record and all that was summed up in it, in one transaction with the position of
    /// its record in the log and the `event` that tells of it. One that is there stays as it is: final is final. Gives back whether the
    /// show is final in the store now; false if the store does not know it.
    ///
    /// # Errors
    /// What the database says; nothing is kept then.
    pub async fn put_final(
        &self,
        position: Position,
        show: ShowId,
        record: &FinalRecord,
        report: &Report,
        event: Option<&NewEvent>,
    ) -> Result<bool> {
        let mut transaction = self.0.begin_write().await?;
        let put = async {
            put_position(&mut transaction, position).await?;
            let viewers = &report.valid_unique_viewers;
            let is_known = put_final(&mut transaction, show, record, viewers).await?;
            put_minutes(&mut transaction, show, &report.minutes).await?;
            put_event(&mut transaction, event.filter(|_| is_known)).await?;
            Ok(is_known)
        };
        let is_known = put.await.map_err(|source| self.0.error(source))?;
        transaction.commit().await.map_err(|source| self.0.error(source))?;
        Ok(is_known)
    }

    /// The last record of a node's log that is in the figures here.
    ///
    /// # Errors
    /// What the database says.
    pub async fn position(&self, node: NodeId) -> Result<Option<Position>> {
        let row = sqlx::query("SELECT epoch, sequence FROM watch_log_positions WHERE node = $1")
            .bind(i64::from(node.0))
            .fetch_optional(&self.0.pool)
            .await;
        let read = |row: SqliteRow| {
            let [epoch, sequence] = [row.try_get::<i64, _>(0)?, row.try_get(1)?];
            Ok(Position { node, epoch: unsigned(epoch), sequence: unsigned(sequence) })
        };
        row.and_then(|row| row.map(read).transpose()).map_err(|source| self.0.error(source))
    }

    /// Provisional totals of a show as they were last kept.
    ///
    /// # Errors
    /// What the database says.
    pub async fn provisional(&self, show: ShowId) -> Result<Option<Figures>> {
        let row = sqlx::query(concat!(
            "SELECT ",
            figures!(),
            " FROM show_watch_totals WHERE show_id = $1"
        ))
        .bind(show.0.cast_signed())
        .fetch_optional(&self.0.pool)
        .await;
        row.and_then(|row| row.map(|row| read_figures(&row, 0)).transpose())
            .map_err(|source| self.0.error(source))
    }

    /// A show's final record and its corrections, in order.
    ///
    /// # Errors
    /// What the database says.
    pub async fn finals(&self, show: ShowId) -> Result<Vec<FinalRecord>> {
        let rows = sqlx::query(concat!(
            "SELECT number, at_ms, reason, ",
            figures!(),
            " FROM show_watch_finals WHERE show_id = $1 ORDER BY number"
        ))
        .bind(show.0.cast_signed())
        .fetch_all(&self.0.pool)
        .await
        .map_err(|source| self.0.error(source))?;
        let records = rows.iter().map(|row| read_final(row, 0));
        records.collect::<std::result::Result<_, _>>().map_err(|source| self.0.error(source))
    }

    /// A final show's minutes, in order.
    ///
    /// # Errors
    /// What the database says.
    pub async fn minutes(&self, show: ShowId) -> Result<Vec<Minute>> {
        let rows = sqlx::query(
            "SELECT start_ms, live_ms, media_ms, presence_ms, peak FROM show_watch_minutes \
             WHERE show_id = $1 ORDER BY start_ms",
        )
        .bind(show.0.cast_signed())
        .fetch_all(&self.0.pool)
        .await
        .map_err(|source| self.0.error(source))?;
        let read = |row: &SqliteRow| {
            let number = |at| row.try_get(at).map(unsigned);
            Ok(Minute {
                start_ms: row.try_get(0)?,
                live_ms: number(1)?,
                media_ms: number(2)?,
                presence_ms: number(3)?,
                peak: number(4)?,
            })
        };
        let minutes = rows.iter().map(read).collect::<std::result::Result<_, _>>();
        minutes.map_err(|source| self.0.error(source))
    }

    /// The final records, corrections too, of a creator's shows that went live in the window: what
    /// levels are decided from.
    ///
    /// # Errors
    /// What the database says.
    pub async fn records(
        &self,
        creator: CreatorId,
        window: Window,
        assurance: Assurance,
    ) -> Result<Vec<ShowRecord>> {
        let rows = sqlx::query(concat!(
            "SELECT s.id, s.went_live_at_ms, f.viewers, f.number, f.at_ms, f.reason, ",
            figures!(),
            " FROM show_watch_finals f JOIN shows s ON s.id = f.show_id WHERE s.creator_id = $1 \
             AND s.went_live_at_ms >= $2 AND s.went_live_at_ms < $3 ORDER BY s.id, f.number"
        ))
        .bind(creator.0)
        .bind(window.from_ms)
        .bind(window.until_ms)
        .fetch_all(&self.0.pool)
        .await
        .map_err(|source| self.0.error(source))?;
        let read = |row: &SqliteRow| {
            let show = ShowId(row.try_get::<i64, _>(0)?.cast_unsigned());
            let viewers = read_viewers(row.try_get(2)?);
            let record = read_final(row, 3)?;
            Ok(ShowRecord::of_final(show, row.try_get(1)?, &record, viewers, assurance))
        };
        let records = rows.iter().map(read).collect::<std::result::Result<_, _>>();
        records.map_err(|source| self.0.error(source))
    }
}

type Written = std::result::Result<(), sqlx::Error>;

/// Positions only go forward: a transaction that comes late has older figures, not an older log.
async fn put_position(connection: &mut SqliteConnection, position: Position) -> Written {
    sqlx::query(
        "INSERT INTO watch_log_positions (node, epoch, sequence) VALUES ($1, $2, $3) \
         ON CONFLICT (node) DO UPDATE SET epoch = $2, sequence = $3 \
         WHERE (epoch, sequence) < ($2, $3)",
    )
    .bind(i64::from(position.node.0))
    .bind(signed(position.epoch))
    .bind(signed(position.sequence))
    .execute(connection)
    .await?;
    Ok(())
}

async fn put_final(
    connection: &mut SqliteConnection,
    show: ShowId,
    record: &FinalRecord,
    viewers: &[ViewerKey],
) -> std::result::Result<bool, sqlx::Error> {
    let id = show.0.cast_signed();
    let viewers: Vec<u8> = viewers.iter().flat_map(|viewer| viewer.0.to_be_bytes()).collect();
    let query = sqlx::query(concat!(
        "INSERT INTO show_watch_finals (show_id, number, at_ms, reason, viewers, ",
        figures!(),
        ") SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
         $19, $20, $21, $22 FROM shows WHERE id = $1 ON CONFLICT (show_id, number) DO NOTHING",
    ));
    let query = query.bind(id).bind(i64::from(record.number)).bind(record.at_ms);
    let query = query.bind(record.reason.as_deref()).bind(viewers);
    bind_figures(query, &record.figures).execute(&mut *connection).await?;
    let updated =
        sqlx::query("UPDATE shows SET final_at_ms = coalesce(final_at_ms, $2) WHERE id = $1")
            .bind(id)
            .bind(record.at_ms)
            .execute(&mut *connection)
            .await?;
    sqlx::query("DELETE FROM show_watch_totals WHERE show_id = $1")
        .bind(id)
        .execute(connection)
        .await?;
    Ok(updated.rows_affected() > 0)
}

async fn put_minutes(
    connection: &mut SqliteConnection,
    show: ShowId,
    minutes: &[Minute],
) -> Written {
    for minute in minutes {
        sqlx::query(
            "INSERT OR REPLACE INTO show_watch_minutes \
             (show_id, start_ms, live_ms, media_ms, presence_ms, peak) \
             SELECT $1, $2, $3, $4, $5, $6 FROM shows WHERE id = $1",
        )
        .bind(show.0.cast_signed())
        .bind(minute.start_ms)
        .bind(signed(minute.live_ms))
        .bind(signed(minute.media_ms))
        .bind(signed(minute.presence_ms))
        .bind(signed(minute.peak))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn bind_figures<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    figures: &Figures,
) -> Query<'q, Sqlite, SqliteArguments> {
    figures.to_numbers().into_iter().fold(query, |query, number| query.bind(signed(number)))
}

fn read_figures(row: &SqliteRow, first: usize) -> std::result::Result<Figures, sqlx::Error> {
    let mut numbers = [0; Figures::COUNT];
    for (at, number) in numbers.iter_mut().enumerate() {
        *number = unsigned(row.try_get(first + at)?);
    }
    Ok(Figures::from_numbers(numbers))
}

/// Number, time, reason and figures, from the column `first` on.
fn read_final(row: &SqliteRow, first: usize) -> std::result::Result<FinalRecord, sqlx::Error> {
    let reason: Option<String> = row.try_get(first + 2)?;
    Ok(FinalRecord {
        number: row.try_get(first)?,
        at_ms: row.try_get(first + 1)?,
        reason: reason.map(String::into_boxed_str),
        figures: read_figures(row, first + 3)?,
    })
}

fn read_viewers(bytes: &[u8]) -> Vec<ViewerKey> {
    let (keys, _) = bytes.as_chunks::<16>();
    keys.iter().map(|key| ViewerKey(u128::from_be_bytes(*key))).collect()
}

/// SQLite has signed integers only. No true figure is that large.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
