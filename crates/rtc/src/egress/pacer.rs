//! When the next packet may leave: evenly, or fast while a viewer that just came catches up.

use std::time::{Duration, Instant};

/// Media leaves at this share of the estimate: enough to drain a keyframe soon, too little to fill
/// the queue on the path with it.
pub const PACE_PERCENT: u64 = 150;

/// A viewer that just came gets the cached group at this share of the starting estimate.
pub const FAST_START_PERCENT: u64 = 300;

/// What was not used of this much time may be used later: packets leave in small batches, as GSO and
/// timers of a millisecond want it.
pub const BURST: Duration = Duration::from_millis(5);

/// The pace of one viewer.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    next_at: Instant,
}

impl Pacer {
    /// A pacer that lets the first packet go at once.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { next_at: now }
    }

    /// When the next packet may leave.
    #[must_use]
    pub fn next_at(&self) -> Instant {
        self.next_at
    }

    /// Notes that `bytes` leave at `bps`.
    pub fn on_sent(&mut self, bytes: usize, bps: u64, now: Instant) {
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let nanos = (bytes as u64).saturating_mul(8_000_000_000) / bps.max(1);
        self.next_at = self.next_at.max(earliest) + Duration::from_nanos(nanos);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::testing::anchor;

    #[test]
    fn a_second_of_sending_is_a_second_of_the_rate_and_one_burst() {
        let start = anchor();
        let mut pacer = Pacer::new(start);
        let mut sent = 0_u64;
        for ms in 0..1_000 {
            let now = start + Duration::from_millis(ms);
            while pacer.next_at() <= now {
                pacer.on_sent(1_250, 8_000_000, now);
                sent += 1_250;
            }
        }
        assert!((1_000_000..=1_007_500).contains(&sent), "{sent}");
    }
}
