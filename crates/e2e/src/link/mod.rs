//! A UDP path with the faults of a real one, between peers and the server.
//!
//! The server tells peers the address of the link instead of its own (`webrtc.public_addresses`), as
//! behind a one-to-one NAT; it sees each peer at an address of the link's. Peers have to keep their
//! own addresses to themselves, or the server looks for a way around the link.

mod pipe;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use self::pipe::Pipe;
pub use self::pipe::{Bottleneck, Conditions, Counts};
use crate::wait;

/// Peers of one link; a browser has a socket for each of its interfaces.
const PEERS_MAX: usize = 16;
/// Larger than any datagram of WebRTC.
const DATAGRAM_BYTES_MAX: usize = 2_048;
/// Datagrams read from one socket before the others get their turn.
const READS_MAX: usize = 64;
/// Longest sleep, after which the link looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(20);

/// Both directions of a link.
#[derive(Debug, Clone, Copy, Default)]
pub struct Both<T> {
    /// From peers to the server.
    pub up: T,
    /// From the server to peers.
    pub down: T,
}

/// The socket that peers send to, before there is a server to lead them to.
#[derive(Debug)]
pub struct Mouth(UdpSocket);

/// A link at work. Dropped, it ends.
#[derive(Debug)]
pub struct Link {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    conditions: Mutex<Both<Conditions>>,
    counts: Mutex<Both<Counts>>,
    is_over: AtomicBool,
}

/// A peer, and the socket the server knows it by.
#[derive(Debug)]
struct Peer {
    address: SocketAddr,
    socket: UdpSocket,
}

/// What moves the datagrams. Contents are a peer's place and the bytes.
struct Carrier {
    mouth: UdpSocket,
    server: SocketAddr,
    peers: Vec<Peer>,
    up: Pipe<(usize, Vec<u8>)>,
    down: Pipe<(usize, Vec<u8>)>,
    shared: Arc<Shared>,
}

impl Mouth {
    /// Opens one at a free port.
    ///
    /// # Panics
    /// When there is none.
    pub fn open(ip: IpAddr) -> Self {
        Self(open(ip).expect("a free UDP port on loopback"))
    }

    /// What the server is to tell peers.
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket has an address")
    }

    /// Leads to the server from now on, without faults until told otherwise.
    pub fn lead_to(self, server: SocketAddr, seed: u64) -> Link {
        let shared = Arc::<Shared>::default();
        let mut carrier = Carrier {
            mouth: self.0,
            server,
            peers: Vec::new(),
            up: Pipe::new(seed),
            down: Pipe::new(!seed),
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::spawn(move || carrier.run());
        Link { shared, thread: Some(thread) }
    }
}

impl Link {
    /// From now on datagrams fare like this, in both directions.
    pub fn set(&self, conditions: Conditions) {
        self.set_both(Both { up: conditions, down: conditions });
    }

    /// See [`Link::set`].
    pub fn set_both(&self, conditions: Both<Conditions>) {
        *self.shared.conditions.lock().unwrap_or_else(PoisonError::into_inner) = conditions;
    }

    /// What has happened so far.
    pub fn counts(&self) -> Both<Counts> {
        *self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // A panic in there has been printed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Carrier {
    fn run(&mut self) {
        while !self.shared.is_over.load(Ordering::Relaxed) {
            self.deliver();
            self.look_out();
            let conditions = *self.shared.conditions.lock().unwrap_or_else(PoisonError::into_inner);
            self.take_up(&conditions.up);
            self.take_down(&conditions.down);
            let counts = Both { up: self.up.counts, down: self.down.counts };
            *self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        }
    }

    /// Sends what has arrived. Nobody at the other end is a loss like any other.
    fn deliver(&mut self) {
        let now = wait::now();
        while let Some((peer, bytes)) = self.up.pop(now) {
            let _ = self.peers[peer].socket.send_to(&bytes, self.server);
        }
        while let Some((peer, bytes)) = self.down.pop(now) {
            let _ = self.mouth.send_to(&bytes, self.peers[peer].address);
        }
    }

    /// Until a datagram comes or arrives.
    fn look_out(&self) {
        let next = self.up.next_at().into_iter().chain(self.down.next_at()).min();
        let time = next.map_or(LOOK, |at| at.saturating_duration_since(wait::now()).min(LOOK));
        let time = Timespec::try_from(time).expect("a fraction of a second");
        let sockets = self.peers.iter().map(|peer| &peer.socket).chain([&self.mouth]);
        let mut sockets: Vec<_> =
            sockets.map(|socket| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)).collect();
        // A signal ends the sleep early, which does no harm.
        let _ = poll(&mut sockets, Some(&time));
    }

    fn take_up(&mut self, conditions: &Conditions) {
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        for _ in 0..READS_MAX {
            let Ok((len, from)) = self.mouth.recv_from(&mut buffer) else { return };
            let Some(peer) = self.peer(from) else { continue };
            self.up.push((peer, buffer[..len].to_vec()), len, conditions, wait::now());
        }
    }

    fn take_down(&mut self, conditions: &Conditions) {
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        for (number, peer) in self.peers.iter().enumerate() {
            for _ in 0..READS_MAX {
                let Ok((len, from)) = peer.socket.recv_from(&mut buffer) else { break };
                if from == self.server {
                    let content = (number, buffer[..len].to_vec());
                    self.down.push(content, len, conditions, wait::now());
                }
            }
        }
    }

    /// The place of a peer; `None` when there are too many.
    fn peer(&mut self, address: SocketAddr) -> Option<usize> {
        if let Some(known) = self.peers.iter().position(|peer| peer.address == address) {
            return Some(known);
        }
        if self.peers.len() == PEERS_MAX {
            return None;
        }
        let socket = open(self.server.ip()).ok()?;
        self.peers.push(Peer { address, socket });
        Some(self.peers.len() - 1)
    }
}

fn open(ip: IpAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((ip, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const WITHIN: Duration = Duration::from_secs(10);

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind((LOOPBACK, 0)).unwrap();
        socket.set_read_timeout(Some(WITHIN)).unwrap();
        socket
    }

    #[test]
    fn datagrams_cross_both_ways_and_peers_are_told_apart() {
        let (mouth, server) = (Mouth::open(LOOPBACK), socket());
        let address = mouth.address();
        let link = mouth.lead_to(server.local_addr().unwrap(), 1);
        let mut buffer = [0; 16];
        for word in [b"one", b"two"] {
            let peer = socket();
            peer.send_to(word, address).unwrap();
            let (len, from) = server.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], word);
            server.send_to(b"back", from).unwrap();
            let (len, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..len], from), (&b"back"[..], address));
        }
        let taken = |counts: Both<Counts>| (counts.up.taken, counts.down.taken);
        wait::until("both directions to be counted", WITHIN, || {
            (taken(link.counts()) == (2, 2)).then_some(())
        });
    }

    #[test]
    fn what_is_lost_does_not_arrive() {
        let (mouth, server, peer) = (Mouth::open(LOOPBACK), socket(), socket());
        let address = mouth.address();
        let link = mouth.lead_to(server.local_addr().unwrap(), 1);
        link.set(Conditions { loss: 1.0, ..Conditions::default() });
        peer.send_to(b"lost", address).unwrap();
        wait::until("the loss", WITHIN, || (link.counts().up.lost == 1).then_some(()));
        link.set(Conditions::default());
        peer.send_to(b"not lost", address).unwrap();
        let mut buffer = [0; 16];
        let (len, _) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"not lost");
    }
}
