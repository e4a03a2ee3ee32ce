//! A UDP socket that sends a whole [`DatagramBatch`] in as few calls as the kernel allows, and
//! receives many datagrams at a time.
//!
//! One call sends the runs of up to `CALL_RUNS_MAX` peers (`sendmmsg`), and the kernel cuts each run
//! into datagrams (UDP_SEGMENT). Where a kernel or a network card cannot cut, the same batch goes out
//! datagram by datagram, still many to a call.
//!
//! Bound to a wildcard, it tells which address of this host a datagram came to, and sends from the
//! address asked for (IP_PKTINFO): a peer drops answers from an address it did not ask. Peers of IPv4
//! are IPv4 addresses on an IPv6 socket too.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, getsockopt, sendmmsg, setsockopt,
    sockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tracing::info;

use super::datagram_batch::{Route, Run};
use super::{DatagramBatch, Inbox};

/// Runs of one call: more saves nothing measurable, and the call's headers stay within a few pages.
const CALL_RUNS_MAX: usize = 32;

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams the kernel took.
    pub datagrams: usize,
    /// Datagrams that cannot be sent to where they should go; each peer's own loss.
    pub refused: usize,
}

/// A UDP socket for many peers.
#[derive(Debug)]
pub struct DatagramSocket {
    socket: UdpSocket,
    /// The address bound to.
    local: SocketAddr,
    /// The kernel cuts runs, as far as is known.
    cuts: AtomicBool,
}

/// One message of a call: a run, or a datagram of one.
struct Message<'a> {
    route: Route,
    bytes: &'a [u8],
    datagrams: usize,
}

