//! Where connections come in: the accept loop and the cap on connections that all servers share.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use prometheus::IntCounter;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::coop::unconstrained;
use tokio::task::{JoinError, JoinSet};
use tokio_rustls::TlsAcceptor;
use tracing::{error, warn};

use super::TlsListener;

/// Pause after an accept that failed for want of descriptors or memory: trying again at once would
/// only burn the CPU that could close connections.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where connections come in.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// In the clear.
    Plain(Arc<TcpListener>),
    /// Over TLS.
    Tls(TlsListener),
}

impl Incoming {
    /// What makes the TLS handshakes here, if any are made.
    pub fn acceptor(&self) -> Option<TlsAcceptor> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => Some(tls.acceptor.clone()),
        }
    }

    /// Accepts until `stop`, then takes those that connected before, gives the port up and waits for
    /// the connections that are open.
    /// `admit` gives the task that serves a connection, or nothing to close it. `failures` counts
    /// accepts that failed here. Dropping the future cuts all connections.
    pub async fn serve<C>(
        self,
        stop: impl Future<Output = ()>,
        failures: &IntCounter,
        mut admit: impl FnMut(TcpStream, SocketAddr) -> Option<C>,
    ) where
        C: Future<Output = ()> + Send + 'static,
    {
        let mut connections = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = self.listener().accept() => match accepted {
                    Ok((stream, peer)) => {
                        admit(stream, peer).map(|served| connections.spawn(served));
                    }
                    Err(error) => accept_failed(&error, failures).await,
                },
                Some(ended) = connections.join_next() => log_panic(ended),
            }
        }
        // Whoever connected in time is answered: closing the listener would reset them.
        while let Some((stream, peer)) = self.queued().await {
            admit(stream, peer).map(|served| connections.spawn(served));
        }
        // From here on nobody can connect: the port is free for a successor.
        drop(self);
        while let Some(ended) = connections.join_next().await {
            log_panic(ended);
        }
    }

    /// A connection the kernel holds for us, without waiting for one.
    async fn queued(&self) -> Option<(TcpStream, SocketAddr)> {
        tokio::select! {
            biased;
            accepted = unconstrained(self.listener().accept()) => accepted.ok(),
            () = std::future::ready(()) => None,
        }
    }

    fn listener(&self) -> &TcpListener {
        match self {
            Self::Plain(listener) => listener,
            Self::Tls(tls) => &tls.listener,
        }
    }
}

async fn accept_failed(error: &io::Error, failures: &IntCounter) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return;
    }
    failures.inc();
    warn!(%error, "cannot accept connections; see `ulimit -n`");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// A panic costs its connection, and must be seen.
fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "a connection's task panicked: a bug");
    }
}

/// A cap on open connections, over any number of listeners. Clones share it.
#[derive(Debug, Clone)]
pub struct Places {
    free: Arc<Semaphore>,
    key: &'static str,
    refused: IntCounter,
    /// Said once until there is room again: whoever floods must not flood the log too.
    is_full: Arc<AtomicBool>,
}

impl Places {
    /// Room for as many connections as the config key `key` says. `refused` counts those for which
    /// there is none.
    pub fn new(key: &'static str, connections_max: usize, refused: IntCounter) -> Self {
        Self {
            free: Arc::new(Semaphore::new(connections_max)),
            key,
            refused,
            is_full: Arc::default(),
        }
    }

    /// A place, held as long as the connection is open.
    pub fn take(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.free).try_acquire_owned().ok();
        if place.is_none() {
            self.refused.inc();
        }
        if !self.is_full.swap(place.is_none(), Relaxed) && place.is_none() {
            warn!("{} are open: closing new connections at once", self.key);
        }
        place
    }
}
