//! Counters: what happened on purpose that an operator may want to see.

/// Counts since the segmenter was made, over all renditions. All only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Segments ended without a keyframe because the next would have come too late (P3).
    pub forced_cuts: u64,
    /// Parts shorter than 85 % of the target at a place where P5 allows it.
    pub short_parts: u64,
    /// Parts without media (GAP=YES).
    pub gap_parts: u64,
    /// Discontinuities.
    pub discontinuities: u64,
    /// Frames that no player could have shown: video before the first keyframe, or right after one
    /// that follows a hole while it refers to frames before it; sound of a rendition with pictures
    /// before a segment's first picture.
    pub frames_before_keyframe: u64,
    /// Frames that came after their place in the show was put out.
    pub frames_late: u64,
    /// Frames refused for other reasons: unknown track, beyond a bound of memory, too far ahead of
    /// the show, parameters that take effect at the next segment.
    pub frames_refused: u64,
    /// Parts put out without waiting longer for lagging audio.
    pub audio_waits_expired: u64,
}
