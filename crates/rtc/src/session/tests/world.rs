//! A viewer's session of ours playing to a publisher's session of ours, on a seeded link in virtual
//! time.

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tally_media::{Medium, TrackId};

use super::media;
use crate::depacketize::Format;
use crate::egress::layers::Layer;
use crate::egress::testing::{Chance, anchor};
use crate::egress::{ViewerEvent, unwrap_near};
use crate::packetize::{PacketizedFrame, Packetizer};
use crate::sdp::{
    Candidate, DataChannel, Extensions, Feedback, Local, Negotiated, NegotiatedCodec,
    NegotiatedMedia,
};
use crate::session::{
    CloseReason, Numbers, Outbox, PeerEvent, PeerOptions, Published, WhepEvent, WhepSession,
    WhipSession,
};
use crate::transport::{
    Certificate, Credentials, Datagram, DtlsRole, LocalCandidate, Path, Protocol, classify,
};

pub(super) const SERVER: &str = "198.51.100.1:3478";
pub(super) const PUBLISHER: &str = "192.0.2.7:50000";
pub(super) const MOVED: &str = "192.0.2.7:50001";
/// Payloads of this many bytes.
const PAYLOAD_BYTES_MAX: usize = 1_100;
const STEP_MS: u64 = 5;
const DELAY_MS: u64 = 20;
/// A moment's work: each side's timers, and what they set off.
const WAKES_MAX: usize = 8;
/// Time between keyframes nobody asked for.
pub(super) const KEYFRAMES_MS: u64 = 2_000;
const VIDEO: TrackId = TrackId::Video(0);

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn credentials(name: &str) -> Credentials {
    Credentials { ufrag: format!("{name}ufrag"), pwd: format!("{name}password-of-22-or-more") }
}

/// How a world differs from the ordinary one.
#[derive(Clone, Copy)]
pub(super) struct Setup {
    pub(super) seed: u64,
    pub(super) format: Format,
    pub(super) role: DtlsRole,
    /// Percent of datagrams, once connected.
    pub(super) loss: u64,
    /// Whether lost packets can be asked for.
    pub(super) repairs: bool,
    pub(super) wrong_fingerprint: bool,
    pub(super) has_data: bool,
    /// Layers of the picture.
    pub(super) layers: u8,
    pub(super) video_bytes: usize,
    pub(super) payload_bytes_max: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: 1,
            format: Format::H264,
            role: DtlsRole::Server,
            loss: 0,
            repairs: true,
            wrong_fingerprint: false,
            has_data: false,
            layers: 1,
            video_bytes: 3_000,
            payload_bytes_max: PAYLOAD_BYTES_MAX,
        }
    }
}

pub(super) struct World {
    setup: Setup,
    pub(super) now: Instant,
    pub(super) ms: u64,
    chance: Chance,
    pub(super) loss: u64,
    pub(super) whep: WhepSession,
    pub(super) whip: WhipSession,
    pub(super) whep_events: Vec<WhepEvent>,
    pub(super) whip_events: Vec<PeerEvent>,
    pub(super) published: Vec<Published>,
    /// When, tie breaker: whether to the publisher's session, along which of its paths.
    flying: BTreeMap<(Instant, u64), (bool, Path, Vec<u8>)>,
    pub(super) sent: Sent,
    publisher_at: SocketAddr,
    /// Which media there are.
    pub(super) media: Vec<Medium>,
    keyframe_wanted: bool,
    packetizers: BTreeMap<TrackId, Packetizer>,
    numbers: BTreeMap<TrackId, u64>,
}

/// What both sides sent.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) datagrams: u64,
    /// By the playing side: the datagrams of SRTP, and their SSRCs with extended sequence numbers.
    pub(super) media: Vec<Vec<u8>>,
    pub(super) indices: BTreeSet<(u32, u64)>,
    newest: BTreeMap<u32, u64>,
    /// Of SRTCP: whether by the publisher's session, SSRC and index.
    pub(super) rtcp: BTreeSet<(bool, u32, u32)>,
}

#[derive(Default)]
pub(super) struct Batch(pub(super) Vec<(Path, Vec<u8>)>);

impl Outbox for Batch {
    fn push(&mut self, path: Path, bytes_max: usize, write: impl FnOnce(&mut [u8]) -> usize) {
        let mut bytes = vec![0; bytes_max];
        let len = write(&mut bytes);
        assert!((1..=bytes_max).contains(&len) && len <= 1_500, "{len} of {bytes_max}");
        bytes.truncate(len);
        self.0.push((path, bytes));
    }
}

