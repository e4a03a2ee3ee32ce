//! What a request's handler may know of the connection it came in on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// The connection of a request: an extension of every request. Clones share it.
#[derive(Debug, Clone)]
pub struct ConnectionContext {
    peer: SocketAddr,
    secure: bool,
    waiting: Arc<AtomicUsize>,
}

impl ConnectionContext {
    /// A connection from `peer`, `secure` when it came over TLS.
    pub fn new(peer: SocketAddr, secure: bool) -> Self {
        Self { peer, secure, waiting: Arc::default() }
    }

    /// The other end as the socket names it; behind a proxy, the proxy.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// True on TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Requests of this connection that wait for media. Counted by whoever lets them wait.
    pub fn waiting(&self) -> &AtomicUsize {
        &self.waiting
    }
}
