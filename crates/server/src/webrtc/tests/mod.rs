//! A whole port on loopback, with sessions of ours on both ends.

mod client;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tally_hub::{Hub, Limits};
use tally_media::{Medium, Timescale, Timestamp, TrackId};
use tally_rtc::egress::layers::Layer;
use tally_rtc::packetize::Packetizer;
use tally_rtc::session::{CloseReason, Published};
use tally_rtc::transport::{self, Certificate};
use tally_testsource::{Options as SourceOptions, TestSource};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, interval};

use self::client::{Client, Offer, Peer, Wire};
use super::{
    Addresses, AdmitError, ControlHandle, Gone, NewPublisher, NewViewer, Options, SessionId,
    SessionStats, Sockets, WebRtc,
};
use crate::config::{HlsAudio, PublicAddress};
use crate::egress::HlsOptions;
use crate::ingest::PublisherControl as _;
use crate::metrics::{Metrics, WebRtcMetrics};
use crate::shows::{Publication, Show, Shows, ShowsOptions};
use crate::shutdown::Trigger;

const VIDEO: TrackId = TrackId::Video(0);
const PEER_CLOSED: CloseReason = CloseReason::Transport(transport::CloseReason::PeerClosed);

/// A port and its workers.
struct Port {
    webrtc: WebRtc,
    certificate: Certificate,
    address: SocketAddr,
    metrics: WebRtcMetrics,
    trigger: Trigger,
    tasks: JoinSet<()>,
}

impl Port {
    fn open(sessions_max: usize) -> Self {
        Self::open_at("127.0.0.1:0", Vec::new(), sessions_max)
    }

    fn open_at(listen: &str, public: Vec<PublicAddress>, sessions_max: usize) -> Self {
        let sockets = Sockets::bind(listen.parse().unwrap()).unwrap();
        let (address, certificate) = (sockets.address, Certificate::generate().unwrap());
        let options = Options {
            addresses: Addresses::new(address, public, true),
            sessions_max,
            tcp_connections_max: 4,
            tcp_deadline: Duration::from_millis(300),
        };
        let metrics = Metrics::new().webrtc;
        let (trigger, mut tasks) = (Trigger::new(), JoinSet::new());
        let webrtc = WebRtc::start(
            sockets,
            certificate.clone(),
            options,
            metrics.clone(),
            trigger.shutdown(),
            &mut tasks,
        );
        Self { webrtc, certificate, address, metrics, trigger, tasks }
    }

    async fn viewer(&self, show: &Arc<Show>) -> (SessionId, Client) {
        self.viewer_over(show, Wire::udp("127.0.0.1:0").await)
    }

    fn viewer_over(&self, show: &Arc<Show>, wire: Wire) -> (SessionId, Client) {
        let (offer, local) = (Offer::new(), self.webrtc.local());
        let viewer = NewViewer {
            show: Arc::clone(show),
            local: local.clone(),
            negotiated: offer.negotiated(),
            playable: show.whep().playables()[0],
            playback_session: None,
        };
        let id = self.webrtc.admit_viewer(viewer).unwrap();
        (id, Client::new(offer, &local, &self.certificate, wire, true))
    }

    async fn publisher(&self, queue: usize) -> (Publishing, Client) {
        let (offer, local) = (Offer::new(), self.webrtc.local());
        let (output, published) = mpsc::channel(queue);
        let publisher = NewPublisher {
            handle: "alice".into(),
            local: local.clone(),
            negotiated: offer.negotiated(),
            output,
        };
        let (id, control) = self.webrtc.admit_publisher(publisher).unwrap();
        let client =
            Client::new(offer, &local, &self.certificate, Wire::udp("127.0.0.1:0").await, false);
        (Publishing { id, control, published }, client)
    }

    /// Ends the server; all its tasks end by themselves.
    async fn shut(mut self) {
        self.trigger.close();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        assert_eq!((self.metrics.viewers.get(), self.metrics.publishers.get()), (0, 0));
        assert_eq!(self.webrtc.table_sizes(), (0, 0, 0), "what a session leaves behind");
        assert_eq!(self.metrics.panics.get() + self.metrics.socket_errors.get(), 0);
    }
}

/// The server's side of a publisher.
struct Publishing {
    id: SessionId,
    control: ControlHandle,
    published: mpsc::Receiver<Published>,
}

