//! AV1 payloads into temporal units (RTP Payload Format For AV1, version 1.0).

use bytes::{BufMut, Bytes, BytesMut};
use tally_media::codec::av1;
use tally_media::obu::{self, TEMPORAL_DELIMITER};

use super::{Assembled, DepacketizeError, Depacketizer, UNITS_MAX};

/// Longest OBU header with size field: header, extension, LEB128 of eight bytes.
const HEAD_BYTES_MAX: usize = 10;
/// Bytes of the size field that is written for an OBU: 28 bits are more than a frame may have.
const SIZE_BYTES_MAX: usize = 4;
/// `OBU_TILE_LIST`: must be ignored (section 5).
const TILE_LIST: u8 = 8;
/// `OBU_PADDING`: bytes for nothing.
const PADDING: u8 = 15;
const HAS_EXTENSION: u8 = 0x04;
const HAS_SIZE: u8 = 0x02;

/// The pieces of a picture's OBUs, as they lie in the payloads.
#[derive(Default)]
struct Pieces<'a> {
    pieces: Vec<&'a [u8]>,
    /// Where in `pieces` each OBU starts.
    starts: Vec<usize>,
    /// Whether the last OBU goes on in the next payload.
    is_open: bool,
}

impl Depacketizer {
    pub(super) fn assemble_obus(
        &mut self,
        payloads: &[Bytes],
        bytes: usize,
    ) -> Result<Assembled, DepacketizeError> {
        let mut found = Pieces::default();
        for payload in payloads {
            found.read(payload)?;
        }
        if found.is_open {
            return Err(DepacketizeError::Incomplete);
        }
        let mut out = BytesMut::with_capacity(bytes + SIZE_BYTES_MAX * found.starts.len());
        let ends = found.starts.iter().skip(1).copied().chain([found.pieces.len()]);
        for (start, end) in found.starts.iter().copied().zip(ends) {
            put_obu(&found.pieces[start..end], &mut out)?;
        }
        if out.is_empty() {
            return Err(DepacketizeError::Empty);
        }
        let payload = out.freeze();
        for unit in obu::walk(&payload) {
            unit.map_err(|_| DepacketizeError::Bitstream)?;
        }
        let keyframe = obu::is_keyframe(&payload).map_err(|_| DepacketizeError::Bitstream)?;
        let header = obu::sequence_header(&payload).map_err(|_| DepacketizeError::Bitstream)?;
        let codec = match header {
            Some(header) if keyframe && self.is_new_sequence(header) => {
                let codec = av1::from_sequence_header(header)?;
                self.sequence_header = Bytes::copy_from_slice(header);
                Some(codec)
            }
            _ => None,
        };
        Ok(self.assembled(payload, keyframe, codec))
    }

    fn is_new_sequence(&self, header: &[u8]) -> bool {
        self.codec.is_none() || self.sequence_header != header
    }
}

impl<'a> Pieces<'a> {
    /// Reads one payload: `Z Y W W N` and its elements (section 4.4).
    fn read(&mut self, payload: &'a [u8]) -> Result<(), DepacketizeError> {
        let (&header, mut rest) = payload.split_first().ok_or(DepacketizeError::Truncated)?;
        let (mut continues, is_continued) = (header & 0x80 != 0, header & 0x40 != 0);
        if continues != self.is_open {
            return Err(DepacketizeError::Incomplete);
        }
        let counted = usize::from(header >> 4 & 3);
        let mut elements = 0;
        while !rest.is_empty() {
            elements += 1;
            if counted > 0 && elements > counted {
                return Err(DepacketizeError::Truncated);
            }
            let element = if elements == counted {
                std::mem::take(&mut rest)
            } else {
                let (length, after) = read_leb128(rest).ok_or(DepacketizeError::Truncated)?;
                let (element, after) =
                    after.split_at_checked(length).ok_or(DepacketizeError::Truncated)?;
                rest = after;
                element
            };
            self.put(element, std::mem::take(&mut continues))?;
        }
        if elements < counted || elements == 0 {
            return Err(DepacketizeError::Truncated);
        }
        self.is_open = is_continued;
        Ok(())
    }

    fn put(&mut self, element: &'a [u8], continues: bool) -> Result<(), DepacketizeError> {
        if !continues {
            self.starts.push(self.pieces.len());
        }
        if self.starts.len() > UNITS_MAX {
            return Err(DepacketizeError::TooLarge);
        }
        self.pieces.push(element);
        Ok(())
    }
}

/// Writes one OBU with its size, unless it is one that frames are without.
fn put_obu(pieces: &[&[u8]], out: &mut BytesMut) -> Result<(), DepacketizeError> {
    let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
    if bytes == 0 {
        return Ok(()); // an empty element is legal, and nothing
    }
    let (mut head, mut head_len) = ([0; HEAD_BYTES_MAX], 0);
    for byte in pieces.iter().flat_map(|piece| piece.iter()).take(HEAD_BYTES_MAX) {
        head[head_len] = *byte;
        head_len += 1;
    }
    if matches!(head[0] >> 3 & 15, TEMPORAL_DELIMITER | TILE_LIST | PADDING) {
        return Ok(());
    }
    let header_len = 1 + usize::from(head[0] & HAS_EXTENSION != 0);
    // A size that the sender left in is taken out, and must have been right.
    let mut skip = header_len;
    if head[0] & HAS_SIZE != 0 {
        let sized = head.get(header_len..head_len).ok_or(DepacketizeError::Truncated)?;
        let (size, rest) = read_leb128(sized).ok_or(DepacketizeError::Truncated)?;
        skip += sized.len() - rest.len();
        if skip + size != bytes {
            return Err(DepacketizeError::Bitstream);
        }
    }
    let size = bytes.checked_sub(skip).ok_or(DepacketizeError::Truncated)?;
    out.put_u8(head[0] | HAS_SIZE);
    out.put_slice(&head[1..header_len]);
    put_leb128(size, out);
    for piece in pieces {
        let skipped = skip.min(piece.len());
        skip -= skipped;
        out.put_slice(&piece[skipped..]);
    }
    Ok(())
}

/// A LEB128 number of at most 32 bits (AV1 4.10.5), and what follows it.
fn read_leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let value = usize::try_from(u32::try_from(value).ok()?).ok()?;
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

fn put_leb128(mut value: usize, out: &mut BytesMut) {
    while value >= 0x80 {
        out.put_u8(value as u8 & 0x7F | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}
