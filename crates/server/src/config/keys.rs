//! The one list of configuration keys: name, kind of value, default, unit and explanation.
//!
//! Everything that speaks about keys reads this list: the parser (what exists), the validation
//! (what is allowed), the hints (what was meant) and the documented file `config/tally.toml`
//! (a test holds that file equal to [`reference()`]).

use std::fmt::Write as _;

/// What values a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number between `min` and `max`, counted in `unit`.
    Number {
        /// Smallest allowed value.
        min: u64,
        /// Largest allowed value.
        max: u64,
        /// What is counted: `"s"`, `"ms"`, `"bytes"`, or a noun in the plural.
        unit: &'static str,
    },
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// `IP:PORT` to listen on. Port 0 takes any free port.
    Address,
    /// `IP:PORT` to listen on, or empty for "off".
    AddressOrOff,
    /// A path in the file system, relative to the working directory. May not be empty.
    Path,
    /// A path in the file system, or empty for "not given".
    PathOrNone,
    /// An `http://` or `https://` address without a path, or empty for "not given".
    WebAddressOrNone,
    /// A database address: `sqlite:FILE`, or empty for a file in `server.data_dir`.
    DatabaseOrDefault,
    /// Log directives such as `info` or `info,tally_server=debug`.
    LogFilter,
    /// `IP` or `IP:PORT`, any number of them: a list, or text with commas.
    PublicAddresses,
    /// STUN and TURN servers (RFC 7064, RFC 7065), any number of them: a list, or text with commas.
    IceServers,
    /// A password, or empty for "none".
    SecretOrNone,
}

/// One configuration key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The full name with dots, such as `http.tls.cert`.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// The default, as it is written in TOML.
    pub default: &'static str,
    /// What it does and why one would change it: one or more lines for the documented file.
    pub help: &'static str,
    /// True when the value may hold a password and must not be shown whole.
    pub secret: bool,
}

impl Key {
    /// The environment variable that overrides the key: `TALLY_HTTP__TLS__CERT`.
    pub fn variable(&self) -> String {
        format!("TALLY_{}", self.name.replace('.', "__").to_uppercase())
    }

    /// Section and name inside it: `("http.tls", "cert")`.
    pub fn split(&self) -> (&'static str, &'static str) {
        self.name.rsplit_once('.').expect("every key in KEYS has a section")
    }
}