impl DatagramSocket {
    /// Sends and receives through `socket`.
    ///
    /// # Errors
    /// When the socket does not tell its address, or the kernel not that of each datagram.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        let cuts = getsockopt(&socket, sockopt::UdpGsoSegment).is_ok();
        Self::with(socket, cuts)
    }

    /// The same, but every datagram is handed over by itself, as on a kernel that does not cut.
    ///
    /// # Errors
    /// As [`DatagramSocket::new`].
    pub fn without_segmentation(socket: UdpSocket) -> io::Result<Self> {
        Self::with(socket, false)
    }

    fn with(socket: UdpSocket, cuts: bool) -> io::Result<Self> {
        let local = socket.local_addr()?;
        match local.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => {
                setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
            }
            IpAddr::V6(ip) if ip.is_unspecified() => {
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            }
            _ => {}
        }
        Ok(Self { socket, local, cuts: AtomicBool::new(cuts) })
    }

    /// The address bound to; a wildcard stays one.
    #[must_use]
    pub const fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Waits for datagrams and takes as many as `inbox` holds and are there. Loses none when dropped.
    ///
    /// # Errors
    /// When the socket is unusable.
    pub async fn receive(&self, inbox: &mut Inbox) -> io::Result<()> {
        let call = || inbox.fill(self.socket.as_raw_fd(), self.local);
        self.socket.async_io(Interest::READABLE, call).await
    }

    /// The socket itself.
    #[must_use]
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Sends all of `batch` and empties it. Waits while the socket's buffer is full; a peer that
    /// cannot be reached costs its own datagrams only.
    ///
    /// # Errors
    /// When the socket itself is unusable; what was not sent is lost.
    pub async fn send(&self, batch: &mut DatagramBatch) -> io::Result<Sent> {
        let mut sent = Sent::default();
        let mut rest = batch.runs();
        let result = loop {
            let Some(first) = rest.first() else { break Ok(sent) };
            // The length to cut at and the address to leave from hold for a whole call.
            let same = |run: &&Run| {
                run.segment_bytes == first.segment_bytes && run.route.from == first.route.from
            };
            let call = rest.iter().take(CALL_RUNS_MAX).take_while(same).count();
            let (runs, later) = rest.split_at(call);
            if let Err(error) = self.send_runs(batch, runs, &mut sent).await {
                break Err(error);
            }
            rest = later;
        };
        batch.clear();
        result
    }

    async fn send_runs(
        &self,
        batch: &DatagramBatch,
        runs: &[Run],
        sent: &mut Sent,
    ) -> io::Result<()> {
        let whole = |run: &Run| Message {
            route: run.route,
            bytes: batch.bytes(run.bytes.clone()),
            datagrams: run.segments,
        };
        if self.cuts.load(Relaxed) {
            let messages: Vec<_> = runs.iter().map(whole).collect();
            let segment_bytes = runs.first().map(|run| run.segment_bytes);
            if self.send_messages(&messages, segment_bytes, sent).await? == Cut::Done {
                return Ok(());
            }
            self.cuts.store(false, Relaxed);
            info!("the kernel does not segment datagrams here; sending them one by one");
        }
        for run in runs {
            let single =
                |range| Message { route: run.route, bytes: batch.bytes(range), datagrams: 1 };
            let messages: Vec<_> = run.datagrams().map(single).collect();
            for messages in messages.chunks(CALL_RUNS_MAX) {
                self.send_messages(messages, None, sent).await?;
            }
        }
        Ok(())
    }

    /// Hands all messages over, call by call. A message the kernel refuses is passed over.
    async fn send_messages(
        &self,
        messages: &[Message<'_>],
        segment_bytes: Option<u16>,
        sent: &mut Sent,
    ) -> io::Result<Cut> {
        let mut rest = messages;
        while let Some(first) = rest.first() {
            let call = || Ok(self.call(rest, segment_bytes)?);
            match self.socket.async_io(Interest::WRITABLE, call).await {
                Ok(count) => {
                    let (taken, later) = rest.split_at(count.min(rest.len()));
                    sent.datagrams += taken.iter().map(|message| message.datagrams).sum::<usize>();
                    rest = later;
                }
                Err(error) if is_cutting_refused(&error, segment_bytes) => {
                    // Known from the first message of the first call, or not at all.
                    if rest.len() == messages.len() {
                        return Ok(Cut::Refused);
                    }
                    return Err(error);
                }
                Err(error) if is_unusable(&error) => return Err(error),
                Err(_) => {
                    sent.refused += first.datagrams;
                    rest = &rest[1..];
                }
            }
        }
        Ok(Cut::Done)
    }

    /// One `sendmmsg` of messages that leave from one address; how many the kernel took, which is at
    /// least one.
    fn call(&self, messages: &[Message<'_>], segment_bytes: Option<u16>) -> Result<usize, Errno> {
        // A run of one datagram needs no cutting, and old kernels need no telling.
        let cut_at = segment_bytes.filter(|_| messages.iter().any(|m| m.datagrams > 1));
        let from = messages.first().and_then(|message| message.route.from);
        let from = from.map(|ip| for_socket(self.local, ip));
        let (v4, v6) = (from.and_then(packet_info), from.and_then(packet_info_v6));
        let mut control: Vec<_> = cut_at.iter().map(ControlMessage::UdpGsoSegments).collect();
        control.extend(v4.iter().map(ControlMessage::Ipv4PacketInfo));
        control.extend(v6.iter().map(ControlMessage::Ipv6PacketInfo));
        // The kernel reads all of the space as messages: it has to fit them exactly.
        let space = match (cut_at.is_some(), v4.is_some(), v6.is_some()) {
            (true, true, _) => Some(nix::cmsg_space!(u16, libc::in_pktinfo)),
            (true, _, true) => Some(nix::cmsg_space!(u16, libc::in6_pktinfo)),
            (true, ..) => Some(nix::cmsg_space!(u16)),
            (false, true, _) => Some(nix::cmsg_space!(libc::in_pktinfo)),
            (false, _, true) => Some(nix::cmsg_space!(libc::in6_pktinfo)),
            (false, ..) => None,
        };
        let mut headers = MultiHeaders::preallocate(messages.len(), space);
        let slices: Vec<_> = messages.iter().map(|message| [IoSlice::new(message.bytes)]).collect();
        let to = messages.iter().map(|message| {
            let ip = for_socket(self.local, message.route.to.ip());
            Some(SockaddrStorage::from(SocketAddr::new(ip, message.route.to.port())))
        });
        let to: Vec<_> = to.collect();
        let socket = self.socket.as_raw_fd();
        let results = sendmmsg(socket, &mut headers, &slices, to, control, MsgFlags::MSG_DONTWAIT)?;
        Ok(results.count())
    }
}

/// Whether the kernel did as it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Done,
    Refused,
}

/// "Leave from this address", for IPv4 sockets. The interface is the kernel's to choose.
fn packet_info(ip: IpAddr) -> Option<libc::in_pktinfo> {
    let IpAddr::V4(ip) = ip else { return None };
    let s_addr = u32::from_ne_bytes(ip.octets());
    Some(libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: libc::in_addr { s_addr },
        ipi_addr: libc::in_addr { s_addr: 0 },
    })
}

/// The same for IPv6 sockets.
fn packet_info_v6(ip: IpAddr) -> Option<libc::in6_pktinfo> {
    let IpAddr::V6(ip) = ip else { return None };
    Some(libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 })
}

/// The address as a socket of the family of `socket` writes it.
fn for_socket(socket: SocketAddr, ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if socket.is_ipv6() => ip.to_ipv6_mapped().into(),
        ip => ip,
    }
}

/// The network card cannot checksum what it would cut. (A kernel that does not know how was found out
/// at the start; its EINVAL would look like that of a bad address.)
fn is_cutting_refused(error: &io::Error, segment_bytes: Option<u16>) -> bool {
    segment_bytes.is_some() && errno(error) == Errno::EIO
}

