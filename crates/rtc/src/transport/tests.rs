//! Two transports on a seeded link in virtual time.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rtc_dtls::crypto as library;
use rtc_ice::attributes::use_candidate::UseCandidateAttr;
use rtc_stun::attributes::ATTR_USERNAME;
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, TransactionId};
use rtc_stun::textattrs::Username;

use super::dtls::Dtls;
use super::*;

const BROWSER: &str = "192.0.2.7:50000";
const MOVED: &str = "192.0.2.7:50001";
const SERVER: &str = "198.51.100.1:3478";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn credentials(name: &str) -> Credentials {
    Credentials { ufrag: format!("{name}ufrag"), pwd: format!("{name}password-of-22-or-more") }
}

fn options(controlling: bool, certificate: Certificate, peer: &Certificate) -> TransportOptions {
    let (me, other, at) =
        if controlling { ("browser", "server", BROWSER) } else { ("server", "browser", SERVER) };
    TransportOptions {
        local_candidates: vec![LocalCandidate { address: address(at), protocol: Protocol::Udp }],
        local_credentials: credentials(me),
        remote_credentials: credentials(other),
        remote_fingerprint: peer.fingerprint().clone(),
        role: if controlling { DtlsRole::Client } else { DtlsRole::Server },
        controlling,
        certificate,
    }
}

/// xorshift64: the same losses for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// What the link does: percentages of datagrams lost and doubled, and how late they come.
#[derive(Clone, Copy)]
struct Link {
    lost: u64,
    doubled: u64,
    delay_ms: u64,
    jitter_ms: u64,
}

const CLEAN: Link = Link { lost: 0, doubled: 0, delay_ms: 20, jitter_ms: 0 };
const BAD: Link = Link { lost: 20, doubled: 10, delay_ms: 20, jitter_ms: 60 };

struct World {
    now: Instant,
    random: Random,
    link: Link,
    /// Browser, then server.
    peers: [Transport; 2],
    events: [Vec<TransportEvent>; 2],
    /// When, tie breaker, to which peer, along which of its paths.
    flying: BTreeMap<(Instant, u64), (usize, Path, Vec<u8>)>,
    sent: u64,
    /// Where the browser appears to the server, as its NAT has it.
    browser_at: SocketAddr,
}

/// Where virtual time starts.
#[expect(clippy::disallowed_methods, reason = "an anchor for virtual time")]
fn anchor() -> Instant {
    Instant::now()
}

impl World {
    fn new(seed: u64, link: Link, browser: TransportOptions, server: TransportOptions) -> Self {
        let now = anchor();
        let mut peers =
            [Transport::new(browser, now).unwrap(), Transport::new(server, now).unwrap()];
        peers[0].add_remote_candidate(&candidate(SERVER));
        Self {
            now,
            random: Random(seed),
            link,
            peers,
            events: [vec![], vec![]],
            flying: BTreeMap::new(),
            sent: 0,
            browser_at: address(BROWSER),
        }
    }

    fn ordinary(seed: u64, link: Link) -> Self {
        let (ours, theirs) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
        let browser = options(true, theirs.clone(), &ours);
        Self::new(seed, link, browser, options(false, ours, &theirs))
    }

    fn collect(&mut self) {
        for from in 0..2 {
            while let Some(transmit) = self.peers[from].poll_transmit() {
                assert!(transmit.bytes.len() <= 1_500);
                self.send(from, transmit);
            }
            while let Some(event) = self.peers[from].poll_event() {
                self.events[from].push(event);
            }
        }
    }

    fn send(&mut self, from: usize, transmit: Transmit) {
        let sent_to = transmit.path.remote;
        if from == 1 && sent_to != self.browser_at {
            return;
        }
        let path = if from == 0 {
            Path { local: sent_to, remote: self.browser_at, protocol: Protocol::Udp }
        } else {
            Path { local: address(BROWSER), remote: address(SERVER), protocol: Protocol::Udp }
        };
        let copies = 1 + u64::from(self.random.below(100) < self.link.doubled);
        for _ in 0..copies {
            if self.random.below(100) < self.link.lost {
                continue;
            }
            let late = self.link.delay_ms + self.random.below(self.link.jitter_ms + 1);
            self.sent += 1;
            let key = (self.now + Duration::from_millis(late), self.sent);
            self.flying.insert(key, (1 - from, path, transmit.bytes.clone()));
        }
    }

