//! What a viewer's receiver reports tell: round trip, loss and delivery.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::unwrap_near;
use crate::rtcp::{ReportBlock, from_units, ntp_middle};

/// Sent frames that wait for a report: ten seconds of 60 pictures a second and 50 audio packets fit.
/// Reports come at least every five; beyond that the oldest are forgotten, and their media with them.
pub const FRAMES_MAX: usize = 1_100;

/// Lost time becomes a hole once it has grown to this, and is held back until then: a hole per report
/// would break a viewer's set of intervals into thousands.
pub const HOLE_MS_MIN: i64 = 5_000;

/// Packets of which it is remembered whether they came: eight seconds of 5 Mbit/s, a byte each.
const CAME_MAX: usize = 4_096;

/// Frames that may still turn out to be whole: four seconds of 60 pictures a second.
const UNSURE_MAX: usize = 240;

/// Sender reports remembered for the round trip: receivers answer the last, or the one before.
const SENDER_REPORTS_KEPT: usize = 4;

/// The round trip, measured by sender reports and their echoes.
#[derive(Clone, Debug, Default)]
pub struct RoundTrip {
    sent: VecDeque<(u32, Instant)>,
    last: Option<Duration>,
}

impl RoundTrip {
    /// The last one measured.
    #[must_use]
    pub fn last(&self) -> Option<Duration> {
        self.last
    }

    /// Notes that a sender report with this NTP time was sent.
    pub fn sent(&mut self, ntp: u64, now: Instant) {
        if self.sent.len() == SENDER_REPORTS_KEPT {
            self.sent.pop_front();
        }
        self.sent.push_back((ntp_middle(ntp), now));
    }

    /// Takes a report block that echoes one of ours; any other is ignored.
    pub fn reported(&mut self, block: &ReportBlock, now: Instant) {
        let echoed = self.sent.iter().find(|(ntp, _)| *ntp == block.last_sender_report);
        let Some((_, at)) = echoed.filter(|_| block.last_sender_report != 0) else { return };
        if let Some(round_trip) =
            now.saturating_duration_since(*at).checked_sub(from_units(block.delay))
        {
            self.last = Some(round_trip);
        }
    }
}

/// Which media of one stream a viewer acknowledged.
///
/// A report names the highest sequence number received and how many packets were lost in all, not
/// which. Every lost packet is taken to have spoiled a frame of its own, the longest of those reported
/// on: what is given out can fall short, never exceed.
///
/// Where transport-wide feedback tells which packets came, by themselves or sent again, a frame that was
/// reported on counts as lost until all of its packets are told of, and the numbers lost are not needed.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Sent and not yet reported on.
    frames: VecDeque<SentFrame>,
    /// First sequence number not yet acknowledged.
    next: u64,
    lost_packets: i32,
    /// Acknowledged, joined where they touch, and not given out.
    held: VecDeque<(i64, i64)>,
    lost_ms: i64,
    /// Whether it is known that a packet came, from sequence number `came_from` on.
    came: VecDeque<bool>,
    came_from: u64,
    /// Feedback tells what came.
    is_told: bool,
    /// Reported on and counted as lost: packets not known to have come.
    unsure: VecDeque<(SentFrame, u64)>,
    closed: bool,
}

#[derive(Clone, Copy, Debug)]
struct SentFrame {
    first_sequence: u64,
    last_sequence: u64,
    start_ms: i64,
    end_ms: i64,
}

impl SentFrame {
    fn packets(&self) -> std::ops::RangeInclusive<u64> {
        self.first_sequence..=self.last_sequence
    }

    fn length_ms(&self) -> i64 {
        self.end_ms.saturating_sub(self.start_ms).max(0)
    }
}

impl Delivery {
    /// A stream whose first packet will be `first_sequence`.
    #[must_use]
    pub fn new(first_sequence: u64) -> Self {
        Self {
            frames: VecDeque::new(),
            next: first_sequence,
            lost_packets: 0,
            held: VecDeque::new(),
            lost_ms: 0,
            came: VecDeque::new(),
            came_from: first_sequence,
            is_told: false,
            unsure: VecDeque::new(),
            closed: false,
        }
    }

    /// Notes that a frame's last packet was sent, and which stretch of the show it is.
    pub fn sent(&mut self, last_sequence: u64, start_ms: i64, end_ms: i64) {
        if self.closed {
            return;
        }
        if self.frames.len() == FRAMES_MAX {
            self.frames.pop_front();
        }
        let first_sequence = self.frames.back().map_or(self.next, |it| it.last_sequence + 1);
        self.frames.push_back(SentFrame { first_sequence, last_sequence, start_ms, end_ms });
    }

