//! The checked configuration: typed sections, every value within its limits, no two at odds.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tally_api::PlaybackAuth;
use tally_watch::Basis;

use super::error::{Problem, Problems};
use super::given::Given;
use super::values::{Resolved, Values};
use super::webrtc::{self, WebRtc};

/// Everything the server is built from. Cannot hold a value that is not allowed.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[http]`
    pub http: Http,
    /// `[rtmp]`
    pub rtmp: Rtmp,
    /// `[webrtc]`
    pub webrtc: WebRtc,
    /// `[hls]`
    pub hls: Hls,
    /// `[auth]`
    pub auth: Auth,
    /// `[watch]`
    pub watch: Watch,
    /// `[admin]`
    pub admin: Admin,
    /// `[store]`
    pub store: Store,
    resolved: Vec<Resolved>,
}

impl Config {
    /// Every key with its value and who set it, without secrets, in the order of
    /// [`super::keys::KEYS`].
    pub fn resolved(&self) -> &[Resolved] {
        &self.resolved
    }

    /// The configuration as TOML without secrets; what was set has its origin behind it.
    pub fn to_toml(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        let mut section = "";
        for item in &self.resolved {
            let key = super::keys::find(item.key).expect("resolved from KEYS");
            let (this, name) = key.split();
            if this != section {
                let blank = if section.is_empty() { "" } else { "\n" };
                let _ = writeln!(text, "{blank}[{this}]");
                section = this;
            }
            let _ = write!(text, "{name} = {}", item.shown);
            let _ = match &item.origin {
                super::Origin::Default => writeln!(text),
                origin => writeln!(text, " # {origin}"),
            };
        }
        text
    }
}

/// `[server]`: the process itself.
#[derive(Debug, Clone)]
pub struct Server {
    /// Folder of everything kept on disk.
    pub data_dir: PathBuf,
    /// Address at which viewers reach the server, without a slash at its end.
    pub public_url: Option<String>,
    /// Log directives.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Time from the stop signal until everything still open is cut.
    pub drain: Duration,
    /// Shows held at a time.
    pub shows_max: usize,
}

