//! When to ask a publisher for a keyframe.

use std::time::{Duration, Instant};

/// Least time between two requests: an encoder that is asked more often makes only keyframes.
pub const INTERVAL_MIN: Duration = Duration::from_millis(500);
/// Most time between two unanswered requests, however long the round trip.
pub const INTERVAL_MAX: Duration = Duration::from_secs(4);

/// One video track's wish for a keyframe. Many wishes make one request, repeated
/// until a keyframe comes.
#[derive(Debug, Default)]
pub struct Keyframes {
    wanted: bool,
    asked: Option<Instant>,
    interval: Duration,
    requests: u64,
}

impl Keyframes {
    /// Nothing wanted.
    #[must_use]
    pub fn new() -> Self {
        Self { wanted: false, asked: None, interval: INTERVAL_MIN, requests: 0 }
    }

    /// Requests made so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// A keyframe is needed.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// A keyframe came: nothing is wanted any more.
    pub fn handle_keyframe(&mut self) {
        self.wanted = false;
    }

    /// When the next request is due; none while nothing is wanted. `now` where it is due at once.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        self.wanted.then(|| self.asked.map_or(now, |asked| asked + self.interval))
    }

    /// Whether to send a request now; it counts as sent.
    pub fn take_due(&mut self, now: Instant, rtt: Duration) -> bool {
        if self.poll_timeout(now).is_none_or(|due| due > now) {
            return false;
        }
        self.asked = Some(now);
        // The repeat leaves the answer time to come.
        self.interval = INTERVAL_MIN.max(rtt * 2).min(INTERVAL_MAX);
        self.requests += 1;
        true
    }
}
