//! What a window is made with, and every length the protocol derives from it.

use tally_cmaf::Plan;

use crate::seconds::Seconds;

/// Fewest segments a live playlist is cut down to (A8.11: at least 6 segments live). // P15
pub const SEGMENTS_MIN: usize = 6;

/// Target durations a live playlist is never cut below. // P15
pub const WINDOW_TARGETS_MIN: u32 = 3;

/// Skip Boundary in target durations: the least the protocol allows, so deltas are smallest. // P7
pub const SKIP_TARGETS: u32 = 6;

/// HOLD-BACK in target durations: the least the protocol allows. // P7
pub const HOLD_BACK_TARGETS: u32 = 3;

/// PART-HOLD-BACK in part targets. 2 is the least allowed, 3 what A14.3 demands: one part on its
/// way, one in the buffer, one for a late network. // P7
pub const PART_HOLD_BACK_TARGETS: u32 = 3;

/// How far from the end parts may still be listed, in target durations. // P13
pub const PARTS_TARGETS: u32 = 3;

/// How many complete segments list their parts, beside the growing one. Low-latency players are at
/// most a few parts from the end; where the target duration is far longer than the segments (an
/// encoder of changing keyframe distance), three of it would be a hundred lines nobody needs. Strict
/// readers (hls-parser) count "three target durations" as three segments, the growing one included.
pub const PARTS_SEGMENTS_MAX: usize = 2;

/// How long a request may be held before it is answered 503, in target durations. // D6
pub const HOLD_TARGETS: u32 = 3;

/// Default for [`Options::window_ms`]: a minute to seek back in.
pub const WINDOW_MS: u32 = 60_000;

/// Default for [`Options::window_bytes_max`]: a minute listed and another minute still fetchable of
/// 16 Mbit/s, above every bit rate creators use; a hostile encoder cannot take more per rendition.
pub const WINDOW_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What a [`crate::Window`] is made with. Constant for its life: the playlist says so. // P3 P4 P8
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Unix time of the show timeline's zero, in milliseconds: the base of every
    /// EXT-X-PROGRAM-DATE-TIME. The same for all renditions of a show. // P8 P9
    pub show_start_unix_ms: i64,
    /// How much media stays listed, in milliseconds. Raised to 3 target durations and 6 segments.
    pub window_ms: u32,
    /// Most media bytes kept in memory, listed or only fetchable. Above it the oldest go first,
    /// counted in [`crate::Pressure`].
    pub window_bytes_max: u64,
    /// PART-TARGET in milliseconds, at least 1.
    pub part_target_ms: u32,
    /// EXT-X-TARGETDURATION in seconds, at least 1.
    pub target_duration_s: u32,
}

impl Options {
    /// The defaults with a show's plan and start.
    #[must_use]
    pub fn new(plan: &Plan, show_start_unix_ms: i64) -> Self {
        Self {
            show_start_unix_ms,
            window_ms: WINDOW_MS,
            window_bytes_max: WINDOW_BYTES_MAX,
            part_target_ms: plan.part_target_ms.max(1),
            target_duration_s: plan.target_duration_s.max(1),
        }
    }

    /// How long a request may wait for what it asks, in milliseconds; then 503. // D6
    #[must_use]
    pub const fn hold_ms_max(&self) -> u64 {
        self.target_duration_s as u64 * 1_000 * HOLD_TARGETS as u64
    }

    /// The Advance Part Limit: how many parts beyond the last one a request may name. // D5
    #[must_use]
    pub const fn advance_parts_max(&self) -> u32 {
        if self.part_target_ms < 1_000 { 3_000_u32.div_ceil(self.part_target_ms) } else { 3 }
    }

    pub(crate) fn part_target(&self) -> Seconds {
        Seconds::from_ms(self.part_target_ms.into())
    }

    pub(crate) fn part_hold_back(&self) -> Seconds {
        Seconds::from_ms(i64::from(self.part_target_ms) * i64::from(PART_HOLD_BACK_TARGETS))
    }

    /// `count` target durations.
    pub(crate) fn targets(&self, count: u32) -> Seconds {
        Seconds::from_ms(i64::from(self.target_duration_s) * i64::from(count) * 1_000)
    }

    /// The length the playlist is cut down to, never below the protocol's floor. // P15
    pub(crate) fn window(&self) -> Seconds {
        Seconds::from_ms(self.window_ms.into()).max(self.targets(WINDOW_TARGETS_MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(part_target_ms: u32) -> Options {
        Options {
            show_start_unix_ms: 0,
            window_ms: 1,
            window_bytes_max: WINDOW_BYTES_MAX,
            part_target_ms,
            target_duration_s: 2,
        }
    }

    // D5
    #[test]
    fn advance_part_limit_follows_the_part_target() {
        assert_eq!(options(250).advance_parts_max(), 12);
        assert_eq!(options(999).advance_parts_max(), 4);
        assert_eq!(options(1_000).advance_parts_max(), 3);
    }

    // D6
    #[test]
    fn a_request_is_held_three_target_durations_at_most() {
        assert_eq!(options(250).hold_ms_max(), 6_000);
    }

    // P15
    #[test]
    fn a_short_window_is_raised_to_three_target_durations() {
        assert_eq!(options(250).window(), Seconds::from_ms(6_000));
    }
}