fn feedback(repairs: bool) -> Feedback {
    Feedback { nack: repairs, pli: true, fir: true, transport_cc: true, remb: true }
}

fn negotiated_media(format: Format, repairs: bool) -> NegotiatedMedia {
    let is_audio = format == Format::Opus;
    let codec = NegotiatedCodec {
        name: media::name(format),
        payload_type: if is_audio { 111 } else { 96 },
        rtx_payload_type: (!is_audio && repairs).then_some(97),
        clock_hz: if is_audio { 48_000 } else { 90_000 },
        channels: if is_audio { 2 } else { 1 },
        fmtp: String::new(),
        feedback: feedback(repairs && !is_audio),
    };
    NegotiatedMedia {
        mid: Some(if is_audio { "0" } else { "1" }.to_owned()),
        codecs: vec![codec],
        extensions: Extensions {
            mid: Some(4),
            abs_send_time: Some(2),
            transport_cc: Some(3),
            ..Extensions::default()
        },
        rids: Vec::new(),
        remote_ssrcs: Vec::new(),
    }
}

fn negotiated(setup: &Setup, is_publisher: bool, remote: &Certificate) -> Negotiated {
    let is_client = is_publisher == (setup.role == DtlsRole::Server);
    let server = Candidate::host(Protocol::Udp, address(SERVER), 0);
    Negotiated {
        dtls_role: if is_client { DtlsRole::Client } else { DtlsRole::Server },
        remote_ice: credentials(if is_publisher { "server" } else { "publisher" }),
        controlling: is_publisher,
        remote_fingerprint: remote.fingerprint().clone(),
        remote_candidates: if is_publisher { vec![server] } else { Vec::new() },
        transport_mid: None,
        audio: Some(negotiated_media(Format::Opus, true)),
        video: Some(negotiated_media(setup.format, setup.repairs)),
        data_channel: setup
            .has_data
            .then_some(DataChannel { remote_port: 5_000, remote_message_bytes_max: 65_536 }),
    }
}

fn local(is_publisher: bool, certificate: &Certificate) -> Local {
    let ice = credentials(if is_publisher { "publisher" } else { "server" });
    Local { ice, ..super::local(certificate) }
}

fn options(at: &str, certificate: Certificate) -> PeerOptions {
    let candidate = LocalCandidate { address: address(at), protocol: Protocol::Udp };
    PeerOptions { local_candidates: vec![candidate], certificate }
}

impl World {
    pub(super) fn new(setup: Setup) -> Self {
        let now = anchor();
        let [server, publisher, stranger] = [(); 3].map(|()| Certificate::generate().unwrap());
        let expected = if setup.wrong_fingerprint { &stranger } else { &publisher };
        // All random bits set: sequence numbers start as late as they may.
        let numbers = Numbers::from_random([0xff; Numbers::RANDOM_BYTES]);
        let whep = WhepSession::new(
            options(SERVER, server.clone()),
            &negotiated(&setup, false, expected),
            &local(false, &server),
            numbers,
            now,
        );
        let whip = WhipSession::new(
            options(PUBLISHER, publisher.clone()),
            &negotiated(&setup, true, &server),
            &local(true, &publisher),
            now,
        );
        let mut whep = whep.unwrap();
        let layers = (0..setup.layers).map(|layer| (TrackId::Video(layer), setup.format));
        let tracks = layers.chain([(TrackId::Audio(0), Format::Opus)]);
        let packetizer = |(id, format)| {
            let track = media::track(id, format);
            (id, Packetizer::new(&track, setup.payload_bytes_max).unwrap())
        };
        let layer = |layer| Layer { track: TrackId::Video(layer), bps: 600_000 };
        whep.set_layers(&(0..setup.layers).map(layer).collect::<Vec<_>>());
        Self {
            setup,
            now,
            ms: 0,
            chance: Chance(setup.seed),
            loss: 0,
            whep,
            whip: whip.unwrap(),
            whep_events: Vec::new(),
            whip_events: Vec::new(),
            published: Vec::new(),
            flying: BTreeMap::new(),
            sent: Sent::default(),
            publisher_at: address(PUBLISHER),
            media: vec![Medium::Audio, Medium::Video],
            keyframe_wanted: false,
            packetizers: tracks.map(packetizer).collect(),
            numbers: BTreeMap::new(),
        }
    }

