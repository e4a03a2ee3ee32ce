//! The binary under test.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::http::{Request, Response};
use crate::metrics::Metrics;
use crate::process::Process;
use crate::wait;

/// How long a start may take. It takes a fraction of a second on an idle machine.
const START_WITHIN: Duration = Duration::from_secs(20);

/// Configuration as `TALLY_<SECTION>__<KEY>`, on top of loopback listeners on free ports, open
/// publishing and a data folder of its own.
#[derive(Debug, Clone, Default)]
pub struct Settings(Vec<(String, String)>);

impl Settings {
    /// Sets one key, written with dots: `rtmp.reconnect_grace_s`.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.0.push((variable(key), value.to_owned()));
        self
    }
}

/// The environment variable of a key: `TALLY_HTTP__LISTEN` for `http.listen`.
pub fn variable(key: &str) -> String {
    format!("TALLY_{}", key.replace('.', "__").to_uppercase())
}

/// A running server. Dropped, it is killed, and its log is shown when the test has failed.
#[derive(Debug)]
pub struct Server {
    /// Plain HTTP.
    pub http: SocketAddr,
    /// HTTPS, when a certificate was given.
    pub https: SocketAddr,
    /// RTMP.
    pub rtmp: SocketAddr,
    /// RTMPS, when a certificate was given.
    pub rtmps: SocketAddr,
    /// WebRTC, UDP and TCP.
    pub webrtc: SocketAddr,
    /// Metrics and health.
    pub admin: SocketAddr,
    /// The program itself.
    pub process: Process,
    data: TempDir,
}

impl Server {
    /// Starts the binary and waits until it says it is ready.
    ///
    /// # Panics
    /// When it does not become ready; its log is shown.
    pub fn start(binary: &Path, settings: &Settings) -> Self {
        let data = TempDir::new().expect("a temporary folder");
        let listeners = loopback_listeners();
        let [http, https, rtmp, rtmps, webrtc, admin] =
            listeners.each_ref().map(|(_, address)| *address);
        let mut command = Command::new(binary);
        command.arg("serve").current_dir(data.path());
        command.envs(listeners.map(|(variable, address)| (variable, address.to_string())));
        command.env(variable("auth.publish"), "open");
        command.env(variable("server.data_dir"), data.path().join("data"));
        command.envs(settings.0.iter().map(|(key, value)| (key, value)));
        let process = Process::start("tally", &command).expect("tally starts");
        let mut server = Self { http, https, rtmp, rtmps, webrtc, admin, process, data };
        wait::until("tally to be ready", START_WITHIN, || {
            assert!(server.process.is_running(), "tally ended at its start");
            server.admin_get("/readyz").ok().filter(|ready| ready.status == 200)
        });
        server
    }

    /// The folder the server runs in; its data folder is `data` below it.
    pub fn folder(&self) -> &Path {
        self.data.path()
    }

    /// Where to publish, by name.
    pub fn publish_url(&self, name: &str) -> String {
        format!("rtmp://{}/live/{name}", self.rtmp)
    }

    /// Where to publish over WebRTC, by name.
    pub fn whip_url(&self, name: &str) -> String {
        format!("http://{}/live/{name}/whip", self.http)
    }

    /// What WebRTC players open.
    pub fn whep_url(&self, handle: &str) -> String {
        format!("http://{}/live/{handle}/whep", self.http)
    }

    /// What players open.
    pub fn play_url(&self, handle: &str) -> String {
        format!("http://{}/live/{handle}/index.m3u8", self.http)
    }

    /// A GET on the public listener.
    ///
    /// # Panics
    /// When the connection fails: the server is gone.
    pub fn get(&self, target: &str) -> Response {
        Request::get(self.http, target).send().expect("the server answers")
    }

    /// A GET on the admin listener.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn admin_get(&self, target: &str) -> anyhow::Result<Response> {
        Request::get(self.admin, target).send()
    }

    /// The server's numbers now.
    ///
    /// # Panics
    /// When there are none.
    pub fn metrics(&self) -> Metrics {
        let response = self.admin_get("/metrics").expect("the admin listener answers");
        assert_eq!(response.status, 200, "/metrics");
        Metrics::parse(response.text())
    }

    /// Waits until a creator's show can be played; gives the multivariant playlist.
    ///
    /// # Panics
    /// When that takes longer than `within`.
    pub fn wait_for_show(&self, handle: &str, within: Duration) -> String {
        let target = format!("/live/{handle}/index.m3u8");
        wait::until(&format!("a show of {handle}"), within, || {
            let response = self.get(&target);
            (response.status == 200).then(|| response.text().to_owned())
        })
    }
}

/// Runs the binary with arguments to its end.
///
/// # Errors
/// When it cannot be started.
pub fn run(binary: &Path, folder: &Path, arguments: &[&str]) -> anyhow::Result<Output> {
    Command::new(binary).args(arguments).current_dir(folder).output().context("tally runs")
}

/// Adds a creator to a server's store before it starts; gives the stream key.
///
/// # Errors
/// When the command fails or prints no key.
pub fn add_creator(binary: &Path, data: &Path, handle: &str) -> anyhow::Result<String> {
    let mut command = Command::new(binary);
    command.args(["creator", "add", handle]).env(variable("server.data_dir"), data);
    let output = command.output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "creator add: {}", String::from_utf8_lossy(&output.stderr));
    let words = printed.split_whitespace();
    let key = words.max_by_key(|word| word.len()).context("a stream key is printed")?;
    Ok(key.to_owned())
}

/// The address this machine has towards others. Firefox pairs no other with a server's: it gives
/// pages the address of the default route alone, and leaves loopback out.
///
/// # Errors
/// When there is no network but loopback.
pub fn outward_address() -> anyhow::Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // A datagram socket sends nothing to connect; the address is one for documentation.
    socket.connect("198.51.100.1:9").context("a default route")?;
    Ok(socket.local_addr()?.ip())
}

/// Every listener's environment variable with a loopback address nobody listens on: HTTP, HTTPS,
/// RTMP, RTMPS, WebRTC, admin.
///
/// # Panics
/// When there are no free ports.
pub fn loopback_listeners() -> [(String, SocketAddr); 6] {
    let keys = [
        "http.listen",
        "http.tls.listen",
        "rtmp.listen",
        "rtmp.tls.listen",
        "webrtc.listen",
        "admin.listen",
    ];
    // Held all at once, so that they differ.
    let held = keys.map(|key| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        (variable(key), listener.expect("a free port on loopback"))
    });
    held.map(|(variable, listener)| {
        (variable, listener.local_addr().expect("a bound listener has an address"))
    })
}