    /// Runs until `done` or for this long.
    fn run(&mut self, seconds: u64, done: impl Fn(&Self) -> bool) {
        let end = self.now + Duration::from_secs(seconds);
        self.collect();
        while !done(self) {
            let arrival = self.flying.keys().next().map(|(at, _)| *at);
            let [first, second] = &mut self.peers;
            let due = [arrival, first.poll_timeout(), second.poll_timeout()];
            let Some(next) = due.into_iter().flatten().min().filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            match self.flying.first_key_value() {
                Some((&key, _)) if key.0 <= self.now => {
                    let (to, path, bytes) = self.flying.remove(&key).unwrap();
                    self.peers[to].handle_datagram(self.now, path, &bytes);
                }
                _ => self.peers.iter_mut().for_each(|peer| peer.handle_timeout(self.now)),
            }
            self.collect();
        }
    }

    fn connect(&mut self) -> [SrtpKeys; 2] {
        self.run(29, |world| (0..2).all(|peer| world.keys(peer).is_some()));
        [0, 1].map(|peer| self.keys(peer).unwrap_or_else(|| panic!("{:?}", self.events)))
    }

    fn keys(&self, peer: usize) -> Option<SrtpKeys> {
        self.events[peer].iter().find_map(|event| match event {
            TransportEvent::Connected { keys, .. } => Some(keys.clone()),
            _ => None,
        })
    }

    fn closed(&self, peer: usize) -> Option<CloseReason> {
        self.events[peer].iter().find_map(|event| match event {
            TransportEvent::Closed(reason) => Some(reason.clone()),
            _ => None,
        })
    }
}

fn candidate(at: &str) -> String {
    let at = address(at);
    format!("candidate:1 1 udp 2130706431 {} {} typ host generation 0", at.ip(), at.port())
}

fn assert_same(keys: &[SrtpKeys; 2]) {
    assert_eq!(keys[0].profile, crate::srtp::Profile::AeadAes128Gcm);
    assert_eq!(keys[0].sending, keys[1].receiving);
    assert_eq!(keys[0].receiving, keys[1].sending);
    assert_ne!(keys[0].sending, keys[0].receiving);
}

/// A browser and a server that takes `role` in the DTLS handshake.
fn in_role(role: DtlsRole) -> (TransportOptions, TransportOptions) {
    let (ours, theirs) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
    let (mut browser, mut server) =
        (options(true, theirs.clone(), &ours), options(false, ours, &theirs));
    server.role = role;
    browser.role = if role == DtlsRole::Client { DtlsRole::Server } else { DtlsRole::Client };
    (browser, server)
}

#[test]
fn peers_connect_in_either_dtls_role() {
    for role in [DtlsRole::Client, DtlsRole::Server] {
        let (browser, server) = in_role(role);
        let mut world = World::new(1, CLEAN, browser, server);
        assert_same(&world.connect());
        let path = world.peers[1].path().unwrap();
        assert_eq!(path.remote, address(BROWSER), "a candidate nobody named");
    }
}

#[test]
fn loss_reordering_and_doubling_only_delay() {
    for seed in 1..=12 {
        let mut world = World::ordinary(seed, BAD);
        let started = world.now;
        assert_same(&world.connect());
        let took = world.now - started;
        assert!(took < Duration::from_secs(15), "seed {seed}: {took:?}");
    }
}

#[test]
fn rsa_certificates_are_as_good() {
    let provider = crypto::provider().unwrap();
    let rsa = || {
        let made = library::Certificate::generate_self_signed_with_alg(
            vec!["rsa".to_owned()],
            &rcgen::PKCS_RSA_SHA256,
            provider.crypto(),
        );
        Certificate::new(made.unwrap()).unwrap()
    };
    let (ours, theirs) = (Certificate::generate().unwrap(), rsa());
    for role in [DtlsRole::Server, DtlsRole::Client] {
        let mut browser = options(true, theirs.clone(), &ours);
        let mut server = options(false, ours.clone(), &theirs);
        server.role = role;
        browser.role = if role == DtlsRole::Client { DtlsRole::Server } else { DtlsRole::Client };
        assert_same(&World::new(1, CLEAN, browser, server).connect());
    }
}

