//! HTTP over TCP and TLS: accepting, serving and ending connections, for whatever routes it is
//! given.
//!
//! HTTP/1.1 and HTTP/2 on every listener (by ALPN over TLS, by its preface in the clear). Every
//! state a connection can be in has a deadline ([`Deadlines`]), their number has a cap
//! ([`Limits`]), and every request carries its [`ConnectionContext`](connection::ConnectionContext)
//! as an extension. Knows nothing of shows and media.

mod activity;
pub mod connection;
mod cors;
mod joined;
pub mod problem;
mod routes;
mod serve;
mod server;
mod watched_body;
mod watched_io;

pub use activity::Deadlines;
pub use routes::finish;
pub(crate) use routes::finish_private;
pub use server::{HttpServer, Limits};

/// Protocols offered by ALPN on HTTPS, best first.
pub const ALPN: &[&str] = &["h2", "http/1.1"];
