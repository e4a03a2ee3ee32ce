//! A UDP socket that sends a whole [`DatagramBatch`] in as few calls as the kernel allows.
//!
//! One call sends the runs of up to `CALL_RUNS_MAX` peers (`sendmmsg`), and the kernel cuts each run
//! into datagrams (UDP_SEGMENT). Where a kernel or a network card cannot cut, the same batch goes out
//! datagram by datagram, still many to a call.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, getsockopt, sendmmsg, sockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tracing::info;

use super::DatagramBatch;
use super::datagram_batch::Run;

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
    /// The kernel cuts runs, as far as is known.
    cuts: AtomicBool,
}

/// One message of a call: a run, or a datagram of one.
struct Message<'a> {
    to: SocketAddr,
    bytes: &'a [u8],
    datagrams: usize,
}

impl DatagramSocket {
    /// Sends through `socket`, which stays usable for receiving.
    #[must_use]
    pub fn new(socket: UdpSocket) -> Self {
        let cuts = getsockopt(&socket, sockopt::UdpGsoSegment).is_ok();
        Self { socket, cuts: AtomicBool::new(cuts) }
    }

    /// The same, but every datagram is handed over by itself, as on a kernel that does not cut.
    #[must_use]
    pub fn without_segmentation(socket: UdpSocket) -> Self {
        Self { socket, cuts: AtomicBool::new(false) }
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
            // The length to cut at holds for a whole call.
            let same = |run: &&Run| run.segment_bytes == first.segment_bytes;
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
            to: run.to,
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
            let single = |range| Message { to: run.to, bytes: batch.bytes(range), datagrams: 1 };
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
            let call = || Ok(call(self.socket.as_raw_fd(), rest, segment_bytes)?);
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
}

/// Whether the kernel did as it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Done,
    Refused,
}

/// One `sendmmsg`; how many messages the kernel took, which is at least one.
fn call(
    socket: std::os::fd::RawFd,
    messages: &[Message<'_>],
    segment_bytes: Option<u16>,
) -> Result<usize, Errno> {
    // A run of one datagram needs no cutting, and old kernels need no telling.
    let cut_at = segment_bytes.filter(|_| messages.iter().any(|message| message.datagrams > 1));
    let space = cut_at.map(|_| nix::cmsg_space!(u16));
    let control: Vec<_> = cut_at.iter().map(ControlMessage::UdpGsoSegments).collect();
    let mut headers = MultiHeaders::preallocate(messages.len(), space);
    let slices: Vec<_> = messages.iter().map(|message| [IoSlice::new(message.bytes)]).collect();
    let to: Vec<_> = messages.iter().map(|m| Some(SockaddrStorage::from(m.to))).collect();
    let results = sendmmsg(socket, &mut headers, &slices, to, control, MsgFlags::MSG_DONTWAIT)?;
    Ok(results.count())
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
                let pushed = batch.push(peer.local_addr().unwrap(), 1_500, |room| {
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
        everything_arrives(DatagramSocket::new(loopback().await)).await;
    }

    #[tokio::test]
    async fn a_batch_arrives_where_the_kernel_does_not_cut() {
        everything_arrives(DatagramSocket::without_segmentation(loopback().await)).await;
    }

    #[tokio::test]
    async fn a_peer_that_cannot_be_reached_costs_its_own_datagrams() {
        let sender = DatagramSocket::new(loopback().await);
        let peer = loopback().await;
        // Bound to loopback, the socket has no way out of this machine; and port 0 is no address.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut batch = DatagramBatch::new(1 << 14);
        for to in [nowhere, peer.local_addr().unwrap(), nowhere] {
            for _ in 0..2 {
                batch.push(to, 100, |room| {
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