    /// Notes that the first packet to arrive was this one. Reports count no packet before it as lost,
    /// so frames that began earlier are not delivered.
    pub fn began_at(&mut self, sequence: u64) {
        while self.frames.pop_front_if(|it| it.first_sequence < sequence).is_some() {}
    }

    /// Notes that a packet that was sent is known to have come, by itself or sent again. What a report
    /// counted as lost before is given out with the next.
    pub fn came(&mut self, sequence: u64) {
        let place = |from: u64| usize::try_from(sequence.checked_sub(from)?).ok();
        let Some(mut index) = place(self.came_from).filter(|_| !self.closed) else { return };
        if index >= CAME_MAX {
            self.forget_before(sequence + 1 - CAME_MAX as u64);
            index = CAME_MAX - 1;
        }
        if index >= self.came.len() {
            self.came.resize(index + 1, false);
        }
        self.is_told = true;
        if std::mem::replace(&mut self.came[index], true) {
            return;
        }
        let index = self.unsure.partition_point(|(frame, _)| frame.last_sequence < sequence);
        let Some((frame, unknown)) = self.unsure.get_mut(index) else { return };
        if !frame.packets().contains(&sequence) {
            return;
        }
        *unknown -= 1;
        if *unknown == 0 {
            self.lost_ms = (self.lost_ms - frame.length_ms()).max(0);
            self.unsure.remove(index);
        }
    }

    /// Takes a report block; gives the intervals `[start_ms, end_ms)` that are delivered now, in the
    /// order sent. An old or repeated report, or one of what was never sent, gives nothing.
    pub fn reported(&mut self, block: &ReportBlock) -> Vec<(i64, i64)> {
        #[expect(clippy::cast_possible_truncation, reason = "the low half is the sequence number")]
        let low = block.highest_sequence as u16;
        let newest = self.frames.back().map_or(0, |it| it.last_sequence);
        let highest = unwrap_near(newest, low).filter(|it| (self.next..=newest).contains(it));
        let Some(highest) = highest.filter(|_| !self.closed) else { return Vec::new() };
        let lost = block.cumulative_lost.saturating_sub(self.lost_packets).max(0);
        self.next = highest + 1;
        self.lost_packets = self.lost_packets.max(block.cumulative_lost);
        let (mut longest_ms, mut unsure_ms) = (0, 0_i64);
        while let Some(frame) = self.frames.pop_front_if(|it| it.last_sequence <= highest) {
            longest_ms = longest_ms.max(frame.length_ms());
            self.hold(frame.start_ms, frame.end_ms);
            if self.is_told && !self.is_whole(frame) {
                unsure_ms = unsure_ms.saturating_add(frame.length_ms());
            }
        }
        if lost > 0 && longest_ms == 0 {
            longest_ms = self.frames.front().map_or(0, SentFrame::length_ms);
        }
        let spoiled_ms = i64::from(lost).saturating_mul(longest_ms);
        let lost_ms = if self.is_told { unsure_ms } else { spoiled_ms };
        self.lost_ms = self.lost_ms.saturating_add(lost_ms);
        let oldest = self.unsure.front().map(|it| it.0.first_sequence);
        let next = self.frames.front().map_or(self.next, |it| it.first_sequence);
        self.forget_before(oldest.unwrap_or(next));
        self.give()
    }

    /// Whether all packets of a frame are known to have come; if not, it is kept in mind.
    fn is_whole(&mut self, frame: SentFrame) -> bool {
        let place = |it: u64| usize::try_from(it.checked_sub(self.came_from)?).ok();
        let came = |it: u64| place(it).and_then(|it| self.came.get(it)).is_some_and(|it| *it);
        let unknown = frame.packets().filter(|it| !came(*it)).count() as u64;
        if unknown > 0 {
            if self.unsure.len() == UNSURE_MAX {
                self.unsure.pop_front();
            }
            self.unsure.push_back((frame, unknown));
        }
        unknown == 0
    }

    fn forget_before(&mut self, sequence: u64) {
        let gone = usize::try_from(sequence.saturating_sub(self.came_from)).unwrap_or(usize::MAX);
        self.came.drain(..gone.min(self.came.len()));
        self.came_from = self.came_from.max(sequence);
    }

