//! Real players, each started as its users start it.

pub mod browser;
pub mod command;
pub mod watching;
pub mod webrtc;

use std::fmt;

use serde::Deserialize;

/// What a browser player saw.
#[derive(Debug, Clone, Deserialize)]
pub struct Report {
    /// A picture came in time and no fatal error followed.
    pub started: bool,
    /// From opening to the first picture.
    pub start_ms: u64,
    /// Pictures decoded after the first.
    pub frames: u64,
    /// Pictures decoded too late to be shown.
    pub dropped: u64,
    /// How far the playhead moved after the first picture.
    pub played_ms: i64,
    /// Size of the picture.
    pub width: u32,
    /// Size of the picture.
    pub height: u32,
    /// Each time the picture stood still for want of data, with position and buffer.
    pub stalls: Vec<String>,
    /// Median of wall clock minus program date-time at the playhead: server to screen.
    pub delay_ms: Option<i64>,
    /// The largest of those.
    pub delay_max_ms: Option<i64>,
    /// Median of hls.js's own latency figure.
    pub latency_ms: Option<i64>,
    /// What hls.js aims for.
    pub target_latency_ms: Option<i64>,
    /// Sound was decoded, as far as the browser tells.
    pub has_sound: bool,
    /// The show's end was reached.
    pub ended: bool,
    /// How many qualities hls.js found.
    pub levels: Option<u32>,
    /// Every error event, fatal or not.
    pub errors: Vec<String>,
    /// The fatal ones.
    pub fatal: Vec<String>,
}

/// Live latency that hls.js has to reach with default settings on both sides.
pub const LATENCY_MS_MAX: i64 = 1_200;

impl Report {
    /// A show was played as it should be: pictures, sound, no stall, no error of any kind.
    ///
    /// # Panics
    /// With the whole report when not.
    #[track_caller]
    pub fn assert_smooth(&self, seconds: u64, frames_per_second: u64) {
        assert!(self.started, "no picture: {self}");
        assert_eq!((self.stalls.len(), self.errors.len()), (0, 0), "stalls or errors: {self}");
        // A tenth less for the edges of the measurement.
        let expected = seconds * frames_per_second * 9 / 10;
        assert!(self.frames >= expected, "{expected} pictures expected: {self}");
        let played_ms_min = i64::try_from(seconds * 900).unwrap_or(i64::MAX);
        assert!(self.played_ms >= played_ms_min, "the playhead lags: {self}");
        assert!(self.has_sound, "no sound: {self}");
    }

    /// The show was seen as live as promised.
    ///
    /// # Panics
    /// With the whole report when not.
    #[track_caller]
    pub fn assert_live(&self) {
        let delay = self.delay_ms.unwrap_or(i64::MAX);
        assert!(delay <= LATENCY_MS_MAX, "{delay} ms behind: {self}");
        // A playhead before the present would mean that the program date-times are wrong.
        assert!(delay > 0, "ahead of time: {self}");
    }

    /// Nothing could be played, and the player says why.
    ///
    /// # Panics
    /// With the whole report when something played.
    #[track_caller]
    pub fn assert_refused(&self, why: &str) {
        assert!(!self.started && self.frames == 0, "it played: {self}");
        let said = self.fatal.iter().chain(&self.errors).any(|error| error.contains(why));
        assert!(said, "not for `{why}`: {self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self:#?}")
    }
}
