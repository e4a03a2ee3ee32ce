//! One set of routes behind listeners, within a cap on connections.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tracing::{Instrument as _, debug};

use super::Deadlines;
use super::activity::{Activity, Verdict};
use super::connection::ConnectionContext;
use super::serve::{self, Protocols, Speaks};
use crate::config;
use crate::metrics::HttpMetrics;
use crate::net::{self, Incoming, Places};
use crate::shutdown::Shutdown;

/// What connections may take. The meaning of each stands at its config key.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections open at a time, over all listeners of the server.
    pub connections_max: usize,
    /// HTTP/2 requests in flight on one connection.
    pub streams_per_connection_max: u32,
    /// Size of a request's head.
    pub header_bytes_max: u32,
    /// Deadlines of each connection.
    pub deadlines: Deadlines,
}

impl Limits {
    /// As configured.
    pub fn from_config(http: &config::Http) -> Self {
        Self {
            connections_max: http.connections_max,
            streams_per_connection_max: http.streams_per_connection_max,
            header_bytes_max: http.header_bytes_max,
            deadlines: Deadlines::from_config(http),
        }
    }
}

/// One set of routes behind any number of listeners. Clones share routes, caps and numbers.
#[derive(Debug, Clone)]
pub struct HttpServer {
    pub(super) routes: Router,
    pub(super) protocols: Arc<Protocols>,
    pub(super) metrics: Arc<HttpMetrics>,
    pub(super) deadlines: Deadlines,
    places: Places,
}

impl HttpServer {
    /// A server for `routes`, which are complete (see [`super::finish`]).
    pub fn new(routes: Router, limits: &Limits, metrics: HttpMetrics) -> Self {
        Self {
            routes,
            protocols: Arc::new(Protocols::new(limits)),
            places: Places::new(
                "http.connections_max",
                limits.connections_max,
                metrics.connections_refused_total.clone(),
            ),
            metrics: Arc::new(metrics),
            deadlines: limits.deadlines,
        }
    }

    /// Accepts and serves until the server closes, then lets open connections finish what they
    /// have in flight. Dropping the future cuts them.
    pub async fn run(self, incoming: Incoming, shutdown: Shutdown) {
        let acceptor = incoming.acceptor();
        let failures = &self.metrics.accept_errors_total;
        let admit = |stream, peer| self.admit(stream, peer, acceptor.clone(), shutdown.clone());
        incoming.serve(shutdown.closing(), failures, admit).await;
    }

    /// The task of one accepted connection, or nothing when the server is full.
    fn admit(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        acceptor: Option<TlsAcceptor>,
        shutdown: Shutdown,
    ) -> Option<impl Future<Output = ()> + use<>> {
        let place = self.places.take()?;
        self.metrics.connections_total.inc();
        let open = Open::new(Arc::clone(&self.metrics));
        let server = self.clone();
        let span = tracing::debug_span!("http", %peer);
        let served = async move {
            let _held_while_open = (place, open);
            server.serve(stream, peer, acceptor, shutdown).await;
        };
        Some(served.instrument(span))
    }

    /// Boxes what only one kind of connection needs, so that a plain one does not hold a TLS one's
    /// memory.
    async fn serve(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        acceptor: Option<TlsAcceptor>,
        shutdown: Shutdown,
    ) {
        // Small answers (playlists) must not wait for the acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "connection gone before it was served");
            return;
        }
        let connection = ConnectionContext::new(peer, acceptor.is_some());
        let Some(acceptor) = acceptor else {
            return self.serve_plain(stream, connection, shutdown).await;
        };
        match Box::pin(net::accept(&acceptor, stream, self.deadlines.head)).await {
            Ok(stream) => {
                let (speaks, activity) =
                    (Speaks::negotiated(stream.get_ref().1.alpn_protocol()), Activity::new());
                Box::pin(serve::connection(self, stream, speaks, activity, connection, shutdown))
                    .await;
            }
            Err(error) => {
                self.metrics.tls_handshakes_failed_total.inc();
                debug!(%error, "no TLS");
            }
        }
    }

    async fn serve_plain(
        self,
        stream: TcpStream,
        connection: ConnectionContext,
        shutdown: Shutdown,
    ) {
        let activity = Activity::new();
        let speaks = tokio::select! {
            biased;
            // First: what was asked before the server closes is answered.
            heard = Speaks::heard(&stream) => heard,
            () = tokio::time::sleep(self.deadlines.head) => {
                self.count_cut(Verdict::SlowHead);
                debug!("connection cut before its first byte");
                None
            }
            () = shutdown.closing() => None,
        };
        if let Some(speaks) = speaks {
            Box::pin(serve::connection(self, stream, speaks, activity, connection, shutdown)).await;
        }
    }
}

/// Counts a connection as open while it lives.
struct Open(Arc<HttpMetrics>);

impl Open {
    fn new(metrics: Arc<HttpMetrics>) -> Self {
        metrics.connections.inc();
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}
