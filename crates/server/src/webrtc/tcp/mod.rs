//! WebRTC over TCP, for peers whose network lets no UDP through (RFC 6544: this side is passive).
//!
//! A connection is nobody's until its first frame, a binding request, names a session; then all its
//! frames go to that session's worker, and the worker's go to the connection's queue. A slow connection
//! is a path that loses packets, not one that makes the worker wait.

mod framing;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tally_rtc::transport::{Path, Protocol};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::debug;

use super::Options;
use super::table::Owner;
use super::worker::{Forwarded, Shared};
use crate::net::{Incoming, Places};
use crate::shutdown::Shutdown;
use framing::{FRAME_BYTES_MAX, Frames, frame};

/// Datagrams waiting to be sent on one connection: 120 ms of 25 Mbit/s.
const QUEUE_MAX: usize = 256;

/// Datagrams written in one call.
const WRITE_MAX: usize = 32;

/// Without a frame for this long, a connection's peer is gone: it asks for consent every 5 s, which
/// lapses after 30 s (RFC 7675 section 5.1).
const IDLE: Duration = Duration::from_secs(40);

/// A peer that takes nothing for this long has no use for live media.
const WRITE_STALL: Duration = Duration::from_secs(10);

/// Serves the listener of `webrtc.listen`.
pub(super) struct Server {
    shared: Arc<Shared>,
    places: Places,
    deadline: Duration,
}

/// Why a connection ended. The peer's doing, or the network's.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("it was closed")]
    Closed,
    #[error("it named no session in time")]
    Unnamed,
    #[error("it was silent")]
    Idle,
    #[error("what it sent is not WebRTC over TCP")]
    Framing,
    #[error("its peer took nothing")]
    Stalled,
    #[error("its session ended")]
    Over,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Server {
    pub(super) fn new(options: &Options, shared: Arc<Shared>) -> Self {
        let refused = shared.metrics.tcp_refused.clone();
        let places =
            Places::new("webrtc.tcp_connections_max", options.tcp_connections_max, refused);
        Self { shared, places, deadline: options.tcp_deadline }
    }

    pub(super) async fn run(self, listener: Arc<TcpListener>, shutdown: Shutdown) {
        let Self { shared, places, deadline } = self;
        let errors = shared.metrics.tcp_accept_errors.clone();
        let admit = |stream: TcpStream, remote| {
            let place = places.take()?;
            let connection = Connection { shared: Arc::clone(&shared), remote, deadline };
            let shutdown = shutdown.clone();
            Some(async move {
                connection.shared.metrics.tcp_connections.inc();
                // Workers close their sessions, and with them the connections; those that have none
                // yet are closed here.
                let ended = connection.serve(stream, &shutdown).await;
                debug!(%ended, "a WebRTC connection over TCP ended");
                connection.shared.metrics.tcp_connections.dec();
                drop(place);
            })
        };
        Incoming::Plain(listener).serve(shutdown.closing(), &errors, admit).await;
    }
}

struct Connection {
    shared: Arc<Shared>,
    remote: SocketAddr,
    deadline: Duration,
}

impl Connection {
    async fn serve(&self, mut stream: TcpStream, shutdown: &Shutdown) -> Ended {
        let _ = stream.set_nodelay(true);
        let Ok(local) = stream.local_addr() else { return Ended::Closed };
        let canonical =
            |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let path = Path {
            local: canonical(local),
            remote: canonical(self.remote),
            protocol: Protocol::Tcp,
        };
        let (mut receiving, mut sending) = stream.split();
        let mut frames = Frames::new();
        let first = async {
            let first = receive(&mut receiving, &mut frames).await?;
            let owner = self.shared.table.named(&first).ok_or(Ended::Unnamed)?;
            Ok::<_, Ended>((owner, first))
        };
        let first = tokio::select! {
            first = timeout(self.deadline, first) => first.unwrap_or(Err(Ended::Unnamed)),
            () = shutdown.closing() => Err(Ended::Closed),
        };
        let (owner, first) = match first {
            Ok(first) => first,
            Err(ended) => {
                self.shared.metrics.tcp_unknown.inc();
                return ended;
            }
        };
        let (connection, queue) = mpsc::channel(QUEUE_MAX);
        tokio::select! {
            ended = self.receive_all(owner, path, (first, connection), &mut receiving, &mut frames) => ended,
            ended = send_all(queue, &mut sending) => ended,
        }
    }

    async fn receive_all(
        &self,
        owner: Owner,
        path: Path,
        (first, connection): (Vec<u8>, mpsc::Sender<Vec<u8>>),
        receiving: &mut ReadHalf<'_>,
        frames: &mut Frames,
    ) -> Ended {
        let mailbox = &self.shared.mailboxes[owner.worker];
        let metrics = &self.shared.metrics;
        let (mut bytes, mut connection) = (first, Some(connection));
        loop {
            metrics.received.inc();
            metrics.received_bytes.inc_by(bytes.len() as u64);
            let (key, connection) = (owner.key, connection.take());
            let datagram = Forwarded { key, path, bytes, is_named: false, connection };
            // Waiting here holds the peer back, as TCP does.
            if mailbox.forwarded.send(datagram).await.is_err() {
                return Ended::Over;
            }
            bytes = match timeout(IDLE, receive(receiving, frames)).await {
                Ok(Ok(frame)) => frame,
                Ok(Err(ended)) => return ended,
                Err(_) => return Ended::Idle,
            };
        }
    }
}

/// The next frame. Loses nothing when dropped.
async fn receive(receiving: &mut ReadHalf<'_>, frames: &mut Frames) -> Result<Vec<u8>, Ended> {
    loop {
        if let Some(frame) = frames.next().map_err(|_| Ended::Framing)? {
            return Ok(frame.to_vec());
        }
        match receiving.read(frames.room()).await? {
            0 => return Err(Ended::Closed),
            len_bytes => frames.received(len_bytes),
        }
    }
}

/// Sends what the worker queues, until it lets go of the queue.
async fn send_all(mut queue: mpsc::Receiver<Vec<u8>>, sending: &mut WriteHalf<'_>) -> Ended {
    let mut datagrams = Vec::with_capacity(WRITE_MAX);
    let mut bytes = Vec::with_capacity(WRITE_MAX * FRAME_BYTES_MAX);
    loop {
        if queue.recv_many(&mut datagrams, WRITE_MAX).await == 0 {
            return Ended::Over;
        }
        bytes.clear();
        datagrams.drain(..).for_each(|datagram| frame(&datagram, &mut bytes));
        match timeout(WRITE_STALL, sending.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.into(),
            Err(_) => return Ended::Stalled,
        }
    }
}
