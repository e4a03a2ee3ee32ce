//! Walking the OBUs of an AV1 temporal unit (AV1 bitstream specification 5.3).

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// `OBU_SEQUENCE_HEADER`.
pub const SEQUENCE_HEADER: u8 = 1;
/// `OBU_TEMPORAL_DELIMITER`.
pub const TEMPORAL_DELIMITER: u8 = 2;
/// `OBU_FRAME_HEADER`.
pub const FRAME_HEADER: u8 = 3;
/// `OBU_FRAME`.
pub const FRAME: u8 = 6;

/// Why a payload is not a sequence of OBUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObuError {
    /// An OBU ends after the payload does.
    #[error("an OBU at byte {offset} is longer than its temporal unit")]
    Truncated {
        /// Where the OBU starts.
        offset: usize,
    },
    /// The forbidden bit is set: this is not AV1.
    #[error("no OBU starts at byte {offset}")]
    Forbidden {
        /// Where an OBU was expected.
        offset: usize,
    },
}

/// One OBU within a temporal unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obu<'a> {
    /// `obu_type`.
    pub kind: u8,
    /// Where it lies in the temporal unit, header included.
    pub range: Range<usize>,
    /// Its bytes after header and size field.
    pub payload: &'a [u8],
}

/// Iterates the OBUs of a temporal unit. Ends after the first error. Each step consumes at least one
/// byte, so the walk is bounded by the payload's length.
#[derive(Clone, Debug)]
pub struct Obus<'a> {
    unit: &'a [u8],
    offset: usize,
}

/// Walks the OBUs of `unit`; an OBU without a size field reaches to the end (5.3.1).
#[must_use]
pub const fn walk(unit: &[u8]) -> Obus<'_> {
    Obus { unit, offset: 0 }
}

impl<'a> Iterator for Obus<'a> {
    type Item = Result<Obu<'a>, ObuError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.offset >= self.unit.len() {
            return None;
        }
        let result = read(self.unit, self.offset);
        self.offset = result.as_ref().map_or(self.unit.len(), |obu| obu.range.end);
        Some(result)
    }
}

fn read(unit: &[u8], offset: usize) -> Result<Obu<'_>, ObuError> {
    let header = unit[offset];
    if header & 0x80 != 0 {
        return Err(ObuError::Forbidden { offset });
    }
    let truncated = ObuError::Truncated { offset };
    let mut start = offset + 1 + usize::from(header & 0x04 != 0);
    let mut end = unit.len();
    if header & 0x02 != 0 {
        let (size, size_bytes) = leb128(unit.get(start..).ok_or(truncated)?).ok_or(truncated)?;
        start += size_bytes;
        end = start.checked_add(size).ok_or(truncated)?;
    }
    let payload = unit.get(start..end).ok_or(truncated)?;
    Ok(Obu { kind: header >> 3 & 15, range: offset..end, payload })
}

/// Reads a LEB128 number (4.10.5): value and bytes used.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            // The specification bounds it to 32 bits.
            return u32::try_from(value).ok().map(|value| (value as usize, index + 1));
        }
    }
    None
}

/// The temporal unit without temporal delimiters, as ISO-BMFF stores it (AV1-ISOBMFF 2.4). A
/// delimiter stands first where encoders send one, so this only moves the start of the slice; a
/// delimiter elsewhere costs one copy.
///
/// # Errors
/// When `unit` is not a sequence of OBUs.
pub fn without_temporal_delimiters(unit: Bytes) -> Result<Bytes, ObuError> {
    let mut start = 0;
    let mut inside = false;
    for obu in walk(&unit) {
        let obu = obu?;
        if obu.kind != TEMPORAL_DELIMITER {
            continue;
        }
        if obu.range.start == start {
            start = obu.range.end;
        } else {
            inside = true;
        }
    }
    if !inside {
        return Ok(unit.slice(start..));
    }
    let mut kept = BytesMut::with_capacity(unit.len());
    for obu in walk(&unit) {
        let obu = obu?;
        if obu.kind != TEMPORAL_DELIMITER {
            kept.extend_from_slice(&unit[obu.range]);
        }
    }
    Ok(kept.freeze())
}

/// The first sequence header OBU of a temporal unit, header included.
///
/// # Errors
/// When `unit` is not a sequence of OBUs.
pub fn sequence_header(unit: &[u8]) -> Result<Option<&[u8]>, ObuError> {
    for obu in walk(unit) {
        let obu = obu?;
        if obu.kind == SEQUENCE_HEADER {
            return Ok(Some(&unit[obu.range]));
        }
    }
    Ok(None)
}

/// Whether a decoder can start at this temporal unit: it holds a sequence header and its first frame
/// is a shown key frame (AV1-ISOBMFF 2.5). Delayed random access points, whose key frame is shown
/// later, are not start points for players.
///
/// # Errors
/// When `unit` is not a sequence of OBUs.
pub fn is_keyframe(unit: &[u8]) -> Result<bool, ObuError> {
    let mut has_sequence_header = false;
    for obu in walk(unit) {
        let obu = obu?;
        match obu.kind {
            SEQUENCE_HEADER => has_sequence_header = true,
            FRAME | FRAME_HEADER => {
                // show_existing_frame = 0, frame_type = KEY_FRAME (0), show_frame = 1 (5.9.2)
                let shown_key = obu.payload.first().is_some_and(|byte| byte >> 4 == 0b0001);
                return Ok(has_sequence_header && shown_key);
            }
            _ => {}
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Temporal delimiter, sequence header of two bytes, key frame without a size field.
    const UNIT: [u8; 9] = [0x12, 0x00, 0x0A, 0x02, 0x00, 0x00, 0x30, 0x10, 0xAA];

    #[test]
    fn a_leading_delimiter_costs_no_copy() {
        let unit = Bytes::from_static(&UNIT);
        let kept = without_temporal_delimiters(unit.clone()).unwrap();
        assert_eq!(kept.as_ptr(), unit[2..].as_ptr());
        assert_eq!(kept, unit[2..]);
    }

    #[test]
    fn a_delimiter_in_between_is_cut_out() {
        let unit = [&UNIT[2..6], &UNIT[..2], &UNIT[6..]].concat();
        assert_eq!(without_temporal_delimiters(unit.into()).unwrap(), UNIT[2..]);
    }

    #[test]
    fn keyframes_carry_their_sequence_header() {
        assert_eq!(is_keyframe(&UNIT), Ok(true));
        assert_eq!(is_keyframe(&UNIT[6..]), Ok(false));
        assert_eq!(sequence_header(&UNIT), Ok(Some(&UNIT[2..6])));
        let mut inter = UNIT;
        inter[7] = 0x30; // frame_type 1
        assert_eq!(is_keyframe(&inter), Ok(false));
    }

    #[test]
    fn the_payload_lies_behind_header_extension_and_size() {
        let obus: Vec<Obu<'_>> = walk(&[0x36, 0x28, 0x01, 0xAA, 0x30]).flatten().collect();
        assert_eq!(obus[0], Obu { kind: FRAME, range: 0..4, payload: &[0xAA] });
        assert_eq!(obus[1], Obu { kind: FRAME, range: 4..5, payload: &[] });
    }

    #[test]
    fn cut_units_say_where() {
        let error = walk(&UNIT[..5]).find_map(Result::err);
        assert_eq!(error, Some(ObuError::Truncated { offset: 2 }));
        assert_eq!(is_keyframe(&[0x80]), Err(ObuError::Forbidden { offset: 0 }));
    }
}
