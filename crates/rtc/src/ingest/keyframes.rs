//! When to ask a publisher for a keyframe.

use std::time::{Duration, Instant};

/// Least time between two requests but for the first repeat: an encoder that is asked more often makes
/// only keyframes.
pub const INTERVAL_MIN: Duration = Duration::from_millis(500);
/// Least time until the first repeat: a request that was lost shall not cost a viewer half a second.
pub const REPEAT_MIN: Duration = Duration::from_millis(150);
/// Time beyond the round trip until the first repeat: an encoder makes a keyframe of its next picture.
pub const REPEAT_MARGIN: Duration = Duration::from_millis(100);
/// Most time between two unanswered requests, however long the round trip.
pub const INTERVAL_MAX: Duration = Duration::from_secs(4);

/// One video track's wish for a keyframe. Many wishes make one request, repeated until a keyframe
/// comes: soon once, then at leisure.
#[derive(Debug, Default)]
pub struct Keyframes {
    wanted: bool,
    asked: Option<Instant>,
    interval: Duration,
    requests: u64,
    /// The wish was asked for before.
    repeats: bool,
    number: u8,
}

impl Keyframes {
    /// Nothing wanted.
    #[must_use]
    pub fn new() -> Self {
        Self { interval: INTERVAL_MIN, ..Self::default() }
    }

    /// Requests made so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Number of the wish last asked for, modulo 256: its repeats have the same.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// A keyframe is needed.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// A keyframe came: nothing is wanted any more.
    pub fn handle_keyframe(&mut self) {
        self.wanted = false;
        self.repeats = false;
        self.interval = self.interval.max(INTERVAL_MIN);
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
        let interval = if std::mem::replace(&mut self.repeats, true) {
            INTERVAL_MIN.max(rtt * 2)
        } else {
            self.number = self.number.wrapping_add(1);
            REPEAT_MIN.max(rtt + REPEAT_MARGIN)
        };
        self.interval = interval.min(INTERVAL_MAX);
        self.requests += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::testing::anchor;

    /// When it is asked in three seconds of a keyframe wanted at each of `wants`, and come at `comes`.
    fn asked_ms(rtt_ms: u64, wants: &[u64], comes: &[u64]) -> Vec<(u64, u8)> {
        let (mut keyframes, start) = (Keyframes::new(), anchor());
        let mut asked = Vec::new();
        for ms in 0..3_000 {
            if comes.contains(&ms) {
                keyframes.handle_keyframe();
            }
            if wants.contains(&ms) {
                keyframes.want();
            }
            let now = start + Duration::from_millis(ms);
            if keyframes.take_due(now, Duration::from_millis(rtt_ms)) {
                asked.push((ms, keyframes.number()));
            }
        }
        assert_eq!(keyframes.requests(), asked.len() as u64);
        asked
    }

    #[test]
    fn a_request_that_is_lost_is_repeated_soon_then_at_leisure() {
        let all = [(0, 1), (150, 1), (650, 1), (1_150, 1), (1_650, 1), (2_150, 1), (2_650, 1)];
        assert_eq!(asked_ms(20, &[0], &[]), all);
        assert_eq!(
            asked_ms(400, &[0], &[]),
            [(0, 1), (500, 1), (1_300, 1), (2_100, 1), (2_900, 1)]
        );
        assert_eq!(asked_ms(20, &[0], &[149]), [(0, 1)]);
        assert_eq!(asked_ms(20, &[0], &[200]), [(0, 1), (150, 1)]);
    }

    #[test]
    fn a_new_wish_waits_out_the_interval() {
        assert_eq!(asked_ms(20, &[0, 100, 900], &[90, 510, 950]), [(0, 1), (500, 2)]);
        let often: Vec<u64> = (0..3_000).step_by(50).collect();
        let answered: Vec<u64> = (40..3_000).step_by(50).collect();
        let asked = asked_ms(20, &often, &answered);
        assert_eq!(asked, [(0, 1), (500, 2), (1_000, 3), (1_500, 4), (2_000, 5), (2_500, 6)]);
    }
}
