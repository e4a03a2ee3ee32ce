//! A viewer and its peer on a seeded link in virtual time: the peer reads what was written, as bytes,
//! and answers with RTCP, as bytes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::egress::testing::{Chance, anchor, frame, message};
use crate::packetize::{Payload, Prefix};
use crate::rtp::Packet;

const AUDIO: u32 = 1;
const VIDEO: u32 = 2;
const RTX: u32 = 3;
const LOW: Layer = Layer { track: TrackId::Video(0), bps: 620_000 };
const HIGH: Layer = Layer { track: TrackId::Video(1), bps: 2_500_000 };
const DELAY_MS: u64 = 30;
const QUEUE_US_MAX: u64 = 400_000;

struct Show {
    viewer: Viewer,
    start: Instant,
    chance: Chance,
    ms: u64,
    link_free_us: u64,
    loss_percent: u64,
    /// Arrival in microseconds, and the packet.
    flying: VecDeque<(u64, Vec<u8>)>,
    peer: Peer,
    sent: BTreeSet<(u32, u64)>,
    audio_sent: u64,
    /// Sequence numbers of each video frame, by layer and start.
    frames: BTreeMap<(TrackId, i64), Vec<u64>>,
    events: Vec<(u64, ViewerEvent)>,
    wait_ms_max: u64,
    /// Video packets that found the queue full.
    overflown: u64,
}

/// What the receiving side knows.
#[derive(Default)]
struct Peer {
    /// Video sequence numbers that came, by themselves or repaired.
    video: BTreeSet<u64>,
    received: u64,
    first: Option<u64>,
    highest: u64,
    audio: u64,
    twcc: BTreeMap<u64, u64>,
    twcc_next: u64,
}

fn config(ssrc: u32, rtx: Option<(u32, u8)>, first_sequence: u16) -> StreamConfig {
    StreamConfig {
        ssrc,
        payload_type: 96,
        rtx,
        clock_hz: 90_000,
        first_sequence,
        rtx_first_sequence: 0xfff0,
        timestamp_offset: 77,
        first_picture_id: 0x7ff0,
    }
}