const fn key(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Key {
    Key { name, kind, default, help, secret: false }
}

const fn number(min: u64, max: u64, unit: &'static str) -> Kind {
    Kind::Number { min, max, unit }
}

const HOUR_S: u64 = 3600;
const MIB: u64 = 1 << 20;

/// Every key there is, grouped by section in the order of the documented file.
pub static KEYS: &[Key] = &[
    key(
        "server.data_dir",
        Kind::Path,
        r#""./data""#,
        "Folder of everything that is kept on disk. It is made when it is missing.",
    ),
    key(
        "server.public_url",
        Kind::WebAddressOrNone,
        r#""""#,
        "Address at which viewers reach this server, such as \"https://live.example.com\".\n\
         Used in the links that are printed. Empty: made from the listener's own address.",
    ),
    key(
        "server.log",
        Kind::LogFilter,
        r#""info""#,
        "What is logged: a level (error, warn, info, debug, trace), or directives by module\n\
         such as \"info,tally_server::http=debug\".",
    ),
    key(
        "server.log_format",
        Kind::Choice(&["text", "json"]),
        r#""text""#,
        "\"text\" for people, \"json\" for machines (one object a line). Logs go to stderr.",
    ),
    key(
        "server.drain_s",
        number(0, HOUR_S, "s"),
        "10",
        "Time from SIGTERM until everything still open is cut. Shows end and players are\n\
         served their last segments within it. A second signal ends at once.",
    ),
    key(
        "server.shows_max",
        number(1, 100_000, "shows"),
        "500",
        "Shows held at a time. Each holds up to hls.window_s of media in memory: 45 MB at\n\
         6 Mbit/s and 60 s.",
    ),
    key(
        "http.listen",
        Kind::AddressOrOff,
        r#""0.0.0.0:8080""#,
        "Plain HTTP: pages, API and LL-HLS, HTTP/1.1 and HTTP/2 (prior knowledge).\n\
         Empty: off. \"[::]:8080\" listens on IPv6 and IPv4.",
    ),
    key(
        "http.connections_max",
        number(1, 10_000_000, "connections"),
        "16000",
        "Connections open at a time, HTTP and HTTPS together; more are closed at once.\n\
         Each takes a file descriptor: see `ulimit -n`.",
    ),
    key(
        "http.waiting_requests_max",
        number(1, 10_000_000, "requests"),
        "50000",
        "Requests that wait for media to come (blocking playlist reloads, hinted parts), on\n\
         the whole server; more get 503. A waiting request holds a few KB of memory.",
    ),
    key(
        "http.waiting_requests_per_connection_max",
        number(1, 100_000, "requests"),
        "100",
        "The same on one connection. A player has one or two for each rendition it plays; an\n\
         HTTP/2 cache in front of the server has those of all its viewers.",
    ),
    key(
        "http.streams_per_connection_max",
        number(8, 10_000, "streams"),
        "200",
        "HTTP/2 requests in flight on one connection.",
    ),
    key(
        "http.header_bytes_max",
        number(8192, MIB, "bytes"),
        "32768",
        "Size of a request's head; more gets 431.",
    ),
    key(
        "http.body_bytes_max",
        number(0, 1024 * MIB, "bytes"),
        "65536",
        "Size of a request's body; more gets 413.",
    ),
    key(
        "http.header_deadline_s",
        number(1, HOUR_S, "s"),
        "10",
        "Time for the TLS handshake, and for a request's whole head from its first byte.\n\
         What is slower is closed.",
    ),
    key(
        "http.idle_s",
        number(1, HOUR_S, "s"),
        "60",
        "A connection without requests is closed after this.",
    ),
    key(
        "http.write_stall_s",
        number(1, HOUR_S, "s"),
        "20",
        "A viewer that takes none of the bytes it asked for is closed after this.",
    ),
    key(
        "http.tls.listen",
        Kind::Address,
        r#""0.0.0.0:8443""#,
        "HTTPS with HTTP/1.1 and HTTP/2. Off until `cert` and `key` are given.",
    ),
    key(
        "http.tls.cert",
        Kind::PathOrNone,
        r#""""#,
        "PEM file of the certificate and its chain, the server's own first.\n\
         Read again on SIGHUP.",
    ),
    key(
        "http.tls.key",
        Kind::PathOrNone,
        r#""""#,
        "PEM file of its private key. Read again on SIGHUP.",
    ),
    key(
        "rtmp.listen",
        Kind::AddressOrOff,
        r#""0.0.0.0:1935""#,
        "RTMP and Enhanced RTMP publishing. Empty: off.",
    ),
    key(
        "rtmp.connections_max",
        number(1, 1_000_000, "connections"),
        "1000",
        "Connections open at a time, RTMP and RTMPS together; more are closed at once.",
    ),
    key(
        "rtmp.reconnect_grace_s",
        number(0, HOUR_S, "s"),
        "30",
        "An encoder or WebRTC publisher that drops may come back within this: same show, viewers\n\
         stay.",
    ),
    key(
        "rtmp.message_bytes_max",
        number(65_536, 0xff_ffff, "bytes"),
        "8388608",
        "Size of one message: the largest frame an encoder may send.",
    ),
    key(
        "rtmp.buffered_bytes_max",
        number(65_536, 1024 * MIB, "bytes"),
        "16777216",
        "Bytes of unfinished messages held for one connection. At least message_bytes_max.",
    ),
    key(
        "rtmp.chunk_streams_max",
        number(8, 65_599, "chunk streams"),
        "64",
        "Chunk streams one connection may open. Encoders use fewer than ten.",
    ),
    key(
        "rtmp.handshake_deadline_s",
        number(1, HOUR_S, "s"),
        "10",
        "Time for the TLS and the RTMP handshake.",
    ),
    key(
        "rtmp.publish_deadline_s",
        number(1, HOUR_S, "s"),
        "10",
        "Time from the handshake until the connection publishes.",
    ),
    key(
        "rtmp.idle_s",
        number(1, HOUR_S, "s"),
        "30",
        "A publisher that sends nothing is taken for gone after this.",
    ),
    key(
        "rtmp.tls.listen",
        Kind::Address,
        r#""0.0.0.0:1936""#,
        "RTMPS publishing. Off until `cert` and `key` are given.",
    ),
    key(
        "rtmp.tls.cert",
        Kind::PathOrNone,
        r#""""#,
        "PEM file of the certificate and its chain; may be the one of http.tls.\n\
         Read again on SIGHUP.",
    ),
    key(
        "rtmp.tls.key",
        Kind::PathOrNone,
        r#""""#,
        "PEM file of its private key. Read again on SIGHUP.",
    ),
    key(
        "webrtc.listen",
        Kind::AddressOrOff,
        r#""0.0.0.0:8189""#,
        "WebRTC: media over UDP, and over TCP at the same port for networks without UDP.\n\
         Empty: off. Browsers reach it beside http.listen: open this port for both.",
    ),
    key(
        "webrtc.public_addresses",
        Kind::PublicAddresses,
        "[]",
        "Addresses that peers are told to send to, the best first. Behind a one-to-one NAT: the\n\
         outer ones. Empty: webrtc.listen, or this machine's own addresses when that is a wildcard.",
    ),
    key(
        "webrtc.ice_servers",
        Kind::IceServers,
        "[]",
        "STUN and TURN servers that clients are told of. This server needs none itself.",
    ),
    Key {
        name: "webrtc.turn_secret",
        kind: Kind::SecretOrNone,
        default: r#""""#,
        help: "Secret shared with the TURN servers (coturn: `use-auth-secret`), from which\n\
               clients get credentials of their own.",
        secret: true,
    },
    key(
        "webrtc.turn_credentials_s",
        number(60, 7 * 24 * HOUR_S, "s"),
        "21600",
        "How long such credentials are good for.",
    ),
    key(
        "webrtc.sessions_max",
        number(1, 100_000, "sessions"),
        "2000",
        "Viewers and publishers over WebRTC at a time; more get 503. A session holds some\n\
         100 KB of memory.",
    ),
    key(
        "webrtc.requests_per_second_max",
        number(0, 1_000_000, "requests"),
        "50",
        "Requests of WHIP and WHEP that make or change sessions, by one address, in the mean;\n\
         more get 429. 0: no limit, for servers behind a proxy.",
    ),
    key(
        "webrtc.tcp_connections_max",
        number(0, 1_000_000, "connections"),
        "1000",
        "TCP connections open at a time that carry WebRTC; more are closed at once.\n\
         0: no WebRTC over TCP.",
    ),
    key(
        "webrtc.tcp_deadline_s",
        number(1, HOUR_S, "s"),
        "10",
        "Time from such a connection's start until it has named a session. What is slower is\n\
         closed.",
    ),
    key(
        "hls.part_ms",
        number(100, 1000, "ms"),
        "250",
        "Wished length of a part. Players stay three parts behind: shorter parts are less\n\
         delay and more requests. Each show keeps to the next length its frame rate allows.",
    ),
    key(
        "hls.segment_ms",
        number(1000, 10_000, "ms"),
        "2000",
        "Wished length of a segment, cut at the next keyframe. Set the encoder's keyframe\n\
         interval to this or a divisor of it.",
    ),
    key(
        "hls.window_s",
        number(6, HOUR_S, "s"),
        "60",
        "How much of a live show stays listed, for pausing and for slow players.\n\
         At least six segments. Memory: window times bit rate for each show.",
    ),
    key(
        "hls.audio",
        Kind::Choice(&["passthrough", "aac", "both"]),
        r#""passthrough""#,
        "What becomes of Opus, which WebRTC and some RTMP encoders send and some players cannot\n\
         play in fMP4. \"aac\": it is made AAC, at about 1 % of a core and 50 ms of delay.\n\
         \"both\": players choose by what they can play; sound then has playlists of its own, which\n\
         doubles the requests.",
    ),
    key(
        "hls.delivery",
        Kind::Choice(&["direct", "cached"]),
        r#""direct""#,
        "\"direct\": playlists and media are asked for by session, so that what reached each viewer\n\
         is known. \"cached\": only playlists are; media has the same address for everybody, for\n\
         an HTTP cache or CDN in front.",
    ),
    key(
        "auth.publish",
        Kind::Choice(&["key", "open"]),
        r#""key""#,
        "\"key\": publishing needs a creator's stream key (see `tally creator`).\n\
         \"open\": the name published is the handle, made on the fly. For development only.",
    ),
    key(
        "auth.playback",
        Kind::Choice(&["open", "token"]),
        r#""open""#,
        "\"open\": everybody may watch. \"token\": only viewers with a token that was signed with\n\
         auth.viewer_key_file, and each token in one place at a time.",
    ),
    key(
        "auth.viewer_key_file",
        Kind::PathOrNone,
        r#""""#,
        "File with the secret that your own site signs its viewers with (JSON Web Tokens,\n\
         HS256, 32 bytes or more). Empty: viewers are told apart by device only.",
    ),
    key(
        "watch.requests_per_second_max",
        number(0, 1_000_000, "requests"),
        "1000",
        "Requests to the API that one address may make, in the mean; more get 429. A new\n\
         session counts as five. 0: no limit, for servers behind a proxy.",
    ),
    key(
        "watch.final_after_s",
        number(0, 30 * 24 * HOUR_S, "s"),
        "86400",
        "Time from a show's end until its watch time is final. Until then it is provisional,\n\
         and what comes in late still counts; levels are decided on final figures only.",
    ),
    key(
        "watch.levels_file",
        Kind::PathOrNone,
        r#""""#,
        "File with the rules of the levels, such as config/levels.toml, which is what applies\n\
         without one.",
    ),
    key(
        "admin.listen",
        Kind::Address,
        r#""127.0.0.1:9464""#,
        "Metrics and health: /metrics, /healthz, /readyz. Keep it off the open internet.",
    ),
    Key {
        name: "store.url",
        kind: Kind::DatabaseOrDefault,
        default: r#""""#,
        help: "Database of creators and stream keys, such as \"sqlite:/var/lib/tally/tally.db\".\n\
               Empty: the file tally.db in server.data_dir.",
        secret: true,
    },
];

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// How alike two names must be (0..1, Jaro-Winkler) to be offered as "did you mean". Below this,
/// suggestions read as nonsense.
pub(super) const LIKENESS_MIN: f64 = 0.75;

/// The known name nearest to a mistyped one, if one is near enough to be worth a hint.
pub fn nearest(name: &str) -> Option<&'static str> {
    KEYS.iter()
        .map(|key| (strsim::jaro_winkler(name, key.name), key.name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .map(|(_, name)| name)
}

/// True when `name` is a table that holds keys: `http`, `http.tls`.
pub fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

/// Every section once, in the order of [`KEYS`].
pub fn sections() -> Vec<&'static str> {
    let mut sections = Vec::new();
    for key in KEYS {
        let (section, _) = key.split();
        if !sections.contains(&section) {
            sections.push(section);
        }
    }
    sections
}

/// The documented default configuration, as TOML: what `config/tally.toml` holds.
pub fn reference() -> String {
    let mut text = String::from(
        "# Every key of tally with its default. A server without a config file behaves as if it\n\
         # were given this one. Each key can be overridden from the environment:\n\
         # TALLY_<SECTION>__<KEY>, for example TALLY_HTTP__TLS__CERT=/etc/tally/cert.pem.\n\
         #\n\
         # Check a file: tally check-config --config FILE\n\
         # Write this text again: tally check-config --defaults\n",
    );
    for section in sections() {
        let _ = write!(text, "\n[{section}]");
        for key in KEYS.iter().filter(|key| key.split().0 == section) {
            text.push('\n');
            describe(key, &mut text);
        }
    }
    text
}

fn describe(key: &Key, text: &mut String) {
    for line in key.help.lines() {
        let _ = writeln!(text, "# {line}");
    }
    let _ = writeln!(text, "# Takes {}.", key.kind.allowed());
    let _ = writeln!(text, "{} = {}", key.split().1, key.default);
}

impl Kind {
    /// What is allowed, in words that fit after "must be" and stand alone in the documented file.
    pub fn allowed(&self) -> String {
        match self {
            Kind::Number { min, max, unit } => {
                format!("a whole number from {min} to {max} ({unit})")
            }
            Kind::Choice(words) => {
                let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                quoted.join(" or ")
            }
            Kind::Address => "IP:PORT such as \"127.0.0.1:8080\" or \"[::1]:8080\"".into(),
            Kind::AddressOrOff => {
                "IP:PORT such as \"127.0.0.1:8080\" or \"[::1]:8080\", or \"\" for off".into()
            }
            Kind::Path => "a path".into(),
            Kind::PathOrNone => "a path, or \"\" for none".into(),
            Kind::WebAddressOrNone => {
                "\"http://HOST[:PORT]\" or \"https://HOST[:PORT]\", or \"\"".into()
            }
            Kind::DatabaseOrDefault => "\"sqlite:FILE\", or \"\"".into(),
            Kind::LogFilter => "a level or MODULE=LEVEL directives joined by commas".into(),
            Kind::PublicAddresses => {
                "a list of \"IP\" or \"IP:PORT\", such as [\"203.0.113.5\", \"[2001:db8::5]:8189\"]"
                    .into()
            }
            Kind::IceServers => {
                "a list of \"stun:HOST[:PORT]\", \"turn:HOST[:PORT][?transport=udp|tcp]\" or \
                 \"turns:..\""
                    .into()
            }
            Kind::SecretOrNone => "text, or \"\" for none".into(),
        }
    }
}
