//! Peers that misbehave, and resources that run out: each costs itself, nobody else.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tally_e2e::publish::ffmpeg::Show;
use tally_e2e::publish::raw::{RawEncoder, STATES, State, message};
use tally_e2e::record::Recording;
use tally_e2e::server::variable;
use tally_e2e::{Server, Settings, need, rules, tools, wait};

use crate::shows;

/// Deadlines short enough to watch them pass.
fn impatient() -> Settings {
    [
        "rtmp.handshake_deadline_s",
        "rtmp.publish_deadline_s",
        "rtmp.idle_s",
        "http.header_deadline_s",
        "http.idle_s",
        "http.write_stall_s",
    ]
    .iter()
    .fold(Settings::default(), |settings, key| settings.with(key, "3"))
    .with("rtmp.reconnect_grace_s", "1")
    .with("hls.window_s", "12")
}

/// A healthy show is recorded while everything else misbehaves; its viewers must not notice.
#[test]
fn misbehaving_peers_cost_nobody_else_anything() {
    allow_many_files();
    let binary = need!(tools::tally());
    let server = Server::start(&binary, &impatient());
    let start = Levels::of(&server);
    let publisher = need!(Show::default().publish(&server.publish_url("alice")));
    let playlist = shows::media_playlist(&server, "alice");
    let over = AtomicBool::new(false);
    let recording = thread::scope(|scope| {
        let follow = || Recording::follow(server.http, &playlist, |_| over.load(Ordering::Relaxed));
        let viewer = scope.spawn(follow);
        encoders_that_die(&server);
        encoders_that_send_garbage(&server);
        encoders_that_never_publish(&server);
        viewers_that_stop_reading(&server, &playlist);
        viewers_that_never_finish_asking(&server);
        over.store(true, Ordering::Relaxed);
        viewer.join().unwrap()
    });
    let recording = recording.unwrap();
    rules::check(&recording).unwrap();
    assert!(recording.segments.values().all(|segment| !segment.gap), "the show had gaps");
    publisher.stop();
    start.assert_reached_again(&server);
}

fn encoders_that_die(server: &Server) {
    for state in STATES {
        for _ in 0..5 {
            drop(RawEncoder::reach(server.rtmp, state, "mallory").unwrap());
        }
    }
    // In the middle of a frame: the message says 5,000 bytes and brings 100.
    let mut encoder = RawEncoder::reach(server.rtmp, State::Publishing, "mallory").unwrap();
    let frame = message(6, 9, 1, &[0x17; 5_000]);
    encoder.send(&frame[..100]).unwrap();
    drop(encoder);
}

fn encoders_that_send_garbage(server: &Server) {
    // Chosen bytes and not random ones, so that a failure comes again: a run of every byte value,
    // a chunk of 16 MiB, AMF nested deeper than any stack.
    let every_byte: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
    let huge = [3, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0].to_vec();
    let nested = message(3, 20, 0, &[3, 0, 1, b'a'].repeat(50_000));
    let zeros = vec![0; 64 * 1024];
    for state in STATES {
        for garbage in [&every_byte, &huge, &nested, &zeros] {
            let mut encoder = RawEncoder::reach(server.rtmp, state, "mallory").unwrap();
            // The server may hang up while it is still being sent to.
            let _ = encoder.send(garbage);
            let outcome = encoder.finish();
            assert!(outcome.is_ok(), "{state:?}, {:?}...: {outcome:?}", &garbage[..4]);
        }
    }
}

fn encoders_that_never_publish(server: &Server) {
    let connect = |index: usize| {
        let state = STATES[index % 4];
        // More than the server takes are turned away, which is an answer too.
        RawEncoder::reach(server.rtmp, state, "mallory").ok()
    };
    let waiting: Vec<_> = (0..1_000).filter_map(connect).collect();
    assert!(waiting.len() > 500, "only {} connections were taken", waiting.len());
    for encoder in waiting {
        encoder.wait_for_hangup().unwrap();
    }
}

fn viewers_that_stop_reading(server: &Server, playlist: &str) {
    let target = server.get(playlist);
    let text = target.text();
    let segment = text.lines().rfind(|line| line.ends_with(".m4s") && !line.starts_with('#'));
    let path = tally_e2e::record::resolve(playlist, segment.unwrap());
    let cut = "tally_http_connections_cut_total{reason=\"stalled\"}";
    assert!(server.metrics().has(cut), "{cut} is not counted");
    let before = server.metrics().value(cut);
    // Many times more than the kernel buffers between the two.
    let asked = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").repeat(400);
    let mut viewer = TcpStream::connect(server.http).unwrap();
    viewer.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    // The server stops reading what it cannot answer.
    let _ = viewer.write_all(asked.as_bytes());
    wait::until("a stalled viewer to be cut", Duration::from_secs(20), || {
        (server.metrics().value(cut) > before).then_some(())
    });
}

fn viewers_that_never_finish_asking(server: &Server) {
    let slow: Vec<_> = (0..50)
        .map(|_| {
            let mut viewer = TcpStream::connect(server.http).unwrap();
            viewer.write_all(b"GET /live/alice/index.m3u8 HTTP/1.1\r\nhost: ").unwrap();
            viewer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            viewer
        })
        .collect();
    for mut viewer in slow {
        // An answer such as 408 may come before the end.
        let mut answer = Vec::new();
        let ended = std::io::Read::read_to_end(&mut viewer, &mut answer);
        assert!(ended.is_ok(), "a slow head is not cut: {ended:?}");
    }
}

