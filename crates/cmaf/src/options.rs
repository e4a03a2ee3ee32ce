//! What the segmenter is asked for, and what it decided.

/// What the operator and the publisher's metadata ask of a [`crate::Segmenter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Wished length of a part in milliseconds; [`Plan::part_target_ms`] is this or a little more.
    /// Clamped to 50..=1,000.
    pub part_ms: u32,
    /// Wished least length of a segment in milliseconds; segments end at the first keyframe from
    /// there on. Clamped to 1,000..=10,000.
    pub segment_ms: u32,
    /// The publisher announced video: the plan waits for it, within the probe's bound.
    pub expects_video: bool,
    /// The publisher announced audio: the plan waits for it, within the probe's bound.
    pub expects_audio: bool,
}

impl Default for Options {
    /// The house defaults: 250 ms parts, 2 s segments, nothing announced.
    fn default() -> Self {
        Self { part_ms: 250, segment_ms: 2_000, expects_video: false, expects_audio: false }
    }
}

/// What every playlist of the show advertises. Decided once, before anything else is put out, and
/// constant until the show ends: Apple's player drops every variant when a part exceeds the target
/// it first read (P4), and TARGETDURATION must not change (P3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// PART-TARGET in milliseconds: no part is longer (P4), and every part is at least 85 % of it
    /// unless P5 allows otherwise.
    pub part_target_ms: u32,
    /// EXT-X-TARGETDURATION in seconds: no segment rounds to more (P3).
    pub target_duration_s: u32,
    /// Whether every segment is expected to begin with a keyframe: the encoder's groups fitted into
    /// the target duration when the plan was made. An encoder that later sends longer groups makes
    /// cuts without a keyframe, which [`crate::Stats::forced_cuts`] counts.
    pub independent_segments: bool,
}
