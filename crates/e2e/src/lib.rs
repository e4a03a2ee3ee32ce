//! End-to-end tests: the built `tally` binary against encoders and players that people use.
//!
//! # Owns
//! - [`Server`]: the binary started on free ports with a folder of its own, its logs kept and shown
//!   when a test fails, stopped when dropped.
//! - [`publish`]: real encoders, and [`publish::raw`], an encoder that misbehaves on purpose.
//! - [`play`]: real players, each giving the same [`play::Report`].
//! - [`cache`]: a real HTTP cache between the two.
//! - [`link`]: a path with losses, delay and bottlenecks between a WebRTC peer and the server.
//! - [`http`], [`playlist`], [`mp4`], [`record`], [`rules`]: a viewer of our own that checks against
//!   the numbered protocol rules.
//!
//! # Must never
//! Link a crate of the server: what these tests know, a stranger could know. Wait by sleeping:
//! [`wait`] holds the one polling loop, for states of other processes that send no event.
//!
//! A tool that is not installed skips its test with a printed reason, and fails it where `CI` is
//! set: see [`tools`].
#![allow(clippy::print_stdout, reason = "what a test prints is shown when it fails")]

pub mod cache;
pub mod http;
pub mod link;
pub mod metrics;
pub mod mp4;
pub mod play;
pub mod playlist;
pub mod process;
pub mod publish;
pub mod record;
pub mod rules;
pub mod server;
pub mod tools;
pub mod wait;

pub use server::{Server, Settings};
