//! Addresses of resources, relative to their media playlist.
//!
//! Relative, so that one rendered playlist serves every playback session's path; ending in `.m4s`
//! and `.mp4`, because some readers choose their demuxer by it.

use std::fmt;

use crate::Position;

/// `{msn}.{index}.m4s`
pub(crate) struct PartUri(pub(crate) Position);

/// `{msn}.m4s`
pub(crate) struct SegmentUri(pub(crate) u64);

/// `init{id}.mp4`
pub(crate) struct InitUri(pub(crate) u32);

impl fmt::Display for PartUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.m4s", self.0.msn, self.0.part)
    }
}

impl fmt::Display for SegmentUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.m4s", self.0)
    }
}

impl fmt::Display for InitUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "init{}.mp4", self.0)
    }
}
