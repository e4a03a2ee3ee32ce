//! Walking length-prefixed NAL units, and finding where a decoder can start.

use crate::Codec;

/// Why a payload is not a sequence of NAL units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NalError {
    /// A NAL unit (or its length prefix) ends after the payload does.
    #[error("the NAL unit at byte {offset} is longer than its frame")]
    Truncated {
        /// Where the length prefix starts.
        offset: usize,
    },
    /// The codec does not consist of NAL units.
    #[error("{name} has no NAL units")]
    OtherCodec {
        /// The codec.
        name: &'static str,
    },
}

/// Bytes of the length before each NAL unit, as the decoder record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthSize {
    /// One byte.
    One,
    /// Two bytes.
    Two,
    /// Four bytes: what nearly every encoder writes.
    Four,
}

impl LengthSize {
    /// The length size a track's decoder record announces; `None` for codecs without NAL units.
    #[must_use]
    pub fn of(codec: &Codec) -> Option<Self> {
        let field = match codec {
            Codec::H264(video) => video.record.get(4)?,
            Codec::H265(video) => video.record.get(21)?,
            _ => return None,
        };
        match field & 3 {
            0 => Some(Self::One),
            1 => Some(Self::Two),
            3 => Some(Self::Four),
            _ => None,
        }
    }

    /// Bytes of the length.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

/// Iterates the NAL units of a frame, without their lengths. Ends after the first error. Each step
/// consumes at least the length prefix, so the walk is bounded by the payload's length.
#[derive(Clone, Debug)]
pub struct NalUnits<'a> {
    payload: &'a [u8],
    offset: usize,
    length_size: LengthSize,
}

/// Walks the NAL units of `payload`. Slices of a `Bytes` can be had without a copy through
/// `Bytes::slice_ref`. Empty NAL units are skipped: some encoders pad with them.
#[must_use]
pub const fn walk(payload: &[u8], length_size: LengthSize) -> NalUnits<'_> {
    NalUnits { payload, offset: 0, length_size }
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = Result<&'a [u8], NalError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.offset < self.payload.len() {
            let offset = self.offset;
            let Some(nal) = self.read() else {
                self.offset = self.payload.len();
                return Some(Err(NalError::Truncated { offset }));
            };
            if !nal.is_empty() {
                return Some(Ok(nal));
            }
        }
        None
    }
}

impl<'a> NalUnits<'a> {
    fn read(&mut self) -> Option<&'a [u8]> {
        let start = self.offset + self.length_size.bytes();
        let prefix = self.payload.get(self.offset..start)?;
        let length = prefix.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let end = start.checked_add(length)?;
        let nal = self.payload.get(start..end)?;
        self.offset = end;
        Some(nal)
    }
}

/// How a decoder can start at a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RandomAccess {
    /// It cannot.
    No,
    /// It can, but pictures shown earlier that follow in decode order may refer to the group before
    /// (open GOP), or the picture becomes whole only after some frames (intra refresh): an H.264
    /// recovery point or an H.265 CRA picture.
    Open,
    /// It can, and nothing after refers to anything before: IDR, or an H.265 BLA picture.
    Closed,
}

impl RandomAccess {
    /// What [`crate::Frame::keyframe`] says. An H.265 CRA picture counts: decoders drop the leading
    /// pictures that lack their references (H.265 8.1.3). An H.264 recovery point does not: browsers
    /// take only IDR pictures as sync samples, and what they show of the leading pictures is broken.
    #[must_use]
    pub const fn is_keyframe(self, codec: &Codec) -> bool {
        match self {
            Self::No => false,
            Self::Open => matches!(codec, Codec::H265(_)),
            Self::Closed => true,
        }
    }
}

