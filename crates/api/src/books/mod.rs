//! The books: the one owner of a node's [`Ledger`](tally_watch::Ledger), and everything that may be
//! said to it and asked of it.
//!
//! # Model
//! One task owns the ledger; a log keeps what it knows. A fact is appended to the log first and folded
//! into the ledger only if the log took it, so that a replay gives the very same ledger. What comes in
//! takes one of two ways:
//!
//! ```text
//! published, delivered   a ring without locks; full: the evidence is dropped and counted, the show or
//!   (each part)          viewer falls short by it. Joined per session, logged once a second.
//! everything else        a bounded queue of commands, each answered; full: the caller is told to come
//!   (heartbeats, ...)    again. Heartbeats are acknowledged when they are on disk.
//! ```
//! While the log refuses records (its disk fails), deliveries go on being joined here, and heartbeats
//! stay with the players until they are acknowledged; nothing is lost or counted twice by that.
//!
//! # The life of a show
//! ```text
//! went_live -> live, provisional totals go to the store -> ended -> final_after_ms later: a final
//! record goes to the log, then with minutes and viewers to the store -> the evidence is forgotten
//! ```
//! Each of these steps leaves an event in the store, in the same transaction; [`Levels`] decides on the
//! creator's level after the last.
//!
//! A show that was live when the process died ended with its last published media.

mod actor;
mod archive;
mod core;
mod events;
mod handle;
mod health;
mod levels;
mod pending;
mod presence;

#[cfg(test)]
mod tests;

pub use handle::{Books, BooksError, BooksOptions, NewShow, Receipt, Unavailable, WatchTime};
pub use health::BooksHealth;
pub use levels::Levels;
