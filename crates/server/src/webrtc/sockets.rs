//! The sockets of `webrtc.listen`: UDP for every worker and TCP, all at one port.

use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

use crate::net::{DatagramSocket, ListenError, listen};

/// The config key.
const KEY: &str = "webrtc.listen";

/// Most workers: beyond this many cores the kernel's network stack is the bottleneck.
const WORKERS_MAX: usize = 32;

/// Wished size of each UDP socket's two buffers: 30 ms of 1 Gbit/s. The kernel gives no more than
/// `net.core.rmem_max` and `wmem_max`.
const BUFFER_BYTES: usize = 4 << 20;

/// Ports tried for port 0: the kernel picks one that is free for TCP, UDP may have it taken.
const PORTS_TRIED_MAX: usize = 16;

/// Open sockets of one port.
#[derive(Debug, Clone)]
pub struct Sockets {
    /// One for each worker. The kernel gives all datagrams of one peer address to the same one.
    pub udp: Vec<Arc<DatagramSocket>>,
    /// For peers whose network lets no UDP through. Also what makes the port this process's own:
    /// the UDP sockets share theirs, and would share it with another server of the same user.
    pub tcp: Arc<TcpListener>,
    /// The address of all of them.
    pub address: SocketAddr,
}

impl Sockets {
    /// Opens one UDP socket for each core, and the TCP listener. Must be called inside a runtime.
    ///
    /// # Errors
    /// When the port cannot be had for both.
    pub fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
        let workers = workers.min(WORKERS_MAX);
        let mut tries = if address.port() == 0 { PORTS_TRIED_MAX } else { 1 };
        loop {
            tries -= 1;
            match Self::try_bind(address, workers) {
                Err(error) if error.reason.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
                done => return done,
            }
        }
    }

    fn try_bind(address: SocketAddr, workers: usize) -> Result<Self, ListenError> {
        let tcp = listen(KEY, address)?;
        let failed = |reason| ListenError { key: KEY, address, reason };
        let address = tcp.local_addr().map_err(failed)?;
        let udp = (0..workers).map(|_| open(address).map(Arc::new)).collect::<io::Result<_>>();
        Ok(Self { udp: udp.map_err(failed)?, tcp: Arc::new(tcp), address })
    }
}

fn open(address: SocketAddr) -> io::Result<DatagramSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // Smaller buffers are no reason not to start.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    DatagramSocket::new(UdpSocket::from_std(socket.into())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn port_zero_gives_all_sockets_one_port() {
        let sockets = Sockets::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(sockets.address.port(), 0);
        assert_eq!(sockets.tcp.local_addr().unwrap(), sockets.address);
        assert!(!sockets.udp.is_empty());
        assert!(sockets.udp.iter().all(|udp| udp.local_address() == sockets.address));
    }

    #[tokio::test]
    async fn a_second_server_does_not_share_the_port() {
        let first = Sockets::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = Sockets::bind(first.address).unwrap_err().to_string();
        assert!(error.starts_with("webrtc.listen: cannot listen on"), "{error}");
    }

    #[tokio::test]
    async fn a_port_whose_udp_is_taken_is_refused() {
        // The kernel hands out free UDP ports that TCP may have: a taken one just tries again.
        let (taken, error) = loop {
            let taken = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let address = taken.local_addr().unwrap();
            if std::net::TcpListener::bind(address).is_ok() {
                break (taken, Sockets::bind(address).unwrap_err());
            }
        };
        assert_eq!(error.address, taken.local_addr().unwrap());
        assert_eq!(error.reason.kind(), io::ErrorKind::AddrInUse);
    }
}