/// A show broadcast in real time.
struct Broadcast {
    show: Arc<Show>,
    end: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Broadcast {
    async fn start() -> Self {
        let hls = HlsOptions {
            part_ms: 250,
            segment_ms: 2_000,
            window_ms: 12_000,
            audio: HlsAudio::Passthrough,
        };
        let options = ShowsOptions { hls, reconnect_grace: Duration::from_secs(30), shows_max: 1 };
        let shows = Shows::new(Hub::new(Limits::default()), options, Metrics::new());
        let publication = shows.publish("alice").unwrap();
        let show = Arc::clone(publication.show());
        let (end, ended) = watch::channel(false);
        let task = tokio::spawn(broadcast(publication, ended));
        while show.whep().playables().first().is_none_or(|playable| playable.video.is_none()) {
            tokio::task::yield_now().await;
        }
        Self { show, end, task }
    }

    async fn end(self) {
        self.end.send_replace(true);
        self.task.await.unwrap();
    }
}

async fn broadcast(mut publication: Publication, ended: watch::Receiver<bool>) {
    let mut source = source();
    source.tracks().iter().for_each(|track| publication.track(track.clone()));
    let (began, mut ticks) = (Instant::now(), interval(Duration::from_millis(10)));
    let mut next = source.next_frame();
    while !*ended.borrow() {
        let now_ms = i64::try_from(began.elapsed().as_millis()).unwrap();
        while next.1.dts < Timestamp::from_ms(now_ms) {
            let (id, frame) = std::mem::replace(&mut next, source.next_frame());
            let nanos =
                |time: Timestamp| Timestamp::new(time.ticks_in(Timescale::NANOS), Timescale::NANOS);
            let frame =
                tally_media::Frame { dts: nanos(frame.dts), pts: nanos(frame.pts), ..frame };
            publication.write(id, frame).unwrap();
        }
        ticks.tick().await;
    }
    publication.end();
}

fn source() -> TestSource {
    TestSource::new(SourceOptions { gop_frames: 30, ..SourceOptions::default() }).unwrap()
}

fn pictures(client: &Client) -> usize {
    client.frames(Medium::Video).len()
}

/// Lets the server's tasks run until `reached`.
async fn until(reached: impl Fn() -> bool) {
    let run = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), run).await.unwrap();
}

async fn plays(wire_of: impl AsyncFnOnce(&Port) -> Wire) {
    let (port, broadcast) = (Port::open(10), Broadcast::start().await);
    let wire = wire_of(&port).await;
    let (id, mut client) = port.viewer_over(&broadcast.show, wire);
    client.until(|client| pictures(client) > 45).await;
    let frames = client.frames(Medium::Video);
    assert!(frames[0].keyframe, "it begins where a decoder can");
    for pair in frames.windows(2) {
        let step_ms = (pair[1].pts.ticks_in(Timescale::new(1_000)))
            - pair[0].pts.ticks_in(Timescale::new(1_000));
        assert!((30..=37).contains(&step_ms), "a picture is missing: {step_ms}");
    }
    assert!(client.frames(Medium::Audio).len() > 40);
    let stats = port.webrtc.stats(&id).await.unwrap();
    assert!(
        matches!(stats, SessionStats::Viewer(stats) if stats.layer == Some(VIDEO)),
        "{stats:?}"
    );
    let delivered = broadcast.show.stream().delivered();
    assert!(delivered.media_ms > 1_000 && delivered.bytes > 1_000, "{delivered:?}");

    broadcast.end().await;
    client.until(|client| client.closed.is_some()).await;
    assert_eq!(client.closed, Some(PEER_CLOSED));
    until(|| !port.webrtc.contains(&id)).await;
    assert_eq!(port.webrtc.close(&id), Err(Gone));
    let metrics = &port.metrics;
    assert_eq!((metrics.connected.get(), metrics.viewers.get()), (1, 0));
    port.shut().await;
}

#[tokio::test]
async fn a_viewer_gets_the_newest_group_what_follows_and_the_end() {
    plays(async |_| Wire::udp("127.0.0.1:0").await).await;
}

#[tokio::test]
async fn a_viewer_without_udp_comes_over_tcp() {
    plays(async |port| Wire::tcp(port.address).await).await;
}

