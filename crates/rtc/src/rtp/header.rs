//! What an RTP header says, and writing it.

/// Bytes of extension elements a [`HeaderWriter`] holds, two of them id and length of each: MID and
/// RID of 16 bytes, a transport sequence number, a send time, an audio level and a playout delay
/// take 54.
pub const EXTENSION_BYTES_MAX: usize = 96;

/// Longest header a [`HeaderWriter`] writes: the fixed part, the extension's own header, elements,
/// and padding to a multiple of four bytes.
pub const HEADER_BYTES_MAX: usize = FIXED_BYTES + EXTENSION_HEADER_BYTES + EXTENSION_BYTES_MAX;

/// The part every RTP packet has (RFC 3550 section 5.1).
pub(super) const FIXED_BYTES: usize = 12;
/// Profile and length in front of extension elements (RFC 3550 section 5.3.1).
pub(super) const EXTENSION_HEADER_BYTES: usize = 4;
/// Profile of the one-byte form (RFC 8285 section 4.2).
pub(super) const ONE_BYTE_PROFILE: u16 = 0xBEDE;
/// Profile of the two-byte form, its low four bits being of no meaning (RFC 8285 section 4.3).
pub(super) const TWO_BYTE_PROFILE: u16 = 0x1000;
/// Largest id the one-byte form can carry; 15 means "stop".
const ONE_BYTE_ID_MAX: u8 = 14;
/// Longest element of the one-byte form, in bytes; its shortest is 1.
const ONE_BYTE_LEN_MAX: u8 = 16;

/// The fixed part of an RTP header, without what only its bytes need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The marker bit; with video, the last packet of a picture.
    pub marker: bool,
    /// Payload type, 7 bits.
    pub payload_type: u8,
    /// Sequence number, which wraps.
    pub sequence: u16,
    /// Timestamp in ticks of the payload's clock, which wraps.
    pub timestamp: u32,
    /// The source the sequence belongs to.
    pub ssrc: u32,
}

/// Writes a header with extension elements and without contributing sources. Nothing is allocated.
///
/// Elements are written in the one-byte form where all fit it, else in the two-byte form, which
/// the peer must have agreed to (`extmap-allow-mixed`).
#[derive(Clone, Debug)]
pub struct HeaderWriter {
    header: Header,
    /// Elements in the order given, each as id, length, bytes.
    elements: [u8; EXTENSION_BYTES_MAX],
    used: usize,
    /// How many elements there are.
    count: usize,
    two_byte: bool,
}

impl HeaderWriter {
    /// A header without extension elements. Of the payload type the low 7 bits are written.
    #[must_use]
    pub fn new(header: Header) -> Self {
        let elements = [0; EXTENSION_BYTES_MAX];
        Self { header, elements, used: 0, count: 0, two_byte: false }
    }

    /// The same header with one more element.
    ///
    /// # Panics
    /// With id 0, which means padding, and beyond [`EXTENSION_BYTES_MAX`]: ids come from an answer
    /// this side made and elements are few, so either is a bug.
    #[must_use]
    pub fn extension(mut self, id: u8, bytes: &[u8]) -> Self {
        assert!(id != 0, "extension id 0 is padding");
        let end = self.used + 2 + bytes.len();
        let element = self.elements.get_mut(self.used..end);
        let element = element.expect("extension elements fit EXTENSION_BYTES_MAX");
        #[expect(clippy::cast_possible_truncation, reason = "at most EXTENSION_BYTES_MAX")]
        let len = bytes.len() as u8;
        element[0] = id;
        element[1] = len;
        element[2..].copy_from_slice(bytes);
        self.two_byte |= id > ONE_BYTE_ID_MAX || !(1..=ONE_BYTE_LEN_MAX).contains(&len);
        self.used = end;
        self.count += 1;
        self
    }

    /// Bytes [`Self::write`] writes.
    #[must_use]
    pub fn written_bytes(&self) -> usize {
        if self.count == 0 {
            return FIXED_BYTES;
        }
        FIXED_BYTES + EXTENSION_HEADER_BYTES + self.elements_bytes().next_multiple_of(4)
    }

    /// Writes the header to the start of `out` and returns its length in bytes.
    ///
    /// # Panics
    /// If `out` is shorter than [`Self::written_bytes`].
    pub fn write(&self, out: &mut [u8]) -> usize {
        let Header { marker, payload_type, sequence, timestamp, ssrc } = self.header;
        let end = self.written_bytes();
        let out = &mut out[..end];
        let extended = u8::from(self.count > 0);
        out[0] = 2 << 6 | extended << 4;
        out[1] = u8::from(marker) << 7 | payload_type & 0x7F;
        out[2..4].copy_from_slice(&sequence.to_be_bytes());
        out[4..8].copy_from_slice(&timestamp.to_be_bytes());
        out[8..12].copy_from_slice(&ssrc.to_be_bytes());
        if self.count > 0 {
            self.write_extension(&mut out[FIXED_BYTES..]);
        }
        end
    }

    fn write_extension(&self, out: &mut [u8]) {
        let profile = if self.two_byte { TWO_BYTE_PROFILE } else { ONE_BYTE_PROFILE };
        #[expect(clippy::cast_possible_truncation, reason = "at most EXTENSION_BYTES_MAX / 4")]
        let words = (self.elements_bytes().div_ceil(4)) as u16;
        out[..2].copy_from_slice(&profile.to_be_bytes());
        out[2..4].copy_from_slice(&words.to_be_bytes());
        let out = &mut out[EXTENSION_HEADER_BYTES..];
        let mut at = 0;
        let mut rest = &self.elements[..self.used];
        while let [id, len, tail @ ..] = rest {
            let (bytes, after) = tail.split_at(usize::from(*len));
            if self.two_byte {
                out[at..at + 2].copy_from_slice(&[*id, *len]);
                at += 2;
            } else {
                out[at] = id << 4 | (len - 1);
                at += 1;
            }
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
            rest = after;
        }
        out[at..].fill(0);
    }

    /// Bytes of the elements as written, before padding.
    fn elements_bytes(&self) -> usize {
        if self.two_byte { self.used } else { self.used - self.count }
    }
}
