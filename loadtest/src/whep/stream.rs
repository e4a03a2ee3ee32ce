//! One RTP stream as a viewer receives it: what came, what is missing, and what to tell of it.

use std::time::{Duration, Instant};

use tally_rtc::depacketize::{Format, is_keyframe_start};
use tally_rtc::ingest::nack::Nack;
use tally_rtc::ingest::reception::Reception;
use tally_rtc::rtcp::ReportBlock;
use tally_rtc::rtp::{ExtendedSequence, Header};

/// Packets behind the newest in which a lost one is still of use: players play half a second late.
const USEFUL_PACKETS: u64 = 512;

/// Counts of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Packets sent in their turn that came.
    pub(super) packets: u64,
    /// Of those, packets that came behind a later one.
    pub(super) late: u64,
    /// Packets that came by retransmission alone.
    pub(super) repaired: u64,
    /// Packets that never came.
    pub(super) lost: u64,
}

/// The packets of one SSRC.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) ssrc: u32,
    pub(super) format: Format,
    sequence: ExtendedSequence,
    first: u64,
    reception: Reception,
    /// Where lost packets can be asked for.
    nack: Option<Nack>,
    counts: Counts,
    keyframe: Keyframe,
}

impl Stream {
    /// A stream that begins with this packet.
    pub(super) fn new(header: &Header, format: Format, clock_hz: u32, can_ask: bool) -> Self {
        let mut sequence = ExtendedSequence::new();
        let first = sequence.unwrap(header.sequence);
        Self {
            ssrc: header.ssrc,
            format,
            sequence,
            first,
            reception: Reception::new(header.ssrc, clock_hz, first),
            nack: can_ask.then(Nack::new),
            counts: Counts::default(),
            keyframe: Keyframe::default(),
        }
    }

    /// Takes a packet sent in its turn.
    pub(super) fn handle_packet(&mut self, header: &Header, payload: &[u8], now: Instant) {
        let before = self.sequence.highest();
        let sequence = self.sequence.unwrap(header.sequence);
        self.counts.packets += 1;
        self.counts.late += u64::from(before.is_some_and(|highest| sequence < highest));
        self.reception.handle_packet(now, sequence, header.timestamp);
        if let Some(nack) = &mut self.nack {
            nack.handle_arrival(now, sequence);
            nack.forget_below(sequence.saturating_sub(USEFUL_PACKETS));
        }
        self.keyframe.handle_packet(sequence, header, payload, self.format);
    }

    /// Takes the sequence number of a packet that was sent again. Those that nobody missed only probe
    /// the path.
    pub(super) fn handle_repair(&mut self, sequence: u16, now: Instant) {
        let Some(nack) = &mut self.nack else { return };
        let mut look = self.sequence;
        let sequence = look.unwrap(sequence);
        if look.highest() != self.sequence.highest() {
            return;
        }
        let missing = nack.missing();
        nack.handle_arrival(now, sequence);
        if nack.missing() < missing {
            self.counts.repaired += 1;
            self.reception.handle_repaired();
        }
    }

    pub(super) fn handle_sender_report(&mut self, ntp: u64, now: Instant) {
        self.reception.handle_sender_report(now, ntp);
    }

    /// The report since the one before.
    pub(super) fn take_report(&mut self, now: Instant) -> ReportBlock {
        self.reception.take_report(now)
    }

    /// Sequence numbers to ask for now.
    pub(super) fn take_asks(&mut self, now: Instant, round_trip: Duration) -> Vec<u16> {
        self.nack.as_mut().map(|nack| nack.take_due(now, round_trip)).unwrap_or_default()
    }

    /// When there is something to ask for.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.nack.as_ref().and_then(Nack::poll_timeout)
    }

    /// Whether a whole keyframe has come.
    pub(super) fn has_keyframe(&self) -> bool {
        self.keyframe.is_whole
    }

    /// What came so far.
    pub(super) fn counts(&self) -> Counts {
        let expected = self.sequence.highest().map_or(0, |highest| highest - self.first + 1);
        // Packets that overtook the first one are below it and were not expected.
        let lost = expected.saturating_sub(self.counts.packets + self.counts.repaired);
        Counts { lost, ..self.counts }
    }
}

