//! Opening the database: where it is, who may read it, and what it must hold.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

use tokio::time::{sleep, timeout};

use crate::{Creators, Error, Result};

/// How long a statement waits for another process that writes, in milliseconds. Writes take single
/// milliseconds; a disk that is slower than this is a fault to report.
pub const BUSY_MS_MAX: u64 = 5_000;

/// Between two attempts to open a file that another process is making, in milliseconds: making one takes
/// a few of them.
const BUSY_PAUSE_MS: u64 = 10;

/// Open connections: reads go in parallel in WAL mode, writes one after the other anyway.
const CONNECTIONS_MAX: u32 = 4;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The database. Cheap to clone; all clones share its connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pool: SqlitePool,
    pub(crate) path: PathBuf,
}

impl Store {
    /// Opens the database at `url`, a file path or a `sqlite:` URL, makes it if it is not there (file
    /// 0600, missing directories 0700) and brings its tables up to date.
    ///
    /// # Errors
    /// [`Error::UnsupportedUrl`], [`Error::Open`], [`Error::Corrupt`], [`Error::ReadOnly`],
    /// [`Error::Full`], [`Error::Busy`], [`Error::Migration`]; each names the file.
    pub async fn open(url: &str) -> Result<Self> {
        let path = file_path(url)?;
        make_file(&path).map_err(|reason| Error::Open { path: path.clone(), reason })?;
        Self::connect(path.clone(), options(&path)).await
    }

    async fn connect(path: PathBuf, options: SqliteConnectOptions) -> Result<Self> {
        let patience = Duration::from_millis(BUSY_MS_MAX);
        let pool = timeout(patience, connect_when_free(&path, &options)).await;
        let pool = pool.unwrap_or_else(|_| Err(Error::Busy { path: path.clone() }))?;
        let store = Self { pool, path };
        store.migrate().await?;
        Ok(store)
    }

    /// Creators and their keys.
    #[must_use]
    pub const fn creators(&self) -> Creators<'_> {
        Creators(self)
    }

    /// Ends all connections, after what they are doing. Statements fail from then on.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// All in one transaction that writes from its start: of two processes that open a new file at
    /// once, the second waits and finds nothing left to do.
    async fn migrate(&self) -> Result<()> {
        let mut transaction = self.begin_write().await?;
        // What `run` does with a connection it acquires; but `run` makes this future not `Send`
        // (rust-lang/rust#100013), so that no task could open a store.
        MIGRATIONS
            .run_direct(None, &mut *transaction, false)
            .await
            .map_err(|source| Error::from_migrate(source, self.path.clone()))?;
        transaction.commit().await.map_err(|source| self.error(source))
    }

    /// Takes the write lock at once: SQLite refuses, without waiting, to turn a transaction that has
    /// read into one that writes after another has written.
    pub(crate) async fn begin_write(&self) -> Result<Transaction<'static, Sqlite>> {
        let begun = self.pool.begin_with("BEGIN IMMEDIATE").await;
        begun.map_err(|source| self.error(source))
    }

    pub(crate) fn error(&self, source: sqlx::Error) -> Error {
        Error::from_sqlx(source, self.path.clone())
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(Duration::from_millis(BUSY_MS_MAX))
        .journal_mode(SqliteJournalMode::Wal)
        // An acknowledged write survives a power cut; the usual setting in WAL mode would not promise it.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
}

/// Connects, again and again while another process makes the same file.
///
/// SQLite waits by itself for every lock but one: changing a new file to WAL mode needs it alone, and
/// whoever comes at that moment is refused without waiting.
async fn connect_when_free(path: &Path, options: &SqliteConnectOptions) -> Result<SqlitePool> {
    loop {
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX);
        match pool.connect_with(options.clone()).await {
            Ok(pool) => return Ok(pool),
            Err(source) => match Error::from_sqlx(source, path.to_owned()) {
                Error::Busy { .. } => sleep(Duration::from_millis(BUSY_PAUSE_MS)).await,
                error => return Err(error),
            },
        }
    }
}

/// The file that `url` names.
fn file_path(url: &str) -> Result<PathBuf> {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
    if path.contains("://") || path.is_empty() {
        let scheme = path.split("://").next().unwrap_or_default();
        let url = if path.is_empty() { String::new() } else { format!("{scheme}://...") };
        return Err(Error::UnsupportedUrl { url });
    }
    Ok(PathBuf::from(path))
}

/// Makes the file before SQLite does, with nobody else's eyes on it; SQLite gives the files beside it
/// the same permissions. An existing file keeps its own.
fn make_file(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

#[cfg(test)]
mod tests;
