//! The measured rate of a track.

use std::collections::VecDeque;

use tally_rtc::packetize::PacketizedFrame;

/// Media time measured over, in ms. Longer than most distances of keyframes, which weigh as much as
/// many pictures; short enough that a change of scene shows within seconds.
const WINDOW_MS: u64 = 5_000;

/// What is measured is spread over this much at least, in ms: the first keyframe alone would look like
/// fifty times the rate.
const SPAN_MS_MIN: u64 = 1_000;

/// Frames of a track before their mean length tells anything: with fewer, its first keyframe does.
const MEAN_FRAMES_MIN: u64 = 100;

/// Frames remembered: the window at 200 a second. Beyond it the window is shorter.
const FRAMES_MAX: usize = 1_000;

/// Bytes around a payload on the path: IPv4, UDP, the RTP header with the usual extensions and SRTP's
/// tag. What a viewer's estimate is compared to includes them.
const HEADER_BYTES: usize = 20 + 8 + 24 + 16;

/// Measures one track by what its frames last, so that an encoder's absence does not count.
#[derive(Debug, Default)]
pub(super) struct Rate {
    frames: VecDeque<Measured>,
    sum: Measured,
    /// Mean length of the track's frames before any was measured, where there were enough.
    mean_bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    ms: u64,
    bytes: u64,
}

impl Rate {
    /// Of a track of which `frames` of `bytes` together are written. A feed that starts behind a
    /// keyframe would take that for little, and one that starts with it for much.
    pub(super) fn after(frames: u64, bytes: u64) -> Self {
        let mean_bytes = (frames >= MEAN_FRAMES_MIN).then(|| bytes / frames);
        Self { mean_bytes, ..Self::default() }
    }

    pub(super) fn add(&mut self, frame: &PacketizedFrame) {
        let bytes: usize = frame.payloads.iter().map(|it| it.len() + HEADER_BYTES).sum();
        let ms = u64::try_from(frame.end_ms.saturating_sub(frame.start_ms)).unwrap_or(0);
        self.frames.push_back(Measured { ms, bytes: bytes as u64 });
        self.sum.ms += ms;
        self.sum.bytes += bytes as u64;
        while self.sum.ms > WINDOW_MS || self.frames.len() > FRAMES_MAX {
            let Some(oldest) = self.frames.pop_front() else { break };
            self.sum.ms -= oldest.ms;
            self.sum.bytes -= oldest.bytes;
        }
    }

    /// Bits per second on the path; `None` before the first frame.
    pub(super) fn bps(&self) -> Option<u64> {
        let Measured { ms, bytes } = self.sum;
        let frames = self.frames.len() as u64;
        if frames == 0 {
            return None;
        }
        // What is missing to a second is taken for frames of the mean length.
        let missing = SPAN_MS_MIN.saturating_sub(ms) * frames / ms.max(1);
        let assumed_bytes = missing * self.mean_bytes.unwrap_or(0);
        Some((bytes + assumed_bytes) * 8_000 / ms.max(SPAN_MS_MIN))
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
    fn what_was_before_tells_until_a_second_is_measured() {
        let mut rate = Rate::after(1_000, 5_000_000);
        rate.add(&frame(0, 50_000));
        assert_eq!(rate.bps(), Some(8 * (50_000 + 24 * 5_000)));
        (1..25).for_each(|number| rate.add(&frame(number, 4_000)));
        assert_eq!(rate.bps(), Some(8 * (50_000 + 24 * 4_000)));
        let mut young = Rate::after(10, 1_000_000);
        young.add(&frame(0, 50_000));
        assert_eq!(young.bps(), Some(8 * 50_000));
    }

    #[test]
    fn a_tenth_is_told() {
        assert!(has_moved(1_000, 1_101) && has_moved(1_000, 899) && has_moved(0, 1));
        assert!(!has_moved(1_000, 1_100) && !has_moved(1_000, 900) && !has_moved(0, 0));
    }
}
