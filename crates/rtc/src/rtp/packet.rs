//! Reading an RTP packet where it lies.

use std::ops::Range;

use super::Header;
use super::header::{EXTENSION_HEADER_BYTES, FIXED_BYTES, ONE_BYTE_PROFILE, TWO_BYTE_PROFILE};

/// Why some bytes are no RTP packet. Always the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The version is not 2.
    #[error("RTP version {0}, expected 2")]
    Version(u8),
    /// The header says more bytes than there are.
    #[error("an RTP header of {needed} bytes in a packet of {len}")]
    Truncated {
        /// Bytes the header takes, as far as it could be read.
        needed: usize,
        /// Bytes there are.
        len: usize,
    },
    /// Padding of zero bytes, or of more than the payload.
    #[error("{padding} bytes of padding in a payload of {payload}")]
    Padding {
        /// Bytes of padding, by the packet's last byte.
        padding: usize,
        /// Bytes after the header.
        payload: usize,
    },
}

/// A view of one unencrypted RTP packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    header_bytes: usize,
    payload_end: usize,
}

impl<'a> Packet<'a> {
    /// Reads the header and checks that all it announces is there.
    ///
    /// # Errors
    /// [`ParseError`] if not. Extension elements are looked at by [`Self::extension`] only: what is
    /// wrong with them costs them and not the packet.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let header_bytes = header_bytes(bytes)?;
        let payload = bytes.len() - header_bytes;
        let padded = bytes[0] & 0x20 != 0;
        let padding = if padded { bytes[header_bytes..].last().copied().unwrap_or(0) } else { 0 };
        let padding = usize::from(padding);
        if padded && (padding == 0 || padding > payload) {
            return Err(ParseError::Padding { padding, payload });
        }
        Ok(Self { bytes, header_bytes, payload_end: bytes.len() - padding })
    }

    /// What the fixed part of the header says.
    #[must_use]
    pub fn header(&self) -> Header {
        Header {
            marker: self.bytes[1] & 0x80 != 0,
            payload_type: self.bytes[1] & 0x7F,
            sequence: u16::from_be_bytes([self.bytes[2], self.bytes[3]]),
            timestamp: word(self.bytes, 4),
            ssrc: word(self.bytes, 8),
        }
    }

    /// Where the payload lies in the packet, without padding. Empty for packets of padding only.
    #[must_use]
    pub fn payload_range(&self) -> Range<usize> {
        self.header_bytes..self.payload_end
    }

    /// The contributing sources, at most 15.
    pub fn csrcs(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        let bytes = self.bytes;
        (0..csrc_count(bytes)).map(move |n| word(bytes, FIXED_BYTES + 4 * n))
    }

    /// The first extension element with this id, in the one- or two-byte form (RFC 8285).
    #[must_use]
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        let start = extension_start(self.bytes);
        if self.bytes[0] & 0x10 == 0 || id == 0 {
            return None;
        }
        let profile = u16::from_be_bytes([self.bytes[start], self.bytes[start + 1]]);
        let elements = &self.bytes[start + EXTENSION_HEADER_BYTES..self.header_bytes];
        match profile {
            ONE_BYTE_PROFILE => one_byte_element(elements, id),
            _ if profile & 0xFFF0 == TWO_BYTE_PROFILE => two_byte_element(elements, id),
            _ => None,
        }
    }
}

/// Length in bytes of the header at the start of `packet`: fixed part, contributing sources and
/// extension. Also right for a sealed packet, whose header is in the clear.
///
/// # Errors
/// [`ParseError::Version`] and [`ParseError::Truncated`].
pub fn header_bytes(packet: &[u8]) -> Result<usize, ParseError> {
    let truncated = |needed| ParseError::Truncated { needed, len: packet.len() };
    let first = *packet.first().ok_or(truncated(FIXED_BYTES))?;
    if first >> 6 != 2 {
        return Err(ParseError::Version(first >> 6));
    }
    let mut needed = extension_start(packet);
    if first & 0x10 != 0 {
        needed += EXTENSION_HEADER_BYTES;
        let length = packet.get(needed - 2..needed).ok_or(truncated(needed))?;
        needed += 4 * usize::from(u16::from_be_bytes([length[0], length[1]]));
    }
    if needed > packet.len() { Err(truncated(needed)) } else { Ok(needed) }
}

/// Whether a packet of RTP and RTCP on one port is RTCP (RFC 5761 section 4). Also right for sealed
/// packets.
#[must_use]
pub fn is_rtcp(packet: &[u8]) -> bool {
    matches!(packet, [_, 192..=223, ..])
}

/// Where the extension starts if there is one. `packet` has a first byte.
fn extension_start(packet: &[u8]) -> usize {
    FIXED_BYTES + 4 * csrc_count(packet)
}

fn csrc_count(packet: &[u8]) -> usize {
    usize::from(packet[0] & 0x0F)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// RFC 8285 section 4.2: id 15 ends the elements, and so does id 0 with a length.
fn one_byte_element(mut elements: &[u8], wanted: u8) -> Option<&[u8]> {
    loop {
        let (first, rest) = elements.split_first()?;
        let (id, len) = (first >> 4, usize::from(first & 0x0F) + 1);
        match id {
            0 if *first == 0 => elements = rest,
            0 | 15 => return None,
            _ => {
                let (bytes, after) = rest.split_at_checked(len)?;
                if id == wanted {
                    return Some(bytes);
                }
                elements = after;
            }
        }
    }
}

/// RFC 8285 section 4.3.
fn two_byte_element(mut elements: &[u8], wanted: u8) -> Option<&[u8]> {
    loop {
        let (id, rest) = elements.split_first()?;
        if *id == 0 {
            elements = rest;
            continue;
        }
        let (len, rest) = rest.split_first()?;
        let (bytes, after) = rest.split_at_checked(usize::from(*len))?;
        if *id == wanted {
            return Some(bytes);
        }
        elements = after;
    }
}
