//! The watch log on disk: segment files that are only appended to, and snapshots that stand for old
//! ones. What the bytes mean is [`tally_watch::log`]'s.
//!
//! # Files
//! ```text
//! snapshot-0000000007.wtl    says all that segments 1 to 6 said
//! segment-0000000007.wtl     records after it
//! segment-0000000008.wtl     records after those; the last one is being written
//! lock                       held by the process that writes
//! ```
//! Each start of the process writes segments of its own, with records of a new epoch. A snapshot is
//! written beside the others, synced, and then renamed; what it stands for is removed after that and
//! not before. Whatever of this a crash interrupts, the files left say the same, or say it twice,
//! which changes nothing.
//!
//! # Durability
//! [`WatchLog::append`] puts records into a buffer; one thread writes what has gathered there and syncs
//! it ([`SYNC_EVERY`], or [`SYNC_BYTES`] earlier). [`WatchLog::durable`] waits for that. So a crash costs
//! the records nobody was told about, at most those of that time.
//!
//! # A disk that fails
//! Records that could not be synced stay in the buffer and are written again, into a new segment
//! where the old one's state is not known any more (a failed sync may have dropped pages). Up to
//! [`HELD_BYTES_MAX`] gather; then appends are refused and counted. Nobody waits for the disk but who
//! asked to. A record that reached the disk twice is one record: it has one position.

mod compact;
mod disk;
mod group;
mod recover;
mod writer;

#[cfg(test)]
mod tests;

pub use compact::CompactError;
pub use disk::{Directory, Disk, DiskFile};
pub use group::{
    DurableError, HELD_BYTES_MAX, LogHealth, LogOptions, OpenError, Opened, Refused, SYNC_BYTES,
    SYNC_EVERY, WatchLog,
};
pub use recover::{Recovered, files, read};
