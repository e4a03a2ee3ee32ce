//! The accept loops of one set of routes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::Deadlines;
use super::connection::ConnectionContext;
use super::serve::{self, Protocols};
use crate::config;
use crate::metrics::HttpMetrics;
use crate::net::{self, TlsListener};
use crate::shutdown::Shutdown;

/// Pause after an accept that failed for want of descriptors or memory: trying again at once would
/// only burn the CPU that could close connections.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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

/// Where connections come in.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// In the clear.
    Plain(Arc<TcpListener>),
    /// Over TLS.
    Tls(TlsListener),
}

impl Incoming {
    fn listener(&self) -> &TcpListener {
        match self {
            Incoming::Plain(listener) => listener,
            Incoming::Tls(tls) => &tls.listener,
        }
    }
}

/// One set of routes behind any number of listeners. Clones share routes, caps and numbers.
#[derive(Debug, Clone)]
pub struct HttpServer {
    pub(super) routes: Router,
    pub(super) protocols: Arc<Protocols>,
    pub(super) metrics: HttpMetrics,
    pub(super) deadlines: Deadlines,
    places: Arc<Semaphore>,
}

impl HttpServer {
    /// A server for `routes`, which are complete (see [`super::finish`]).
    pub fn new(routes: Router, limits: &Limits, metrics: HttpMetrics) -> Self {
        Self {
            routes,
            protocols: Arc::new(Protocols::new(limits)),
            metrics,
            deadlines: limits.deadlines,
            places: Arc::new(Semaphore::new(limits.connections_max)),
        }
    }

    /// Accepts and serves until the server closes, then lets open connections finish what they
    /// have in flight. Dropping the future cuts them.
    pub async fn run(self, incoming: Incoming, shutdown: Shutdown) {
        let mut connections = JoinSet::new();
        let mut refusing = false;
        let closing = shutdown.closing();
        tokio::pin!(closing);
        loop {
            tokio::select! {
                () = &mut closing => break,
                accepted = incoming.listener().accept() => match accepted {
                    Ok((stream, peer)) => {
                        let served = self.admit(stream, peer, &incoming, &shutdown, &mut refusing);
                        served.map(|served| connections.spawn(served));
                    }
                    Err(error) => self.accept_failed(&error).await,
                },
                Some(ended) = connections.join_next() => log_panic(ended),
            }
        }
        // From here on nobody can connect: the port is free for a successor.
        drop(incoming);
        while let Some(ended) = connections.join_next().await {
            log_panic(ended);
        }
    }

    /// The task of one accepted connection, or nothing when the server is full.
    fn admit(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        incoming: &Incoming,
        shutdown: &Shutdown,
        refusing: &mut bool,
    ) -> Option<impl Future<Output = ()> + use<>> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.metrics.connections_refused_total.inc();
            if !std::mem::replace(refusing, true) {
                warn!("http.connections_max are open: closing new connections at once");
            }
            return None;
        };
        *refusing = false;
        self.metrics.connections_total.inc();
        let open = Open::new(self.metrics.clone());
        let (server, incoming, shutdown) = (self.clone(), incoming.clone(), shutdown.clone());
        Some(async move {
            let _held_while_open = (place, open);
            server.serve(stream, peer, incoming, shutdown).await;
        })
    }

    async fn serve(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        incoming: Incoming,
        shutdown: Shutdown,
    ) {
        // Small answers (playlists) must not wait for the acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, %error, "connection gone before it was served");
            return;
        }
        let secure = matches!(incoming, Incoming::Tls(_));
        let connection = ConnectionContext::new(peer, secure);
        match incoming {
            Incoming::Plain(listener) => {
                drop(listener);
                serve::connection(self, stream, connection, shutdown).await;
            }
            Incoming::Tls(TlsListener { listener, acceptor, .. }) => {
                drop(listener);
                match net::accept(&acceptor, stream, self.deadlines.head).await {
                    Ok(stream) => serve::connection(self, stream, connection, shutdown).await,
                    Err(error) => {
                        self.metrics.tls_handshakes_failed_total.inc();
                        debug!(%peer, %error, "no TLS");
                    }
                }
            }
        }
    }

    async fn accept_failed(&self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return;
        }
        self.metrics.accept_errors_total.inc();
        warn!(%error, "cannot accept connections; see `ulimit -n`");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Counts a connection as open while it lives.
struct Open(HttpMetrics);

impl Open {
    fn new(metrics: HttpMetrics) -> Self {
        metrics.connections.inc();
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

/// A panic costs its connection, and must be seen.
fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked: a bug");
    }
}
