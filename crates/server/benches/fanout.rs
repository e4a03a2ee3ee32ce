//! What one RTP packet to one viewer costs: the whole way out of the server beside its floor.
//!
//! `cargo xtask bench fanout`. A show of one layer goes to 32 viewers, each a connected session with
//! its own keys, pace and estimate, whose peer is a session too and reports as players do. Time is
//! virtual, so that every run sends the same packets; datagrams go through real sockets, which are
//! drained between the measured stretches. Measured is the CPU time of this thread:
//!
//! - the floor: sealing with AES-128-GCM and sending what the kernel cuts, all packets of a picture at once;
//! - the whole path: feedback taken, frames written, packets numbered, paced, stamped, kept for
//!   retransmission, sealed into the batch, sent; pictures leave in as many bursts as the pace wants;
//! - the ordinary path: sealing, and a call for each packet.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark stops where it cannot go on")]
#![allow(clippy::print_stdout, reason = "it prints its figures")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nix::time::{ClockId, clock_gettime};
use tally_media::TrackId;
use tally_rtc::egress::layers::Layer;
use tally_rtc::packetize::{PacketizedFrame, Payload, Prefix};
use tally_rtc::rtp::{HEADER_BYTES_MAX, Header, HeaderWriter};
use tally_rtc::sdp::{Candidate, Local, Offer, Playable, PlayerOffer, VideoFormat, answer_play};
use tally_rtc::session::{Numbers, Outbox, PeerOptions, WhepSession, WhipSession};
use tally_rtc::srtp::{DirectionKey, Profile, Sealer};
use tally_rtc::transport::{Certificate, Credentials, LocalCandidate, Path, Protocol};
use tally_server::net::{DatagramBatch, DatagramSocket, Route};
use tokio::net::UdpSocket;
use tokio::runtime::{Builder, Runtime};

const VIEWERS: usize = 32;
/// Payloads of a picture, and bytes of each: 2.5 Mbit/s at 30 pictures a second.
const PICTURE: usize = 9;
const PAYLOAD_BYTES: usize = 1_160;
const PICTURE_MS: u64 = 33;
const RATE_BPS: u64 = 2_500_000;
/// Pictures before anything is measured: estimates have grown, streams are known by their numbers.
const WARM_UP: u64 = 600;
/// Pictures measured.
const MEASURED: u64 = 600;
/// Wakes of sessions are no finer in the server either.
const TICK: Duration = Duration::from_millis(1);
const VIDEO: TrackId = TrackId::Video(0);

fn main() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut scene = Scene::new(&runtime);
    (0..WARM_UP).for_each(|number| scene.picture(number));
    scene.whole = Cost::default();
    let mut floor = Plain::new();
    let (mut floor_cost, mut ordinary_cost) = (Cost::default(), Cost::default());
    for number in WARM_UP..WARM_UP + MEASURED {
        scene.picture(number);
        floor_cost.add(|| floor.batched(&mut scene));
        scene.drain(|_, _| {});
        ordinary_cost.add(|| floor.one_by_one(&mut scene));
        scene.drain(|_, _| {});
    }
    let Scene { whole, bursts, servers, now, .. } = &scene;
    let stats = servers[0].stats(*now);
    println!(
        "one packet of {PAYLOAD_BYTES} bytes of payload, {PICTURE} a picture, {VIEWERS} viewers, AES-128-GCM"
    );
    println!("                                                            ns   x floor");
    for (name, cost) in [
        ("floor: sealed, cut by the kernel", floor_cost),
        ("the whole path, feedback and pace included", *whole),
        ("ordinary: sealed, a call for each packet", ordinary_cost),
    ] {
        let (ns, ratio) = (cost.ns(), cost.ns() / floor_cost.ns());
        println!("{name:<54} {ns:>8.0} {ratio:>9.2}");
    }
    let bursts = *bursts as f64 / (WARM_UP + MEASURED) as f64;
    println!("bursts of a picture {bursts:.1}, estimate {} kbit/s", stats.estimate_bps / 1_000);
}

/// CPU time and the packets it was spent on.
#[derive(Clone, Copy, Default)]
struct Cost {
    spent: Duration,
    packets: usize,
}

impl Cost {
    fn add(&mut self, work: impl FnOnce() -> usize) {
        let before = thread_time();
        let packets = work();
        self.spent += thread_time() - before;
        self.packets += packets;
    }

    fn ns(&self) -> f64 {
        self.spent.as_nanos() as f64 / self.packets as f64
    }
}

/// CPU time of this thread: other processes of a busy host do not count.
fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

struct Scene<'a> {
    runtime: &'a Runtime,
    now: Instant,
    socket: DatagramSocket,
    batch: DatagramBatch,
    servers: Vec<WhepSession>,
    players: Vec<WhipSession>,
    receivers: Vec<std::net::UdpSocket>,
    addresses: Vec<SocketAddr>,
    whole: Cost,
    bursts: usize,
}

