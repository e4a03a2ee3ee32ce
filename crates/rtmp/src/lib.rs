//! rtmp.
