//! Every bound of this crate with its reason, and the two conversions it needs.

use tally_media::Timescale;

/// Playlists and cuts are counted in 90 kHz ticks: exact for the usual frame rates.
pub(crate) const TIMESCALE: Timescale = Timescale::VIDEO;

/// Ticks of `ms` milliseconds.
pub(crate) const fn ticks(ms: u32) -> i64 {
    ms as i64 * 90
}

/// Times closer than this are the same: RTMP rounds to milliseconds, so two roundings can put one
/// instant 1 ms apart either way.
pub(crate) const SLACK: i64 = ticks(2);

/// P5: least share of PART-TARGET a part fills, in percent.
pub(crate) const PART_PERCENT_MIN: i64 = 85;

/// Longest PART-TARGET in milliseconds the plan may choose for slow cadences; beyond it latency is
/// no longer low and parts are cut across frames instead.
pub(crate) const PART_MS_MAX: u32 = 1_000;

/// Target duration in seconds when the encoder's group did not end within the probe: holds OBS's
/// default of 250 frames at 25 to 30 fps.
pub(crate) const LONG_GROUP_TARGET_S: u32 = 10;

/// How far a segment may pass the target duration. P3 needs it to round down: below 500 ms together
/// with a rest of sound that it may take over from the segment before.
pub(crate) const SEGMENT_EXCESS_MS: u32 = 410;

/// Room left below that limit for groups that are a little longer than the probed one.
pub(crate) const GROUP_JITTER_MS: u32 = 150;

/// A keyframe this much before the wished segment length ends the segment too: a 2 s group that
/// rounding made 1,999 ms must not make 4 s segments.
pub(crate) const SEGMENT_EARLY_MS: u32 = 100;

/// Milliseconds of audio to see before a show without announced video is taken for audio-only:
/// encoders send both tracks' parameters within the first frames.
pub(crate) const AUDIO_PROBE_MS: u32 = 1_000;

/// How long a part waits for audio that lags behind its video, in milliseconds of video or of the
/// show's clock: covers the reordering delay of B-frames and an encoder's interleaving. After it,
/// nothing waits until audio has caught up.
pub(crate) const AUDIO_WAIT_MS: u32 = 500;

/// How long the leading track may be silent, in milliseconds of the show's clock, before its time
/// is put out without it. A pause of the network must not cost media that is only late (a late part
/// makes players wait, a GAP makes them skip), yet P17 wants parts to go on.
pub(crate) const STALL_MS: u32 = 1_500;

/// Media this much behind what is out is of no use to a player near the live edge; media less late
/// goes into the next part with its true times.
pub(crate) const LATE_MS_MAX: u32 = 3_000;

/// Frames further ahead than this are held back until ticks have brought the show there; bounds the
/// GAP parts one frame can cause.
pub(crate) const AHEAD_MS_MAX: u32 = 15_000;

/// Holes up to this long are bridged by a longer sample duration, so that decode times stay
/// continuous (A7.3); longer ones stay holes.
pub(crate) const HOLE_MS_MAX: u32 = 500;

/// How long a picture lasts in milliseconds when nothing tells: one of 30 a second.
pub(crate) const PICTURE_MS: u32 = 33;

/// Largest reordering delay believed, in milliseconds: 16 pictures at 8 fps. Composition times of
/// RTMP can say hours.
pub(crate) const REORDER_MS_MAX: u32 = 2_000;

/// Highest clock believed, in ticks: 1.6 million years, and sums of such times stay within `i64`.
pub(crate) const CLOCK_MAX: i64 = i64::MAX / 2;

/// Parts one call may put out per rendition for the clock's sake; the next tick goes on. Keeps a
/// server that slept for an hour from doing an hour's work in one call.
pub(crate) const PARTS_PER_TICK_MAX: i64 = 64;

/// Frames held per track and rendition: 15 s of 120 fps, or 15 s of 10 ms audio.
pub(crate) const HELD_FRAMES_MAX: usize = 2_048;

/// Payload bytes of one segment, and of the frames held before the plan: 10.5 s at 100 Mbit/s.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 128 * 1_024 * 1_024;

/// Tracks of one show. Enhanced RTMP numbers 256, encoders send up to six.
pub(crate) const TRACKS_MAX: usize = 16;
