//! A peer on loopback, made of our own sessions: what our server sends and takes is their business, and
//! tested in `tally_rtc` against others.

use std::net::SocketAddr;
use std::time::Duration;

use tally_rtc::sdp::{
    CodecName, DataChannel, Extensions, Feedback, Local, Negotiated, NegotiatedCodec,
    NegotiatedMedia,
};
use tally_rtc::session::{
    CloseReason, Numbers, Outbox, PeerOptions, Published, WhepEvent, WhepSession, WhipSession,
};
use tally_rtc::transport::{Certificate, Credentials, DtlsRole, LocalCandidate, Path, Protocol};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, sleep_until, timeout};

/// What takes longer on a busy machine has hung.
const WITHIN: Duration = Duration::from_secs(30);

/// The two kinds of peer.
pub(super) enum Peer {
    /// Takes what the server plays.
    Viewer(Box<WhipSession>),
    /// Publishes.
    Publisher(Box<WhepSession>),
}

/// What carries its datagrams.
pub(super) enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

pub(super) struct Client {
    pub(super) peer: Peer,
    wire: Wire,
    path: Path,
    pub(super) is_connected: bool,
    pub(super) closed: Option<CloseReason>,
    pub(super) published: Vec<Published>,
}

#[derive(Default)]
struct Batch(Vec<(SocketAddr, Vec<u8>)>);

impl Outbox for Batch {
    fn push(&mut self, path: Path, bytes_max: usize, write: impl FnOnce(&mut [u8]) -> usize) {
        let mut bytes = vec![0; bytes_max];
        let len = write(&mut bytes);
        bytes.truncate(len);
        if len > 0 {
            self.0.push((path.remote, bytes));
        }
    }
}

fn media(name: CodecName) -> NegotiatedMedia {
    let is_audio = name == CodecName::Opus;
    let codec = NegotiatedCodec {
        payload_type: if is_audio { 111 } else { 96 },
        rtx_payload_type: (!is_audio).then_some(97),
        clock_hz: if is_audio { 48_000 } else { 90_000 },
        channels: if is_audio { 2 } else { 1 },
        name,
        fmtp: String::new(),
        feedback: Feedback {
            nack: !is_audio,
            pli: true,
            fir: true,
            transport_cc: true,
            remb: false,
        },
    };
    NegotiatedMedia {
        mid: Some(if is_audio { "0" } else { "1" }.to_owned()),
        codecs: vec![codec],
        extensions: Extensions { mid: Some(4), transport_cc: Some(3), ..Extensions::default() },
        rids: Vec::new(),
        remote_ssrcs: Vec::new(),
    }
}

/// What the peer with this ICE and certificate agreed on, as the other side sees it.
fn negotiated(ice: &Credentials, certificate: &Certificate, is_server: bool) -> Negotiated {
    Negotiated {
        dtls_role: if is_server { DtlsRole::Client } else { DtlsRole::Server },
        remote_ice: ice.clone(),
        controlling: !is_server,
        remote_fingerprint: certificate.fingerprint().clone(),
        remote_candidates: Vec::new(),
        transport_mid: None,
        audio: Some(media(CodecName::Opus)),
        video: Some(media(CodecName::H264)),
        data_channel: Some(DataChannel { remote_port: 5_000, remote_message_bytes_max: 65_536 }),
    }
}

/// A client's side before the server knows of it.
pub(super) struct Offer {
    certificate: Certificate,
    ice: Credentials,
}

impl Offer {
    pub(super) fn new() -> Self {
        let ice = Credentials { ufrag: "client".into(), pwd: "a password of 22 or more".into() };
        Self { certificate: Certificate::generate().unwrap(), ice }
    }

    /// What the server agreed on with it.
    pub(super) fn negotiated(&self) -> Negotiated {
        negotiated(&self.ice, &self.certificate, true)
    }
}

impl Client {
    /// Looks for the server whose answer is `server`, over `wire`.
    pub(super) fn new(
        offer: Offer,
        server: &Local,
        server_certificate: &Certificate,
        wire: Wire,
        is_viewer: bool,
    ) -> Self {
        let at = wire.address();
        let options = PeerOptions {
            // Its own TCP is none of its business: it sends, the wire frames.
            local_candidates: vec![LocalCandidate { address: at, protocol: Protocol::Udp }],
            certificate: offer.certificate.clone(),
        };
        let mut negotiated = negotiated(&server.ice, server_certificate, false);
        let remote = server.candidates[0].clone();
        let path = Path { local: at, remote: remote.address, protocol: Protocol::Udp };
        negotiated.remote_candidates = vec![remote];
        let local = Local {
            ice: offer.ice,
            fingerprint: offer.certificate.fingerprint().clone(),
            candidates: Vec::new(),
            ..server.clone()
        };
        let now = Instant::now().into_std();
        let peer = if is_viewer {
            let session = WhipSession::new(options, &negotiated, &local, now).unwrap();
            Peer::Viewer(Box::new(session))
        } else {
            let numbers = Numbers::from_random([7; Numbers::RANDOM_BYTES]);
            let session = WhepSession::new(options, &negotiated, &local, numbers, now).unwrap();
            Peer::Publisher(Box::new(session))
        };
        Self { peer, wire, path, is_connected: false, closed: None, published: Vec::new() }
    }

