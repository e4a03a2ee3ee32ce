//! What operators and creators do: keys, restarts, coming back, taking over, shutting down.

use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tally_e2e::http::Request;
use tally_e2e::play::browser::Browser;
use tally_e2e::playlist::MediaPlaylist;
use tally_e2e::publish::ffmpeg::Show;
use tally_e2e::publish::raw::{RawEncoder, State};
use tally_e2e::record::Recording;
use tally_e2e::server::{add_creator, run};
use tally_e2e::{Server, Settings, need, rules, tools, wait};

use crate::shows;

/// SIGTERM while viewers wait: their requests are answered, playlists end, the process exits.
#[test]
fn sigterm_ends_shows_properly_and_then_the_process() {
    let (mut server, _publisher) = need!(shows::server_with_show(&Settings::default()));
    let playlist = shows::media_playlist(&server, "alice");
    let http = server.http;
    let viewers: Vec<_> = (0..20)
        .map(|_| {
            let playlist = playlist.clone();
            thread::spawn(move || Recording::follow(http, &playlist, |_| false))
        })
        .collect();
    wait::until("viewers to wait", Duration::from_secs(10), || {
        (server.metrics().value("tally_http_waiting_requests") >= 10.0).then_some(())
    });
    server.process.signal(Signal::TERM);
    for viewer in viewers {
        let recording = viewer.join().unwrap().unwrap();
        assert!(recording.last().ended, "P19: a viewer never saw the end");
    }
    // The drain deadline (10 s by default) and some.
    let status = server.process.ended(Duration::from_secs(12)).unwrap();
    assert_eq!(status.code(), Some(0), "{status}");
}

/// SIGTERM while encoders publish: the one that said it can is asked to reconnect, the other is not.
#[test]
fn a_drain_asks_able_encoders_to_reconnect() {
    let mut server = need!(shows::server());
    let mut able = RawEncoder::able_to_reconnect(server.rtmp, "alice").unwrap();
    let other = RawEncoder::reach(server.rtmp, State::Publishing, "bob").unwrap();
    server.process.signal(Signal::TERM);
    able.read_until("NetConnection.Connect.ReconnectRequest").unwrap();
    drop(able);
    let said = other.wait_for_hangup().unwrap();
    assert!(!String::from_utf8_lossy(&said).contains("ReconnectRequest"), "it cannot do that");
    let status = server.process.ended(Duration::from_secs(12)).unwrap();
    assert_eq!(status.code(), Some(0), "{status}");
}

/// SIGHUP: a new certificate is served from then on, a broken one is not taken.
#[test]
fn sighup_reads_certificates_again() {
    let binary = need!(tools::tally());
    let curl = need!(tools::program("curl"));
    let (old, used, new) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [(old_cert, old_key), (cert, key), (new_cert, new_key)] =
        [&old, &used, &new].map(|folder| shows::certificate(folder.path()));
    let install = |from_cert: &str, from_key: &str| {
        std::fs::copy(from_cert, &cert).unwrap();
        std::fs::copy(from_key, &key).unwrap();
    };
    install(&old_cert, &old_key);
    let settings = Settings::default().with("http.tls.cert", &cert).with("http.tls.key", &key);
    let server = Server::start(&binary, &settings);
    let trusts = |authority: &str| {
        let url = format!("https://localhost:{}/", server.https.port());
        let mut request = Command::new(&curl);
        request.args(["--silent", "--output", "/dev/null", "--cacert", authority, &url]);
        request.status().unwrap().success()
    };
    let reloads = |result: &str| {
        server.process.signal(Signal::HUP);
        let name = format!("tally_tls_reloads_total{{result=\"{result}\"}}");
        wait::until("the reload", Duration::from_secs(10), || {
            (server.metrics().value(&name) >= 1.0).then_some(())
        });
    };
    assert!(trusts(&old_cert) && !trusts(&new_cert));
    install(&new_cert, &new_key);
    reloads("ok");
    assert!(trusts(&new_cert) && !trusts(&old_cert));
    std::fs::write(&cert, "this is no certificate").unwrap();
    reloads("failed");
    assert!(trusts(&new_cert), "a broken file must not take the working certificate away");
}

/// P18, P16: the encoder drops and comes back: same show, same playlists, the viewer stays.
#[test]
fn an_encoder_that_comes_back_finds_its_show_and_its_viewers() {
    let (server, publisher) = need!(shows::server_with_show(&Settings::default()));
    let playlist = shows::media_playlist(&server, "alice");
    let playing = need!(Browser::ChromiumHlsJs.play(&server.play_url("alice"), 24));
    let before = MediaPlaylist::parse(server.get(&playlist).text()).unwrap().open.msn;
    let recording = thread::scope(|scope| {
        let follow = || {
            Recording::follow(server.http, &playlist, |playlist| playlist.open.msn >= before + 9)
        };
        let viewer = scope.spawn(follow);
        wait_for_segment(&server, &playlist, before + 1);
        publisher.kill();
        wait_for_gap(&server, &playlist);
        let _again = Show::default().publish(&server.publish_url("alice")).unwrap();
        viewer.join().unwrap()
    });
    let recording = recording.unwrap();
    rules::check(&recording).unwrap();
    let segments: Vec<_> = recording.segments.values().collect();
    assert!(segments.iter().any(|segment| segment.gap), "P18: no gap was listed");
    let after_gap = segments.iter().rposition(|segment| segment.gap).unwrap() + 1;
    assert!(after_gap < segments.len(), "nothing came after the gap");
    // Each look at the multivariant playlist begins a session of its own.
    let show = |playlist: &str| playlist.rsplit('/').nth(2).unwrap().to_owned();
    let again = shows::media_playlist(&server, "alice");
    assert_eq!(show(&again), show(&playlist), "the show is another one");
    let report = playing.report().unwrap();
    println!("{report}");
    assert!(report.started && report.fatal.is_empty(), "the viewer was lost: {report}");
    assert!(report.frames > 200, "the viewer saw too little: {report}");
}