/// What a server holds: the same after a bad evening as before it.
#[derive(Debug)]
struct Levels {
    files: f64,
    threads: f64,
    memory_bytes: f64,
}

impl Levels {
    fn of(server: &Server) -> Self {
        let metrics = server.metrics();
        Self {
            files: metrics.value("process_open_fds"),
            threads: metrics.value("process_threads"),
            memory_bytes: metrics.value("process_resident_memory_bytes"),
        }
    }

    /// What the allocator may keep for the next show, and the pages touched for the first time.
    const MEMORY_SLACK_BYTES: f64 = 48.0 * 1024.0 * 1024.0;

    /// Connections to the database and the watch log's file, opened when first needed and kept. The
    /// peers above come in hundreds.
    const FILES_SLACK: f64 = 16.0;

    fn assert_reached_again(&self, server: &Server) {
        assert!(self.files > 0.0 && self.memory_bytes > 0.0, "{self:?} is measured");
        let held = ["tally_shows", "tally_http_connections", "tally_http_waiting_requests"];
        wait::until("all shows and connections to go", Duration::from_secs(60), || {
            let metrics = server.metrics();
            held.iter().all(|name| metrics.has(name) && metrics.value(name) == 0.0).then_some(())
        });
        wait::until("files to be closed", Duration::from_secs(20), || {
            (Self::of(server).files <= self.files + Self::FILES_SLACK).then_some(())
        });
        let now = Self::of(server);
        // Threads for blocking work come and go; a leak would grow with the peers above.
        assert!(now.threads <= self.threads + 8.0, "{self:?} -> {now:?}");
        let grown = now.memory_bytes - self.memory_bytes;
        assert!(grown < Self::MEMORY_SLACK_BYTES, "{self:?} -> {now:?}");
    }
}

/// A thousand connections need a thousand descriptors here, too.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// An encoder that hangs without a word is taken for gone, and the show ends after the grace.
#[test]
fn an_encoder_that_freezes_ends_its_show() {
    let binary = need!(tools::tally());
    let server = Server::start(&binary, &impatient());
    let publisher = need!(Show::default().publish(&server.publish_url("alice")));
    let playlist = shows::media_playlist(&server, "alice");
    publisher.freeze();
    wait::until("the end", Duration::from_secs(20), || {
        server.get(&playlist).text().contains("#EXT-X-ENDLIST").then_some(())
    });
}

/// A full disk keeps new creators from being stored; the show that is on goes on.
#[test]
fn a_full_disk_does_not_stop_a_show() {
    let binary = need!(tools::tally());
    let disk = need!(SmallDisk::mount());
    let data = disk.path.join("data");
    let settings = Settings::default().with("server.data_dir", &data.display().to_string());
    let server = Server::start(&binary, &settings);
    let _publisher = need!(Show::default().publish(&server.publish_url("alice")));
    let playlist = shows::media_playlist(&server, "alice");
    disk.fill();
    // Whether it is let in or refused is the store's choice; it must be an answer.
    let other = RawEncoder::reach(server.rtmp, State::Publishing, "bob");
    println!("a new creator on a full disk: {:?}", other.as_ref().err());
    let mut end = None;
    let recording = Recording::follow(server.http, &playlist, |playlist| {
        playlist.open.msn >= *end.get_or_insert(playlist.open.msn + 3)
    });
    rules::check(&recording.unwrap()).unwrap();
    assert_eq!(server.admin_get("/healthz").unwrap().status, 200);
}

/// A disk of a few megabytes in memory.
struct SmallDisk {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl SmallDisk {
    fn mount() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "tally-e2e"]).arg(folder.path());
        let output = mount.output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("mounting: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(Self { path: folder.path().to_owned(), _folder: folder })
    }

    fn fill(&self) {
        let full = std::fs::write(self.path.join("full"), vec![0; 8 << 20]);
        assert!(full.is_err(), "eight megabytes on a disk of four");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(Path::new(&self.path)).status();
    }
}

/// A port that is taken is named with its key and a way out, in one line.
#[test]
fn a_busy_port_is_named_with_its_key() {
    let binary = need!(tools::tally());
    let server = need!(shows::server());
    for (key, address) in [("http.listen", server.http), ("rtmp.listen", server.rtmp)] {
        let said = start_that_fails(&binary, key, address);
        let line = said.lines().find(|line| line.contains(key));
        let line = line.unwrap_or_else(|| panic!("{key} is not named:\n{said}"));
        assert!(line.contains(&address.to_string()), "{line}");
        assert!(line.contains("use"), "the reason is not named: {line}");
    }
}

fn start_that_fails(binary: &Path, key: &str, address: SocketAddr) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command.arg("20").arg(binary).arg("serve").current_dir(folder.path());
    for other in ["http.listen", "rtmp.listen", "webrtc.listen", "admin.listen"] {
        command.env(variable(other), "127.0.0.1:0");
    }
    let output = command.env(variable(key), address.to_string()).output().unwrap();
    assert!(!output.status.success() && output.status.code() != Some(124), "it started");
    String::from_utf8(output.stderr).unwrap()
}
