//! Datagrams received together (`recvmmsg`), each with the address of this host it came to.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::RawFd;

use nix::libc;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg,
};

/// Datagrams of one call: as many as a publisher sends for a picture, in 64 KiB of buffers.
const DATAGRAMS_MAX: usize = 32;

/// Longest datagram taken. No link that peers use carries more than 1,500 bytes; what is longer is
/// passed over.
const DATAGRAM_BYTES_MAX: usize = 2_048;

/// One datagram.
#[derive(Debug)]
pub struct Received<'a> {
    /// The address of this host it came to.
    pub local: SocketAddr,
    /// Who sent it, if that is true.
    pub remote: SocketAddr,
    /// What it says; deciphering may write into it.
    pub bytes: &'a mut [u8],
}

/// Buffers for the datagrams of one call, used again for the next.
#[derive(Debug)]
pub struct Inbox {
    buffer: Box<[u8]>,
    filled: Vec<Filled>,
}

#[derive(Debug, Clone, Copy)]
struct Filled {
    local: SocketAddr,
    remote: SocketAddr,
    index: usize,
    len_bytes: usize,
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Inbox {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        let buffer = vec![0; DATAGRAMS_MAX * DATAGRAM_BYTES_MAX].into_boxed_slice();
        Self { buffer, filled: Vec::with_capacity(DATAGRAMS_MAX) }
    }

    /// What the last call received, in order.
    pub fn datagrams(&mut self) -> impl Iterator<Item = Received<'_>> {
        let mut filled = self.filled.iter().peekable();
        let rooms = self.buffer.chunks_exact_mut(DATAGRAM_BYTES_MAX).enumerate();
        rooms.filter_map(move |(index, room)| {
            let Filled { local, remote, len_bytes, .. } =
                *filled.next_if(|filled| filled.index == index)?;
            Some(Received { local, remote, bytes: &mut room[..len_bytes] })
        })
    }

    /// Forgets what it holds and takes what has come to `socket`, which is bound to `bound`.
    pub(super) fn fill(&mut self, socket: RawFd, bound: SocketAddr) -> io::Result<()> {
        self.filled.clear();
        let space = nix::cmsg_space!(libc::in6_pktinfo);
        // Made anew for each call: the kernel writes the lengths it used over those it may use.
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(DATAGRAMS_MAX, Some(space));
        let rooms = self.buffer.chunks_exact_mut(DATAGRAM_BYTES_MAX);
        let mut slices: Vec<_> = rooms.map(|room| [IoSliceMut::new(room)]).collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let received = recvmmsg(socket, &mut headers, slices.iter_mut(), flags, None)?;
        self.filled.extend(received.enumerate().filter_map(|(index, message)| {
            let remote = canonical(message.address?)?;
            let is_whole = !message.flags.contains(MsgFlags::MSG_TRUNC);
            let local = local(&message, bound);
            is_whole.then_some(Filled { local, remote, index, len_bytes: message.bytes })
        }));
        Ok(())
    }
}

/// The sender; an IPv4 peer of an IPv6 socket is an IPv4 address.
fn canonical(address: SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::from(SocketAddrV4::from(*v4)));
    let v6 = || address.as_sockaddr_in6().map(|v6| SocketAddr::from(SocketAddrV6::from(*v6)));
    let address = v4.or_else(v6)?;
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

/// Where it came to: the kernel's word, or the socket's own address where it has only one.
fn local(message: &RecvMsg<'_, '_, SockaddrStorage>, bound: SocketAddr) -> SocketAddr {
    let told = message.cmsgs().ok().into_iter().flatten().find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes()))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    });
    SocketAddr::new(told.unwrap_or(bound.ip()).to_canonical(), bound.port())
}
