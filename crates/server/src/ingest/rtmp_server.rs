//! RTMP and RTMPS: accepting publishers, within the cap on connections.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::rtmp_pump::{RtmpService, serve_connection};
use crate::net::{self, Incoming, Places};

/// Any number of listeners with one cap on their connections. Clones share the cap.
#[derive(Debug, Clone)]
pub struct RtmpServer {
    service: RtmpService,
    places: Places,
    tls_deadline: Duration,
}

impl RtmpServer {
    /// A server that holds at most `connections_max` connections and gives TLS handshakes
    /// `tls_deadline`.
    #[must_use]
    pub fn new(service: RtmpService, connections_max: usize, tls_deadline: Duration) -> Self {
        let refused = service.metrics.rtmp.connections_refused_total.clone();
        let places = Places::new("rtmp.connections_max", connections_max, refused);
        Self { service, places, tls_deadline }
    }

    /// Accepts and serves until the server drains, then lets open connections end: publishers are
    /// told and leave. Dropping the future cuts them.
    pub async fn run(self, incoming: Incoming) {
        let acceptor = incoming.acceptor();
        let failures = &self.service.metrics.rtmp.accept_errors_total;
        let admit = |stream, peer| self.admit(stream, peer, acceptor.clone());
        incoming.serve(self.service.shutdown.draining(), failures, admit).await;
    }

    /// The task of one accepted connection, or nothing when the server is full.
    fn admit(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        acceptor: Option<TlsAcceptor>,
    ) -> Option<impl Future<Output = ()> + use<>> {
        let place = self.places.take()?;
        let server = self.clone();
        Some(async move {
            let _held_while_open = place;
            server.serve(stream, peer, acceptor).await;
        })
    }

    async fn serve(self, stream: TcpStream, peer: SocketAddr, acceptor: Option<TlsAcceptor>) {
        // Answers are small and a publisher waits for each of them.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, %error, "connection gone before it was served");
            return;
        }
        let Some(acceptor) = acceptor else {
            return Box::pin(serve_connection(self.service, stream, peer)).await;
        };
        match Box::pin(net::accept(&acceptor, stream, self.tls_deadline)).await {
            Ok(stream) => Box::pin(serve_connection(self.service, stream, peer)).await,
            Err(error) => debug!(%peer, %error, "no TLS"),
        }
    }
}
