//! The shell from outside: configuration, sockets, a whole server, the binary. One test binary,
//! because each one links the whole server again.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

mod assembly;
mod cli;
mod config;
mod http;
mod playback;
mod publishers;
mod shows;
mod support;
mod tls;
