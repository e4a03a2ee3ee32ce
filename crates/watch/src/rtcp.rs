//! From RTCP receiver reports to deliveries: the media a WebRTC viewer acknowledged.
//!
//! A receiver report (RFC 3550, section 6.4.1) names the highest sequence number received and how many
//! packets were lost in all, not which. Every lost packet is taken to have spoiled a frame of its own,
//! the longest of those reported on: so what is given out can fall short, never exceed.

use std::collections::VecDeque;

use crate::{Interval, IntervalSet};

/// Sent frames that wait for a report: ten seconds of 60 pictures and 50 audio packets a second. Reports
/// come at least every five seconds; beyond that the oldest are forgotten, and their media with them.
pub const FRAMES_MAX: usize = 1_100;

/// Lost time becomes a hole once it has grown to this, and is held back until then. A hole per report
/// would fragment a viewer's set beyond its bound within minutes.
pub const HOLE_MS_MIN: u64 = 5_000;

/// Acknowledgements of one track sent to one session.
#[derive(Clone, Debug)]
pub struct Acknowledgements {
    /// What was sent and not yet reported on, oldest first.
    frames: VecDeque<SentFrame>,
    highest_sequence: i64,
    lost_packets: i64,
    /// Acknowledged and not given out: the last `lost_ms` of what was acknowledged.
    held_back: IntervalSet,
    lost_ms: u64,
    closed: bool,
}

#[derive(Clone, Copy, Debug)]
struct SentFrame {
    last_sequence: i64,
    media: Interval,
}

impl Acknowledgements {
    /// A track whose first packet will be `first_sequence`, extended to 64 bits by its sender.
    #[must_use]
    pub fn new(first_sequence: i64) -> Self {
        Self {
            frames: VecDeque::new(),
            highest_sequence: first_sequence.saturating_sub(1),
            lost_packets: 0,
            held_back: IntervalSet::new(),
            lost_ms: 0,
            closed: false,
        }
    }

    /// Notes that a frame was sent, in packets up to and including `last_sequence`. Frames come in
    /// the order sent; one out of order is not evidence.
    pub fn sent(&mut self, last_sequence: i64, media: Interval) {
        let newest = self.frames.back().map_or(self.highest_sequence, |it| it.last_sequence);
        if self.closed || last_sequence <= newest {
            return;
        }
        if self.frames.len() == FRAMES_MAX {
            self.frames.pop_front();
        }
        self.frames.push_back(SentFrame { last_sequence, media });
    }

    /// Takes a receiver report: the extended highest sequence number, and the cumulative number of
    /// packets lost less those whose retransmission was acknowledged. Gives what is delivered now.
    ///
    /// A report that is old, repeated or acknowledges what was never sent gives nothing.
    pub fn reported(&mut self, highest_sequence: i64, lost_packets: i64) -> IntervalSet {
        let newest = self.frames.back().map_or(self.highest_sequence, |it| it.last_sequence);
        if self.closed || highest_sequence <= self.highest_sequence || highest_sequence > newest {
            return IntervalSet::new();
        }
        let lost = lost_packets.saturating_sub(self.lost_packets).max(0);
        self.highest_sequence = highest_sequence;
        self.lost_packets = self.lost_packets.max(lost_packets);
        let mut longest_ms = 0;
        while let Some(frame) = self.frames.pop_front_if(|it| it.last_sequence <= highest_sequence)
        {
            longest_ms = longest_ms.max(frame.media.length_ms());
            self.held_back.insert(frame.media);
        }
        self.lost_ms = self.lost_ms.saturating_add(lost.unsigned_abs().saturating_mul(longest_ms));
        let whole_ms = self.held_back.length_ms();
        let (given, rest) = self.held_back.split_after(whole_ms.saturating_sub(self.lost_ms));
        if self.lost_ms >= HOLE_MS_MIN {
            // What the last reports did not acknowledge is owed by the next.
            self.lost_ms = self.lost_ms.saturating_sub(whole_ms);
            self.held_back = IntervalSet::new();
        } else {
            self.held_back = rest;
        }
        given
    }

    /// ICE consent lapsed (RFC 7675) or the session is gone: nothing after this counts.
    pub fn close(&mut self) {
        self.closed = true;
        self.frames.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: i64) -> Interval {
        Interval::new(number * 40, (number + 1) * 40).unwrap()
    }

    /// Frames of 40 ms in ten packets each, of which `frames` were sent.
    fn sent(frames: i64) -> Acknowledgements {
        let mut track = Acknowledgements::new(0);
        for number in 0..frames {
            track.sent(number * 10 + 9, frame(number));
        }
        track
    }

    fn ranges(set: &IntervalSet) -> Vec<(i64, i64)> {
        set.ranges().iter().map(|range| (range.start_ms(), range.end_ms())).collect()
    }

    #[test]
    fn a_frame_counts_once_its_last_packet_is_acknowledged() {
        let mut track = sent(50);
        assert_eq!(ranges(&track.reported(98, 0)), [(0, 360)]);
        assert_eq!(ranges(&track.reported(99, 0)), [(360, 400)]);
        assert_eq!(ranges(&track.reported(99, 0)), [], "repeated");
        assert_eq!(ranges(&track.reported(40, 0)), [], "old");
        assert_eq!(ranges(&track.reported(500, 0)), [], "never sent");
        assert_eq!(ranges(&track.reported(499, 0)), [(400, 2_000)]);
    }

    #[test]
    fn loss_is_held_back_and_becomes_one_hole() {
        let mut track = sent(1_000);
        assert_eq!(ranges(&track.reported(4_999, 25)), [(0, 19_000)]);
        assert_eq!(ranges(&track.reported(5_999, 25)), [(19_000, 23_000)]);
        assert_eq!(ranges(&track.reported(6_999, 125)), [], "a hole of 5 s");
        assert_eq!(ranges(&track.reported(7_999, 125)), [(28_000, 32_000)]);
    }

    #[test]
    fn total_loss_is_worth_nothing_and_owed_time_is_paid_first() {
        let mut track = sent(1_000);
        assert_eq!(ranges(&track.reported(2_499, 255)), [], "10,200 ms lost of 10,000");
        assert_eq!(ranges(&track.reported(4_999, 255)), [(10_000, 19_800)]);
    }

    #[test]
    fn a_pause_of_the_encoder_is_a_hole() {
        let mut track = sent(10);
        track.sent(109, Interval::new(5_000, 5_040).unwrap());
        assert_eq!(ranges(&track.reported(109, 0)), [(0, 400), (5_000, 5_040)]);
    }

    #[test]
    fn nothing_counts_after_consent_has_lapsed() {
        let mut track = sent(50);
        assert_eq!(ranges(&track.reported(99, 0)), [(0, 400)]);
        track.close();
        track.sent(509, frame(50));
        assert_eq!(ranges(&track.reported(499, 0)), []);
    }

    #[test]
    fn unreported_frames_are_bounded() {
        let mut track = sent(FRAMES_MAX as i64 + 100);
        assert_eq!(track.frames.len(), FRAMES_MAX);
        let end = (FRAMES_MAX as i64 + 100) * 40;
        assert_eq!(ranges(&track.reported(end / 40 * 10 - 1, 0)), [(4_000, end)]);
    }
}