impl Show {
    fn new(seed: u64, loss_percent: u64) -> Self {
        let start = anchor();
        let extensions =
            ExtensionIds { transport_sequence: Some(3), send_time: Some(2), mid: Some(4) };
        let outlet = |stream, mid: &str| OutletConfig { stream, mid: mid.into(), extensions };
        let config = ViewerConfig {
            audio: Some(outlet(config(AUDIO, None, 5), "0")),
            video: Some(outlet(config(VIDEO, Some((RTX, 97)), 0x7fff), "1")),
            estimator: EstimatorConfig::default(),
        };
        let mut viewer = Viewer::new(config, start);
        viewer.set_layers(&[LOW, HIGH]);
        Self {
            viewer,
            start,
            chance: Chance(seed),
            ms: 0,
            link_free_us: 0,
            loss_percent,
            flying: VecDeque::new(),
            peer: Peer::default(),
            sent: BTreeSet::new(),
            audio_sent: 0,
            frames: BTreeMap::new(),
            events: Vec::new(),
            wait_ms_max: 0,
            overflown: 0,
        }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.ms)
    }

    /// Both layers at 25 pictures a second with a keyframe every second, and audio.
    fn publish(&mut self) {
        if self.ms.is_multiple_of(20) {
            let picture = frame(self.ms / 20, 1);
            let start_ms = i64::try_from(self.ms).unwrap();
            self.viewer.write(
                &Arc::new(PacketizedFrame {
                    track: TrackId::Audio(0),
                    keyframe: true,
                    rtp_ticks: start_ms * 90,
                    start_ms,
                    end_ms: start_ms + 20,
                    payloads: vec![Payload {
                        prefix: Prefix::default(),
                        body: picture.payloads[0].body.slice(..100),
                        marker: false,
                        picture_id: None,
                    }],
                    ..picture
                }),
                self.now(),
            );
        }
        if self.ms.is_multiple_of(40) {
            let number = self.ms / 40;
            let keyframe = number.is_multiple_of(25);
            for (layer, payloads) in [(LOW, 3), (HIGH, 12)] {
                let picture = frame(number, payloads);
                let picture = PacketizedFrame { track: layer.track, keyframe, ..picture };
                self.viewer.write(&Arc::new(picture), self.now());
            }
        }
    }

    fn run(&mut self, millis: u64, link_bps: u64) {
        for _ in 0..millis {
            self.publish();
            let now = self.now();
            while let Some(packet) = self.viewer.poll_packet(now) {
                self.transmit(&packet, link_bps);
            }
            let ntp = self.ms << 22;
            if let Some(reports) = self.viewer.poll_reports(ntp, now) {
                assert_eq!(reports.len() % 28, 0);
            }
            self.ms += 1;
            self.receive();
            if self.ms.is_multiple_of(50) {
                let feedback = self.peer.feedback(self.ms.is_multiple_of(1_000));
                let now = self.now();
                self.viewer.handle_rtcp(&feedback, now);
            }
            while let Some(event) = self.viewer.poll_event() {
                self.events.push((self.ms, event));
            }
        }
    }

    fn transmit(&mut self, packet: &ViewerPacket, link_bps: u64) {
        let inner = packet.packet();
        assert!(self.sent.insert((inner.ssrc, inner.sequence)), "a number came twice");
        self.audio_sent += u64::from(inner.ssrc == AUDIO);
        let waited = self.ms.saturating_sub(inner.frame.start_ms.unsigned_abs());
        if inner.ssrc == VIDEO {
            self.wait_ms_max = self.wait_ms_max.max(waited);
            let name = (inner.frame.track, inner.frame.start_ms);
            self.frames.entry(name).or_default().push(inner.sequence);
        }
        let mut bytes = vec![0; packet.written_bytes()];
        assert_eq!(packet.write(&mut bytes), bytes.len());
        let now_us = self.ms * 1_000;
        if self.link_free_us.saturating_sub(now_us) > QUEUE_US_MAX {
            self.overflown += 1;
            return;
        }
        let bits = packet.wire_bytes() as u64 * 8;
        self.link_free_us = self.link_free_us.max(now_us) + bits * 1_000_000 / link_bps;
        if !self.chance.percent(self.loss_percent) {
            self.flying.push_back((self.link_free_us + DELAY_MS * 1_000, bytes));
        }
    }

    fn receive(&mut self) {
        let now_us = self.ms * 1_000;
        while let Some((at, bytes)) = self.flying.pop_front_if(|it| it.0 <= now_us) {
            self.peer.receive(&bytes, at);
        }
    }

    fn layer_events(&self) -> Vec<LayerEvent> {
        let layer = |event: &ViewerEvent| match event {
            ViewerEvent::Layer(event) => Some(*event),
            _ => None,
        };
        self.events.iter().filter_map(|(_, it)| layer(it)).collect()
    }

    /// Length of the video that came whole, repaired or not.
    fn arrived_ms(&self) -> i64 {
        let whole = |it: &Vec<u64>| it.iter().all(|it| self.peer.video.contains(it));
        let whole = self.frames.iter().filter(|(_, it)| whole(it)).map(|((_, start), _)| *start);
        40 * i64::try_from(whole.collect::<BTreeSet<_>>().len()).unwrap()
    }

    fn delivered_ms(&self, wanted: Medium) -> i64 {
        let mut covered = BTreeSet::new();
        for (_, event) in &self.events {
            if let ViewerEvent::Delivered { medium, intervals_ms } = event
                && *medium == wanted
            {
                covered.extend(intervals_ms.iter().flat_map(|(start, end)| *start..*end));
            }
        }
        i64::try_from(covered.len()).unwrap()
    }
}

impl Peer {
    fn receive(&mut self, bytes: &[u8], at_us: u64) {
        let packet = Packet::parse(bytes).unwrap();
        let header = packet.header();
        let transport = packet.extension(3).unwrap();
        let transport = u16::from_be_bytes(transport.try_into().unwrap());
        let transport = crate::egress::unwrap_near(self.twcc_next, transport).unwrap();
        self.twcc.insert(transport, at_us);
        let payload = &bytes[packet.payload_range()];
        match header.ssrc {
            AUDIO => self.audio += 1,
            VIDEO => {
                let near = self.highest.max(0x7fff);
                let sequence = crate::egress::unwrap_near(near, header.sequence).unwrap();
                self.first.get_or_insert(sequence);
                self.highest = self.highest.max(sequence);
                self.received += 1;
                self.video.insert(sequence);
            }
            RTX => {
                let original = u16::from_be_bytes([payload[0], payload[1]]);
                let original = crate::egress::unwrap_near(self.highest, original).unwrap();
                self.video.insert(original);
            }
            other => panic!("ssrc {other}"),
        }
    }

