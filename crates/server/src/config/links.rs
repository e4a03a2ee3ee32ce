//! Addresses to show to people: where to publish, where to watch.

use std::net::{IpAddr, SocketAddr};

use super::Config;

/// Port that `rtmp://HOST/` means.
const RTMP_PORT: u16 = 1935;
/// Port that `http://HOST/` means.
const HTTP_PORT: u16 = 80;
/// Port that `https://HOST/` means.
const HTTPS_PORT: u16 = 443;
/// Port that `rtmps://HOST/` means.
const RTMPS_PORT: u16 = 443;

impl Config {
    /// Start of every address for viewers, without a slash at its end: `server.public_url`, else
    /// made from the listener.
    pub fn viewer_url(&self) -> String {
        if let Some(public) = &self.server.public_url {
            return public.clone();
        }
        match (&self.http.tls, self.http.listen) {
            (_, Some(plain)) => url("http", plain, HTTP_PORT),
            (Some(tls), None) => url("https", tls.listen, HTTPS_PORT),
            (None, None) => unreachable!("a configuration without both is refused"),
        }
    }

    /// Where encoders push to; the stream key comes behind it after a slash. `None` when RTMP and
    /// RTMPS are off.
    pub fn publish_url(&self) -> Option<String> {
        let tls = self.rtmp.tls.as_ref().map(|tls| ("rtmps", tls.listen, RTMPS_PORT));
        let plain = self.rtmp.listen.map(|listen| ("rtmp", listen, RTMP_PORT));
        let (scheme, address, usual) = plain.or(tls)?;
        let public: Option<http::Uri> =
            self.server.public_url.as_ref().and_then(|url| url.parse().ok());
        let base = match public.as_ref().and_then(|uri| uri.host()) {
            Some(host) => format!("{scheme}://{host}{}", port(address.port(), usual)),
            None => url(scheme, address, usual),
        };
        Some(format!("{base}/live"))
    }
}

fn url(scheme: &str, address: SocketAddr, usual: u16) -> String {
    let host = match address.ip() {
        ip if ip.is_unspecified() || ip.is_loopback() => "localhost".into(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    format!("{scheme}://{host}{}", port(address.port(), usual))
}

fn port(port: u16, usual: u16) -> String {
    if port == usual { String::new() } else { format!(":{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_listeners_or_to_the_public_address() {
        let defaults = Config::default();
        assert_eq!(defaults.viewer_url(), "http://localhost:8080");
        assert_eq!(defaults.publish_url().unwrap(), "rtmp://localhost/live");

        let text = "server.public_url = \"https://live.example.com/\"\nrtmp.listen = \"[::]:1940\"";
        let public = Config::parse("test", text).unwrap();
        assert_eq!(public.viewer_url(), "https://live.example.com");
        assert_eq!(public.publish_url().unwrap(), "rtmp://live.example.com:1940/live");

        let text = "rtmp.listen = \"\"\nhttp.listen = \"[2001:db8::1]:80\"";
        let other = Config::parse("test", text).unwrap();
        assert_eq!(other.viewer_url(), "http://[2001:db8::1]");
        assert_eq!(other.publish_url(), None);
    }
}