#[test]
fn a_wrong_fingerprint_ends_the_session() {
    for role in [DtlsRole::Client, DtlsRole::Server] {
        let certificates: Vec<_> = (0..3).map(|_| Certificate::generate().unwrap()).collect();
        let mut browser = options(true, certificates[0].clone(), &certificates[1]);
        let mut server = options(false, certificates[1].clone(), &certificates[2]);
        server.role = role;
        browser.role = if role == DtlsRole::Client { DtlsRole::Server } else { DtlsRole::Client };
        let mut world = World::new(1, CLEAN, browser, server);
        world.run(40, |world| world.closed(1).is_some());
        assert_eq!(world.closed(1), Some(CloseReason::FingerprintMismatch));
        assert_eq!(world.keys(1), None);
    }
}

#[test]
fn consent_is_kept_up_and_lapses_after_30_s_of_silence() {
    let mut world = World::ordinary(3, CLEAN);
    world.connect();
    world.run(300, |world| world.closed(1).is_some());
    assert_eq!(world.closed(1), None);
    let silent_from = world.now;
    world.link.lost = 100;
    world.run(60, |world| world.closed(1).is_some());
    assert_eq!(world.closed(1), Some(CloseReason::ConsentLapsed));
    let after = (world.now - silent_from).as_secs();
    assert!((24..=30).contains(&after), "{after} s");
    assert_eq!(world.peers[1].poll_timeout(), None);
}

#[test]
fn a_connected_transport_rarely_wakes() {
    let mut world = World::ordinary(4, CLEAN);
    world.connect();
    let mut wakes = 0;
    let mut now = world.now;
    let end = now + Duration::from_secs(25);
    while let Some(at) = world.peers[1].poll_timeout().filter(|at| *at < end) {
        now = now.max(at);
        world.peers[1].handle_timeout(now);
        wakes += 1;
    }
    assert!((3..=8).contains(&wakes), "{wakes}");
}

#[test]
fn a_peer_that_never_comes_is_given_up_after_30_s() {
    let mut world = World::ordinary(5, Link { lost: 100, ..CLEAN });
    let started = world.now;
    world.run(100, |world| world.closed(1).is_some());
    assert_eq!(world.closed(1), Some(CloseReason::NoPath));
    assert_eq!(world.now - started, Duration::from_secs(30));
}

#[test]
fn a_peer_that_never_shakes_hands_is_given_up_after_30_s() {
    let (ours, theirs) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
    let mut browser = options(true, theirs.clone(), &ours);
    browser.role = DtlsRole::Server;
    let mut world = World::new(6, CLEAN, browser, options(false, ours, &theirs));
    let started = world.now;
    world.run(100, |world| world.closed(1).is_some());
    assert_eq!(world.closed(1), Some(CloseReason::HandshakeTimeout));
    assert_eq!(world.now - started, Duration::from_secs(30));
}

#[test]
fn noise_changes_nothing() {
    let mut world = World::ordinary(7, CLEAN);
    let mut random = Random(99);
    let at = |remote| Path { local: address(SERVER), remote, protocol: Protocol::Udp };
    let mut noise = |world: &mut World| {
        for _ in 0..10_000 {
            let length = random.below(1_600);
            let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            let stranger = SocketAddr::from(([203, 0, 113, random.next() as u8], 9));
            for remote in [stranger, address(BROWSER)] {
                world.peers[1].handle_datagram(world.now, at(remote), &bytes);
            }
            assert!(world.peers[1].transmits_waiting() <= 2);
        }
    };
    noise(&mut world);
    assert_same(&world.connect());
    noise(&mut world);
    world.collect();
    assert_eq!(world.events[1].len(), 1, "{:?}", world.events[1]);
    world.run(60, |_| false);
    assert_eq!(world.closed(1), None);
}

#[test]
fn forged_plaintext_does_not_end_a_session() {
    let mut world = World::ordinary(8, CLEAN);
    world.connect();
    let path = world.peers[1].path().unwrap();
    for body in [[2, 40], [1, 0]] {
        for sequence in 0..200 {
            let mut alert = vec![21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 1, sequence, 0, 2];
            alert.extend(body);
            world.peers[1].handle_datagram(world.now, path, &alert);
        }
    }
    world.run(10, |_| false);
    assert_eq!(world.closed(1), None);
}