    /// Transport-wide feedback, a NACK of what is missing, and sometimes a report.
    fn feedback(&mut self, with_report: bool) -> Vec<u8> {
        let mut compound = self.transport_feedback();
        if let (Some(first), true) = (self.first, with_report) {
            let lost = (self.highest - first + 1).saturating_sub(self.received);
            let mut body = vec![0, 0, 0, 9];
            body.extend(VIDEO.to_be_bytes());
            body.extend(u32::try_from(lost).unwrap().to_be_bytes());
            body.extend(u32::try_from(self.highest).unwrap().to_be_bytes());
            body.extend([0; 12]);
            compound.extend(message(1, 201, &body));
        }
        let from = self.highest.saturating_sub(300).max(self.first.unwrap_or(0));
        let missing: Vec<_> =
            (from..self.highest).filter(|it| !self.video.contains(it)).take(50).collect();
        if !missing.is_empty() {
            let mut body = vec![0, 0, 0, 9];
            body.extend(VIDEO.to_be_bytes());
            for sequence in missing {
                body.extend((sequence as u16).to_be_bytes());
                body.extend([0, 0]);
            }
            compound.extend(message(1, 205, &body));
        }
        compound
    }

    fn transport_feedback(&mut self) -> Vec<u8> {
        let Some((&newest, _)) = self.twcc.last_key_value() else { return Vec::new() };
        let base_us = self.twcc.values().min().unwrap() / 64_000 * 64_000;
        let count = newest + 1 - self.twcc_next;
        let mut body = vec![0, 0, 0, 9, 0, 0, 0, 2];
        body.extend((self.twcc_next as u16).to_be_bytes());
        body.extend(u16::try_from(count).unwrap().to_be_bytes());
        body.extend(((base_us / 64_000) as u32).to_be_bytes()[1..].iter());
        body.push(0);
        let (mut deltas, mut last) = (Vec::<u8>::new(), base_us / 250);
        let all: Vec<_> = (self.twcc_next..=newest).collect();
        for chunk in all.chunks(7) {
            let mut word = 0xc000_u16;
            for (index, sequence) in chunk.iter().enumerate() {
                let Some(at) = self.twcc.get(sequence).map(|it| it / 250) else { continue };
                word |= 2 << (12 - 2 * index);
                deltas.extend((at as i64 - last as i64).to_be_bytes()[6..].iter());
                last = at;
            }
            body.extend(word.to_be_bytes());
        }
        body.extend(deltas);
        body.resize(body.len().next_multiple_of(4), 0);
        self.twcc.clear();
        self.twcc_next = newest + 1;
        message(15, 205, &body)
    }
}

#[test]
fn losses_are_repaired_and_delivered_as_far_as_they_came() {
    let mut show = Show::new(7, 3);
    show.run(20_000, 8_000_000);
    let (first, highest) = (show.peer.first.unwrap(), show.peer.highest);
    let old = highest - 200;
    let missing = (first..old).filter(|it| !show.peer.video.contains(it)).count() as u64;
    assert!(missing * 200 < old - first, "{missing} of {} unrepaired", old - first);
    let delivered_ms = show.delivered_ms(Medium::Video);
    assert!(delivered_ms <= show.arrived_ms(), "{delivered_ms} of {}", show.arrived_ms());
    assert!(delivered_ms > 19_000, "what came again is credited: {delivered_ms}");
    assert_eq!(show.viewer.resend_misses(), 0);
}

#[test]
fn the_layer_follows_the_path_and_audio_never_stops() {
    let mut show = Show::new(1, 0);
    show.run(15_000, 8_000_000);
    assert_eq!(show.viewer.choice.current(), Some(HIGH.track), "{:?}", show.layer_events());
    show.run(6_000, 1_000_000);
    assert_eq!(show.viewer.choice.current(), Some(LOW.track), "{:?}", show.layer_events());
    show.run(20_000, 8_000_000);
    assert_eq!(show.viewer.choice.current(), Some(HIGH.track), "{:?}", show.layer_events());
    assert_eq!(show.audio_sent, 41_000 / 20);
    assert!(show.wait_ms_max < 700, "{} ms", show.wait_ms_max);
}

