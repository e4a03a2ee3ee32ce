//! VP8: everything a decoder needs is in the key frame's header (RFC 6386 9.1).

use bytes::Bytes;

use super::vp9::{KeyframeHeader, video_record, vpcc, with_full_box_head};
use super::{Codec, CodecError, dimension};

const FRAME: &str = "VP8 frame header";

/// Makes the record from the first key frame, and from the encoder's `vpcC` if it sent one.
///
/// # Errors
/// When the frame header or the record is cut, or it is not a key frame.
pub fn from_keyframe(record: Option<Bytes>, keyframe: &[u8]) -> Result<Codec, CodecError> {
    let (width, height) = parse_keyframe(keyframe)?;
    let header = KeyframeHeader { profile: 0, bit_depth: 8, chroma: 1, width, height, color: None };
    let record = match record {
        Some(record) => with_full_box_head(record)?,
        None => vpcc(&header),
    };
    Ok(Codec::Vp8(video_record("vp08", record, width, height)))
}

/// Whether a decoder can start at this frame.
#[must_use]
pub fn is_keyframe(frame: &[u8]) -> bool {
    parse_keyframe(frame).is_ok()
}

/// Width and height in pixels of a key frame.
///
/// # Errors
/// When it is cut or not a key frame.
pub fn parse_keyframe(frame: &[u8]) -> Result<(u16, u16), CodecError> {
    let Some(&[tag, _, _, start0, start1, start2, w0, w1, h0, h1]) = frame.first_chunk() else {
        return Err(CodecError::Truncated { record: FRAME });
    };
    if tag & 1 != 0 {
        return Err(CodecError::Missing { record: FRAME, part: "key frame" });
    }
    if [start0, start1, start2] != [0x9D, 0x01, 0x2A] {
        return Err(CodecError::Missing { record: FRAME, part: "start code" });
    }
    // The upper two bits are a scaling hint for the display.
    let width = u64::from(u16::from_le_bytes([w0, w1]) & 0x3FFF);
    let height = u64::from(u16::from_le_bytes([h0, h1]) & 0x3FFF);
    Ok((dimension(FRAME, "width", width)?, dimension(FRAME, "height", height)?))
}
