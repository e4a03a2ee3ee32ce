//! The binary as operators run it: checks, creators, signals.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn tally(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tally"));
    command.current_dir(folder).env_clear();
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    tally(folder).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn check_config_tells_good_from_bad() {
    let folder = tempfile::tempdir().unwrap();
    let good = run(folder.path(), &["check-config"]);
    assert!(good.status.success());
    assert!(stdout(&good).contains("[hls]\npart_ms = 250\n"), "{}", stdout(&good));

    std::fs::write(folder.path().join("t.toml"), "[hls]\npart_ms = 1\npart_s = 1\n").unwrap();
    let bad = run(folder.path(), &["check-config", "--config", "t.toml"]);
    assert_eq!(bad.status.code(), Some(1));
    assert_eq!(stderr(&bad).lines().count(), 2, "{}", stderr(&bad));
    assert_eq!(stdout(&bad), "");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "checking makes nothing");
}

#[test]
fn the_printed_defaults_are_a_config_file() {
    let folder = tempfile::tempdir().unwrap();
    let defaults = run(folder.path(), &["check-config", "--defaults"]);
    std::fs::write(folder.path().join("all.toml"), &defaults.stdout).unwrap();
    assert!(run(folder.path(), &["check-config", "--config", "all.toml"]).status.success());
}

#[test]
fn help_teaches_with_examples() {
    let folder = tempfile::tempdir().unwrap();
    let help = stdout(&run(folder.path(), &["--help"]));
    assert!(help.contains("tally creator add alice") && help.contains("rtmp://"), "{help}");
    let version = stdout(&run(folder.path(), &["--version"]));
    assert_eq!(version, format!("tally {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_creator_gets_a_key_once() {
    let folder = tempfile::tempdir().unwrap();
    let added = run(folder.path(), &["creator", "add", "alice"]);
    assert!(added.status.success(), "{}", stderr(&added));
    let key = |output: &Output| {
        let text = stdout(output);
        let line = text.lines().find(|line| line.starts_with("Stream key")).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let first = key(&added);
    assert!(first.len() >= 20, "{first}");
    assert!(stdout(&added).contains("http://localhost:8080/live/alice"), "{}", stdout(&added));

    let again = run(folder.path(), &["creator", "add", "alice"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("alice"), "{}", stderr(&again));

    let rotated = run(folder.path(), &["creator", "rotate-key", "alice"]);
    assert_ne!(key(&rotated), first);
    let listed = run(folder.path(), &["creator", "list"]);
    assert_eq!(stdout(&listed), "alice\n");
    let unknown = run(folder.path(), &["creator", "rotate-key", "bob"]);
    assert_eq!(unknown.status.code(), Some(1));
    let bad = run(folder.path(), &["creator", "add", "Not A Handle!"]);
    assert!(stderr(&bad).contains("Not A Handle! is not a handle"), "{}", stderr(&bad));
}

/// A running server and its log, ended when dropped.
struct Running {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn start(folder: &Path, more: &[(&str, &str)]) -> Self {
        let mut child = tally(folder)
            .arg("serve")
            .env("TALLY_HTTP__LISTEN", "127.0.0.1:0")
            .env("TALLY_RTMP__LISTEN", "127.0.0.1:0")
            .env("TALLY_ADMIN__LISTEN", "127.0.0.1:0")
            .env("TALLY_WEBRTC__LISTEN", "127.0.0.1:0")
            .envs(more.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Reads the log up to a line that contains `wanted`.
    fn line_with(&mut self, wanted: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let read = self.log.read_line(&mut line).unwrap();
            assert!(read > 0, "the log ended without {wanted:?}: {seen}");
            if line.contains(wanted) {
                return line;
            }
            seen.push_str(&line);
        }
    }

    fn http_address(&mut self) -> SocketAddr {
        let line = self.line_with("listening on http://");
        let (_, rest) = line.split_once("http://").unwrap();
        let end = rest.find([' ', '"', '\n']).unwrap();
        rest[..end].parse().unwrap()
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn serve_says_where_it_listens_and_ends_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Running::start(folder.path(), &[]);
    let address = server.http_address();
    assert_ne!(address.port(), 0, "the actual port is named");
    let mut viewer = TcpStream::connect(address).unwrap();
    viewer.write_all(b"GET /nothing HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    viewer.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 404"), "{answer}");
    server.line_with("listening on http://127.0.0.1");
    server.signal("-TERM");
    server.line_with("stopped");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn json_logs_are_one_object_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Running::start(folder.path(), &[("TALLY_SERVER__LOG_FORMAT", "json")]);
    let line = server.line_with("listening on rtmp://");
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["level"], "INFO");
    assert_eq!(event["key"], "rtmp.listen");
    server.signal("-INT");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_signal_exits_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Running::start(folder.path(), &[("TALLY_SERVER__DRAIN_S", "600")]);
    // A request that is never finished holds the drain.
    let mut viewer = TcpStream::connect(server.http_address()).unwrap();
    viewer.write_all(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /unfini").unwrap();
    let mut first = [0; 12];
    viewer.read_exact(&mut first).unwrap();
    server.signal("-TERM");
    server.line_with("draining");
    server.signal("-TERM");
    server.line_with("a second time");
    assert_eq!(server.child.wait().unwrap().code(), Some(130));
}

#[test]
fn sighup_reloads_certificates_and_a_bad_one_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut server = Running::start(
        folder.path(),
        &[
            ("TALLY_HTTP__TLS__LISTEN", "127.0.0.1:0"),
            ("TALLY_HTTP__TLS__CERT", cert.to_str().unwrap()),
            ("TALLY_HTTP__TLS__KEY", key.to_str().unwrap()),
        ],
    );
    server.line_with("listening on https://");
    server.signal("-HUP");
    server.line_with("certificate reloaded");
    std::fs::write(&cert, "nothing").unwrap();
    server.signal("-HUP");
    let line = server.line_with("certificate not reloaded");
    assert!(line.contains("http.tls.cert"), "{line}");
    server.signal("-TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_busy_port_is_one_line_and_exit_code_one() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = tally(folder.path())
        .arg("serve")
        .env("TALLY_HTTP__LISTEN", &address)
        .env("TALLY_SERVER__LOG", "error")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("tally: http.listen: cannot listen on "), "{said}");
    assert_eq!(said.matches("in use").count(), 1, "said once: {said}");
}