/// How a decoder can start at an H.264 or H.265 frame.
///
/// # Errors
/// When `payload` is not a sequence of NAL units, or the codec has none.
pub fn random_access(codec: &Codec, payload: &[u8]) -> Result<RandomAccess, NalError> {
    let other = NalError::OtherCodec { name: "this codec" };
    let length_size = LengthSize::of(codec).ok_or(other)?;
    let classify = match codec {
        Codec::H264(_) => h264_random_access,
        Codec::H265(_) => h265_random_access,
        _ => return Err(other),
    };
    let mut found = RandomAccess::No;
    for nal in walk(payload, length_size) {
        match classify(nal?) {
            RandomAccess::Closed => return Ok(RandomAccess::Closed),
            RandomAccess::Open => found = RandomAccess::Open,
            RandomAccess::No => {}
        }
    }
    Ok(found)
}

fn h264_random_access(nal: &[u8]) -> RandomAccess {
    const IDR: u8 = 5;
    const SEI: u8 = 6;
    match nal.first().map(|header| header & 31) {
        Some(IDR) => RandomAccess::Closed,
        Some(SEI) if has_recovery_point(&nal[1..]) => RandomAccess::Open,
        _ => RandomAccess::No,
    }
}

fn h265_random_access(nal: &[u8]) -> RandomAccess {
    match crate::codec::h265::nal_type(nal) {
        Some(16..=20) => RandomAccess::Closed, // BLA_W_LP to IDR_N_LP
        Some(21) => RandomAccess::Open,        // CRA_NUT
        _ => RandomAccess::No,
    }
}

/// Whether an SEI payload holds a recovery point message (H.264 D.1.8). Emulation prevention is not
/// undone: it can only hide a message behind a long payload, never invent one at the front, where
/// encoders put it.
fn has_recovery_point(mut messages: &[u8]) -> bool {
    const RECOVERY_POINT: usize = 6;
    while let Some((kind, rest)) = sei_number(messages) {
        let Some((size, body)) = sei_number(rest) else { return false };
        if kind == RECOVERY_POINT && size > 0 {
            return true;
        }
        let Some(after) = body.get(size..) else { return false };
        messages = after;
    }
    false
}

/// An SEI number: a run of 0xFF and a last byte, summed (H.264 7.3.2.3.1).
fn sei_number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let run = bytes.iter().take_while(|byte| **byte == 0xFF).count();
    let last = usize::from(*bytes.get(run)?);
    Some((run * 255 + last, &bytes[run + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nals(payload: &[u8], length_size: LengthSize) -> Vec<Result<&[u8], NalError>> {
        walk(payload, length_size).collect()
    }

    #[test]
    fn lengths_of_one_two_and_four_bytes() {
        assert_eq!(nals(&[1, 9, 2, 8, 7], LengthSize::One), [Ok(&[9][..]), Ok(&[8, 7][..])]);
        assert_eq!(nals(&[0, 1, 9, 0, 0, 0, 1, 5], LengthSize::Two), [Ok(&[9][..]), Ok(&[5][..])]);
        assert_eq!(nals(&[0, 0, 0, 1, 9], LengthSize::Four), [Ok(&[9][..])]);
    }

    #[test]
    fn a_cut_nal_unit_ends_the_walk_and_says_where() {
        let cut = nals(&[1, 9, 5, 8], LengthSize::One);
        assert_eq!(cut, [Ok(&[9][..]), Err(NalError::Truncated { offset: 2 })]);
        let prefix = nals(&[0, 0, 0], LengthSize::Four);
        assert_eq!(prefix, [Err(NalError::Truncated { offset: 0 })]);
        let huge = nals(&[0xFF; 6], LengthSize::Four);
        assert_eq!(huge, [Err(NalError::Truncated { offset: 0 })]);
    }

    #[test]
    fn recovery_points_are_found_behind_other_messages() {
        assert!(has_recovery_point(&[5, 1, 0, 6, 1, 0xC4, 0x80]));
        assert!(has_recovery_point(&[0xFF, 0x01, 2, 9, 9, 6, 1, 0x80]));
        assert!(!has_recovery_point(&[5, 3, 6, 1, 0x80, 0x80]));
        assert!(!has_recovery_point(&[5, 200, 6]));
    }
}