#[tokio::test]
async fn a_port_on_a_wildcard_answers_from_where_it_was_asked() {
    let broadcast = Broadcast::start().await;
    let all = [
        ("0.0.0.0:0", "127.0.0.1", "127.0.0.1:0"),
        ("[::]:0", "127.0.0.1", "127.0.0.1:0"),
        ("[::]:0", "::1", "[::1]:0"),
        ("[::1]:0", "::1", "[::1]:0"),
    ];
    for (listen, public, client) in all {
        if UdpSocket::bind(listen).await.is_err() {
            continue; // a host without IPv6
        }
        let public = PublicAddress { ip: public.parse().unwrap(), port: None };
        let port = Port::open_at(listen, vec![public], 10);
        let (_, mut client) = port.viewer_over(&broadcast.show, Wire::udp(client).await);
        client.until(|client| pictures(client) > 0).await;
        client.close().await;
        port.shut().await;
    }
    broadcast.end().await;
}

#[tokio::test]
async fn a_viewer_that_moves_finds_its_session_by_a_restart() {
    let (port, broadcast) = (Port::open(10), Broadcast::start().await);
    let (id, mut client) = port.viewer(&broadcast.show).await;
    client.until(|client| pictures(client) > 0).await;
    let (local, remote) = (port.webrtc.local(), client.next_credentials());
    port.webrtc.restart(&id, local.ice.clone(), remote).unwrap();
    client.restart(&local, Wire::udp("127.0.0.1:0").await);
    let before = pictures(&client);
    client.until(|client| pictures(client) > before + 30).await;
    assert_eq!(port.webrtc.table_sizes(), (1, 2, 1), "one session, two names, its new address");
    assert_eq!(port.metrics.connected.get(), 1);
    broadcast.end().await;
    client.until(|client| client.closed.is_some()).await;
    port.shut().await;
}

/// Frames of a test source written to a publisher's client, one a step.
struct Writer {
    source: TestSource,
    packetizer: Packetizer,
}

impl Writer {
    fn new(client: &mut Client) -> Self {
        let source = source();
        let track = source.tracks().iter().find(|track| track.id == VIDEO).unwrap().clone();
        let Peer::Publisher(session) = &mut client.peer else { panic!("a publisher") };
        session.set_layers(&[Layer { track: VIDEO, bps: 100_000 }]);
        Self { source, packetizer: Packetizer::new(&track, 1_100).unwrap() }
    }

    fn write(&mut self, client: &mut Client) {
        let (id, frame) = self.source.next_frame();
        let Peer::Publisher(session) = &mut client.peer else { panic!("a publisher") };
        if id == VIDEO {
            let frame = self.packetizer.packetize(&frame).unwrap();
            session.write(&Arc::new(frame), Instant::now().into_std());
        }
    }
}

#[tokio::test]
async fn a_publishers_frames_come_out_and_its_show_can_end_it() {
    let port = Port::open(10);
    let (mut publishing, mut client) = port.publisher(64).await;
    client.until(|client| client.is_connected).await;
    let mut writer = Writer::new(&mut client);
    let mut frames = 0;
    assert!(port.webrtc.contains(&publishing.id));
    while frames < 20 {
        writer.write(&mut client);
        client.step().await;
        while let Ok(published) = publishing.published.try_recv() {
            frames += usize::from(matches!(published, Published::Frame(VIDEO, _)));
        }
    }
    assert_eq!(port.metrics.publishers.get(), 1);
    publishing.control.close("the show is over");
    client.until(|client| client.closed.is_some()).await;
    assert_eq!(client.closed, Some(PEER_CLOSED));
    while publishing.published.recv().await.is_some() {}
    until(|| port.metrics.publishers.get() == 0).await;
    port.shut().await;
}

#[tokio::test]
async fn a_show_that_is_too_slow_costs_frames_up_to_a_keyframe() {
    let port = Port::open(10);
    let (mut publishing, mut client) = port.publisher(4).await;
    client.until(|client| client.is_connected).await;
    let mut writer = Writer::new(&mut client);
    while port.metrics.dropped_frames.get() < 10 {
        writer.write(&mut client);
        client.step().await;
    }
    let mut frames = Vec::new();
    while frames.len() < 10 {
        writer.write(&mut client);
        client.step().await;
        while let Ok(published) = publishing.published.try_recv() {
            frames.extend(match published {
                Published::Frame(_, frame) => Some(frame),
                _ => None,
            });
        }
    }
    let first_after = frames.windows(2).position(|pair| {
        pair[1].pts.ticks_in(Timescale::new(1_000)) - pair[0].pts.ticks_in(Timescale::new(1_000))
            > 100
    });
    assert!(frames[first_after.unwrap() + 1].keyframe);
    port.shut().await;
}

