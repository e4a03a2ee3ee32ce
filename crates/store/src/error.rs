//! What can go wrong, by what the operator can do about it.

use std::io;
use std::path::PathBuf;

use crate::Handle;

/// The result of everything that touches the database.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `store.url` names a database this build has no driver for. The operator's mistake.
    #[error("cannot use the store {url:?}: give a file path or a sqlite: URL")]
    UnsupportedUrl {
        /// What was given, without credentials.
        url: String,
    },
    /// The file or its directory could not be made or opened.
    #[error("cannot open the database {}: {reason}", path.display())]
    Open {
        /// The database file.
        path: PathBuf,
        /// What the system said. Part of the message, so not told again as its source.
        reason: io::Error,
    },
    /// The file is not a SQLite database, or is damaged.
    #[error("the database {} is damaged or no database: restore it from a copy", path.display())]
    Corrupt {
        /// The database file.
        path: PathBuf,
    },
    /// The file may not be written.
    #[error("the database {} cannot be written: check its owner and permissions", path.display())]
    ReadOnly {
        /// The database file.
        path: PathBuf,
    },
    /// No space is left for the file.
    #[error("no space is left for the database {}: free some", path.display())]
    Full {
        /// The database file.
        path: PathBuf,
    },
    /// Another process held the database for too long.
    #[error("the database {} is locked by another process", path.display())]
    Busy {
        /// The database file.
        path: PathBuf,
    },
    /// The file was made by a newer or altered version of this program.
    #[error("the database {} does not fit this version: {reason}", path.display())]
    Migration {
        /// The database file.
        path: PathBuf,
        /// What does not fit.
        reason: Box<sqlx::migrate::MigrateError>,
    },
    /// A creator of this handle is there already.
    #[error("a creator @{0} is there already")]
    HandleTaken(Handle),
    /// There is no creator of this handle.
    #[error("there is no creator @{0}")]
    UnknownCreator(Handle),
    /// The system's random number generator failed.
    #[error("the system gave no random bytes for a stream key")]
    NoRandomness,
    /// Anything else the database said.
    #[error("the database {} failed: {reason}", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// What it said.
        reason: Box<sqlx::Error>,
    },
}

/// SQLite's primary result codes (<https://www.sqlite.org/rescode.html>) that an operator can act on.
mod sqlite_code {
    pub(super) const BUSY: u32 = 5;
    pub(super) const READONLY: u32 = 8;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const CANTOPEN: u32 = 14;
    pub(super) const NOTADB: u32 = 26;
}

impl Error {
    /// What `source` means for the operator of the database at `path`.
    pub(crate) fn from_sqlx(source: sqlx::Error, path: PathBuf) -> Self {
        let code = source
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .and_then(|code| code.parse::<u32>().ok())
            // The low byte is the primary code, the rest says more.
            .map(|extended| extended & 0xff);
        match code {
            Some(sqlite_code::BUSY) => Self::Busy { path },
            Some(sqlite_code::READONLY) => Self::ReadOnly { path },
            Some(sqlite_code::CORRUPT | sqlite_code::NOTADB) => Self::Corrupt { path },
            Some(sqlite_code::FULL) => Self::Full { path },
            Some(sqlite_code::CANTOPEN) => {
                let reason = io::Error::other("SQLite cannot open it or the files beside it");
                Self::Open { path, reason }
            }
            _ => Self::Database { path, reason: Box::new(source) },
        }
    }

    pub(crate) fn from_migrate(source: sqlx::migrate::MigrateError, path: PathBuf) -> Self {
        match source {
            sqlx::migrate::MigrateError::Execute(source) => Self::from_sqlx(source, path),
            source => Self::Migration { path, reason: Box::new(source) },
        }
    }
}
