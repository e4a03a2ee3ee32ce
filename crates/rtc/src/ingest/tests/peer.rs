//! A publisher and its link: loss, reordering, duplicates and retransmission, from a seed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use tally_media::{Medium, TrackId};

use crate::ingest::sources::{ExtensionIds, PayloadFormat, Section};
use crate::ingest::{Config, Picture, Receiver};
use crate::rtp::{Header, HeaderWriter};

pub(super) const MEDIA: u32 = 0x1111;
pub(super) const RTX: u32 = 0x2222;
const MID_ID: u8 = 1;
const REPAIRED_RID_ID: u8 = 3;
const TRANSPORT_ID: u8 = 4;
const PAYLOAD_TYPE: u8 = 96;
const RTX_TYPE: u8 = 97;

/// Random numbers from a seed (splitmix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

pub(super) fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "any instant serves as zero of virtual time")]
    Instant::now()
}

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn video_section() -> Section {
    Section {
        medium: Medium::Video,
        mid: Some("v".to_owned()),
        formats: vec![PayloadFormat {
            payload_type: PAYLOAD_TYPE,
            clock_rate: 90_000,
            rtx: Some(RTX_TYPE),
        }],
        nack: true,
        fir: false,
        rids: Vec::new(),
        ssrcs: Vec::new(),
        repairs: Vec::new(),
    }
}

pub(super) fn config(sections: Vec<Section>) -> Config {
    Config {
        ssrc: 1,
        cname: "tally".to_owned(),
        sections,
        extensions: ExtensionIds {
            mid: Some(MID_ID),
            rid: Some(2),
            repaired_rid: Some(REPAIRED_RID_ID),
            transport_wide: Some(TRANSPORT_ID),
        },
        reduced_size: true,
        reference_times: false,
    }
}

/// How the link treats packets, in percent and milliseconds.
#[derive(Clone, Copy, Default)]
pub(super) struct Link {
    pub(super) loss: u64,
    pub(super) duplicates: u64,
    pub(super) jitter_ms: u64,
    /// Nothing passes to the receiver in these milliseconds, again and again.
    pub(super) outage: Option<(u64, u64)>,
}

const DELAY_MS: u64 = 25;

enum Event {
    Frame,
    ToReceiver(Bytes),
    ToPublisher(Vec<u8>),
}

/// Runs one publisher of 30 pictures a second.
pub(super) struct Run {
    link: Link,
    random: Random,
    zero: Instant,
    events: BTreeMap<(Instant, u64), Event>,
    scheduled: u64,
    sequence: u16,
    rtx_sequence: u16,
    transport: u16,
    frames: u32,
    sent: BTreeMap<u16, (u32, bool, Vec<u8>)>,
    pub(super) receiver: Receiver,
    pub(super) pictures: Vec<(TrackId, Picture)>,
    /// When keyframes were asked for, in milliseconds.
    pub(super) keyframe_requests_ms: Vec<u64>,
    /// Whether the publisher makes a keyframe when asked.
    pub(super) answers_keyframes: bool,
    /// Whether the publisher sends lost packets again when asked.
    pub(super) answers_asks: bool,
}

impl Run {
    pub(super) fn new(seed: u64, link: Link) -> Self {
        let zero = start();
        Self {
            link,
            random: Random(seed),
            zero,
            events: BTreeMap::from([((zero, 0), Event::Frame)]),
            scheduled: 0,
            // Near the end, so that every run goes over the wrap.
            sequence: 65_000,
            rtx_sequence: 7,
            transport: 65_500,
            frames: 0,
            sent: BTreeMap::new(),
            receiver: Receiver::new(zero, config(vec![video_section()])),
            pictures: Vec::new(),
            keyframe_requests_ms: Vec::new(),
            answers_keyframes: true,
            answers_asks: true,
        }
    }

    /// Sends `frames` pictures and lets the link run empty; gives how many there were.
    pub(super) fn run(&mut self, frames: u32) -> u32 {
        let end = self.zero + ms(u64::from(frames) * 33 + 1_000);
        loop {
            let event = self.events.first_key_value().map(|(&(at, _), _)| at);
            let now = event.map_or(end, |at| at.min(end));
            let due = self.receiver.poll_timeout(now);
            if due >= end && now >= end {
                return self.frames;
            }
            if due <= now {
                let now = due.max(self.zero);
                self.receiver.handle_timeout(now);
                self.drain(now);
                continue;
            }
            match self.events.pop_first() {
                Some(((at, _), event)) => self.handle(at, event, frames),
                None => return self.frames,
            }
        }
    }

    fn handle(&mut self, now: Instant, event: Event, frames: u32) {
        match event {
            Event::Frame if self.frames < frames => {
                self.send_frame(now);
                self.schedule(now + ms(33), Event::Frame);
            }
            Event::Frame => {}
            Event::ToReceiver(bytes) => {
                self.receiver.handle_rtp(now, bytes);
                self.drain(now);
            }
            Event::ToPublisher(bytes) => self.answer(now, &bytes),
        }
    }

