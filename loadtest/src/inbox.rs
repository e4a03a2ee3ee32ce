//! Datagrams taken many to a call, into buffers that all viewers of a thread share.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Datagrams of one call: those of an ordinary picture.
const DATAGRAMS_MAX: usize = 16;

/// Longest datagram taken; what is longer is cut, and then is not authentic.
const DATAGRAM_BYTES_MAX: usize = 2_048;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> =
        RefCell::new(vec![0; DATAGRAMS_MAX * DATAGRAM_BYTES_MAX].into_boxed_slice());
}

/// Waits for datagrams and gives each that is there to `take`.
pub(crate) async fn receive(socket: &UdpSocket, mut take: impl FnMut(&mut [u8])) -> io::Result<()> {
    let call = || BUFFER.with_borrow_mut(|buffer| fill(socket, buffer, &mut take));
    socket.async_io(Interest::READABLE, call).await
}

fn fill(socket: &UdpSocket, buffer: &mut [u8], take: &mut impl FnMut(&mut [u8])) -> io::Result<()> {
    let mut lengths = [0; DATAGRAMS_MAX];
    let mut rooms: Vec<_> =
        buffer.chunks_exact_mut(DATAGRAM_BYTES_MAX).map(|room| [IoSliceMut::new(room)]).collect();
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(DATAGRAMS_MAX, None);
    let flags = MsgFlags::MSG_DONTWAIT;
    match recvmmsg(socket.as_raw_fd(), &mut headers, rooms.iter_mut(), flags, None) {
        Ok(received) => lengths.iter_mut().zip(received).for_each(|(len, it)| *len = it.bytes),
        // Nobody listens there (any more): the session's own deadlines decide what that means.
        Err(Errno::ECONNREFUSED) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let rooms = buffer.chunks_exact_mut(DATAGRAM_BYTES_MAX).zip(lengths);
    rooms.filter(|(_, len)| *len > 0).for_each(|(room, len)| take(&mut room[..len]));
    Ok(())
}
