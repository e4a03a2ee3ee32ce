//! Datagrams to many peers, written one behind the other into one buffer.
//!
//! The kernel cuts one buffer into datagrams by itself (UDP_SEGMENT, "GSO"), which costs a quarter of
//! a call for each: but only for one peer, and only where all but the last have the same length. So
//! the batch keeps *runs*: neighbours in the buffer that the kernel may cut.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Datagrams of one run: the kernel's UDP_MAX_SEGMENTS since 4.18; newer ones take more.
const RUN_SEGMENTS_MAX: usize = 64;

/// Bytes of one run: what fits into one IPv4 datagram, which a run is until it is cut.
const RUN_BYTES_MAX: usize = 65_507;

/// From where to where a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which of this host's addresses it leaves from; `None` lets the kernel choose. Only a socket
    /// bound to a wildcard has a choice.
    pub from: Option<IpAddr>,
    /// The peer.
    pub to: SocketAddr,
}

impl Route {
    /// To `to`, from the address the kernel chooses.
    #[must_use]
    pub const fn to(to: SocketAddr) -> Self {
        Self { from: None, to }
    }
}

/// Neighbouring datagrams to one peer, of equal length but for a shorter last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) route: Route,
    pub(super) bytes: Range<usize>,
    /// Length of each datagram but the last.
    pub(super) segment_bytes: u16,
    pub(super) segments: usize,
}

impl Run {
    fn takes(&self, route: Route, len_bytes: usize) -> bool {
        let segment_bytes = usize::from(self.segment_bytes);
        self.route == route
            && len_bytes <= segment_bytes
            && self.bytes.len() == self.segments * segment_bytes
            && self.segments < RUN_SEGMENTS_MAX
            && self.bytes.len() + len_bytes <= RUN_BYTES_MAX
    }

    /// Where each datagram lies.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let Range { start, end } = self.bytes;
        let step = usize::from(self.segment_bytes).max(1);
        (start..end).step_by(step).map(move |from| from..end.min(from + step))
    }
}

/// Datagrams that wait to be sent together. Reused from batch to batch, so that sending allocates
/// nothing for a datagram.
#[derive(Debug)]
pub struct DatagramBatch {
    buffer: Box<[u8]>,
    used_bytes: usize,
    runs: Vec<Run>,
    datagrams: usize,
}

impl DatagramBatch {
    /// A batch that takes `capacity_bytes` of datagrams.
    #[must_use]
    pub fn new(capacity_bytes: usize) -> Self {
        let buffer = vec![0; capacity_bytes].into_boxed_slice();
        Self { buffer, used_bytes: 0, runs: Vec::new(), datagrams: 0 }
    }

    /// Adds a datagram along `route`, which `write` puts into a buffer of `len_bytes_max` bytes and tells
    /// the length of. `None`, and nothing written, where the batch has no room for it: send it
    /// first. A length of zero adds nothing.
    ///
    /// # Panics
    /// When `write` tells a length beyond its buffer.
    pub fn push(
        &mut self,
        route: Route,
        len_bytes_max: u16,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> Option<usize> {
        let from = self.used_bytes;
        let room = self.buffer.get_mut(from..from + usize::from(len_bytes_max))?;
        let len_bytes = write(room);
        assert!(len_bytes <= room.len(), "{len_bytes} bytes do not fit into {len_bytes_max}");
        if len_bytes > 0 {
            self.used_bytes += len_bytes;
            self.datagrams += 1;
            self.extend_runs(route, from..from + len_bytes);
        }
        Some(len_bytes)
    }

    fn extend_runs(&mut self, route: Route, bytes: Range<usize>) {
        if let Some(run) = self.runs.last_mut().filter(|run| run.takes(route, bytes.len())) {
            run.bytes.end = bytes.end;
            run.segments += 1;
            return;
        }
        let segment_bytes = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        self.runs.push(Run { route, bytes, segment_bytes, segments: 1 });
    }

    /// Datagrams in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.datagrams
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.datagrams == 0
    }

    /// Bytes in it.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Forgets all datagrams, keeps the memory.
    pub fn clear(&mut self) {
        self.used_bytes = 0;
        self.datagrams = 0;
        self.runs.clear();
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> Route {
        Route::to(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    fn batch(datagrams: &[(u16, usize)]) -> DatagramBatch {
        let mut batch = DatagramBatch::new(1 << 20);
        for (port, len_bytes) in datagrams {
            batch.push(peer(*port), 1_500, |_| *len_bytes).unwrap();
        }
        batch
    }

    fn runs(datagrams: &[(u16, usize)]) -> Vec<(u16, usize, usize)> {
        let batch = batch(datagrams);
        let run = |run: &Run| (run.segment_bytes, run.segments, run.bytes.len());
        batch.runs().iter().map(run).collect()
    }

    #[test]
    fn equal_datagrams_to_one_peer_are_one_run_and_a_shorter_one_ends_it() {
        assert_eq!(runs(&[(1, 1_200), (1, 1_200), (1, 40)]), [(1_200, 3, 2_440)]);
        let after_a_short_one = [(1, 1_200), (1, 40), (1, 40)];
        assert_eq!(runs(&after_a_short_one), [(1_200, 2, 1_240), (40, 1, 40)]);
        assert_eq!(runs(&[(1, 40), (1, 1_200)]), [(40, 1, 40), (1_200, 1, 1_200)]);
        assert_eq!(runs(&[(1, 40), (2, 40)]), [(40, 1, 40), (40, 1, 40)]);
    }

    #[test]
    fn a_run_stays_within_what_the_kernel_cuts() {
        assert_eq!(runs(&[(1, 100); 65]), [(100, 64, 6_400), (100, 1, 100)]);
        assert_eq!(runs(&[(1, 1_200); 55]), [(1_200, 54, 64_800), (1_200, 1, 1_200)]);
    }

    #[test]
    fn the_datagrams_of_a_run_are_found_again() {
        let batch = batch(&[(1, 100), (1, 100), (1, 7)]);
        let datagrams: Vec<_> = batch.runs()[0].datagrams().collect();
        assert_eq!(datagrams, [0..100, 100..200, 200..207]);
    }

    #[test]
    fn a_full_batch_takes_nothing_and_an_emptied_one_does() {
        let mut batch = DatagramBatch::new(100);
        assert_eq!(batch.push(peer(1), 60, |_| 60), Some(60));
        assert_eq!(batch.push(peer(1), 60, |_| unreachable!("there is no room")), None);
        assert_eq!(batch.push(peer(1), 40, |_| 0), Some(0));
        assert_eq!(batch.len(), 1);
        batch.clear();
        assert!(batch.is_empty());
        assert_eq!(batch.push(peer(1), 60, |_| 60), Some(60));
    }
}
