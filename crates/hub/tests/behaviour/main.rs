//! What a stream promises its writer and its readers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod delivery;
mod directory;
mod end;
mod order;
mod random_streams;
mod slow_readers;
mod start;
mod support;
mod threads;
mod waiting;
mod writing;
