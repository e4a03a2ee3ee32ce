//! The listeners a server is given: opened before anything else starts, so that a busy port or a
//! bad certificate ends the start with one line, and so that tests own their ports.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::config::{Config, Tls};
use crate::http::ALPN;
use crate::net::{Certificate, CertificateError, ListenError, TlsListener, listen};
use crate::webrtc::Sockets;

/// Every listener of the configuration, open. Connections queue from here on and are accepted by
/// [`super::run`].
#[derive(Debug, Clone)]
pub struct BoundListeners {
    /// `http.listen`
    pub http: Option<Arc<TcpListener>>,
    /// `http.tls`
    pub https: Option<TlsListener>,
    /// `rtmp.listen`
    pub rtmp: Option<Arc<TcpListener>>,
    /// `rtmp.tls`
    pub rtmps: Option<TlsListener>,
    /// `webrtc.listen`
    pub webrtc: Option<Sockets>,
    /// `admin.listen`
    pub admin: Arc<TcpListener>,
}

/// Why the listeners could not be opened. The operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A port or an address.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A certificate or its key.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl BoundListeners {
    /// Reads the certificates and opens every listener. Must be called inside a runtime.
    ///
    /// # Errors
    /// At the first port that cannot be had or certificate that cannot be used.
    pub fn bind(config: &Config) -> Result<Self, BindError> {
        Ok(Self {
            http: plain("http.listen", config.http.listen)?,
            https: tls(["http.tls", "http.tls.listen"], config.http.tls.as_ref(), ALPN)?,
            rtmp: plain("rtmp.listen", config.rtmp.listen)?,
            rtmps: tls(["rtmp.tls", "rtmp.tls.listen"], config.rtmp.tls.as_ref(), &[])?,
            webrtc: config.webrtc.listen.map(Sockets::bind).transpose()?,
            admin: Arc::new(listen("admin.listen", config.admin.listen)?),
        })
    }

    /// The certificates in use, for reloading.
    pub fn certificates(&self) -> Vec<Arc<Certificate>> {
        let secure = [&self.https, &self.rtmps].into_iter().flatten();
        secure.map(|tls| Arc::clone(&tls.certificate)).collect()
    }

    /// Each open listener: its config key, the scheme spoken there, and its actual address.
    pub fn addresses(&self) -> Vec<(&'static str, &'static str, SocketAddr)> {
        let https = self.https.as_ref().map(|tls| &tls.listener);
        let rtmps = self.rtmps.as_ref().map(|tls| &tls.listener);
        let webrtc = self.webrtc.as_ref().map(|sockets| &sockets.tcp);
        let all = [
            ("http.listen", "http", self.http.as_ref()),
            ("http.tls.listen", "https", https),
            ("rtmp.listen", "rtmp", self.rtmp.as_ref()),
            ("rtmp.tls.listen", "rtmps", rtmps),
            ("webrtc.listen", "webrtc", webrtc),
            ("admin.listen", "http", Some(&self.admin)),
        ];
        all.into_iter()
            .filter_map(|(key, scheme, listener)| Some((key, scheme, listener?.local_addr().ok()?)))
            .collect()
    }

    /// One log line for each listener.
    pub(super) fn announce(&self) {
        for (key, scheme, address) in self.addresses() {
            tracing::info!(key, "listening on {scheme}://{address}");
        }
    }
}

fn plain(
    key: &'static str,
    address: Option<SocketAddr>,
) -> Result<Option<Arc<TcpListener>>, ListenError> {
    address.map(|address| listen(key, address).map(Arc::new)).transpose()
}

fn tls(
    [section, key]: [&'static str; 2],
    config: Option<&Tls>,
    protocols: &[&str],
) -> Result<Option<TlsListener>, BindError> {
    let Some(config) = config else { return Ok(None) };
    let certificate = Certificate::load(section, config)?;
    let listener = listen(key, config.listen)?;
    Ok(Some(TlsListener::new(listener, certificate, protocols)))
}
