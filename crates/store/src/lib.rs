//! Persistence: creators, shows and what they came to in SQLite; the watch log in files of its own.
//!
//! # Owns
//! - [`Store`]: the database, opened and brought up to date.
//! - [`Creators`]: adding, listing and authenticating creators.
//! - [`Handle`]: a creator's public name, valid by construction.
//! - [`StreamKey`]: a secret that is shown once and never stored.
//! - [`Shows`], [`WatchTotals`], [`Levels`]: broadcasts, their figures, their creators' levels.
//! - [`Events`]: what happened and is told by webhook, kept with what it tells of.
//! - [`write_private`]: files with secrets, beside the database.
//! - [`watch_log`]: the append-only log that watch time is counted from.
//!
//! # Must never
//! Know HTTP, a media protocol or the hub; read the clock (the database stamps what it makes);
//! store, log or print a stream key.
//!
//! # Two processes, one file
//! `tally serve` and `tally creator add` use the same file at the same time. Each statement that
//! writes is one short transaction; a writer waits for another at most [`BUSY_MS_MAX`].
//!
//! # SQL
//! Statements keep to what SQLite and PostgreSQL share; what differs (pragmas, `STRICT`) is in
//! `open.rs` and in the migrations.

mod authenticate;
mod creators;
mod error;
mod events;
mod figures;
mod handle;
mod levels;
mod open;
mod private_file;
mod shows;
mod stream_key;
pub mod watch_log;

pub use creators::{Creator, CreatorId, Creators};
pub use error::{Error, Result};
pub use events::{Event, Events, NewEvent};
pub use figures::WatchTotals;
pub use handle::{Handle, InvalidHandle};
pub use levels::Levels;
pub use open::{BUSY_MS_MAX, Store};
pub use private_file::{PRIVATE_MODE, write_private};
pub use shows::{NewShow, Show, Shows};
pub use stream_key::StreamKey;
