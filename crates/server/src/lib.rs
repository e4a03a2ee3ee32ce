//! The shell of `tally`: everything that has a socket, a clock or a task.
//!
//! # Owns
//! - [`config`]: every key, where its value came from, and what is wrong with it.
//! - [`net`] and [`http`]: listeners, TLS, HTTP/1.1 and HTTP/2 connections with deadlines and caps.
//! - [`shows`]: who is live; [`ingest`]: from encoders to shows; [`egress`] and [`media_routes`]: from
//!   shows to viewers.
//! - [`webrtc`]: the port, the workers and the sessions of browsers and WHIP encoders.
//! - [`signalling`]: how such sessions begin, change and end, over HTTP.
//! - [`playback`]: the API, and who may play.
//! - [`admin`] and [`metrics`]: health, readiness and numbers, on a listener of their own.
//! - [`assembly`]: the one function that puts a server together from a config, listeners and a
//!   stop signal, so that tests own all three; [`shutdown`]: how it ends.
//! - [`cli`]: the command line, of which `main.rs` is the thin caller.
//!
//! # Must never
//! Parse a media protocol, write playlist text, do level mathematics or speak SQL: those live in
//! the pure crates and in `store`.

pub mod admin;
pub mod assembly;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod egress;
pub mod encoding;
pub mod http;
pub mod ingest;
pub mod logging;
pub mod media_routes;
pub mod metrics;
pub mod net;
pub mod pages;
pub mod playback;
pub mod random;
pub mod shows;
pub mod shutdown;
pub mod signalling;
pub mod webrtc;
