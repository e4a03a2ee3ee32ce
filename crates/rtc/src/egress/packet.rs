//! A packet ready to be written: header, extensions and payload, nothing of it copied before.

use std::time::Duration;

use super::stream::StreamPacket;
use crate::packetize::PREFIX_BYTES_MAX;
use crate::rtp::{Header, HeaderWriter};

/// Bytes of IP, UDP and the authentication tag around a packet: what a path carries is counted whole.
pub const TRANSPORT_BYTES: usize = 20 + 8 + 16;

/// Extension ids as agreed on; `None` for those that were not.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExtensionIds {
    /// `draft-holmer-rmcat-transport-wide-cc-extensions-01`.
    pub transport_sequence: Option<u8>,
    /// `abs-send-time`.
    pub send_time: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`.
    pub mid: Option<u8>,
}

/// Values of extensions of one packet.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// Transport-wide sequence number.
    pub transport_sequence: u64,
    /// MID, where it is to be sent.
    pub mid: Option<&'a str>,
    /// Time of sending, from any origin of this viewer.
    pub since_start: Duration,
}

/// A packet of a viewer.
#[derive(Clone, Debug)]
pub struct ViewerPacket {
    header: HeaderWriter,
    packet: StreamPacket,
}

impl ViewerPacket {
    /// The packet with its header.
    #[must_use]
    pub fn new(packet: StreamPacket, ids: &ExtensionIds, stamp: &Stamp<'_>) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are sent")]
        let (sequence, transport) = (packet.sequence as u16, stamp.transport_sequence as u16);
        let mut header = HeaderWriter::new(Header {
            marker: packet.marker,
            payload_type: packet.payload_type,
            sequence,
            timestamp: packet.timestamp,
            ssrc: packet.ssrc,
        });
        if let Some(id) = ids.transport_sequence {
            header = header.extension(id, &transport.to_be_bytes());
        }
        if let Some(id) = ids.send_time {
            header = header.extension(id, &send_time(stamp.since_start));
        }
        if let (Some(id), Some(mid)) = (ids.mid, stamp.mid) {
            header = header.extension(id, mid.as_bytes());
        }
        Self { header, packet }
    }

    /// The stream's packet.
    #[must_use]
    pub fn packet(&self) -> &StreamPacket {
        &self.packet
    }

    /// Bytes [`write`](Self::write) writes.
    #[must_use]
    pub fn written_bytes(&self) -> usize {
        self.header.written_bytes() + self.packet.payload_bytes()
    }

    /// Bytes on the path.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        self.written_bytes() + TRANSPORT_BYTES
    }

    /// Writes the header to the start of `out` and returns its length in bytes.
    ///
    /// # Panics
    /// If `out` is shorter than that; [`crate::rtp::HEADER_BYTES_MAX`] always suffices.
    pub fn write_header(&self, out: &mut [u8]) -> usize {
        self.header.write(out)
    }

    /// The payload: the few bytes in front, and the body, which all viewers share.
    #[must_use]
    pub fn payload(&self) -> (PayloadHead, &[u8]) {
        let mut head = PayloadHead { bytes: [0; PAYLOAD_HEAD_BYTES_MAX], len: 0 };
        if let Some(original) = self.packet.original_sequence {
            head.put(&original.to_be_bytes());
        }
        head.put(self.packet.prefix.as_slice());
        (head, self.packet.body())
    }

    /// Writes the packet, not yet sealed, to the start of `out` and returns its length in bytes.
    ///
    /// # Panics
    /// If `out` is shorter than [`Self::written_bytes`].
    pub fn write(&self, out: &mut [u8]) -> usize {
        let mut at = self.header.write(out);
        let (head, body) = self.payload();
        for bytes in [head.as_slice(), body] {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        }
        at
    }
}

/// An original sequence number and a prefix.
const PAYLOAD_HEAD_BYTES_MAX: usize = 2 + PREFIX_BYTES_MAX;

/// What stands in front of a payload's body: of a retransmission the original sequence number (RFC
/// 4588 section 4), then the prefix with the viewer's picture id.
#[derive(Clone, Copy, Debug)]
pub struct PayloadHead {
    bytes: [u8; PAYLOAD_HEAD_BYTES_MAX],
    len: usize,
}

impl PayloadHead {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

/// Seconds modulo 64 in 6.18 fixed point.
fn send_time(since_start: Duration) -> [u8; 3] {
    let fixed = (since_start.as_nanos() << 18) / 1_000_000_000;
    #[expect(clippy::cast_possible_truncation, reason = "modulo 64 s")]
    let [_, high, middle, low] = (fixed as u32).to_be_bytes();
    [high, middle, low]
}
