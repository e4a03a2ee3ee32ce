//! From the hub to viewers: the pump that cuts a show into LL-HLS, and what requests read.

mod hls_pump;
mod origin;
mod sound;
mod transcoding;

pub(crate) use hls_pump::package;
pub use origin::{HlsOptions, HlsOrigin, Presentation, RenditionOrigin, Version};
