//! Pictures that wait for their turn, bounded: a viewer too slow for them jumps to a keyframe.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::packetize::PacketizedFrame;

/// Frames that may wait in any case: ten seconds of 60 a second, as a cached group may be long.
pub const BACKLOG_FRAMES_MAX: usize = 600;

/// Media that may wait in any case: ten seconds of 8 Mbit/s, all of it shared with other viewers.
pub const BACKLOG_BYTES_MAX: usize = 10_000_000;

/// Longest time to send all that waits, except while catching up: beyond a second live is not live.
pub const BACKLOG_TIME_MAX: Duration = Duration::from_secs(1);

/// Beyond this much time to send what waits, pictures that no other needs are left out.
pub const SLOW_TIME: Duration = Duration::from_millis(250);

/// Video frames of one viewer in the order to be sent.
#[derive(Clone, Debug, Default)]
pub struct Backlog {
    frames: VecDeque<Arc<PacketizedFrame>>,
    bytes: usize,
    /// Nothing is of use before a keyframe.
    skipping: bool,
    dropped: u64,
}

impl Backlog {
    /// Nothing waits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Frames left out because the viewer was too slow.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Time to send all of it at `bps`.
    #[must_use]
    pub fn time(&self, bps: u64) -> Duration {
        Duration::from_millis((self.bytes as u64).saturating_mul(8_000) / bps.max(1))
    }

    /// Adds a frame. Where the bounds are exceeded (`bps` of `None`: only those that hold while
    /// catching up), goes on with the newest keyframe that waits, or waits for the next.
    pub fn push(&mut self, frame: &Arc<PacketizedFrame>, bps: Option<u64>) {
        if self.skipping && !frame.keyframe {
            self.dropped += 1;
            return;
        }
        self.skipping = false;
        self.bytes += frame.media_bytes as usize;
        self.frames.push_back(Arc::clone(frame));
        if !self.is_beyond(bps) {
            return;
        }
        let newest = self.frames.iter().rposition(|it| it.keyframe);
        match newest {
            Some(0) | None => {
                let alone = self.frames.len() == 1;
                // A keyframe alone is what a jump would lead to.
                if !alone || newest.is_none() {
                    self.drop_front(self.frames.len());
                    self.skipping = true;
                }
            }
            Some(index) => self.drop_front(index),
        }
    }

    /// The next frame.
    pub fn pop(&mut self) -> Option<Arc<PacketizedFrame>> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.media_bytes as usize;
        Some(frame)
    }

    /// Forgets all that waits: the picture pauses.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
        self.skipping = true;
    }

    fn is_beyond(&self, bps: Option<u64>) -> bool {
        self.frames.len() > BACKLOG_FRAMES_MAX
            || self.bytes > BACKLOG_BYTES_MAX
            || bps.is_some_and(|bps| self.time(bps) > BACKLOG_TIME_MAX)
    }

    fn drop_front(&mut self, count: usize) {
        for frame in self.frames.drain(..count) {
            self.bytes -= frame.media_bytes as usize;
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::testing::frame;

    /// Numbers that come out of frames of 10,000 bytes, keyframes among them.
    fn pass(keyframes: &[u64], numbers: u64, bps: Option<u64>) -> (Vec<u64>, u64) {
        let mut backlog = Backlog::new();
        for number in 0..numbers {
            let keyframe = keyframes.contains(&number);
            let picture = PacketizedFrame { keyframe, media_bytes: 10_000, ..frame(number, 1) };
            backlog.push(&Arc::new(picture), bps);
        }
        let dropped = backlog.dropped();
        (std::iter::from_fn(|| backlog.pop()).map(|it| it.number).collect(), dropped)
    }

    #[test]
    fn beyond_a_second_it_goes_on_with_a_keyframe() {
        // Ten frames are a second.
        let bps = Some(800_000);
        assert_eq!(pass(&[0], 10, bps), ((0..10).collect(), 0));
        assert_eq!(pass(&[0], 12, bps), (vec![], 12), "waits for the next");
        assert_eq!(pass(&[0, 15], 18, bps), ((15..18).collect(), 15));
        assert_eq!(pass(&[0, 7], 12, bps), ((7..12).collect(), 7), "goes to one that waits");
    }

    #[test]
    fn while_catching_up_only_the_hard_bounds_hold() {
        assert_eq!(pass(&[0], 600, None).0.len(), 600);
        assert_eq!(pass(&[0], 601, None), (vec![], 601));
    }

    #[test]
    fn a_keyframe_larger_than_the_bound_still_goes() {
        assert_eq!(pass(&[0], 1, Some(1_000)), (vec![0], 0));
    }
}
