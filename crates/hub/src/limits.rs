//! How much of a stream is kept.

/// Bounds of one stream's log. A reader that falls behind any of them skips to the newest keyframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Media time kept, in milliseconds of the show's timeline.
    ///
    /// Default 12,000: OBS and x264 put a keyframe every 250 pictures unless told otherwise, which is
    /// 10 s at 25 pictures a second. A stream must hold its newest group whole, or nobody can enter
    /// before the next keyframe.
    pub duration_ms_max: i64,
    /// Payload bytes kept, over all tracks.
    ///
    /// Default 64 MiB: 12 s at 40 Mbit/s, more than any encoder sends; a thousand streams of a usual
    /// 6 Mbit/s stay at 9 MB each because the duration bites first.
    pub bytes_max: usize,
    /// Entries kept, over all tracks: bounds the overhead of a publisher that sends tiny frames.
    ///
    /// Default 16,384: 12 s of ten tracks at 120 frames a second each.
    pub entries_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { duration_ms_max: 12_000, bytes_max: 64 << 20, entries_max: 16_384 }
    }
}

impl Limits {
    /// A larger frame is refused. A quarter of what a stream keeps, so that one frame cannot push out
    /// everything before it.
    #[must_use]
    pub const fn frame_bytes_max(&self) -> usize {
        self.bytes_max / 4
    }

    /// A chunk takes no more entries once it holds this many bytes. A sixteenth of what a stream keeps,
    /// so that dropping the oldest chunk drops a small share.
    pub(crate) const fn chunk_bytes_max(&self) -> usize {
        self.bytes_max / 16
    }
}