#[test]
fn a_restart_finds_the_new_path_and_keeps_the_keys() {
    let mut world = World::ordinary(9, CLEAN);
    world.connect();
    world.browser_at = address(MOVED);
    let (browser, server) = (credentials("browser2"), credentials("server2"));
    world.peers[0].restart(world.now, browser.clone(), server.clone()).unwrap();
    world.peers[1].restart(world.now, server, browser).unwrap();
    world.peers[0].add_remote_candidate(&candidate(SERVER));
    world.run(10, |world| world.events[1].len() > 1);
    let moved = Path { local: address(SERVER), remote: address(MOVED), protocol: Protocol::Udp };
    assert_eq!(world.events[1].last(), Some(&TransportEvent::PathChanged(moved)));
    world.run(60, |_| false);
    assert_eq!((world.closed(0), world.closed(1)), (None, None));
}

#[test]
fn closing_tells_the_peer() {
    let mut world = World::ordinary(10, CLEAN);
    world.connect();
    world.peers[1].close(world.now);
    world.run(1, |world| world.closed(0).is_some());
    assert_eq!(world.closed(1), Some(CloseReason::Closed));
    assert_eq!(world.closed(0), Some(CloseReason::PeerClosed));
}

#[test]
fn unusable_candidates_and_credentials_are_refused() {
    let mut world = World::ordinary(11, Link { lost: 100, ..CLEAN });
    let server = &mut world.peers[1];
    for text in [
        "",
        "candidate:1 1 udp 1 abc-def.local 5000 typ host",
        "candidate:1 1 tcp 1 192.0.2.9 9 typ host tcptype active",
        "candidate:1 2 udp 1 192.0.2.9 5000 typ host",
        "candidate:1 1 udp 1 0.0.0.0 5000 typ host",
        "candidate:1 1 udp 1 239.1.1.1 5000 typ host",
        "candidate:1 1 udp 1 192.0.2.9 0 typ host",
        "candidate:1 1 udp 1 192.0.2.9 5000 typ",
    ] {
        server.add_remote_candidate(text);
    }
    for host in 1..100 {
        server.add_remote_candidate(&format!("candidate:1 1 udp 1 192.0.2.{host} 7 typ host"));
    }
    let later = world.now + Duration::from_millis(200);
    server.handle_timeout(later);
    assert_eq!(server.poll_transmit(), None, "nothing goes to addresses of a peer not heard from");
    let path = Path { local: address(SERVER), remote: address(MOVED), protocol: Protocol::Udp };
    server.handle_datagram(later, path, &nomination(&credentials("server").pwd));
    server.handle_timeout(later + Duration::from_millis(200));
    let to: Vec<_> = std::iter::from_fn(|| server.poll_transmit())
        .filter(|transmit| transmit.path.remote.port() == 7)
        .map(|transmit| transmit.path.remote)
        .collect();
    assert_eq!(to.iter().collect::<std::collections::BTreeSet<_>>().len(), 16);
    let short = Credentials { ufrag: "abc".to_owned(), ..credentials("server") };
    let refused = server.restart(world.now, short, credentials("browser"));
    assert_eq!(refused, Err(TransportError::Credentials));
}

/// A nominating request of the browser, signed with this password.
fn nomination(password: &str) -> Vec<u8> {
    let provider = crypto::provider().unwrap();
    let mut message = Message::new();
    message
        .build(&[
            Box::new(BINDING_REQUEST),
            Box::new(TransactionId::new()),
            Box::new(Username::new(ATTR_USERNAME, "serverufrag:browserufrag".to_owned())),
            Box::<UseCandidateAttr>::default(),
            Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                password.to_owned(),
                provider.crypto(),
            )),
            Box::new(FINGERPRINT),
        ])
        .unwrap();
    message.raw
}

#[test]
fn a_nomination_without_restart_is_followed() {
    let mut world = World::ordinary(12, CLEAN);
    world.connect();
    world.browser_at = address(MOVED);
    let moved = Path { local: address(SERVER), remote: address(MOVED), protocol: Protocol::Udp };
    let request = nomination(&credentials("server").pwd);
    world.peers[1].handle_datagram(world.now, moved, &request);
    assert_ne!(world.peers[1].path(), Some(moved), "before the peer has answered there");
    world.run(2, |world| world.events[1].len() > 1);
    assert_eq!(world.events[1].last(), Some(&TransportEvent::PathChanged(moved)));
    world.run(60, |_| false);
    assert_eq!(world.closed(1), None, "consent is asked for along the new path");
}