#[test]
fn a_path_that_narrows_is_not_flooded_until_the_keyframe_of_a_lower_layer() {
    let mut show = Show::new(1, 0);
    show.run(15_100, 8_000_000);
    assert_eq!(show.viewer.choice.current(), Some(HIGH.track), "{:?}", show.layer_events());
    let before = show.sent.len() as u64;
    show.run(5_000, 1_000_000);
    assert_eq!(show.viewer.choice.current(), Some(LOW.track), "{:?}", show.layer_events());
    let sent = show.sent.len() as u64 - before;
    // Those of the moment until it is seen.
    assert!(show.overflown * 8 < sent, "{} of {sent} packets found no room", show.overflown);
}

#[test]
fn what_is_lost_a_lot_is_sent_again_twice() {
    for (loss, copies) in [(TWICE_LOSS_MIN - 1, 1), (TWICE_LOSS_MIN, 2)] {
        let mut show = Show::new(7, 0);
        show.run(2_000, 8_000_000);
        show.viewer.loss = loss;
        let lost = (show.peer.highest - 20) as u16;
        let mut body = vec![0, 0, 0, 9];
        body.extend(VIDEO.to_be_bytes());
        body.extend(lost.to_be_bytes());
        body.extend([0, 0]);
        let now = show.now();
        show.viewer.handle_rtcp(&message(1, 205, &body), now);
        let resends = &show.viewer.resends;
        assert!(resends.iter().all(|it| it.original_sequence == Some(lost)), "{resends:?}");
        let numbers: BTreeSet<_> = resends.iter().map(|it| it.sequence).collect();
        assert_eq!((resends.len(), numbers.len()), (copies, copies), "loss {loss}");
    }
}

#[test]
fn pictures_hardly_wait_once_the_path_is_narrow() {
    for seed in 0..8 {
        for (wide_bps, narrow_bps) in
            [(8_000_000, 1_000_000), (4_000_000, 1_000_000), (20_000_000, 900_000)]
        {
            // Narrow at another place of the group each time, and with some loss besides.
            let mut show = Show::new(seed, seed % 3);
            show.run(12_000 + 137 * seed, wide_bps);
            assert_eq!(show.viewer.choice.current(), Some(HIGH.track), "{:?}", show.layer_events());
            show.wait_ms_max = 0;
            show.run(1_200, narrow_bps);
            assert_eq!(show.viewer.choice.current(), Some(LOW.track), "{:?}", show.layer_events());
            show.run(6_000, narrow_bps);
            let wait_ms = show.wait_ms_max;
            assert!(wait_ms < 550, "seed {seed}, {wide_bps} to {narrow_bps}: {wait_ms} ms");
        }
    }
}

#[test]
fn retransmissions_that_wait_hold_media_up_for_a_moment_at_most() {
    let mut show = Show::new(1, 0);
    show.run(5_000, 8_000_000);
    let newest = show.peer.highest;
    let mut body = vec![0, 0, 0, 9];
    body.extend(VIDEO.to_be_bytes());
    for sequence in newest - 200..newest {
        body.extend((sequence as u16).to_be_bytes());
        body.extend([0, 0]);
    }
    show.viewer.set_layers(&[LOW]);
    show.viewer.estimator = Estimator::new(
        EstimatorConfig { start_bps: 300_000, ..EstimatorConfig::default() },
        show.now(),
    );
    let now = show.now();
    show.viewer.handle_rtcp(&message(1, 205, &body), now);
    let waiting = show.viewer.resends.len();
    let pace_bps = show.viewer.pace_bps(now);
    while show.viewer.resends.len() > 1 {
        show.ms += 1;
        let _ = show.viewer.poll_packet(show.now());
    }
    let took_ms = (show.now() - now).as_millis();
    assert!((2..100).contains(&waiting), "{waiting} wait");
    assert!(took_ms < 500, "{waiting} in {took_ms} ms at {pace_bps} bit/s");
}

#[test]
fn a_path_that_is_wide_enough_is_not_probed() {
    let mut show = Show::new(1, 0);
    show.viewer.set_layers(&[LOW]);
    show.run(20_000, 15_000_000);
    let probed = show.sent.iter().filter(|(ssrc, _)| *ssrc == RTX).count();
    let media = show.sent.iter().filter(|(ssrc, _)| *ssrc == VIDEO).count();
    assert!(media > 1_000 && probed * 50 < media, "{probed} beside {media}");
}