impl<'a> Scene<'a> {
    fn new(runtime: &'a Runtime) -> Self {
        let socket = runtime.block_on(UdpSocket::bind("127.0.0.1:0")).unwrap();
        let socket = DatagramSocket::new(socket).unwrap();
        let receiver = |_| {
            let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            receiver.set_nonblocking(true).unwrap();
            receiver
        };
        let receivers: Vec<_> = (0..VIEWERS).map(receiver).collect();
        let addresses: Vec<_> = receivers.iter().map(|it| it.local_addr().unwrap()).collect();
        let certificates = [(); 2].map(|()| Certificate::generate().unwrap());
        let now = tokio::time::Instant::now().into_std();
        let pair = |address: &SocketAddr| {
            session_pair(&certificates, socket.local_address(), *address, now)
        };
        let (servers, players) = addresses.iter().map(pair).unzip();
        let batch = DatagramBatch::new(4 << 20);
        let whole = Cost::default();
        let mut scene = Self {
            runtime,
            now,
            socket,
            batch,
            servers,
            players,
            receivers,
            addresses,
            whole,
            bursts: 0,
        };
        (0..500).for_each(|_| scene.tick(None));
        scene.bursts = 0;
        scene
    }

    /// One picture, and the time until the next.
    fn picture(&mut self, number: u64) {
        let frame = frame(number);
        self.tick(Some(&frame));
        (1..PICTURE_MS).for_each(|_| self.tick(None));
    }

    /// What is due at this instant goes out and in; then a tick passes.
    fn tick(&mut self, frame: Option<&Arc<PacketizedFrame>>) {
        let mut replies = Replies::default();
        for (number, player) in self.players.iter_mut().enumerate() {
            if player.poll_timeout().is_some_and(|at| at <= self.now) {
                player.handle_timeout(self.now);
            }
            replies.player = number;
            player.send(self.now, &mut replies);
            while player.poll_event().is_some() {}
            while player.poll_published().is_some() {}
        }
        let (servers, batch, now) = (&mut self.servers, &mut self.batch, self.now);
        let (runtime, socket, addresses) = (self.runtime, &self.socket, &self.addresses);
        let mut sent = 0;
        self.whole.add(|| {
            // As in a worker, who has nothing to do is not looked at.
            let mut is_touched = [frame.is_some(); VIEWERS];
            for (player, mut datagram) in replies.datagrams {
                is_touched[player] = true;
                let path = path(socket.local_address(), addresses[player]);
                servers[player].handle_datagram(path, &mut datagram, now);
            }
            for (server, is_touched) in servers.iter_mut().zip(is_touched) {
                if let Some(frame) = frame {
                    server.write(frame, now);
                }
                let is_due = server.poll_timeout().is_some_and(|at| at <= now);
                if is_due {
                    server.handle_timeout(now);
                } else if !is_touched {
                    continue;
                }
                server.send(0, now, &mut Into(batch));
                while server.poll_event().is_some() {}
            }
            sent = batch.len();
            runtime.block_on(socket.send(batch)).unwrap();
            sent
        });
        self.bursts += usize::from(sent >= VIEWERS);
        if sent > 0 {
            let Self { now, socket, .. } = self;
            let (now, server) = (*now, socket.local_address());
            let mut players = std::mem::take(&mut self.players);
            let addresses = self.addresses.clone();
            self.drain(|number, bytes| {
                players[number].handle_datagram(path(addresses[number], server), bytes, now);
            });
            self.players = players;
        }
        self.now += TICK;
    }

    /// Gives all that has come to `take`, with the number of its receiver.
    fn drain(&mut self, mut take: impl FnMut(usize, &mut [u8])) {
        for (number, receiver) in self.receivers.iter().enumerate() {
            // What was sent over loopback is there: nothing is waited for.
            let mut datagram = [0; 2_048];
            while let Ok(len) = receiver.recv(&mut datagram) {
                take(number, &mut datagram[..len]);
            }
        }
    }
}

/// What players say, and who.
#[derive(Default)]
struct Replies {
    player: usize,
    datagrams: Vec<(usize, Vec<u8>)>,
}

impl Outbox for Replies {
    fn push(&mut self, _: Path, bytes_max: usize, write: impl FnOnce(&mut [u8]) -> usize) {
        let mut bytes = vec![0; bytes_max];
        let len = write(&mut bytes);
        bytes.truncate(len);
        self.datagrams.push((self.player, bytes));
    }
}

/// As the server's workers have it.
struct Into<'a>(&'a mut DatagramBatch);

impl Outbox for Into<'_> {
    fn push(&mut self, path: Path, bytes_max: usize, write: impl FnOnce(&mut [u8]) -> usize) {
        let room = u16::try_from(bytes_max).unwrap();
        self.0.push(Route::to(path.remote), room, write).unwrap();
    }
}

/// Packets with nothing but a header and a seal.
struct Plain {
    sealers: Vec<Sealer>,
    body: Vec<u8>,
    sequence: u64,
}

impl Plain {
    fn new() -> Self {
        let sealer = |number: usize| {
            let key = [u8::try_from(number).unwrap(); 16];
            let key = DirectionKey { key, salt: vec![7; 12] };
            Sealer::new(Profile::AeadAes128Gcm, &key).unwrap()
        };
        let sealers = (0..VIEWERS).map(sealer).collect();
        Self { sealers, body: vec![7; PAYLOAD_BYTES], sequence: 0 }
    }