#[tokio::test]
async fn a_show_that_takes_nothing_any_more_ends_its_publisher() {
    let port = Port::open(10);
    let (publishing, mut client) = port.publisher(64).await;
    client.until(|client| client.is_connected).await;
    let mut writer = Writer::new(&mut client);
    drop(publishing.published);
    while client.closed.is_none() {
        writer.write(&mut client);
        client.step().await;
    }
    port.shut().await;
}

#[tokio::test]
async fn a_peer_that_leaves_makes_room_for_another() {
    let (port, broadcast) = (Port::open(1), Broadcast::start().await);
    let (id, mut client) = port.viewer(&broadcast.show).await;
    let offer = Offer::new();
    let another = NewViewer {
        show: Arc::clone(&broadcast.show),
        local: port.webrtc.local(),
        negotiated: offer.negotiated(),
        playable: broadcast.show.whep().playables()[0],
        playback_session: None,
    };
    assert!(matches!(port.webrtc.admit_viewer(another), Err(AdmitError::Full)));
    assert_eq!(port.metrics.refused.get(), 1);
    client.until(|client| client.is_connected).await;
    client.close().await;
    until(|| !port.webrtc.contains(&id)).await;
    let (_, mut next) = port.viewer(&broadcast.show).await;
    next.until(|client| pictures(client) > 0).await;
    broadcast.end().await;
    port.shut().await;
}

#[tokio::test]
async fn the_servers_end_is_told_and_nobody_is_admitted_after_it() {
    let (port, broadcast) = (Port::open(10), Broadcast::start().await);
    let (_, mut client) = port.viewer(&broadcast.show).await;
    // The server too is connected by then, and has keys to say goodbye with.
    client.until(|client| pictures(client) > 0).await;
    port.trigger.drain();
    let offer = Offer::new();
    let late = NewPublisher {
        handle: "alice".into(),
        local: port.webrtc.local(),
        negotiated: offer.negotiated(),
        output: mpsc::channel(1).0,
    };
    assert!(matches!(port.webrtc.admit_publisher(late), Err(AdmitError::Draining)));
    port.shut().await;
    client.until(|client| client.closed.is_some()).await;
    assert_eq!(client.closed, Some(PEER_CLOSED));
    broadcast.end().await;
}

#[tokio::test]
async fn a_flood_of_nobodys_datagrams_does_not_keep_a_viewer_from_its_pictures() {
    let (port, broadcast) = (Port::open(10), Broadcast::start().await);
    let (_, mut client) = port.viewer(&broadcast.show).await;
    let flooding = tokio::spawn(async move {
        let flood = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for first in [0_u8, 22, 0x80, 0xFF].iter().cycle() {
            // What does not fit into the server's buffer is lost, as it should be.
            let _ = flood.send_to(&[*first; 200], port.address).await;
            tokio::task::yield_now().await;
        }
    });
    client.until(|client| pictures(client) > 30).await;
    flooding.abort();
    assert!(port.metrics.dropped.unknown.get() > 1_000, "{}", port.metrics.dropped.unknown.get());
    broadcast.end().await;
}

#[tokio::test]
async fn datagrams_find_sessions_of_other_workers() {
    let (port, broadcast) = (Port::open(100), Broadcast::start().await);
    // Which socket the kernel chooses is chance: one client in two, on two cores.
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
        while port.metrics.forwarded.get() == 0 {
            let (_, mut client) = port.viewer(&broadcast.show).await;
            client.until(|client| pictures(client) > 0).await;
        }
    }
    broadcast.end().await;
    port.shut().await;
}

#[tokio::test]
async fn tcp_connections_that_name_nobody_are_closed() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let port = Port::open(10);
    let connect = async || tokio::net::TcpStream::connect(port.address).await.unwrap();
    let (mut silent, mut lost) = (connect().await, connect().await);
    lost.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    for stream in [&mut silent, &mut lost] {
        assert_eq!(stream.read(&mut [0; 10]).await.unwrap_or(0), 0);
    }
    until(|| port.metrics.tcp_connections.get() == 0).await;
    assert_eq!(port.metrics.tcp_unknown.get(), 2);
    port.shut().await;
}
