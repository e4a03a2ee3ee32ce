//! One medium as one viewer gets it: frames of whatever layer become one RTP stream without seams.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tally_media::TrackId;

use super::history::{Answer, History, Sent};
use super::reports::Delivery;
use crate::packetize::{PREFIX_BYTES_MAX, PacketizedFrame, Prefix};

/// Fixed numbers of a stream; the random ones come from whoever makes the session.
#[derive(Clone, Copy, Debug)]
pub struct StreamConfig {
    /// Synchronization source.
    pub ssrc: u32,
    /// Payload type agreed on.
    pub payload_type: u8,
    /// SSRC and payload type of retransmissions (RFC 4588), where agreed on.
    pub rtx: Option<(u32, u8)>,
    /// Ticks of a second: 90,000 for video, 48,000 for Opus.
    pub clock_hz: u32,
    /// First sequence number, random (RFC 3550, section 5.1); below 32,768 as SRTP wants it, so that a
    /// viewer that misses the first packets still guesses rollover right.
    pub first_sequence: u16,
    /// First sequence number of retransmissions, likewise.
    pub rtx_first_sequence: u16,
    /// Added to each timestamp, random.
    pub timestamp_offset: u32,
    /// First picture id (VP8, VP9), random; 15 bits.
    pub first_picture_id: u16,
}

/// A packet but for its SSRC-wide extensions: what goes into the header, and the payload by reference.
#[derive(Clone, Debug)]
pub struct StreamPacket {
    /// Synchronization source.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Extended sequence number: the low 16 bits are sent, the rest is SRTP's rollover counter.
    pub sequence: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// Original sequence number, in front of the payload of a retransmission (RFC 4588, section 4).
    pub original_sequence: Option<u16>,
    /// The payload's prefix, with this viewer's picture id.
    pub prefix: Prefix,
    /// The frame.
    pub frame: Arc<PacketizedFrame>,
    /// Which of its payloads.
    pub payload: usize,
}

impl StreamPacket {
    /// The payload after [`prefix`](Self::prefix).
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.frame.payloads[self.payload].body
    }

    /// Bytes after the RTP header.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        let original = if self.original_sequence.is_some() { 2 } else { 0 };
        original + self.prefix.as_slice().len() + self.body().len()
    }
}

/// The sender of one medium to one viewer.
#[derive(Clone, Debug)]
pub struct Stream {
    config: StreamConfig,
    next_sequence: u64,
    rtx_next_sequence: u64,
    next_picture_id: u16,
    /// Track and number of the last frame admitted.
    last: Option<(TrackId, u64)>,
    broken: bool,
    sending: Option<Sending>,
    /// Ticks of the newest picture sent, shifted.
    newest_ticks: Option<i64>,
    /// Added to ticks since the last change of layer: its first picture may be as old as the newest
    /// of the layer before, and two pictures of one timestamp would be taken for one.
    shift: i64,
    history: History,
    delivery: Delivery,
    packets: u32,
    payload_bytes: u32,
}

/// A frame of which some packets are still to be sent.
#[derive(Clone, Debug)]
struct Sending {
    frame: Arc<PacketizedFrame>,
    next: usize,
    timestamp: u32,
    picture_id: Option<u16>,
}

impl Stream {
    /// A stream that has sent nothing.
    #[must_use]
    pub fn new(config: StreamConfig) -> Self {
        Self {
            config,
            next_sequence: config.first_sequence.into(),
            rtx_next_sequence: config.rtx_first_sequence.into(),
            next_picture_id: config.first_picture_id & 0x7fff,
            last: None,
            broken: true,
            sending: None,
            newest_ticks: None,
            shift: 0,
            history: History::new(),
            delivery: Delivery::new(config.first_sequence.into()),
            packets: 0,
            payload_bytes: 0,
        }
    }

    /// Its fixed numbers.
    #[must_use]
    pub fn config(&self) -> &StreamConfig {
        &self.config
    }