#[test]
fn forged_requests_are_not_answered() {
    let mut world = World::ordinary(13, CLEAN);
    world.peers[1].handle_timeout(world.now);
    world.collect();
    let path = Path { local: address(SERVER), remote: address(MOVED), protocol: Protocol::Udp };
    for password in ["", "wrong", &credentials("browser").pwd] {
        world.peers[1].handle_datagram(world.now, path, &nomination(password));
        assert_eq!(world.peers[1].poll_transmit(), None, "{password}");
    }
    world.peers[1].handle_datagram(world.now, path, &nomination(&credentials("server").pwd));
    assert!(world.peers[1].poll_transmit().is_some());
}

#[test]
fn addresses_of_an_authentic_peer_are_bounded() {
    let mut world = World::ordinary(14, CLEAN);
    let request = nomination(&credentials("server").pwd);
    let mut answered = 0;
    for port in 1..1_000 {
        let remote = SocketAddr::new(address(MOVED).ip(), port);
        let path = Path { local: address(SERVER), remote, protocol: Protocol::Udp };
        world.peers[1].handle_datagram(world.now, path, &request);
        answered += u32::from(world.peers[1].poll_transmit().is_some());
    }
    assert_eq!(answered, 48);
    assert_same(&World::ordinary(14, CLEAN).connect());
}

#[test]
fn fuzz_transport() {
    let pem = Certificate::generate().unwrap().to_pem().unwrap();
    let path = Path { local: address(SERVER), remote: address(BROWSER), protocol: Protocol::Udp };
    let now = anchor();
    bolero::check!().with_iterations(2_000).for_each(|bytes: &[u8]| {
        let certificate = Certificate::from_pem(&pem).unwrap();
        let options = options(false, certificate.clone(), &certificate);
        let mut peer = Transport::new(options, now).unwrap();
        peer.handle_datagram(now, path, bytes);
        peer.add_remote_candidate(&String::from_utf8_lossy(bytes));
        assert_eq!(peer.poll_event(), None);
        // The same as handshake messages, past the address check.
        let mut dtls =
            Dtls::new(DtlsRole::Server, &certificate, certificate.fingerprint().clone()).unwrap();
        for (sequence, piece) in bytes.chunks(200).enumerate() {
            let length = u8::try_from(piece.len()).unwrap();
            let sequence = u8::try_from(sequence % 256).unwrap();
            let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, sequence, 0, length + 12];
            record.extend([1, 0, 0, length, 0, sequence, 0, 0, 0, 0, 0, length]);
            record.extend(piece);
            let received = dtls.handle_datagram(now, &record);
            assert!(received.map_or(true, |received| received.keys.is_none()));
        }
    });
}

#[test]
fn data_reaches_the_peer_in_either_dtls_role() {
    for role in [DtlsRole::Client, DtlsRole::Server] {
        let (browser, server) = in_role(role);
        let mut world = World::new(15, CLEAN, browser, server);
        world.peers.iter_mut().for_each(|peer| peer.open_data("events"));
        assert_eq!(world.peers[1].send_data(world.now, b"early"), Err(DataError::NotOpen));
        assert_same(&world.connect());
        world.run(20, |_| false);
        // More than may wait: what came before has been acknowledged.
        for message in 0..20 {
            let now = world.now;
            assert_eq!(world.peers[1].send_data(now, &[message; 20_000]), Ok(()), "{message}");
            world.run(10, |_| false);
        }
        assert_eq!((world.closed(0), world.closed(1)), (None, None));
    }
}

#[test]
fn a_peer_that_comes_by_tcp_is_answered_by_tcp() {
    let certificate = Certificate::generate().unwrap();
    let mut options = options(false, certificate.clone(), &certificate);
    options
        .local_candidates
        .push(LocalCandidate { address: address(SERVER), protocol: Protocol::Tcp });
    let now = anchor();
    let mut server = Transport::new(options, now).unwrap();
    let path = Path { local: address(SERVER), remote: address(BROWSER), protocol: Protocol::Tcp };
    server.handle_datagram(now, path, &nomination(&credentials("server").pwd));
    let sent: Vec<_> = std::iter::from_fn(|| server.poll_transmit()).collect();
    assert!(!sent.is_empty());
    assert!(sent.iter().all(|transmit| transmit.path == path), "{sent:?}");
}