/// Errors of the socket, not of a peer's address or route.
fn is_unusable(error: &io::Error) -> bool {
    matches!(errno(error), Errno::EBADF | Errno::ENOTSOCK | Errno::EFAULT | Errno::ENOMEM)
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn loopback() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").await.unwrap()
    }

    /// Datagrams of many lengths to several peers: what arrives is what was put in, in order.
    async fn everything_arrives(sender: DatagramSocket) {
        let peers = [loopback().await, loopback().await, loopback().await];
        let lengths = [1_200, 1_200, 1_200, 300, 80, 80, 1_200, 1, 1_000];
        let mut batch = DatagramBatch::new(1 << 16);
        let fill = |peer: usize, index: usize| u8::try_from(peer * 100 + index).unwrap();
        for (number, peer) in peers.iter().enumerate() {
            for (index, length) in lengths.iter().enumerate() {
                let pushed = batch.push(Route::to(peer.local_addr().unwrap()), 1_500, |room| {
                    room[..*length].fill(fill(number, index));
                    *length
                });
                assert_eq!(pushed, Some(*length));
            }
        }
        let sent = sender.send(&mut batch).await.unwrap();
        assert_eq!(sent, Sent { datagrams: peers.len() * lengths.len(), refused: 0 });
        assert!(batch.is_empty());
        for (number, peer) in peers.iter().enumerate() {
            for (index, length) in lengths.iter().enumerate() {
                let mut datagram = [0; 2_000];
                let received = peer.recv(&mut datagram).await.unwrap();
                assert_eq!(received, *length, "datagram {index} of peer {number}");
                assert!(datagram[..received].iter().all(|byte| *byte == fill(number, index)));
            }
        }
    }

    #[tokio::test]
    async fn a_batch_arrives_as_the_kernel_cuts_it() {
        everything_arrives(DatagramSocket::new(loopback().await).unwrap()).await;
    }

    #[tokio::test]
    async fn a_batch_arrives_where_the_kernel_does_not_cut() {
        everything_arrives(DatagramSocket::without_segmentation(loopback().await).unwrap()).await;
    }

    /// Asks a socket on a wildcard at `ask`, and takes what it answers along the same route.
    async fn answers_come_from_the_address_asked(listen: &str, client: &str, ask: IpAddr) {
        let server = DatagramSocket::new(UdpSocket::bind(listen).await.unwrap()).unwrap();
        let client = UdpSocket::bind(client).await.unwrap();
        let asked = SocketAddr::new(ask, server.local_address().port());
        client.send_to(b"question", asked).await.unwrap();
        let mut inbox = Inbox::new();
        server.receive(&mut inbox).await.unwrap();
        let datagrams: Vec<_> =
            inbox.datagrams().map(|d| (d.local, d.remote, d.bytes.to_vec())).collect();
        assert_eq!(datagrams, [(asked, client.local_addr().unwrap(), b"question".to_vec())]);
        let mut batch = DatagramBatch::new(10_000);
        for _ in 0..3 {
            let route = Route { from: Some(ask), to: client.local_addr().unwrap() };
            batch.push(route, 100, |room| room.len());
        }
        server.send(&mut batch).await.unwrap();
        for _ in 0..3 {
            let mut answer = [0; 200];
            assert_eq!(client.recv_from(&mut answer).await.unwrap(), (100, asked));
        }
    }

    #[tokio::test]
    async fn a_wildcard_answers_from_the_address_that_was_asked() {
        // All of 127.0.0.0/8 is this host; answers would leave from 127.0.0.1.
        let ask = IpAddr::from([127, 0, 0, 2]);
        answers_come_from_the_address_asked("0.0.0.0:0", "127.0.0.3:0", ask).await;
        if UdpSocket::bind("[::]:0").await.is_ok() {
            answers_come_from_the_address_asked("[::]:0", "127.0.0.3:0", ask).await;
        }
    }

    #[tokio::test]
    async fn a_peer_that_cannot_be_reached_costs_its_own_datagrams() {
        let sender = DatagramSocket::new(loopback().await).unwrap();
        let peer = loopback().await;
        // Bound to loopback, the socket has no way out of this machine; and port 0 is no address.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut batch = DatagramBatch::new(1 << 14);
        for to in [nowhere, peer.local_addr().unwrap(), nowhere] {
            for _ in 0..2 {
                batch.push(Route::to(to), 100, |room| {
                    room.fill(7);
                    100
                });
            }
        }
        let sent = sender.send(&mut batch).await.unwrap();
        assert_eq!((sent.datagrams, sent.refused), (2, 4));
        assert!(sender.cuts.load(Relaxed), "a peer's error says nothing about cutting");
        let mut datagram = [0; 200];
        assert_eq!(peer.recv(&mut datagram).await.unwrap(), 100);
    }
}