    /// Packets and payload bytes sent, as sender reports count them: modulo 2^32, with no
    /// retransmissions.
    #[must_use]
    pub fn counts(&self) -> (u32, u32) {
        (self.packets, self.payload_bytes)
    }

    /// The RTP timestamp of an instant on the show's timeline.
    #[must_use]
    pub fn timestamp_at(&self, timeline_ms: i64) -> u32 {
        self.timestamp(timeline_ms.saturating_mul(self.config.clock_hz.into()) / 1_000)
    }

    /// The sequence number the next packet will have.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// What was sent lately.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What was delivered.
    pub fn delivery_mut(&mut self) -> &mut Delivery {
        &mut self.delivery
    }

    /// Whether a frame is on its way.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// Whether the decoder can use `frame`: a keyframe, or the frame after the last one. After a hole
    /// everything up to the next keyframe is useless, and [`begin`](Self::begin) refuses it.
    #[must_use]
    pub fn accepts(&self, frame: &PacketizedFrame) -> bool {
        let follows = self.last.is_some_and(|(track, number)| {
            track == frame.track && number.checked_add(1) == Some(frame.number)
        });
        frame.keyframe || (follows && !self.broken)
    }

    /// Notes that a disposable frame was left out: what comes after it still decodes.
    pub fn skip(&mut self, frame: &PacketizedFrame) {
        if self.accepts(frame) && frame.disposable && !frame.keyframe {
            self.last = Some((frame.track, frame.number));
        }
    }

    /// Makes `frame` the one on its way, if the one before is out and [`accepts`](Self::accepts) has
    /// no objection. Whether it was taken.
    pub fn begin(&mut self, frame: &Arc<PacketizedFrame>) -> bool {
        if self.sending.is_some() {
            return false;
        }
        if !self.accepts(frame) || frame.payloads.is_empty() {
            self.broken = true;
            return false;
        }
        self.broken = false;
        let newest = self.newest_ticks.unwrap_or(i64::MIN);
        if self.last.is_some_and(|(track, _)| track != frame.track) {
            self.shift = newest.saturating_add(1).saturating_sub(frame.rtp_ticks).max(0);
        }
        self.last = Some((frame.track, frame.number));
        let ticks = frame.rtp_ticks.saturating_add(self.shift);
        self.newest_ticks = Some(newest.max(ticks));
        let timestamp = self.timestamp(ticks);
        let numbered = frame.payloads.iter().any(|it| it.picture_id.is_some());
        let picture_id = numbered.then_some(self.next_picture_id);
        if numbered {
            self.next_picture_id = (self.next_picture_id + 1) & 0x7fff;
        }
        self.sending = Some(Sending { frame: Arc::clone(frame), next: 0, timestamp, picture_id });
        true
    }

    /// Bytes of the next payload, without headers.
    #[must_use]
    pub fn next_bytes(&self) -> Option<usize> {
        self.sending.as_ref().map(|it| it.frame.payloads[it.next].len())
    }

    /// The next packet of the frame on its way.
    pub fn next_packet(&mut self, now: Instant) -> Option<StreamPacket> {
        let sending = self.sending.as_mut()?;
        let sent = Sent {
            frame: Arc::clone(&sending.frame),
            payload: sending.next,
            timestamp: sending.timestamp,
            picture_id: sending.picture_id,
            at: now,
        };
        sending.next += 1;
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let packet = packet(self.config.ssrc, self.config.payload_type, sequence, &sent);
        if sending.next == sent.frame.payloads.len() {
            self.delivery.sent(sequence, sent.frame.start_ms, sent.frame.end_ms);
            self.sending = None;
        }
        if self.config.rtx.is_some() {
            self.history.push(sequence, sent);
        }
        self.packets = self.packets.wrapping_add(1);
        #[expect(clippy::cast_possible_truncation, reason = "a payload fits a datagram")]
        let bytes = packet.payload_bytes() as u32;
        self.payload_bytes = self.payload_bytes.wrapping_add(bytes);
        Some(packet)
    }