#[test]
fn on_a_path_too_narrow_for_video_audio_goes_on() {
    let mut show = Show::new(1, 0);
    show.viewer.set_layers(&[HIGH]);
    show.run(15_000, 1_000_000);
    assert!(show.layer_events().contains(&LayerEvent::Paused), "{:?}", show.layer_events());
    assert_eq!(show.audio_sent, 15_000 / 20);
    let before = show.peer.audio;
    show.run(2_000, 1_000_000);
    assert!(show.peer.audio - before > 90, "{}", show.peer.audio - before);
}

#[test]
fn a_cached_group_leaves_fast() {
    let start = anchor();
    let mut show = Show::new(1, 0);
    show.viewer.set_layers(&[LOW]);
    for number in 0..50 {
        show.viewer.write(&Arc::new(frame(number, 3)), start);
    }
    let mut ms = 0;
    while show.viewer.video.as_ref().unwrap().stream.counts().0 < 150 {
        ms += 1;
        while show.viewer.poll_packet(start + Duration::from_millis(ms)).is_some() {}
    }
    assert!((200..400).contains(&ms), "two seconds of media in {ms} ms");
    assert!(show.viewer.poll_timeout().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// On any path: no number comes twice, video has no holes, and no more is delivered than came.
    #[test]
    fn numbers_and_deliveries_hold_on_any_path(seed in any::<u64>(), loss in 0_u64..20) {
        let mut show = Show::new(seed, loss);
        for _ in 0..6 {
            let link_bps = 300_000 + show.chance.number() % 5_000_000;
            show.run(1_500, link_bps);
        }
        for ssrc in [AUDIO, VIDEO, RTX] {
            let numbers: Vec<_> = show.sent.range((ssrc, 0)..(ssrc + 1, 0)).map(|it| it.1).collect();
            prop_assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        }
        prop_assert!(show.delivered_ms(Medium::Video) <= show.arrived_ms());
        for (at, event) in &show.events {
            if let ViewerEvent::Delivered { intervals_ms, .. } = event {
                let sent_ms = i64::try_from(*at).unwrap() + 40;
                prop_assert!(intervals_ms.iter().all(|(start, end)| start < end && *end <= sent_ms));
            }
        }
    }
}

#[test]
fn fuzz_viewer_rtcp() {
    let picture = Arc::new(frame(0, 20));
    bolero::check!().with_iterations(500).for_each(|input: &[u8]| {
        let mut show = Show::new(1, 0);
        show.viewer.write(&picture, show.start);
        let mut now = show.start;
        for _ in 0..10 {
            now += Duration::from_millis(20);
            while show.viewer.poll_packet(now).is_some() {}
            show.viewer.handle_rtcp(input, now);
            for kind in [201, 205, 206] {
                let mut body = input.to_vec();
                body.truncate(body.len() / 4 * 4);
                show.viewer.handle_rtcp(
                    &message(input.first().map_or(15, |it| it & 31), kind, &body),
                    now,
                );
            }
        }
        let estimate_bps = show.viewer.estimate_bps(now);
        assert!((50_000..=20_000_000).contains(&estimate_bps));
    });
}

#[test]
fn sound_begins_where_the_pictures_are() {
    let sound = |start_ms| {
        let shape = PacketizedFrame { start_ms, end_ms: start_ms + 20, ..frame(0, 1) };
        Arc::new(PacketizedFrame { track: TrackId::Audio(0), ..shape })
    };
    let mut show = Show::new(1, 0);
    let (viewer, now) = (&mut show.viewer, show.start);
    let waiting =
        |viewer: &Viewer| viewer.audio_frames.iter().map(|it| it.start_ms).collect::<Vec<_>>();
    viewer.write(&Arc::new(frame(50, 1)), now);
    viewer.write(&sound(1_800), now);
    assert!(waiting(viewer).is_empty(), "220 ms behind the end of the picture");
    viewer.write(&sound(1_820), now);
    viewer.write(&Arc::new(frame(100, 1)), now);
    viewer.write(&sound(1_840), now);
    assert_eq!(waiting(viewer), [1_820, 1_840], "once begun it goes on");

    let mut late = Show::new(1, 0);
    let (viewer, now) = (&mut late.viewer, late.start);
    viewer.write(&Arc::new(frame(50, 1)), now);
    viewer.write(&sound(0), now);
    viewer.write(&sound(20), now + SOUND_WAIT_MAX);
    assert_eq!(waiting(viewer), [20], "sound that stays behind is the publisher's");
}
