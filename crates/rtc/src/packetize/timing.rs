//! Start and end of frames, where only the distance of frames before tells how long one lasts.

use tally_media::Frame;

/// How long a frame lasts while nothing is known yet, in ms: 30 frames per second.
const DISTANCE_MS_DEFAULT: i64 = 33;
/// Longest distance that is taken for the usual one, in ms: slide shows send one picture a second, and
/// what is longer is a pause of the encoder.
const DISTANCE_MS_MAX: i64 = 2_000;

/// Remembers the usual distance of frames.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    distance_ms: i64,
    last_dts_ms: Option<i64>,
}

/// When a frame is shown, in ms of the show's timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Default for Timing {
    fn default() -> Self {
        Self { distance_ms: DISTANCE_MS_DEFAULT, last_dts_ms: None }
    }
}

impl Timing {
    /// Start and end of the next frame in decode order. Decode times are evenly spaced also where
    /// B-frames make presentation times jump.
    pub(super) fn times(&mut self, frame: &Frame) -> Times {
        let dts_ms = frame.dts.as_ms();
        let distance_ms = self.last_dts_ms.map_or(0, |last| dts_ms.saturating_sub(last));
        if (1..=DISTANCE_MS_MAX).contains(&distance_ms) {
            self.distance_ms = distance_ms;
        }
        self.last_dts_ms = Some(dts_ms);
        let start = frame.pts.as_ms();
        let end = match frame.duration_ticks {
            Some(ticks) => frame.pts.offset(i64::from(ticks)).as_ms(),
            None => start.saturating_add(self.distance_ms),
        };
        Times { start, end }
    }
}
