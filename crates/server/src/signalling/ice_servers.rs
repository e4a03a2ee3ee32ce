//! STUN and TURN servers that clients are told of (W12).

use std::time::Duration;

use http::HeaderValue;

use crate::config::{self, IceServer, Secret};
use crate::random;
use crate::webrtc::TurnCredentials;

/// What clients are told. The server needs none of it itself.
#[derive(Debug)]
pub(super) struct IceServers {
    servers: Vec<IceServer>,
    turn_secret: Option<Secret>,
    turn_lifetime: Duration,
}

impl IceServers {
    /// As configured.
    pub(super) fn new(config: &config::WebRtc) -> Self {
        Self {
            servers: config.ice_servers.clone(),
            turn_secret: config.turn_secret.clone(),
            turn_lifetime: config.turn_credentials,
        }
    }

    /// One `Link` header for each server. All TURN servers get the same credentials, made for this
    /// one client under a name of its own, so that their quotas count clients.
    pub(super) fn links(&self, unix_ms: i64) -> Vec<HeaderValue> {
        let lifetime_s = i64::try_from(self.turn_lifetime.as_secs()).unwrap_or(i64::MAX);
        let expires_s = (unix_ms / 1000).saturating_add(lifetime_s);
        let secret = self.turn_secret.as_ref();
        let turn = secret.map(|s| TurnCredentials::new(&s.0, &random::name(), expires_s));
        let link = |server: &IceServer| {
            let mut link = format!("<{}>; rel=\"ice-server\"", server.url);
            if let Some(TurnCredentials { username, password }) =
                turn.as_ref().filter(|_| server.is_turn)
            {
                link.push_str(&format!(
                    "; username=\"{username}\"; credential=\"{password}\"; \
                     credential-type=\"password\""
                ));
            }
            HeaderValue::from_str(&link).expect("the configuration takes printable servers only")
        };
        self.servers.iter().map(link).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn links(config: &str) -> Vec<String> {
        let config = Config::parse("tally.toml", config).unwrap();
        let links = IceServers::new(&config.webrtc).links(1_700_000_000_999);
        links.iter().map(|link| link.to_str().unwrap().to_owned()).collect()
    }

    /// W12
    #[test]
    fn a_stun_server_is_an_address() {
        let links = links("webrtc.ice_servers = [\"stun:stun.example.com:3478\"]");
        assert_eq!(links, ["<stun:stun.example.com:3478>; rel=\"ice-server\""]);
    }

    /// W12
    #[test]
    fn a_turn_server_comes_with_a_name_that_expires_and_its_password() {
        let links = links(
            "webrtc.ice_servers = [\"turn:turn.example.com?transport=udp\"]\n\
             webrtc.turn_secret = \"correct horse\"\nwebrtc.turn_credentials_s = 3600",
        );
        let [link] = &links[..] else { panic!("{links:?}") };
        let rest = link
            .strip_prefix("<turn:turn.example.com?transport=udp>; rel=\"ice-server\"; username=\"")
            .unwrap();
        let (username, rest) = rest.split_once("\"; credential=\"").unwrap();
        let (credential, rest) = rest.split_once('"').unwrap();
        assert_eq!(rest, "; credential-type=\"password\"");
        let name = username.strip_prefix("1700003600:").unwrap();
        let made = TurnCredentials::new("correct horse", name, 1_700_003_600);
        assert_eq!(credential, made.password);
    }
}
