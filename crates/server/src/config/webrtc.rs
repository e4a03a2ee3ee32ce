//! `[webrtc]`: where media of browsers and WHIP encoders comes and goes.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::error::Problem;
use super::values::Values;

/// `[webrtc]`.
#[derive(Debug, Clone)]
pub struct WebRtc {
    /// UDP and TCP port of all sessions; `None` is off.
    pub listen: Option<SocketAddr>,
    /// What peers are told to send to; empty: the listener's own addresses.
    pub public_addresses: Vec<PublicAddress>,
    /// What clients are told to ask for paths of their own.
    pub ice_servers: Vec<IceServer>,
    /// What TURN credentials are made from.
    pub turn_secret: Option<Secret>,
    /// How long TURN credentials are good for.
    pub turn_credentials: Duration,
    /// Sessions at a time.
    pub sessions_max: usize,
    /// Requests of one address that make or change sessions, per second; 0 is no limit.
    pub requests_per_second_max: u32,
    /// TCP connections at a time; 0 is off.
    pub tcp_connections_max: usize,
    /// Time for a TCP connection to name its session.
    pub tcp_deadline: Duration,
}

/// An address as peers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicAddress {
    /// The address.
    pub ip: IpAddr,
    /// Its port; `None` is the listener's.
    pub port: Option<u16>,
}

/// A STUN or TURN server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    /// As RFC 7064 and RFC 7065 write it: printable, without quotes, commas or angle brackets.
    pub url: String,
    /// Whether it relays, and so wants credentials.
    pub is_turn: bool,
}

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

pub(super) fn read(values: &mut Values) -> WebRtc {
    WebRtc {
        listen: values.address_or_off("webrtc.listen"),
        public_addresses: values.list("webrtc.public_addresses", public_address),
        ice_servers: values.list("webrtc.ice_servers", ice_server),
        turn_secret: values.secret_or_none("webrtc.turn_secret"),
        turn_credentials: values.seconds("webrtc.turn_credentials_s"),
        sessions_max: values.size("webrtc.sessions_max"),
        requests_per_second_max: values.number_u32("webrtc.requests_per_second_max"),
        tcp_connections_max: values.size("webrtc.tcp_connections_max"),
        tcp_deadline: values.seconds("webrtc.tcp_deadline_s"),
    }
}

impl WebRtc {
    /// What of this section does not fit together.
    pub(super) fn conflict(&self) -> Option<Problem> {
        let turn = self.ice_servers.iter().find(|server| server.is_turn)?;
        self.turn_secret.is_none().then(|| Problem::Conflict {
            keys: format!("webrtc.ice_servers has {} and webrtc.turn_secret is empty", turn.url),
            reason: "a TURN server takes nobody without credentials",
            remedy: "set webrtc.turn_secret to the server's static-auth-secret",
        })
    }
}

fn public_address(text: &str) -> Option<PublicAddress> {
    let whole = text.parse::<SocketAddr>().map(|a| (a.ip(), Some(a.port())));
    let (ip, port) = whole.or_else(|_| text.parse().map(|ip| (ip, None))).ok()?;
    let is_usable = !ip.is_unspecified() && !ip.is_multicast() && port != Some(0);
    is_usable.then_some(PublicAddress { ip, port })
}

fn ice_server(text: &str) -> Option<IceServer> {
    let (scheme, rest) = text.split_once(':')?;
    let is_turn = match scheme {
        "stun" | "stuns" => false,
        "turn" | "turns" => true,
        _ => return None,
    };
    let (host, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    let is_query =
        query.is_empty() || is_turn && matches!(query, "transport=udp" | "transport=tcp");
    let is_good = !host.is_empty() && host.bytes().all(is_host) && is_query;
    is_good.then(|| IceServer { url: text.to_owned(), is_turn })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn lists_may_be_lists_or_text_with_commas() {
        let read = |value: &str| {
            let text = format!("webrtc.public_addresses = {value}");
            Config::parse("tally.toml", &text).unwrap().webrtc.public_addresses
        };
        let both = read(r#"["203.0.113.5", "[2001:db8::5]:8190"]"#);
        assert_eq!(both, read(r#""203.0.113.5, [2001:db8::5]:8190""#));
        let [first, second] = both[..] else { panic!("{both:?}") };
        assert_eq!((first.ip.to_string(), first.port), ("203.0.113.5".into(), None));
        assert_eq!((second.ip.to_string(), second.port), ("2001:db8::5".into(), Some(8190)));
        assert_eq!(read("[]"), read(r#""""#));
    }

    #[test]
    fn addresses_nobody_can_send_to_are_refused() {
        for bad in ["0.0.0.0", "224.0.0.1", "203.0.113.5:0", "example.com", ""] {
            assert_eq!(public_address(bad), None, "{bad}");
        }
        let text = "webrtc.public_addresses = [\"::\"]";
        let said = Config::parse("tally.toml", text).unwrap_err().to_string();
        assert!(said.contains(r#"webrtc.public_addresses = ["::"]"#), "{said}");
    }

    #[test]
    fn ice_servers_are_those_of_their_rfcs() {
        let is_turn = |text: &str| ice_server(text).map(|server| server.is_turn);
        assert_eq!(is_turn("stun:stun.example.com"), Some(false));
        assert_eq!(is_turn("turns:[2001:db8::1]:5349?transport=tcp"), Some(true));
        for bad in ["http://x", "stun:", "stun:a b", "turn:a?transport=sctp", "stun:\"x\"", "turn"]
        {
            assert_eq!(is_turn(bad), None, "{bad}");
        }
    }

    #[test]
    fn turn_without_a_secret_is_refused_and_the_secret_stays_hidden() {
        let servers = "webrtc.ice_servers = \"turn:turn.example.com\"\n";
        let said = Config::parse("tally.toml", servers).unwrap_err().to_string();
        assert!(said.contains("webrtc.turn_secret is empty"), "{said}");
        let text = format!("{servers}webrtc.turn_secret = \"correct horse\"");
        let config = Config::parse("tally.toml", &text).unwrap();
        assert!(!config.to_toml().contains("horse") && !format!("{config:?}").contains("horse"));
    }
}