    /// Runs until both sides are connected, then lets the link lose.
    pub(super) fn connected(setup: Setup) -> Self {
        let mut world = Self::new(setup);
        let media = std::mem::take(&mut world.media);
        world.run(KEYFRAMES_MS * 2);
        let is_up = |world: &Self| {
            matches!(world.whep_events[..], [WhepEvent::Connected(_)])
                && matches!(world.whip_events[..], [PeerEvent::Connected(_)])
        };
        assert!(is_up(&world), "{:?} {:?}", world.whep_events, world.whip_events);
        world.media = media;
        world.loss = setup.loss;
        world
    }

    /// Runs for this long, then empties the link with nothing more written or lost.
    pub(super) fn run_out(&mut self, ms: u64) {
        self.run(ms);
        let (media, loss) = (std::mem::take(&mut self.media), std::mem::take(&mut self.loss));
        self.run(1_000);
        (self.media, self.loss) = (media, loss);
    }

    pub(super) fn run(&mut self, ms: u64) {
        let end = self.ms + ms;
        while self.ms < end {
            self.write();
            self.collect();
            self.ms += STEP_MS;
            self.now += Duration::from_millis(STEP_MS);
            while let Some(entry) = self.flying.first_entry().filter(|it| it.key().0 <= self.now) {
                let (to_publisher, path, mut bytes) = entry.remove();
                self.deliver(to_publisher, path, &mut bytes);
            }
            self.settle();
        }
    }