    /// Runs until `reached`.
    pub(super) async fn until(&mut self, reached: impl Fn(&Self) -> bool) {
        let run = async {
            while !reached(self) {
                self.step().await;
            }
        };
        assert!(timeout(WITHIN, run).await.is_ok(), "closed: {:?}", self.closed);
    }

    /// Sends, then takes one datagram or lets one timer go off.
    pub(super) async fn step(&mut self) {
        let now = Instant::now().into_std();
        let mut batch = Batch::default();
        match &mut self.peer {
            Peer::Viewer(session) => session.send(now, &mut batch),
            Peer::Publisher(session) => session.send(0, now, &mut batch),
        }
        for (to, bytes) in batch.0 {
            self.wire.send(to, &bytes).await;
        }
        self.collect();
        let wake_at = match &mut self.peer {
            Peer::Viewer(session) => session.poll_timeout(),
            Peer::Publisher(session) => session.poll_timeout(),
        };
        // Closed sessions have no timer; whoever waits for something looks again.
        let soon = now + Duration::from_millis(10);
        let wake_at = Instant::from_std(wake_at.unwrap_or(soon).min(soon));
        let mut buffer = [0; 2_048];
        tokio::select! {
            len = self.wire.receive(&mut buffer) => {
                let now = Instant::now().into_std();
                match &mut self.peer {
                    Peer::Viewer(session) => session.handle_datagram(self.path, &mut buffer[..len], now),
                    Peer::Publisher(session) => session.handle_datagram(self.path, &mut buffer[..len], now),
                }
            }
            () = sleep_until(wake_at) => {
                let now = Instant::now().into_std();
                match &mut self.peer {
                    Peer::Viewer(session) => session.handle_timeout(now),
                    Peer::Publisher(session) => session.handle_timeout(now),
                }
            }
        }
        self.collect();
    }

    fn collect(&mut self) {
        loop {
            let event = match &mut self.peer {
                Peer::Viewer(session) => {
                    self.published.extend(std::iter::from_fn(|| session.poll_published()));
                    session.poll_event().map(WhepEvent::from)
                }
                Peer::Publisher(session) => session.poll_event(),
            };
            match event {
                None => return,
                Some(WhepEvent::Connected(_)) => self.is_connected = true,
                Some(WhepEvent::Closed(reason)) => self.closed = Some(reason),
                Some(_) => {}
            }
        }
    }

    /// What it is named by after a restart.
    pub(super) fn next_credentials(&self) -> Credentials {
        Credentials { ufrag: "moved".into(), pwd: "another one of 22 or more".into() }
    }

    /// Loses its address, and looks for the server from another.
    pub(super) fn restart(&mut self, server: &Local, wire: Wire) {
        // To its own agent it is where it was: as behind a NAT that gave it another address.
        self.wire = wire;
        let now = Instant::now().into_std();
        let ours = self.next_credentials();
        let Peer::Viewer(session) = &mut self.peer else { panic!("a viewer") };
        session.restart(ours, server.ice.clone(), now).unwrap();
        session.add_remote_candidate(&server.candidates[0].to_string());
    }

    /// Says goodbye.
    pub(super) async fn close(&mut self) {
        let now = Instant::now().into_std();
        match &mut self.peer {
            Peer::Viewer(session) => session.close(now),
            Peer::Publisher(session) => session.close(now),
        }
        self.until(|client| client.closed.is_some()).await;
        self.step().await;
    }

    pub(super) fn frames(&self, medium: tally_media::Medium) -> Vec<&tally_media::Frame> {
        let frame = |published| match published {
            &Published::Frame(id, ref frame) if id.medium() == medium => Some(frame),
            _ => None,
        };
        self.published.iter().filter_map(frame).collect()
    }
}

impl Wire {
    pub(super) async fn udp(at: &str) -> Self {
        Self::Udp(UdpSocket::bind(at).await.unwrap())
    }

    pub(super) async fn tcp(server: SocketAddr) -> Self {
        Self::Tcp(TcpStream::connect(server).await.unwrap(), Vec::new())
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr().unwrap(),
            Self::Tcp(stream, _) => stream.local_addr().unwrap(),
        }
    }

    async fn send(&mut self, to: SocketAddr, bytes: &[u8]) {
        match self {
            Self::Udp(socket) => {
                socket.send_to(bytes, to).await.unwrap();
            }
            Self::Tcp(stream, _) => {
                let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
                // The server may be gone already.
                let _ = stream.write_all(&[&length, bytes].concat()).await;
            }
        }
    }

    /// The next datagram; waits for ever where none can come any more. Loses none when dropped.
    async fn receive(&mut self, buffer: &mut [u8]) -> usize {
        match self {
            Self::Udp(socket) => socket.recv(buffer).await.unwrap(),
            Self::Tcp(stream, bytes) => loop {
                if let Some((length, rest)) = bytes.split_first_chunk::<2>() {
                    let length = usize::from(u16::from_be_bytes(*length));
                    if let Some(frame) = rest.get(..length) {
                        buffer[..length].copy_from_slice(frame);
                        bytes.drain(..2 + length);
                        return length;
                    }
                }
                if stream.read_buf(bytes).await.unwrap_or(0) == 0 {
                    std::future::pending::<()>().await;
                }
            },
        }
    }
}
