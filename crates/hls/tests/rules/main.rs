//! The protocol's rules, each held by a test that names it; playlists are read by a parser of the
//! tests' own that shares nothing with the code under test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod decisions;
mod feeder;
mod fuzz;
mod golden;
mod lookups;
mod multivariants;
mod parser;
mod playlists;
mod transitions;
