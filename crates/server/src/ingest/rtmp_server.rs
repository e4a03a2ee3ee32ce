//! RTMP and RTMPS: accepting publishers, within the cap on connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::rtmp_pump::{RtmpService, serve_connection};
use crate::net::{self, TlsListener};

/// Pause after an accept that failed for want of descriptors or memory: trying again at once would
/// only burn the CPU that could close connections.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where publishers come in.
#[derive(Debug, Clone)]
pub enum RtmpIncoming {
    /// RTMP.
    Plain(Arc<TcpListener>),
    /// RTMPS.
    Tls(TlsListener),
}

/// Any number of listeners with one cap on their connections. Clones share the cap.
#[derive(Debug, Clone)]
pub struct RtmpServer {
    service: RtmpService,
    places: Arc<Semaphore>,
    tls_deadline: Duration,
}

impl RtmpServer {
    /// A server that holds at most `connections_max` connections and gives TLS handshakes
    /// `tls_deadline`.
    #[must_use]
    pub fn new(service: RtmpService, connections_max: usize, tls_deadline: Duration) -> Self {
        Self { service, places: Arc::new(Semaphore::new(connections_max)), tls_deadline }
    }

    /// Accepts and serves until the server drains, then lets open connections end: publishers are
    /// told and leave. Dropping the future cuts them.
    pub async fn run(self, incoming: RtmpIncoming) {
        let mut connections = JoinSet::new();
        let shutdown = self.service.shutdown.clone();
        let draining = shutdown.draining();
        tokio::pin!(draining);
        loop {
            let listener = match &incoming {
                RtmpIncoming::Plain(listener) => listener,
                RtmpIncoming::Tls(tls) => &tls.listener,
            };
            tokio::select! {
                () = &mut draining => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(self.clone().admit(stream, peer, incoming.clone()));
                    }
                    Err(error) => {
                        warn!(%error, "cannot accept publishers; see `ulimit -n`");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = connections.join_next() => log_panic(ended),
            }
        }
        drop(incoming);
        while let Some(ended) = connections.join_next().await {
            log_panic(ended);
        }
    }

    async fn admit(self, stream: TcpStream, peer: SocketAddr, incoming: RtmpIncoming) {
        let Ok(_place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.service.metrics.rtmp.connections_refused_total.inc();
            debug!(%peer, "rtmp.connections_max are open: closed");
            return;
        };
        // Answers are small and a publisher waits for each of them.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        match incoming {
            RtmpIncoming::Plain(_) => serve_connection(self.service, stream, peer).await,
            RtmpIncoming::Tls(TlsListener { acceptor, .. }) => {
                match net::accept(&acceptor, stream, self.tls_deadline).await {
                    Ok(stream) => serve_connection(self.service, stream, peer).await,
                    Err(error) => debug!(%peer, %error, "no TLS"),
                }
            }
        }
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a publisher's task failed; the others go on");
    }
}
