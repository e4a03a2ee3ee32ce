//! The ways to the WebRTC port: TURN, TCP, IPv6, a path that is looked for anew; and the certificate
//! that all of them end at.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use tally_e2e::http::Request;
use tally_e2e::play::webrtc::{Browser, Player};
use tally_e2e::play::webrtc::{Report, Route};
use tally_e2e::process::Process;
use tally_e2e::tools::{self, Missing};
use tally_e2e::{Server, Settings, need, wait};
use tempfile::TempDir;

use crate::shows;

const SECONDS: u64 = 5;
const FRAMES_PER_SECOND: f64 = 30.0;
/// A browser takes some of a busy machine for its new candidates, while media keeps its path.
const FROZEN_MS_MAX: f64 = 1_000.0;
const SECRET: &str = "correct horse battery";
/// RFC 8489 section 5, without attributes.
const BINDING_REQUEST: [u8; 20] =
    [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];
const OFFER: &str = include_str!("../../../rtc/tests/offers/chromium-whip.sdp");

/// The picture went on, and took the way it was to take.
#[track_caller]
fn assert_came(report: &Report, way: &str) {
    assert!(report.status == 201 && report.started, "no picture: {report}");
    assert!(report.frames as f64 >= SECONDS as f64 * FRAMES_PER_SECOND * 0.8, "{report}");
    assert!(report.audio_samples > report.audio_concealed, "no sound: {report}");
    assert!(report.candidate.starts_with(way), "{report}");
    assert_eq!(report.deleted, Some(200), "{report}");
}

/// coturn with the server's secret, at a free port of loopback.
fn coturn(folder: &TempDir) -> Result<(Process, SocketAddr), Missing> {
    let program = tools::program("turnserver")?;
    let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut command = Command::new(program);
    command.args(["-n", "--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"]);
    command.args(["--listening-port", &address.port().to_string()]);
    command.args(["--use-auth-secret", "--static-auth-secret", SECRET, "--realm", "tally"]);
    command.args(["--allow-loopback-peers", "--no-cli", "--no-tls", "--no-dtls"]);
    command.args(["--log-file", "stdout"]);
    command.arg("--pidfile").arg(folder.path().join("pid"));
    command.arg("--userdb").arg(folder.path().join("db"));
    let process = Process::start("coturn", &command).expect("coturn starts");
    // What it prints stays in its buffer: an answer tells that it is there.
    let asking = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    asking.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    wait::until("coturn to answer", Duration::from_secs(20), || {
        asking.send_to(&BINDING_REQUEST, address).unwrap();
        asking.recv(&mut [0; 512]).ok()
    });
    Ok((process, address))
}

/// W12: credentials made by the server open the relay, and the viewer comes from there.
#[test]
fn a_viewer_behind_coturn() {
    let folder = TempDir::new().unwrap();
    let (_coturn, turn) = need!(coturn(&folder));
    let settings = Settings::default()
        .with("webrtc.ice_servers", &format!("turn:{turn}?transport=udp"))
        .with("webrtc.turn_secret", SECRET);
    let (server, _publisher) = need!(shows::server_with_show(&settings));
    let report = need!(Route::Relay.watch(&server.whep_url("alice"), SECONDS)).report().unwrap();
    assert_came(&report, "relay udp 127.0.0.1");
}

#[test]
fn a_viewer_without_udp() {
    let (server, _publisher) = need!(shows::server_with_show(&Settings::default()));
    let report = need!(Route::Tcp.watch(&server.whep_url("alice"), SECONDS)).report().unwrap();
    assert_eq!(server.metrics().value("tally_webrtc_connected_total"), 1.0);
    assert!(report.candidate.contains(" tcp "), "{report}");
    assert_came(&report, "");
}

#[test]
fn a_viewer_over_ipv6() {
    let settings = Settings::default().with("webrtc.listen", "[::1]:0");
    let (server, _publisher) = need!(shows::server_with_show(&settings));
    let player = Player::Page(Browser::Chromium);
    let report = need!(player.watch(&server.whep_url("alice"), SECONDS)).report().unwrap();
    assert!(report.candidate.contains(" ::1 ") || report.candidate.contains("[::1]"), "{report}");
    assert_came(&report, "");
}

/// W9: with a browser, while the picture goes on.
#[test]
fn a_viewer_that_looks_for_its_path_anew() {
    let (server, _publisher) = need!(shows::server_with_show(&Settings::default()));
    let report = need!(Route::Restart.watch(&server.whep_url("alice"), SECONDS)).report().unwrap();
    assert_eq!(report.restarted, Some(200), "{report}");
    assert!(report.candidate.ends_with(" current"), "{report}");
    assert_came(&report, "");
    assert!(report.frozen_ms <= FROZEN_MS_MAX, "{report}");
}

/// What a server answers a publisher's offer with.
fn fingerprint(data: &TempDir) -> Result<String, Missing> {
    let data = data.path().display().to_string();
    let settings = Settings::default().with("server.data_dir", &data);
    let server = Server::start(&tools::tally()?, &settings);
    let request = Request::get(server.http, "/live/alice/whip").method("POST");
    let answer = request.body("application/sdp", OFFER).send().unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    let line = answer.text().lines().find(|line| line.starts_with("a=fingerprint:"));
    Ok(line.expect("a fingerprint").to_owned())
}

#[test]
fn the_certificate_is_the_same_after_a_restart() {
    let (data, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let first = need!(fingerprint(&data));
    assert_eq!(first, need!(fingerprint(&data)));
    assert_ne!(first, need!(fingerprint(&other)), "each server has one of its own");
}