    /// ICE consent lapsed (RFC 7675) or the session is gone: nothing after this counts.
    pub fn close(&mut self) {
        self.closed = true;
        self.frames.clear();
    }

    fn hold(&mut self, start_ms: i64, end_ms: i64) {
        if start_ms >= end_ms {
            return;
        }
        match self.held.back_mut() {
            Some(last) if last.1 == start_ms => last.1 = end_ms,
            _ => self.held.push_back((start_ms, end_ms)),
        }
    }

    /// All that is held but the last `lost_ms` of it.
    fn give(&mut self) -> Vec<(i64, i64)> {
        let whole_ms = self.held.iter().map(|(start, end)| end - start).sum::<i64>();
        let mut budget_ms = whole_ms - self.lost_ms;
        let mut given = Vec::new();
        while let Some((start, end)) = self.held.pop_front() {
            if budget_ms <= 0 {
                self.held.push_front((start, end));
                break;
            }
            let split = end.min(start + budget_ms);
            given.push((start, split));
            budget_ms -= split - start;
            if split < end {
                self.held.push_front((split, end));
            }
        }
        if self.lost_ms >= HOLE_MS_MIN {
            // What these reports did not acknowledge is owed by the next.
            self.lost_ms = (self.lost_ms - whole_ms).max(0);
            self.held.clear();
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::egress::testing::{Chance, anchor};

    fn block(highest_sequence: u32, cumulative_lost: i32) -> ReportBlock {
        ReportBlock { ssrc: 7, cumulative_lost, highest_sequence, ..ReportBlock::default() }
    }

    /// Frames of 40 ms in ten packets each.
    fn sent(frames: u64) -> Delivery {
        let mut delivery = Delivery::new(0);
        for number in 0..frames {
            let start_ms = i64::try_from(number).unwrap() * 40;
            delivery.sent(number * 10 + 9, start_ms, start_ms + 40);
        }
        delivery
    }

    #[test]
    fn a_frame_counts_once_its_last_packet_is_acknowledged() {
        let mut delivery = sent(50);
        assert_eq!(delivery.reported(&block(98, 0)), [(0, 360)]);
        assert_eq!(delivery.reported(&block(99, 0)), [(360, 400)]);
        assert_eq!(delivery.reported(&block(99, 0)), [], "repeated");
        assert_eq!(delivery.reported(&block(40, 0)), [], "old");
        assert_eq!(delivery.reported(&block(500, 0)), [], "never sent");
        assert_eq!(delivery.reported(&block(499, 0)), [(400, 2_000)]);
        delivery.sent(509, 2_000, 2_040);
        delivery.close();
        assert_eq!(delivery.reported(&block(509, 0)), [], "consent has lapsed");
    }

    #[test]
    fn frames_before_the_first_packet_that_came_do_not_count() {
        let mut delivery = sent(50);
        delivery.began_at(11);
        assert_eq!(delivery.reported(&block(49, 0)), [(80, 200)]);
        delivery.began_at(50);
        assert_eq!(delivery.reported(&block(59, 0)), [(200, 240)]);
    }

    #[test]
    fn loss_is_held_back_and_becomes_one_hole() {
        let mut delivery = sent(1_000);
        assert_eq!(delivery.reported(&block(4_999, 25)), [(0, 19_000)]);
        assert_eq!(delivery.reported(&block(5_999, 25)), [(19_000, 23_000)]);
        assert_eq!(delivery.reported(&block(6_999, 125)), [], "a hole of 5 s");
        assert_eq!(delivery.reported(&block(7_999, 125)), [(28_000, 32_000)]);
    }

    #[test]
    fn the_round_trip_is_the_echo_less_the_wait() {
        let (mut round_trip, start) = (RoundTrip::default(), anchor());
        round_trip.sent(0x1234_5678_9abc_def0, start);
        let echo = ReportBlock { last_sender_report: 0x5678_9abc, delay: 1 << 15, ..block(0, 0) };
        round_trip.reported(&ReportBlock { last_sender_report: 5, ..echo }, start);
        assert_eq!(round_trip.last(), None);
        round_trip.reported(&echo, start + Duration::from_millis(540));
        assert_eq!(round_trip.last(), Some(Duration::from_millis(40)));
    }

    #[test]
    fn what_was_sent_again_and_came_is_given_with_the_next_report() {
        let mut delivery = sent(100);
        (0..200).filter(|it| it % 20 != 5).for_each(|it| delivery.came(it));
        assert_eq!(delivery.reported(&block(199, 10)), [(0, 400)], "ten of twenty");
        for sequence in [5, 25, 45, 45, 46, 900] {
            delivery.came(sequence);
        }
        (200..210).for_each(|it| delivery.came(it));
        assert_eq!(delivery.reported(&block(209, 10)), [(400, 560)], "three, and the new one");
        (0..230).for_each(|it| delivery.came(it));
        assert_eq!(delivery.reported(&block(229, 14)), [(560, 920)], "they came before the report");
        assert_eq!(delivery.reported(&block(239, 14)), [], "nothing is known of it");
    }

    proptest! {
        /// Packets get lost, some are sent again, some of those come; feedback tells of some that came;
        /// and receivers do or do not count repaired ones as received.
        #[test]
        fn delivery_never_exceeds_what_came_by_itself_or_again(
            seed in any::<u64>(),
            loss in 0_u64..60,
            told in prop_oneof![Just(100_u64), 0..100_u64],
            counts_repaired in any::<bool>(),
        ) {
            let (mut chance, mut delivery) = (Chance(seed), Delivery::new(65_000));
            let (mut lost, mut whole_ms, mut given_ms) = (0, 0, 0);
            // Of frames of three packets of 40 ms, what is missing yet, and what to tell of later.
            let (mut missing, mut late) = (Vec::new(), Vec::new());
            for number in 0..400_u64 {
                let first = 65_000 + number * 3;
                let start_ms = i64::try_from(number).unwrap() * 40;
                delivery.sent(first + 2, start_ms, start_ms + 40);
                let gone: Vec<u64> = (first..first + 3).filter(|_| chance.percent(loss)).collect();
                lost += i32::try_from(gone.len()).unwrap();
                late.extend((first..first + 3).filter(|it| !gone.contains(it)));
                missing.push(gone);
                whole_ms = 0;
                for gone in &mut missing {
                    let again = gone.extract_if(.., |_| chance.percent(20)).collect::<Vec<_>>();
                    lost -= if counts_repaired { i32::try_from(again.len()).unwrap() } else { 0 };
                    late.extend(again);
                    whole_ms += if gone.is_empty() { 40 } else { 0 };
                }
                let due: Vec<u64> = late.extract_if(.., |_| chance.percent(50)).collect();
                for sequence in due {
                    if chance.percent(told) {
                        delivery.came(sequence);
                    }
                }
                if chance.percent(10) {
                    let highest = u32::try_from(first + 2).unwrap();
                    let given = delivery.reported(&block(highest, lost));
                    given_ms += given.iter().map(|(start, end)| end - start).sum::<i64>();
                    prop_assert!(given_ms <= whole_ms, "{given_ms} of {whole_ms}");
                }
            }
            if told == 100 && loss < 10 {
                prop_assert!(given_ms + 6_000 > whole_ms, "{given_ms} of {whole_ms}");
            }
        }

        /// Whatever is lost and whenever reports come: what is given out was sent, once, and no more
        /// of it than arrived whole.
        #[test]
        fn delivery_never_exceeds_what_arrived(seed in any::<u64>(), loss in 0_u64..60) {
            let (mut chance, mut delivery) = (Chance(seed), Delivery::new(65_000));
            let (mut sequence, mut lost, mut received_ms) = (65_000_u64, 0, 0);
            let (mut given, mut last_end) = (Vec::new(), 0);
            for _ in 0..300 {
                let start_ms = last_end + if chance.percent(5) { 500 } else { 0 };
                last_end = start_ms + 20 + i64::from(chance.percent(50)) * 20;
                let missing = (0..3).filter(|_| chance.percent(loss)).count();
                sequence += 3;
                lost += i32::try_from(missing).unwrap();
                delivery.sent(sequence - 1, start_ms, last_end);
                received_ms += if missing == 0 { last_end - start_ms } else { 0 };
                if chance.percent(10) {
                    let highest = u32::try_from(sequence - 1).unwrap();
                    given.extend(delivery.reported(&block(highest, lost)));
                    let given_ms = given.iter().map(|(start, end)| end - start).sum::<i64>();
                    prop_assert!(given_ms <= received_ms);
                }
            }
            prop_assert!(given.iter().all(|(start, end)| start < end && *end <= last_end));
            prop_assert!(given.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        }
    }
}
