//! From encoders to shows: one task per publisher, and who may publish.

mod auth;
mod rtmp_pump;
mod rtmp_server;

pub use auth::{Auth, Denied};
pub use rtmp_pump::{RtmpService, serve_connection};
pub use rtmp_server::RtmpServer;