    fn schedule(&mut self, at: Instant, event: Event) {
        self.scheduled += 1;
        self.events.insert((at, self.scheduled), event);
    }

    fn send_frame(&mut self, now: Instant) {
        let packets = 1 + self.random.below(8);
        for n in 0..packets {
            let mut payload = vec![0; 100];
            payload[..4].copy_from_slice(&self.frames.to_be_bytes());
            payload[4] = u8::try_from(n).unwrap();
            payload[5] = u8::try_from(packets).unwrap();
            let timestamp = self.frames.wrapping_mul(2_970).wrapping_add(u32::MAX - 90_000);
            let sequence = self.sequence;
            self.sequence = sequence.wrapping_add(1);
            let marker = n + 1 == packets;
            self.sent.insert(sequence, (timestamp, marker, payload.clone()));
            let header =
                Header { marker, payload_type: PAYLOAD_TYPE, sequence, timestamp, ssrc: MEDIA };
            // The first picture must not be lost: nothing tells that it was.
            self.deliver(now, header, &payload, self.frames == 0);
        }
        self.frames += 1;
    }

    fn deliver(&mut self, now: Instant, header: Header, payload: &[u8], safe: bool) {
        let writer = HeaderWriter::new(header)
            .extension(MID_ID, b"v")
            .extension(TRANSPORT_ID, &self.transport.to_be_bytes());
        self.transport = self.transport.wrapping_add(1);
        let mut bytes = vec![0; writer.written_bytes()];
        writer.write(&mut bytes);
        bytes.extend(payload);
        let bytes = Bytes::from(bytes);
        if !safe && (self.random.below(100) < self.link.loss || self.is_out(now)) {
            return;
        }
        let copies = 1 + u64::from(self.random.below(100) < self.link.duplicates);
        for _ in 0..copies {
            let jitter = if safe { 0 } else { self.random.below(self.link.jitter_ms + 1) };
            self.schedule(now + ms(DELAY_MS + jitter), Event::ToReceiver(bytes.clone()));
        }
    }

    fn is_out(&self, now: Instant) -> bool {
        let at = u64::try_from(now.duration_since(self.zero).as_millis()).unwrap();
        self.link.outage.is_some_and(|(every, lasts)| at % every >= every - lasts)
    }

    /// Feedback is lost like media.
    fn drain(&mut self, now: Instant) {
        while let Some(picture) = self.receiver.poll_picture() {
            if self.answers_keyframes {
                self.receiver.keyframe_arrived(picture.0);
            }
            self.pictures.push(picture);
        }
        while let Some(bytes) = self.receiver.poll_rtcp() {
            if self.random.below(100) >= self.link.loss {
                self.schedule(now + ms(DELAY_MS), Event::ToPublisher(bytes));
            }
        }
    }

    fn answer(&mut self, now: Instant, mut bytes: &[u8]) {
        for packet in rtc_rtcp::packet::unmarshal(&mut bytes).unwrap() {
            if packet.as_any().is::<PictureLossIndication>() {
                let at = now.duration_since(self.zero).as_millis();
                self.keyframe_requests_ms.push(u64::try_from(at).unwrap());
            }
            let Some(nack) = packet.as_any().downcast_ref::<TransportLayerNack>() else { continue };
            assert_eq!(nack.media_ssrc, MEDIA);
            if !self.answers_asks {
                continue;
            }
            for sequence in nack.nacks.iter().flat_map(|pair| pair.packet_list()) {
                self.retransmit(now, sequence);
            }
        }
    }

    fn retransmit(&mut self, now: Instant, original: u16) {
        let Some((timestamp, marker, payload)) = self.sent.get(&original).cloned() else {
            panic!("asked for {original}, which was never sent");
        };
        let sequence = self.rtx_sequence;
        self.rtx_sequence = sequence.wrapping_add(1);
        let header = Header { marker, payload_type: RTX_TYPE, sequence, timestamp, ssrc: RTX };
        let payload = [&original.to_be_bytes()[..], &payload].concat();
        self.deliver(now, header, &payload, false);
    }

    /// Checks that pictures are whole, in order and never twice; gives their numbers.
    pub(super) fn numbers(&self) -> Vec<u32> {
        let mut numbers = Vec::new();
        for (_, picture) in &self.pictures {
            let first = &picture.payloads[0];
            let number = u32::from_be_bytes(*first.first_chunk().unwrap());
            let all = usize::from(first[5]);
            for (n, payload) in picture.payloads.iter().enumerate() {
                assert_eq!(payload[..4], number.to_be_bytes());
                // Only what was lost right before a picture may have been its beginning.
                if !picture.after_loss {
                    assert_eq!((usize::from(payload[4]), picture.payloads.len()), (n, all));
                }
            }
            numbers.push(number);
        }
        assert!(numbers.is_sorted_by(|a, b| a < b), "out of order or twice");
        let times: Vec<i64> = self.pictures.iter().map(|(_, p)| p.time.ticks).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "times stand or run backwards");
        numbers
    }
}
