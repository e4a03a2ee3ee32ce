//! From the hub to viewers: the pump that cuts a show into LL-HLS, and what requests read; the feed
//! that packetizes a show for its WebRTC viewers.

mod hls_pump;
mod origin;
mod sound;
mod transcoding;
pub mod whep_feed;

pub(crate) use hls_pump::package;
pub use origin::{HlsOptions, HlsOrigin, Presentation, RenditionOrigin, Version};
pub use whep_feed::WhepOrigin;