    /// The retransmission that answers a NACK for `sequence`, if one is due.
    pub fn resend(
        &mut self,
        sequence: u16,
        round_trip: Duration,
        now: Instant,
    ) -> Option<StreamPacket> {
        let (ssrc, payload_type) = self.config.rtx?;
        let Answer::Resend(_, sent) = self.history.request(sequence, round_trip, now) else {
            return None;
        };
        let rtx_sequence = self.rtx_next_sequence;
        self.rtx_next_sequence += 1;
        let packet = packet(ssrc, payload_type, rtx_sequence, &sent);
        Some(StreamPacket { original_sequence: Some(sequence), ..packet })
    }

    /// The same retransmission a second time: another packet with the same content.
    pub fn once_more(&mut self, packet: &StreamPacket) -> StreamPacket {
        let sequence = self.rtx_next_sequence;
        self.rtx_next_sequence += 1;
        StreamPacket { sequence, ..packet.clone() }
    }

    /// A retransmission that nobody asked for, to probe the path with.
    pub fn resend_newest(&mut self) -> Option<StreamPacket> {
        let (ssrc, payload_type) = self.config.rtx?;
        let (sequence, sent) = self.history.newest()?;
        let packet = packet(ssrc, payload_type, self.rtx_next_sequence, sent);
        self.rtx_next_sequence += 1;
        #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are sent")]
        let original_sequence = Some(sequence as u16);
        Some(StreamPacket { original_sequence, ..packet })
    }

    fn timestamp(&self, ticks: i64) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "modulo 2^32")]
        let ticks = ticks as u32;
        ticks.wrapping_add(self.config.timestamp_offset)
    }
}