fn wait_for_segment(server: &Server, playlist: &str, msn: u64) {
    let response = Request::get(server.http, &format!("{playlist}?_HLS_msn={msn}")).send().unwrap();
    assert_eq!(response.status, 200);
}

fn wait_for_gap(server: &Server, playlist: &str) {
    wait::until("a gap to be listed", Duration::from_secs(15), || {
        server.get(playlist).text().contains("GAP=YES").then_some(())
    });
}

/// The newest publisher with the right key wins; the old one is told and leaves.
#[test]
fn a_second_publisher_takes_the_show_over() {
    let (server, first) = need!(shows::server_with_show(&Settings::default()));
    let playlist = shows::media_playlist(&server, "alice");
    let mut second = need!(Show::default().publish(&server.publish_url("alice")));
    first.ended(Duration::from_secs(20));
    let now = MediaPlaylist::parse(server.get(&playlist).text()).unwrap().open.msn;
    let recording =
        Recording::follow(server.http, &playlist, |playlist| playlist.open.msn >= now + 3);
    let recording = recording.unwrap();
    rules::check(&recording)
        .unwrap_or_else(|error| panic!("{error:?}\n{}", recording.versions.last().unwrap().text));
    assert!(second.is_running(), "the second publisher was thrown out");
}

/// Keys: needed by default, printed once, never logged; a wrong one is refused.
#[test]
fn publishing_needs_a_stream_key() {
    let binary = need!(tools::tally());
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let key = add_creator(&binary, &data, "alice").unwrap();
    let settings = Settings::default()
        .with("auth.publish", "key")
        .with("server.log", "trace")
        .with("server.data_dir", &data.display().to_string());
    let server = Server::start(&binary, &settings);
    let wrong = need!(Show::default().publish(&server.publish_url("alice")));
    wrong.ended(Duration::from_secs(20));
    assert_eq!(server.get("/live/alice/index.m3u8").status, 404);
    let _right = need!(Show::default().publish(&server.publish_url(&key)));
    server.wait_for_show("alice", shows::SHOW_WITHIN);
    let refused = RawEncoder::reach(server.rtmp, State::Publishing, "no-such-key");
    let answer = refused.map(|mut encoder| encoder.read_until("rejected"));
    println!("a wrong key: {answer:?}");
    assert!(!server.process.printed().contains(&key), "the stream key is in the log");
}

/// Each mistake is named with its key and what to do, before anything is started.
#[test]
fn mistakes_in_the_configuration_are_named() {
    let binary = need!(tools::tally());
    let folder = tempfile::tempdir().unwrap();
    for (text, expected) in [
        ("[hls]\nsegmnt_ms = 2000\n", ["hls.segmnt_ms", "hls.segment_ms"]),
        ("[hls]\npart_ms = 5\n", ["hls.part_ms", "100"]),
        ("[auth]\npublish = \"maybe\"\n", ["auth.publish", "open"]),
        ("[http]\nlisten = \"nonsense\"\n", ["http.listen", "nonsense"]),
    ] {
        std::fs::write(folder.path().join("tally.toml"), text).unwrap();
        for command in ["check-config", "serve"] {
            let arguments = [command, "--config", "tally.toml"];
            let output = run(&binary, folder.path(), &arguments).unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "{command} took {text}");
            for word in expected {
                assert!(said.contains(word), "{command} {text}: `{word}` is missing in:\n{said}");
            }
        }
    }
}

/// The reference configuration is what the binary says it is, and passes its own check.
#[test]
fn the_documented_configuration_is_valid() {
    let binary = need!(tools::tally());
    let config = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    for file in ["tally.toml", "dev.toml"] {
        let path = config.join(file).display().to_string();
        let output = run(&binary, &config, &["check-config", "--config", &path]).unwrap();
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The demo shows a moving, sounding picture in a browser on a machine with nothing else.
#[test]
fn the_demo_can_be_watched() {
    let binary = need!(tools::tally());
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(&binary);
    command.arg("demo").current_dir(folder.path());
    for (variable, address) in tally_e2e::server::loopback_listeners() {
        command.env(variable, address.to_string());
    }
    let process = tally_e2e::process::Process::start("tally demo", &command).unwrap();
    let line = process.line_with("/live/", Duration::from_secs(30)).unwrap();
    let url = line.split_whitespace().find(|word| word.starts_with("http")).unwrap();
    let show = url.trim_end_matches("/index.m3u8");
    let address = show.split('/').nth(2).unwrap();
    let path = show.split_once(address).unwrap().1;
    wait::until("the demo's show", Duration::from_secs(30), || {
        let socket = format!("127.0.0.1:{}", address.rsplit(':').next()?).parse().ok()?;
        let target = format!("{path}/index.m3u8");
        Request::get(socket, &target).send().ok().filter(|answer| answer.status == 200)
    });
    let report = need!(Browser::ChromiumHlsJs.play(&format!("{show}/index.m3u8"), 8));
    let report = report.report().unwrap();
    println!("{report}");
    report.assert_smooth(8, 24);
}
