//! The measured rate of a track.

use std::collections::VecDeque;

use tally_rtc::packetize::PacketizedFrame;

/// Media time measured over, in ms. Longer than most distances of keyframes, which weigh as much as
/// many pictures; short enough that a change of scene shows within seconds.
const WINDOW_MS: i64 = 5_000;

/// What is measured is spread over this much at least, in ms: the first keyframe alone would look like
/// fifty times the rate.
const SPAN_MS_MIN: i64 = 1_000;

/// Frames remembered: the window at 200 a second. Beyond it the window is shorter.
const FRAMES_MAX: usize = 1_000;

/// Bytes around a payload on the path: IPv4, UDP, the RTP header with the usual extensions and SRTP's
/// tag. What a viewer's estimate is compared to includes them.
const HEADER_BYTES: usize = 20 + 8 + 24 + 16;

/// Measures one track.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// Start in ms and bytes of each frame in the window.
    frames: VecDeque<(i64, u64)>,
    bytes: u64,
    end_ms: i64,
}

impl Rate {
    pub(super) fn add(&mut self, frame: &PacketizedFrame) {
        let bytes: usize = frame.payloads.iter().map(|it| it.len() + HEADER_BYTES).sum();
        self.frames.push_back((frame.start_ms, bytes as u64));
        self.bytes += bytes as u64;
        self.end_ms = self.end_ms.max(frame.end_ms);
        let from_ms = self.end_ms - WINDOW_MS;
        let is_over = |(start_ms, _): &(i64, u64)| *start_ms < from_ms;
        while self.frames.front().is_some_and(is_over) || self.frames.len() > FRAMES_MAX {
            let Some((_, bytes)) = self.frames.pop_front() else { break };
            self.bytes -= bytes;
        }
    }

    /// Bits per second on the path; `None` before the first frame.
    pub(super) fn bps(&self) -> Option<u64> {
        let (start_ms, _) = self.frames.front()?;
        let span_ms = (self.end_ms - start_ms).max(SPAN_MS_MIN);
        Some(self.bytes * 8_000 / span_ms.cast_unsigned())
    }
}

/// Whether a rate is so far from the one told before that it is told again: more than a tenth.
pub(super) const fn has_moved(told_bps: u64, bps: u64) -> bool {
    told_bps.abs_diff(bps) > told_bps / 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::whep_feed::group::testing::picture;

    fn frame(number: u64, bytes: usize) -> PacketizedFrame {
        let mut frame = picture(0, number, number == 0);
        frame.payloads[0].body = vec![0; bytes - HEADER_BYTES].into();
        frame
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut rate = Rate::default();
        assert_eq!(rate.bps(), None);
        // 25 pictures a second of 5,000 bytes: a megabit.
        rate.add(&frame(0, 5_000));
        assert_eq!(rate.bps(), Some(40_000), "spread over a second");
        (1..250).for_each(|number| rate.add(&frame(number, 5_000)));
        assert_eq!(rate.bps(), Some(1_000_000));
        (250..500).for_each(|number| rate.add(&frame(number, 10_000)));
        assert_eq!(rate.bps(), Some(2_000_000));
    }

    #[test]
    fn a_tenth_is_told() {
        assert!(has_moved(1_000, 1_101) && has_moved(1_000, 899) && has_moved(0, 1));
        assert!(!has_moved(1_000, 1_100) && !has_moved(1_000, 900) && !has_moved(0, 0));
    }
}