/// Looks for the first keyframe all of whose packets are there.
#[derive(Debug, Default)]
struct Keyframe {
    is_whole: bool,
    /// Timestamp, first sequence number and packets of the one under way.
    current: Option<(u32, u64, u64)>,
    /// Its last sequence number, once known.
    end: Option<u64>,
}

impl Keyframe {
    fn handle_packet(&mut self, sequence: u64, header: &Header, payload: &[u8], format: Format) {
        if self.is_whole {
            return;
        }
        match &mut self.current {
            Some((timestamp, first, count)) if *timestamp == header.timestamp => {
                *count += u64::from(sequence > *first);
            }
            _ if is_keyframe_start(format, payload) => {
                self.current = Some((header.timestamp, sequence, 1));
                self.end = None;
            }
            _ => return,
        }
        if header.marker {
            self.end = Some(sequence);
        }
        if let (Some((_, first, count)), Some(end)) = (self.current, self.end) {
            self.is_whole = end.checked_sub(first).is_some_and(|more| more < count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = &[0x10, 0, 0, 0, 0x9D, 0x01, 0x2A, 64, 0, 64, 0];
    const NEXT: &[u8] = &[0x00, 0x00];

    fn header(sequence: u16, timestamp: u32, marker: bool) -> Header {
        Header { marker, payload_type: 96, sequence, timestamp, ssrc: 7 }
    }

    fn stream(first: u16) -> Stream {
        Stream::new(&header(first, 0, false), Format::Vp8, 90_000, true)
    }

    fn feed(stream: &mut Stream, sequences: &[u16], now: Instant) {
        for sequence in sequences {
            stream.handle_packet(&header(*sequence, 0, false), NEXT, now);
        }
    }

    #[test]
    fn what_is_missing_late_or_repaired_is_told_apart_over_a_wrap() {
        let (mut stream, now) = (stream(0xfffe), crate::clock::now());
        feed(&mut stream, &[0xfffe, 1, 0xffff, 4], now);
        assert_eq!(stream.counts(), Counts { packets: 4, late: 1, repaired: 0, lost: 3 });
        let later = now + Duration::from_millis(50);
        assert_eq!(stream.take_asks(later, Duration::ZERO), [0, 2, 3]);
        stream.handle_repair(2, later);
        stream.handle_repair(2, later);
        stream.handle_repair(4, later);
        stream.handle_repair(5, later);
        assert_eq!(stream.counts(), Counts { packets: 4, late: 1, repaired: 1, lost: 2 });
        assert_eq!(stream.take_report(later).cumulative_lost, 2);
    }

    #[test]
    fn a_keyframe_counts_when_all_of_it_is_there() {
        let (mut stream, now) = (stream(1), crate::clock::now());
        stream.handle_packet(&header(1, 0, true), NEXT, now);
        stream.handle_packet(&header(2, 10, false), KEY, now);
        stream.handle_packet(&header(4, 10, true), NEXT, now);
        assert!(!stream.has_keyframe(), "one packet is missing");
        stream.handle_packet(&header(3, 10, false), NEXT, now);
        assert!(stream.has_keyframe());
    }

    #[test]
    fn a_keyframe_with_a_hole_is_none() {
        let (mut stream, now) = (stream(2), crate::clock::now());
        stream.handle_packet(&header(2, 10, false), KEY, now);
        stream.handle_packet(&header(4, 10, true), NEXT, now);
        stream.handle_packet(&header(5, 20, true), NEXT, now);
        assert!(!stream.has_keyframe());
        stream.handle_packet(&header(6, 30, true), KEY, now);
        assert!(stream.has_keyframe());
    }
}
