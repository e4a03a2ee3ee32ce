//! What may be loaded.
//!
//! By default this host alone: a load tool pointed at somebody else's server is an attack on it. A
//! server's answer names addresses too (ICE candidates), and those are held to the same rule, so that a
//! server cannot turn the tool on others.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use anyhow::{Context, bail};
use http::Uri;

/// A server's address, found to be allowed.
#[derive(Clone, Debug)]
pub struct Target {
    /// As written, for `Host`.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// Where to connect to.
    pub address: SocketAddr,
    /// The user named this host as their own.
    is_owned: bool,
}

impl Target {
    /// Looks `url` up; `owned` are hosts the user says are theirs, as the URL writes them.
    ///
    /// # Errors
    /// When it is no `http` URL, has no address, or names a host that is neither this one nor owned.
    pub async fn resolve(url: &str, owned: &[String]) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("{url} is no URL"))?;
        if uri.scheme_str() != Some("http") {
            bail!("{url}: only http:// is spoken; give the server's plain listener");
        }
        let authority = uri.authority().with_context(|| format!("{url} names no host"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = authority.port_u16().unwrap_or(80);
        let found = tokio::net::lookup_host((host, port)).await;
        let found: Vec<_> = found.with_context(|| format!("{host} has no address"))?.collect();
        let is_owned = owned.iter().any(|it| it == host);
        // Any other address of a name could be a stranger's, and the next look-up may give it.
        if !is_owned && !found.iter().all(|it| it.ip().is_loopback()) {
            bail!("{host} is not this host: if it is yours, say --i-own-this-target {host}");
        }
        let address = *found.first().with_context(|| format!("{host} has no address"))?;
        let path = uri.path_and_query().map_or("/", |it| it.as_str()).to_owned();
        Ok(Self { authority: authority.to_string(), path, address, is_owned })
    }

    /// Whether media may be asked for at an address that the server names.
    #[must_use]
    pub fn allows(&self, ip: IpAddr) -> bool {
        // Only an address of this host can be bound to.
        self.is_owned || ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_this_host_is_loaded_unless_the_user_owns_the_other() {
        let local =
            Target::resolve("http://127.0.0.1:8080/live/alice/whep?a=b", &[]).await.unwrap();
        assert_eq!(local.address, SocketAddr::from(([127, 0, 0, 1], 8080)));
        assert_eq!((&*local.path, &*local.authority), ("/live/alice/whep?a=b", "127.0.0.1:8080"));
        assert!(Target::resolve("http://[::1]/whep", &[]).await.is_ok());
        let stranger = "http://192.0.2.1/whep";
        let refusal = Target::resolve(stranger, &["192.0.2.2".to_owned()]).await.unwrap_err();
        assert!(refusal.to_string().contains("--i-own-this-target 192.0.2.1"), "{refusal}");
        let owned = Target::resolve(stranger, &["192.0.2.1".to_owned()]).await.unwrap();
        assert!(owned.allows("198.51.100.1".parse().unwrap()));
    }

    #[tokio::test]
    async fn addresses_a_server_names_are_this_hosts_too() {
        let local = Target::resolve("http://127.0.0.1:1/", &[]).await.unwrap();
        assert!(local.allows("127.0.0.1".parse().unwrap()));
        assert!(!local.allows("192.0.2.1".parse().unwrap()));
    }

    #[tokio::test]
    async fn what_is_no_plain_url_is_refused() {
        for wrong in ["https://127.0.0.1/", "127.0.0.1", "/live", "http://", "rtmp://127.0.0.1/a"] {
            assert!(Target::resolve(wrong, &[]).await.is_err(), "{wrong}");
        }
    }
}
