//! A viewer against a session of the server's kind, in virtual time.

use std::sync::Arc;

use bytes::Bytes;
use tally_media::TrackId;
use tally_rtc::egress::layers::Layer;
use tally_rtc::packetize::{PacketizedFrame, Payload, Prefix};
use tally_rtc::sdp::{Offer, Playable, PlayerOffer, VideoFormat, answer_play};
use tally_rtc::session::{Numbers, Outbox, PeerOptions, WhepSession};
use tally_rtc::transport::{Credentials, Protocol};

use super::*;

const SERVER: &str = "127.0.0.1:8189";
const PLAYER: &str = "127.0.0.1:50000";
const VIDEO: TrackId = TrackId::Video(0);
const STEP: Duration = Duration::from_millis(5);

#[derive(Default)]
struct Sent(Vec<Vec<u8>>);

impl Outbox for Sent {
    fn push(&mut self, _: Path, bytes_max: usize, write: impl FnOnce(&mut [u8]) -> usize) {
        let mut bytes = vec![0; bytes_max];
        let len = write(&mut bytes);
        bytes.truncate(len);
        self.0.push(bytes);
    }
}

struct World {
    now: Instant,
    ms: u64,
    server: WhepSession,
    player: Player,
    /// Every so many packets of media one is lost; 0 for none.
    lost_of: usize,
    media: usize,
    frames: [u64; 2],
}

fn path(local: &str, remote: &str) -> Path {
    let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
    Path { local, remote, protocol: Protocol::Udp }
}

fn local(name: &str, certificate: &Certificate) -> Local {
    Local {
        session_id: 1,
        ice: Credentials {
            ufrag: format!("{name}name"),
            pwd: format!("{name}password-of-22-chars"),
        },
        fingerprint: certificate.fingerprint().clone(),
        candidates: Vec::new(),
        ice_lite: false,
        cname: name.to_owned(),
        stream_id: "show".to_owned(),
        audio_ssrc: 1,
        video_ssrc: 2,
        video_rtx_ssrc: 3,
    }
}

fn frame(track: TrackId, number: u64, payloads: usize) -> Arc<PacketizedFrame> {
    let is_video = track == VIDEO;
    let (length_ms, ticks) = if is_video { (40, 3_600) } else { (20, 960) };
    let keyframe = !is_video || number.is_multiple_of(50);
    let start_ms = i64::try_from(number).unwrap() * length_ms;
    // RFC 6386 section 9.1: the lowest bit tells a keyframe; then come a start code and the size.
    let start = [u8::from(!keyframe), 0, 0, 0x9D, 0x01, 0x2A, 64, 0, 64, 0];
    let payload = |index| Payload {
        prefix: if is_video {
            Prefix::new(&[if index == 0 { 0x10 } else { 0 }])
        } else {
            Prefix::default()
        },
        body: Bytes::from([&start[..], &[0; 890]].concat()),
        marker: is_video && index + 1 == payloads,
        picture_id: None,
    };
    Arc::new(PacketizedFrame {
        track,
        number,
        rtp_ticks: i64::try_from(number).unwrap() * ticks,
        start_ms,
        end_ms: start_ms + length_ms,
        keyframe,
        disposable: false,
        payloads: (0..payloads).map(payload).collect(),
        media_bytes: u32::try_from(payloads * 900).unwrap(),
    })
}