fn packet(ssrc: u32, payload_type: u8, sequence: u64, sent: &Sent) -> StreamPacket {
    let payload = &sent.frame.payloads[sent.payload];
    let mut prefix = payload.prefix;
    if let (Some(at), Some(id)) = (payload.picture_id, sent.picture_id) {
        let length = prefix.as_slice().len();
        let mut bytes = [0; PREFIX_BYTES_MAX];
        bytes[..length].copy_from_slice(prefix.as_slice());
        let at = usize::from(at.offset);
        if let Some(place) = bytes[..length].get_mut(at..at + 2) {
            // The top bit says that the id has 15 bits (RFC 7741, section 4.2; RFC 9628, section 4.2).
            place.copy_from_slice(&(0x8000 | id).to_be_bytes());
            prefix = Prefix::new(&bytes[..length]);
        }
    }
    StreamPacket {
        ssrc,
        payload_type,
        sequence,
        timestamp: sent.timestamp,
        marker: payload.marker,
        original_sequence: None,
        prefix,
        frame: Arc::clone(&sent.frame),
        payload: sent.payload,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::egress::testing::{Chance, anchor, frame};

    fn stream() -> Stream {
        Stream::new(StreamConfig {
            ssrc: 1,
            payload_type: 96,
            clock_hz: 90_000,
            rtx: Some((2, 97)),
            first_sequence: 0xffe0,
            rtx_first_sequence: 0xffff,
            timestamp_offset: u32::MAX - 1_000,
            first_picture_id: 0x7ffa,
        })
    }

    fn drain(stream: &mut Stream, now: Instant) -> Vec<StreamPacket> {
        std::iter::from_fn(|| stream.next_packet(now)).collect()
    }

    #[test]
    fn a_retransmission_names_the_packet_it_repeats() {
        let (mut stream, now) = (stream(), anchor());
        assert!(stream.begin(&Arc::new(frame(0, 40))));
        let packets = drain(&mut stream, now);
        assert_eq!(stream.counts(), (40, 40_000));
        let again = stream.resend(1, Duration::ZERO, now).unwrap();
        let first = &packets[0x21];
        assert_eq!(first.sequence, 0x1_0001);
        assert_eq!((again.ssrc, again.payload_type, again.sequence), (2, 97, 0xffff));
        assert_eq!(again.original_sequence, Some(1));
        assert_eq!((again.timestamp, again.prefix), (first.timestamp, first.prefix));
        assert_eq!(again.payload_bytes(), first.payload_bytes() + 2);
    }

    #[test]
    fn after_a_hole_nothing_goes_until_a_keyframe() {
        let (mut stream, now) = (stream(), anchor());
        let mut taken = Vec::new();
        for number in [0, 1, 2, 4, 5, 6, 7] {
            let keyframe = number == 0 || number == 6;
            let picture = Arc::new(PacketizedFrame { keyframe, ..frame(number, 1) });
            taken.extend(stream.begin(&picture).then_some(number));
            drain(&mut stream, now);
        }
        assert_eq!(taken, [0, 1, 2, 6, 7]);
    }

    #[test]
    fn a_layer_that_lags_gets_timestamps_of_its_own() {
        let (mut stream, now) = (stream(), anchor());
        let mut stamps = Vec::new();
        for (track, number) in [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (0, 9)] {
            let keyframe = number == 0 || number == 9;
            let track = TrackId::Video(track);
            assert!(stream.begin(&Arc::new(PacketizedFrame {
                track,
                keyframe,
                ..frame(number, 1)
            })));
            stamps
                .extend(drain(&mut stream, now).iter().map(|it| it.timestamp.wrapping_add(1_001)));
        }
        assert_eq!(stamps, [0, 3_600, 3_601, 7_201, 10_801, 32_400]);
        assert_eq!(stream.timestamp_at(40).wrapping_add(1_001), 3_600);
    }

    proptest! {
        /// Frames of switching layers, disposable ones left out, holes, pauses and retransmissions:
        /// numbers go on by one, and no (SSRC, extended sequence number) comes twice.
        #[test]
        fn numbers_have_no_holes_and_no_repeats(seed in any::<u64>()) {
            let (mut chance, mut stream, now) = (Chance(seed), stream(), anchor());
            let (mut media, mut rtx, mut ids) = (Vec::new(), Vec::new(), Vec::new());
            let mut track = 0;
            for number in 0..150 {
                let switch = chance.percent(10);
                track = if switch { 1 - track } else { track };
                let disposable = chance.percent(20);
                let picture = Arc::new(PacketizedFrame {
                    track: TrackId::Video(track),
                    keyframe: number == 0 || switch,
                    disposable,
                    ..frame(number, 1 + usize::from(chance.percent(50)) * 3)
                });
                if chance.percent(5) {
                    continue;
                }
                if disposable && !picture.keyframe && chance.percent(50) {
                    stream.skip(&picture);
                    continue;
                }
                if stream.begin(&picture) {
                    let packets = drain(&mut stream, now);
                    let prefix = packets[0].prefix;
                    ids.push(u16::from_be_bytes([prefix.as_slice()[2], prefix.as_slice()[3]]));
                    prop_assert_eq!(packets.len(), picture.payloads.len());
                    prop_assert!(packets.last().is_some_and(|it| it.marker));
                    let ticks = u32::try_from(number * 40 * 90).unwrap();
                    let timestamp = ticks.wrapping_sub(1_001);
                    prop_assert!(packets.iter().all(|it| it.timestamp == timestamp));
                    media.extend(packets.iter().map(|it| it.sequence));
                }
                if chance.percent(30) {
                    #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits")]
                    let low = stream.next_sequence() as u16;
                    let asked = low.wrapping_sub(1 + u16::from(chance.percent(50)) * 5);
                    let again = stream.resend(asked, Duration::ZERO, now);
                    rtx.extend(again.map(|it| it.sequence));
                }
            }
            prop_assert!(media.iter().copied().eq(0xffe0..0xffe0 + media.len() as u64));
            prop_assert!(rtx.iter().copied().eq(0xffff..0xffff + rtx.len() as u64));
            let wanted = (0..ids.len()).map(|it| 0x8000 | (0x7ffa + u16::try_from(it).unwrap()) & 0x7fff);
            prop_assert!(ids.iter().copied().eq(wanted));
        }
    }
}
