//! From encoders to shows: one task per publisher, and who may publish.

mod auth;
mod keyframe_asks;
mod picture_sizes;
mod rtmp_pump;
mod rtmp_server;
mod whip_pump;

pub use auth::{Auth, Denied};
pub use rtmp_pump::{RtmpService, serve_connection};
pub use rtmp_server::RtmpServer;
pub use whip_pump::{PUBLISHED_MAX, PublisherControl, WhipPublisher, WhipService};
