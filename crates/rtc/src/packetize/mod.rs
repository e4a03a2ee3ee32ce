//! Frames into RTP payloads, once per stream and shared by all its viewers.

mod payload;

pub use payload::{PREFIX_BYTES_MAX, PacketizedFrame, Payload, PictureIdAt, Prefix};
