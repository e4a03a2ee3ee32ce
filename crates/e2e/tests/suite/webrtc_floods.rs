//! Whoever sends rubbish to the WebRTC port, or asks for sessions and never comes.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tally_e2e::http::Request;
use tally_e2e::play::webrtc::Player;
use tally_e2e::{Server, Settings, need, wait};

use crate::shows;

const SECONDS: u64 = 8;
const FRAMES_PER_SECOND: f64 = 30.0;
const PLAY: &str = include_str!("../../../rtc/tests/offers/chromium-whep.sdp");

/// Datagrams of one burst, and the time between two of them: some 12,000 a second, sixty times what
/// the viewer gets.
const BURST: usize = 32;
const PAUSE: Duration = Duration::from_millis(2);
/// Where they come from: some with every worker.
const SOCKETS: usize = 8;

/// Sessions asked for at a time, and the most that one may cost until it is given up.
const ABANDONED: u64 = 1_000;
const SESSION_KB_MAX: u64 = 300;
/// The server's deadline for finding a path, and a busy machine's time for a thousand.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(90);

/// A binding request that names nobody, a ClientHello, a record that is none, media.
fn rubbish() -> [Vec<u8>; 4] {
    let mut request = vec![0, 1, 0, 20, 0x21, 0x12, 0xA4, 0x42];
    request.extend([7; 12]);
    request.extend([0, 6, 0, 13]);
    request.extend(*b"nobody:nobody\0\0\0");
    let mut hello = vec![22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40, 1, 0, 0, 28];
    hello.resize(53, 1);
    let mut record = vec![23, 0xFE, 0xFD, 0, 1];
    record.resize(1_200, 0xFF);
    let mut media = vec![0x80, 96, 0, 1];
    media.resize(1_200, 0x55);
    [request, hello, record, media]
}

/// Sends rubbish for a time; gives how many datagrams.
fn flood(server: SocketAddr, time: Duration) -> u64 {
    let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let sockets: Vec<_> = (0..SOCKETS).map(|_| bind()).collect();
    let (rubbish, started, mut sent) = (rubbish(), wait::now(), 0);
    // Every kind from every socket.
    let kinds = rubbish.iter().flat_map(|kind| [kind; SOCKETS]).cycle();
    let mut all = sockets.iter().cycle().zip(kinds);
    while started.elapsed() < time {
        for (socket, datagram) in all.by_ref().take(BURST) {
            sent += u64::from(socket.send_to(datagram, server).is_ok());
        }
        wait::pass(PAUSE);
    }
    sent
}

#[test]
fn a_flood_of_rubbish_costs_a_viewer_nothing() {
    let (server, _publisher) = need!(shows::server_with_show(&Settings::default()));
    let playing = need!(Player::Packets("H264").watch(&server.whep_url("alice"), SECONDS));
    wait::until("the viewer", Duration::from_secs(60), || {
        (server.metrics().value("tally_webrtc_connected_total") == 1.0).then_some(())
    });
    let sent = flood(server.webrtc, Duration::from_secs(SECONDS * 3 / 4));
    let metrics = server.metrics();
    let dropped = metrics.value("tally_webrtc_dropped_datagrams_total{reason=\"unknown\"}");
    let report = playing.report().unwrap();
    println!("{sent} sent, {dropped} seen and dropped: {report}");
    assert!(sent > 20_000, "a flood of {sent}");
    // What came while the server's share of the machine was used up, the kernel has dropped.
    assert!(dropped >= sent as f64 / 2.0, "{dropped} of {sent}");
    assert_eq!(report.packets_lost, 0, "{report}");
    let published = report.media_ms.unwrap() / 1_000.0 * FRAMES_PER_SECOND;
    assert!(report.frames as f64 >= published * 0.95, "{report}");
    assert!(report.media_ms.unwrap() >= SECONDS as f64 * 800.0, "{report}");
    assert_eq!(metrics.value("tally_webrtc_viewers"), 1.0, "rubbish makes no sessions");
    assert_eq!(metrics.value("tally_webrtc_panics_total"), 0.0);
}

/// Resident memory.
fn memory_kb(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Asks for sessions that nobody will come for; gives what they take before they are given up.
fn abandon(server: &Server) -> u64 {
    for _ in 0..ABANDONED {
        let request = Request::get(server.http, "/live/alice/whep").method("POST");
        let answer = request.body("application/sdp", PLAY).send().unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    let memory = memory_kb(server);
    wait::until("the sessions to be given up", GIVEN_UP_WITHIN, || {
        (server.metrics().value("tally_webrtc_viewers") == 0.0).then_some(())
    });
    memory
}

#[test]
fn sessions_that_nobody_comes_for_cost_little_and_go_away() {
    let settings = Settings::default().with("webrtc.requests_per_second_max", "0");
    let (server, _publisher) = need!(shows::server_with_show(&settings));
    let before = memory_kb(&server);
    let first = abandon(&server);
    let second = abandon(&server);
    println!("{before} KB, with {ABANDONED} sessions {first} KB, with the next {second} KB");
    assert!(first - before <= ABANDONED * SESSION_KB_MAX, "{before} to {first} KB");
    // The next ones take the place of those given up.
    assert!(second <= first + ABANDONED * SESSION_KB_MAX / 4, "{first} to {second} KB");
    let failed = server.metrics().value("tally_webrtc_failed_total{reason=\"path\"}");
    assert!(failed >= ABANDONED as f64, "{failed} were given up for want of a path");
}