impl Server {
    /// Folder of the watch log.
    #[must_use]
    pub fn watch_log_dir(&self) -> PathBuf {
        self.data_dir.join("watch")
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[http]` and `[http.tls]`: what viewers connect to.
#[derive(Debug, Clone)]
pub struct Http {
    /// Plain HTTP; `None` is off.
    pub listen: Option<SocketAddr>,
    /// HTTPS; `None` is off.
    pub tls: Option<Tls>,
    /// Connections open at a time.
    pub connections_max: usize,
    /// Requests waiting for media on the whole server.
    pub waiting_requests_max: usize,
    /// Requests waiting for media on one connection.
    pub waiting_requests_per_connection_max: usize,
    /// HTTP/2 requests in flight on one connection.
    pub streams_per_connection_max: u32,
    /// Size of a request's head.
    pub header_bytes_max: u32,
    /// Size of a request's body.
    pub body_bytes_max: usize,
    /// Time for the TLS handshake, and for one request's head.
    pub header_deadline: Duration,
    /// Time a connection may be without requests.
    pub idle: Duration,
    /// Time a viewer may take none of its bytes.
    pub write_stall: Duration,
}

/// A TLS listener: on because a certificate was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Where to listen.
    pub listen: SocketAddr,
    /// PEM file of the certificate chain.
    pub cert: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
}

/// `[rtmp]` and `[rtmp.tls]`: what encoders connect to.
#[derive(Debug, Clone)]
pub struct Rtmp {
    /// RTMP; `None` is off.
    pub listen: Option<SocketAddr>,
    /// RTMPS; `None` is off.
    pub tls: Option<Tls>,
    /// Connections open at a time.
    pub connections_max: usize,
    /// How long a dropped encoder may take to come back.
    pub reconnect_grace: Duration,
    /// Size of one message.
    pub message_bytes_max: usize,
    /// Bytes of unfinished messages of one connection.
    pub buffered_bytes_max: usize,
    /// Chunk streams of one connection.
    pub chunk_streams_max: usize,
    /// Time for the TLS and the RTMP handshake.
    pub handshake_deadline: Duration,
    /// Time from the handshake until publishing.
    pub publish_deadline: Duration,
    /// Time a publisher may send nothing.
    pub idle: Duration,
}

/// `[hls]`: how shows are cut.
#[derive(Debug, Clone)]
pub struct Hls {
    /// Wished length of a part in milliseconds.
    pub part_ms: u32,
    /// Wished length of a segment in milliseconds.
    pub segment_ms: u32,
    /// How much of a live show stays listed, in milliseconds.
    pub window_ms: u32,
    /// Who answers for media: this server, or a cache in front of it.
    pub delivery: Basis,
    /// What becomes of Opus.
    pub audio: HlsAudio,
}

/// What becomes of Opus in LL-HLS. Sound of other codecs goes out as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HlsAudio {
    /// It goes out as it came.
    Passthrough,
    /// It is made AAC.
    Aac,
    /// Players choose between the two.
    Both,
}

/// `[auth]`: who may publish and watch.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Who may publish.
    pub publish: PublishAuth,
    /// Who may watch.
    pub playback: PlaybackAuth,
    /// File with the secret that signs viewers.
    pub viewer_key_file: Option<PathBuf>,
}

/// Who may publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishAuth {
    /// Whoever has a creator's stream key.
    Key,
    /// Everybody; the name published is the handle.
    Open,
}

/// `[watch]`: watch time and the API that takes it in.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Requests to the API from one address, in the mean; 0 for no limit.
    pub requests_per_second_max: u32,
    /// Time from a show's end until its figures are final.
    pub final_after: Duration,
    /// Rules of the levels; none for those that are built in.
    pub levels_file: Option<PathBuf>,
}

/// `[admin]`: metrics and health.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Where to listen.
    pub listen: SocketAddr,
}

/// `[store]`: the database.
#[derive(Clone)]
pub struct Store {
    /// `sqlite:FILE`. May hold a secret: never show it.
    pub url: String,
    /// The config key that says where it is, for messages.
    pub key: &'static str,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// Smallest number of segments a live playlist has to list (PROTOCOLS P15, Apple A8.11).
const WINDOW_SEGMENTS_MIN: u32 = 6;

pub(super) fn check(given: Given) -> Result<Config, Problems> {
    let mut values = Values::new(given);
    let server = server(&mut values);
    let http = http(&mut values);
    let rtmp = rtmp(&mut values);
    let webrtc = webrtc::read(&mut values);
    let hls = hls(&mut values);
    let auth = auth(&mut values);
    let watch = Watch {
        requests_per_second_max: values.number_u32("watch.requests_per_second_max"),
        final_after: values.seconds("watch.final_after_s"),
        levels_file: values.path_or_none("watch.levels_file"),
    };
    let admin = Admin { listen: values.address("admin.listen") };
    let url = values.database("store.url");
    let store = match url {
        Some(url) => Store { url, key: "store.url" },
        None => {
            let file = server.data_dir.join("tally.db");
            Store { url: format!("sqlite:{}", file.display()), key: "server.data_dir" }
        }
    };

    let mut problems = values.problems;
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let mut resolved = values.resolved;
    resolved.sort_by_key(|item| super::keys::KEYS.iter().position(|key| key.name == item.key));
    let config = Config { server, http, rtmp, webrtc, hls, auth, watch, admin, store, resolved };
    conflicts(&config, &mut problems);
    problems.extend(config.webrtc.conflict());
    if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
}

fn server(values: &mut Values) -> Server {
    Server {
        data_dir: values.path("server.data_dir"),
        public_url: values.web_address("server.public_url"),
        log: values.log_filter("server.log"),
        log_format: match values.choice("server.log_format") {
            "json" => LogFormat::Json,
            _ => LogFormat::Text,
        },
        drain: values.seconds("server.drain_s"),
        shows_max: values.size("server.shows_max"),
    }
}

fn http(values: &mut Values) -> Http {
    Http {
        listen: values.address_or_off("http.listen"),
        connections_max: values.size("http.connections_max"),
        waiting_requests_max: values.size("http.waiting_requests_max"),
        waiting_requests_per_connection_max: values
            .size("http.waiting_requests_per_connection_max"),
        streams_per_connection_max: values.number_u32("http.streams_per_connection_max"),
        header_bytes_max: values.number_u32("http.header_bytes_max"),
        body_bytes_max: values.size("http.body_bytes_max"),
        header_deadline: values.seconds("http.header_deadline_s"),
        idle: values.seconds("http.idle_s"),
        write_stall: values.seconds("http.write_stall_s"),
        tls: tls(values, ["http.tls.listen", "http.tls.cert", "http.tls.key"]),
    }
}

fn rtmp(values: &mut Values) -> Rtmp {
    Rtmp {
        listen: values.address_or_off("rtmp.listen"),
        connections_max: values.size("rtmp.connections_max"),
        reconnect_grace: values.seconds("rtmp.reconnect_grace_s"),
        message_bytes_max: values.size("rtmp.message_bytes_max"),
        buffered_bytes_max: values.size("rtmp.buffered_bytes_max"),
        chunk_streams_max: values.size("rtmp.chunk_streams_max"),
        handshake_deadline: values.seconds("rtmp.handshake_deadline_s"),
        publish_deadline: values.seconds("rtmp.publish_deadline_s"),
        idle: values.seconds("rtmp.idle_s"),
        tls: tls(values, ["rtmp.tls.listen", "rtmp.tls.cert", "rtmp.tls.key"]),
    }
}

fn tls(values: &mut Values, [listen, cert, key]: [&'static str; 3]) -> Option<Tls> {
    let address = values.address(listen);
    let files = (values.path_or_none(cert), values.path_or_none(key));
    match files {
        (Some(cert), Some(key)) => Some(Tls { listen: address, cert, key }),
        (None, None) => None,
        (given, _) => {
            let (there, missing) = if given.is_some() { (cert, key) } else { (key, cert) };
            values.problems.push(Problem::Conflict {
                keys: format!("{there} is set and {missing} is not"),
                reason: "a certificate needs its private key",
                remedy: "set both, or neither to leave TLS off",
            });
            None
        }
    }
}

fn hls(values: &mut Values) -> Hls {
    Hls {
        part_ms: values.number_u32("hls.part_ms"),
        segment_ms: values.number_u32("hls.segment_ms"),
        window_ms: values.number_u32("hls.window_s") * 1000,
        delivery: match values.choice("hls.delivery") {
            "cached" => Basis::Cached,
            _ => Basis::Direct,
        },
        audio: match values.choice("hls.audio") {
            "aac" => HlsAudio::Aac,
            "both" => HlsAudio::Both,
            _ => HlsAudio::Passthrough,
        },
    }
}

fn auth(values: &mut Values) -> Auth {
    let publish = match values.choice("auth.publish") {
        "open" => PublishAuth::Open,
        _ => PublishAuth::Key,
    };
    let playback = match values.choice("auth.playback") {
        "token" => PlaybackAuth::Token,
        _ => PlaybackAuth::Open,
    };
    Auth { publish, playback, viewer_key_file: values.path_or_none("auth.viewer_key_file") }
}

fn conflicts(config: &Config, problems: &mut Vec<Problem>) {
    let hls = &config.hls;
    if hls.window_ms < WINDOW_SEGMENTS_MIN * hls.segment_ms {
        problems.push(Problem::Conflict {
            keys: format!(
                "hls.window_s = {}, hls.segment_ms = {}",
                hls.window_ms / 1000,
                hls.segment_ms
            ),
            reason: "a live playlist must list at least six segments",
            remedy: "make window_s six times segment_ms or more",
        });
    }
    if config.rtmp.buffered_bytes_max < config.rtmp.message_bytes_max {
        problems.push(Problem::Conflict {
            keys: format!(
                "rtmp.buffered_bytes_max = {}, rtmp.message_bytes_max = {}",
                config.rtmp.buffered_bytes_max, config.rtmp.message_bytes_max
            ),
            reason: "the largest message could never be received",
            remedy: "raise buffered_bytes_max to message_bytes_max or more",
        });
    }
    if config.auth.playback == PlaybackAuth::Token && config.auth.viewer_key_file.is_none() {
        problems.push(Problem::Conflict {
            keys: "auth.playback = \"token\" and auth.viewer_key_file is not set".into(),
            reason: "no token could be checked, so nobody could watch",
            remedy: "set auth.viewer_key_file to the key your site signs its viewers with",
        });
    }
    if config.http.listen.is_none() && config.http.tls.is_none() {
        problems.push(Problem::Conflict {
            keys: "http.listen is off and http.tls has no certificate".into(),
            reason: "nobody could watch",
            remedy: "set http.listen, or http.tls.cert and http.tls.key",
        });
    }
}