    /// Does all that is due, and sees that it is soon done.
    fn settle(&mut self) {
        for _ in 0..WAKES_MAX {
            self.collect();
            let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= self.now);
            let due = [self.whep.poll_timeout(), self.whip.poll_timeout()].map(is_due);
            match due {
                [false, false] => return,
                [true, _] => self.whep.handle_timeout(self.now),
                [false, true] => self.whip.handle_timeout(self.now),
            }
        }
        panic!("sessions that never sleep");
    }

    pub(super) fn deliver(&mut self, to_publisher: bool, path: Path, bytes: &mut [u8]) {
        if to_publisher {
            self.whip.handle_datagram(path, bytes, self.now);
        } else {
            self.whep.handle_datagram(path, bytes, self.now);
        }
    }

    /// The path datagrams take to that side.
    pub(super) fn path_to(&self, to_publisher: bool) -> Path {
        if to_publisher {
            let (local, remote) = (address(PUBLISHER), address(SERVER));
            Path { local, remote, protocol: Protocol::Udp }
        } else {
            Path { local: address(SERVER), remote: self.publisher_at, protocol: Protocol::Udp }
        }
    }

    /// The publisher's NAT gives it another address, and it finds out.
    pub(super) fn move_publisher(&mut self) {
        self.publisher_at = address(MOVED);
        let (server, publisher) = (credentials("server2"), credentials("publisher2"));
        self.whip.restart(publisher.clone(), server.clone(), self.now).unwrap();
        self.whep.restart(server, publisher, self.now).unwrap();
        let candidate = Candidate::host(Protocol::Udp, address(SERVER), 0).to_string();
        self.whip.add_remote_candidate(&candidate);
    }

    fn write(&mut self) {
        if self.media.contains(&Medium::Audio) && self.ms.is_multiple_of(20) {
            self.write_frame(TrackId::Audio(0), Format::Opus, true, 80);
        }
        if self.media.contains(&Medium::Video) && self.ms.is_multiple_of(40) {
            let keyframe = self.keyframe_wanted || self.ms.is_multiple_of(KEYFRAMES_MS);
            self.keyframe_wanted = false;
            for layer in 0..self.setup.layers {
                let (format, fill) = (self.setup.format, self.setup.video_bytes);
                self.write_frame(TrackId::Video(layer), format, keyframe, fill);
            }
        }
    }

    fn write_frame(&mut self, id: TrackId, format: Format, keyframe: bool, fill: usize) {
        let frame = self.next_frame(id, format, keyframe, fill);
        self.whep.write(&frame, self.now);
    }

    /// The next frame of the picture, to be written by the caller.
    pub(super) fn next_video(&mut self, keyframe: bool) -> Arc<PacketizedFrame> {
        self.next_frame(VIDEO, self.setup.format, keyframe, self.setup.video_bytes)
    }

    fn next_frame(
        &mut self,
        id: TrackId,
        format: Format,
        keyframe: bool,
        fill: usize,
    ) -> Arc<PacketizedFrame> {
        let ms = i64::try_from(self.ms).unwrap();
        let number = self.numbers.entry(id).or_insert(0);
        let frame = media::frame(format, *number, ms, keyframe, fill);
        *number += 1;
        Arc::new(self.packetizers.get_mut(&id).unwrap().packetize(&frame).unwrap())
    }

    fn collect(&mut self) {
        let (mut from_whep, mut from_whip) = (Batch::default(), Batch::default());
        self.whep.send(self.ms << 22, self.now, &mut from_whep);
        self.whip.send(self.now, &mut from_whip);
        for (from_publisher, batch) in [(false, from_whep), (true, from_whip)] {
            for (path, bytes) in batch.0 {
                self.sent.note(from_publisher, &bytes);
                self.fly(from_publisher, path, bytes);
            }
        }
        while let Some(event) = self.whep.poll_event() {
            assert!(self.whep_closed().is_none(), "{event:?} after the end");
            self.keyframe_wanted |= event == WhepEvent::Viewer(ViewerEvent::KeyframeWanted);
            self.whep_events.push(event);
        }
        while let Some(event) = self.whip.poll_event() {
            assert!(self.whip_closed().is_none(), "{event:?} after the end");
            self.whip_events.push(event);
        }
        while let Some(published) = self.whip.poll_published() {
            self.published.push(published);
        }
    }

    fn fly(&mut self, from_publisher: bool, path: Path, bytes: Vec<u8>) {
        let arrives = from_publisher || path.remote == self.publisher_at;
        if arrives && !self.chance.percent(self.loss) {
            let at = self.now + Duration::from_millis(DELAY_MS);
            let path = self.path_to(!from_publisher);
            self.flying.insert((at, self.sent.datagrams), (!from_publisher, path, bytes));
        }
    }

    pub(super) fn whep_closed(&self) -> Option<CloseReason> {
        match self.whep_events.last() {
            Some(WhepEvent::Closed(reason)) => Some(reason.clone()),
            _ => None,
        }
    }

    pub(super) fn whip_closed(&self) -> Option<CloseReason> {
        match self.whip_events.last() {
            Some(PeerEvent::Closed(reason)) => Some(reason.clone()),
            _ => None,
        }
    }

    /// Numbers of the track's published frames, each checked to be as it was written; no frame of
    /// video without the one it depends on.
    pub(super) fn numbers(&self, track: TrackId) -> Vec<u64> {
        let is_video = track.medium() == Medium::Video;
        let (format, fill) =
            if is_video { (self.setup.format, self.setup.video_bytes) } else { (Format::Opus, 80) };
        let mut numbers: Vec<u64> = Vec::new();
        let frames = self.published.iter().filter_map(|it| match it {
            Published::Frame(id, frame) if *id == track => Some(frame),
            _ => None,
        });
        for frame in frames {
            let number = media::number(frame);
            let written = media::frame(format, number, 0, frame.keyframe, fill);
            assert!(frame.payload == written.payload, "frame {number} of {track:?}");
            assert!(
                frame.keyframe || number.checked_sub(1) == numbers.last().copied(),
                "frame {number} of {track:?} after {:?}",
                numbers.last()
            );
            numbers.push(number);
        }
        numbers
    }

    pub(super) fn video_numbers(&self) -> Vec<u64> {
        self.numbers(VIDEO)
    }

    /// How many frames of a track were written.
    pub(super) fn written(&self, track: TrackId) -> u64 {
        self.numbers.get(&track).copied().unwrap_or(0)
    }

    pub(super) fn delivered_ms(&self, wanted: Medium) -> i64 {
        let intervals = self.whep_events.iter().filter_map(|it| match it {
            WhepEvent::Viewer(ViewerEvent::Delivered { medium, intervals_ms }) => {
                (*medium == wanted).then_some(intervals_ms)
            }
            _ => None,
        });
        intervals.flatten().map(|(start, end)| end - start).sum()
    }
}

impl Sent {
    fn note(&mut self, from_publisher: bool, bytes: &[u8]) {
        self.datagrams += 1;
        let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        match classify(bytes) {
            Datagram::Rtp => {
                let (ssrc, low) = (word(8), word(0) as u16);
                let newest = self.newest.entry(ssrc).or_insert(u64::from(low));
                let index = unwrap_near(*newest, low).unwrap();
                *newest = (*newest).max(index);
                assert!(self.indices.insert((ssrc, index)), "{ssrc} {index} came twice");
                self.media.push(bytes.to_vec());
            }
            Datagram::Rtcp => {
                let index = word(bytes.len() - 4);
                let is_new = self.rtcp.insert((from_publisher, word(4), index));
                assert!(is_new, "SRTCP {index} came twice");
            }
            _ => {}
        }
    }
}