impl World {
    fn new(lost_of: usize) -> Self {
        let now = crate::clock::now();
        let certificates = [(); 2].map(|()| Certificate::generate().unwrap());
        let (ours, theirs) = (local("player", &certificates[0]), local("server", &certificates[1]));
        let offer = PlayerOffer::new(&ours);
        let playable = Playable { video: Some(VideoFormat::Vp8), opus: true };
        let answer = answer_play(&Offer::parse(offer.sdp()).unwrap(), &playable, &theirs).unwrap();
        let negotiated = offer.accept(&Offer::parse(&answer.sdp).unwrap()).unwrap();
        let [ours_certificate, certificate] = certificates;
        let address = SERVER.parse().unwrap();
        let local_candidates = vec![LocalCandidate { address, protocol: Protocol::Udp }];
        let options = PeerOptions { local_candidates, certificate };
        let numbers = Numbers::from_random([0xff; Numbers::RANDOM_BYTES]);
        let mut server =
            WhepSession::new(options, &answer.negotiated, &theirs, numbers, now).unwrap();
        server.set_layers(&[Layer { track: VIDEO, bps: 1_000_000 }]);
        let path = path(PLAYER, SERVER);
        let player = Player::new(&ours, &negotiated, ours_certificate, path, now).unwrap();
        Self { now, ms: 0, server, player, lost_of, media: 0, frames: [0, 0] }
    }

    fn run(&mut self, ms: u64) {
        let end = self.ms + ms;
        while self.ms < end {
            if self.ms.is_multiple_of(20) {
                self.server.write(&frame(TrackId::Audio(0), self.frames[0], 1), self.now);
                self.frames[0] += 1;
            }
            if self.ms.is_multiple_of(40) {
                self.server.write(&frame(VIDEO, self.frames[1], 5), self.now);
                self.frames[1] += 1;
            }
            self.ms += 5;
            self.now += STEP;
            self.exchange();
        }
    }

    /// Carries what both have to say, until neither has more.
    fn exchange(&mut self) {
        for _ in 0..8 {
            let now = self.now;
            if self.server.poll_timeout().is_some_and(|at| at <= now) {
                self.server.handle_timeout(now);
            }
            if self.player.poll_timeout().is_some_and(|at| at <= now) {
                self.player.handle_timeout(now);
            }
            let mut sent = Sent::default();
            self.server.send(self.ms << 22, now, &mut sent);
            while self.server.poll_event().is_some() {}
            for mut datagram in sent.0 {
                self.media += usize::from(classify(&datagram) == Datagram::Rtp);
                let is_media = classify(&datagram) == Datagram::Rtp && self.lost_of > 0;
                if !is_media || !self.media.is_multiple_of(self.lost_of) {
                    self.player.handle_datagram(&mut datagram, now);
                }
            }
            while let Some(mut datagram) = self.player.poll_datagram() {
                self.server.handle_datagram(path(SERVER, PLAYER), &mut datagram, now);
            }
        }
    }
}

#[test]
fn a_viewer_joins_and_misses_nothing() {
    let mut world = World::new(0);
    world.run(4_000);
    let moments = world.player.moments();
    assert!(moments.connected.is_some() && world.player.ended().is_none());
    assert!(moments.first_keyframe >= moments.first_packet && moments.first_keyframe.is_some());
    let counts = world.player.counts();
    assert!(counts.packets > 400, "{counts:?}");
    assert_eq!((counts.lost, counts.late, counts.repaired, world.player.refused()), (0, 0, 0, 0));
    let stats = world.server.stats(world.now);
    assert_eq!(stats.loss, 0);
    assert!(stats.estimate_bps > 1_000_000, "reports of arrivals raise it: {stats:?}");
}

#[test]
fn what_is_lost_is_asked_for_and_counted() {
    let mut world = World::new(20);
    world.run(4_000);
    let counts = world.player.counts();
    assert!(counts.repaired > 10, "{counts:?}");
    assert!(counts.lost < counts.repaired, "pictures are repaired, sound is not: {counts:?}");
    let stats = world.server.stats(world.now);
    assert!(stats.asked >= counts.repaired && stats.resent >= counts.repaired, "{stats:?}");
}

#[test]
fn a_server_that_closes_ends_the_viewer() {
    let mut world = World::new(0);
    world.run(1_000);
    world.server.close(world.now);
    world.exchange();
    assert_eq!(world.player.ended(), Some("the peer closed the session"));
}
