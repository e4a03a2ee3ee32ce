//! What a worker's sessions send in one turn: UDP into one batch, TCP into each connection's queue.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

use tally_rtc::session::Outbox;
use tally_rtc::transport::{Path, Protocol};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::metrics::WebRtcMetrics;
use crate::net::{DatagramBatch, DatagramSocket, Route};

/// Datagrams of one batch: 6 ms of 1 Gbit/s. What a session sends beyond a full batch is lost to it,
/// which [`Outgoing::is_heavy`] keeps from happening.
const BATCH_BYTES: usize = 2 << 20;

/// From here on a batch is sent before another session adds to it: one session adds less than the rest
/// in a turn, as its pacer holds it to some milliseconds of its rate.
const BATCH_HEAVY_BYTES: usize = 1 << 20;

/// Collects what is to be sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    batch: DatagramBatch,
    /// The socket has a choice of addresses to send from.
    is_wildcard: bool,
    /// TCP connections by the peer's address.
    tcp: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>,
    metrics: WebRtcMetrics,
}

impl Outgoing {
    pub(super) fn new(socket: &DatagramSocket, metrics: WebRtcMetrics) -> Self {
        Self {
            batch: DatagramBatch::new(BATCH_BYTES),
            is_wildcard: socket.local_address().ip().is_unspecified(),
            tcp: HashMap::new(),
            metrics,
        }
    }

    /// From now on datagrams over TCP to `remote` go to `connection`.
    pub(super) fn add_tcp(&mut self, remote: SocketAddr, connection: mpsc::Sender<Vec<u8>>) {
        self.tcp.insert(remote, connection);
    }

    /// Lets go of a connection, which closes it.
    pub(super) fn remove_tcp(&mut self, remote: SocketAddr) {
        self.tcp.remove(&remote);
    }

    /// Whether the batch should be sent before more is added.
    pub(super) fn is_heavy(&self) -> bool {
        self.batch.len_bytes() >= BATCH_HEAVY_BYTES
    }

    /// Sends the batch.
    ///
    /// # Errors
    /// When the socket is unusable.
    pub(super) async fn flush(&mut self, socket: &DatagramSocket) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let bytes = self.batch.len_bytes();
        let sent = socket.send(&mut self.batch).await?;
        self.metrics.sent.inc_by(sent.datagrams as u64);
        self.metrics.sent_bytes.inc_by(bytes as u64);
        self.metrics.dropped.refused.inc_by(sent.refused as u64);
        Ok(())
    }

    fn push_tcp(
        &mut self,
        remote: SocketAddr,
        bytes_max: usize,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) {
        let mut datagram = vec![0; bytes_max];
        let len_bytes = write(&mut datagram);
        datagram.truncate(len_bytes);
        if datagram.is_empty() {
            return;
        }
        match self.tcp.get(&remote).map(|connection| connection.try_send(datagram)) {
            Some(Ok(())) => {
                self.metrics.sent.inc();
                self.metrics.sent_bytes.inc_by(len_bytes as u64);
            }
            // Full: to the session it is a path that loses packets, which it knows how to deal with.
            Some(Err(TrySendError::Full(_))) => self.metrics.dropped.room.inc(),
            Some(Err(TrySendError::Closed(_))) | None => self.metrics.dropped.refused.inc(),
        }
    }
}

impl Outbox for Outgoing {
    fn push(&mut self, path: Path, bytes_max: usize, write: impl FnOnce(&mut [u8]) -> usize) {
        if path.protocol == Protocol::Tcp {
            return self.push_tcp(path.remote, bytes_max, write);
        }
        let from = self.is_wildcard.then(|| path.local.ip());
        let route = Route { from, to: path.remote };
        let len_bytes_max = u16::try_from(bytes_max).unwrap_or(u16::MAX);
        if self.batch.push(route, len_bytes_max, write).is_none() {
            self.metrics.dropped.room.inc();
        }
    }
}