    /// Seals one packet of the viewer into `out`.
    fn seal(&self, viewer: usize, packet: usize, out: &mut [u8]) -> usize {
        let sequence = self.sequence + packet as u64;
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are sent")]
        let (low, roc) = (sequence as u16, (sequence >> 16) as u32);
        let header = HeaderWriter::new(Header { sequence: low, ssrc: 1, ..Header::default() });
        let header = header.extension(3, &low.to_be_bytes()).extension(2, &[0; 3]);
        let mut bytes = [0; HEADER_BYTES_MAX];
        let len = header.write(&mut bytes);
        self.sealers[viewer].seal_rtp(&bytes[..len], &[&self.body], roc, out).unwrap()
    }

    fn batched(&mut self, scene: &mut Scene<'_>) -> usize {
        for viewer in 0..VIEWERS {
            let route = Route::to(scene.addresses[viewer]);
            for packet in 0..PICTURE {
                scene.batch.push(route, 1_400, |out| self.seal(viewer, packet, out)).unwrap();
            }
        }
        self.sequence += PICTURE as u64;
        scene.runtime.block_on(scene.socket.send(&mut scene.batch)).unwrap();
        VIEWERS * PICTURE
    }

    fn one_by_one(&mut self, scene: &mut Scene<'_>) -> usize {
        let mut out = [0; 1_400];
        scene.runtime.block_on(async {
            for viewer in 0..VIEWERS {
                for packet in 0..PICTURE {
                    let len = self.seal(viewer, packet, &mut out);
                    let to = scene.addresses[viewer];
                    scene.socket.socket().send_to(&out[..len], to).await.unwrap();
                }
            }
        });
        self.sequence += PICTURE as u64;
        VIEWERS * PICTURE
    }
}

fn path(local: SocketAddr, remote: SocketAddr) -> Path {
    Path { local, remote, protocol: Protocol::Udp }
}

/// The server's side of a session and the player's, not connected yet.
fn session_pair(
    certificates: &[Certificate; 2],
    server: SocketAddr,
    player: SocketAddr,
    now: Instant,
) -> (WhepSession, WhipSession) {
    let [ours, theirs] = certificates;
    let (here, there) = (local(ours, server), local(theirs, player));
    let offer = PlayerOffer::new(&there);
    let playable = Playable { video: Some(VideoFormat::Vp8), opus: false };
    let answer = answer_play(&Offer::parse(offer.sdp()).unwrap(), &playable, &here).unwrap();
    let agreed = offer.accept(&Offer::parse(&answer.sdp).unwrap()).unwrap();
    let options = |certificate: &Certificate, address| PeerOptions {
        local_candidates: vec![LocalCandidate { address, protocol: Protocol::Udp }],
        certificate: certificate.clone(),
    };
    let numbers = Numbers::from_random([0; Numbers::RANDOM_BYTES]);
    let negotiated = &answer.negotiated;
    let mut whep =
        WhepSession::new(options(ours, server), negotiated, &here, numbers, now).unwrap();
    whep.set_layers(&[Layer { track: VIDEO, bps: RATE_BPS }]);
    (whep, WhipSession::new(options(theirs, player), &agreed, &there, now).unwrap())
}

fn local(certificate: &Certificate, address: SocketAddr) -> Local {
    let name = format!("port{}", address.port());
    Local {
        session_id: 1,
        ice: Credentials { pwd: format!("{name}password-of-22-chars"), ufrag: name },
        fingerprint: certificate.fingerprint().clone(),
        candidates: vec![Candidate::host(Protocol::Udp, address, 0)],
        ice_lite: false,
        cname: "bench".to_owned(),
        stream_id: "show".to_owned(),
        audio_ssrc: 1,
        video_ssrc: 2,
        video_rtx_ssrc: 3,
    }
}

/// A picture; the first of each two seconds a decoder could start with.
fn frame(number: u64) -> Arc<PacketizedFrame> {
    let start_ms = i64::try_from(number * PICTURE_MS).unwrap();
    let keyframe = number.is_multiple_of(60);
    let start = [u8::from(!keyframe), 0, 0, 0x9D, 0x01, 0x2A, 64, 0, 64, 0];
    let body = Bytes::from([&start[..], &[7; PAYLOAD_BYTES - 11]].concat());
    let payload = |index| Payload {
        prefix: Prefix::new(&[if index == 0 { 0x10 } else { 0 }]),
        body: body.clone(),
        marker: index + 1 == PICTURE,
        picture_id: None,
    };
    Arc::new(PacketizedFrame {
        track: VIDEO,
        number,
        rtp_ticks: start_ms * 90,
        start_ms,
        end_ms: start_ms + i64::try_from(PICTURE_MS).unwrap(),
        keyframe,
        disposable: false,
        payloads: (0..PICTURE).map(payload).collect(),
        media_bytes: u32::try_from(PICTURE * PAYLOAD_BYTES).unwrap(),
    })
}
