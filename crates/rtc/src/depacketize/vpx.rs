//! VP8 (RFC 7741) and VP9 (RFC 9628) payloads into frames.

use bytes::{BufMut, Bytes, BytesMut};
use tally_media::codec::{vp8, vp9};

use super::{Assembled, DepacketizeError, Depacketizer};

/// Frames of one VP9 picture: one for each spatial layer (RFC 9628 4.2).
const LAYERS_MAX: usize = 8;
/// Bytes of a superframe index of [`LAYERS_MAX`] frames: two markers and sizes of four bytes.
const INDEX_BYTES_MAX: usize = 2 + 4 * LAYERS_MAX;

/// A descriptor that has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor<'a> {
    /// Whether the payload starts a frame: S and partition 0 of VP8, B of VP9.
    pub(super) starts_frame: bool,
    /// E of VP9.
    pub(super) ends_frame: bool,
    /// SID of VP9.
    pub(super) layer: u8,
    /// What follows the descriptor.
    pub(super) body: &'a [u8],
}

impl Depacketizer {
    pub(super) fn assemble_vp8(
        &mut self,
        payloads: &[Bytes],
        bytes: usize,
    ) -> Result<Assembled, DepacketizeError> {
        let mut out = BytesMut::with_capacity(bytes);
        for (index, payload) in payloads.iter().enumerate() {
            let read = read_vp8(payload).ok_or(DepacketizeError::Truncated)?;
            if read.starts_frame != (index == 0) {
                return Err(DepacketizeError::Incomplete);
            }
            out.put_slice(read.body);
        }
        if out.is_empty() {
            return Err(DepacketizeError::Empty);
        }
        let payload = out.freeze();
        let keyframe = vp8::is_keyframe(&payload);
        let codec = keyframe.then(|| vp8::from_keyframe(None, &payload)).transpose()?;
        Ok(self.assembled(payload, keyframe, codec))
    }

    /// The frames of all spatial layers of a picture become one superframe (VP9 annex B).
    pub(super) fn assemble_vp9(
        &mut self,
        payloads: &[Bytes],
        bytes: usize,
    ) -> Result<Assembled, DepacketizeError> {
        let mut out = BytesMut::with_capacity(bytes + INDEX_BYTES_MAX);
        let mut frame_bytes = Vec::new();
        let mut start = None;
        for payload in payloads {
            let read = read_vp9(payload).ok_or(DepacketizeError::Truncated)?;
            if read.starts_frame == start.is_some() {
                return Err(DepacketizeError::Incomplete);
            }
            let frame_start = start.unwrap_or(out.len());
            out.put_slice(read.body);
            start = (!read.ends_frame).then_some(frame_start);
            if read.ends_frame {
                frame_bytes.push(out.len() - frame_start);
            }
        }
        if start.is_some() {
            return Err(DepacketizeError::Incomplete);
        }
        if out.is_empty() {
            return Err(DepacketizeError::Empty);
        }
        if frame_bytes.len() > LAYERS_MAX {
            return Err(DepacketizeError::TooLarge);
        }
        if frame_bytes.len() > 1 {
            put_superframe_index(&frame_bytes, &mut out);
        }
        let payload = out.freeze();
        let keyframe = vp9::is_keyframe(&payload);
        let codec = keyframe.then(|| vp9::from_keyframe(&payload)).transpose()?;
        Ok(self.assembled(payload, keyframe, codec))
    }
}

/// VP9 annex B.2: marker, little-endian sizes of four bytes, marker.
fn put_superframe_index(frame_bytes: &[usize], out: &mut BytesMut) {
    const MARKER: u8 = 0b1100_0000;
    const FOUR_BYTES: u8 = 3 << 3;
    #[expect(clippy::cast_possible_truncation, reason = "at most LAYERS_MAX and FRAME_BYTES_MAX")]
    {
        let marker = MARKER | FOUR_BYTES | (frame_bytes.len() as u8 - 1);
        out.put_u8(marker);
        for bytes in frame_bytes {
            out.put_u32_le(*bytes as u32);
        }
        out.put_u8(marker);
    }
}

/// RFC 7741 4.2: `X R N S R PID`, then `I L T K`, picture id, TL0PICIDX, and TID with KEYIDX.
pub(super) fn read_vp8(payload: &[u8]) -> Option<Descriptor<'_>> {
    let (&first, mut body) = payload.split_first()?;
    let starts_frame = first & 0x10 != 0 && first & 7 == 0;
    if first & 0x80 != 0 {
        let (&extension, after) = body.split_first()?;
        let has = |bit: u8| extension & bit != 0;
        body = after;
        if has(0x80) {
            body = skip_picture_id(body)?;
        }
        body = body.get(usize::from(has(0x40)) + usize::from(has(0x20) || has(0x10))..)?;
    }
    Some(Descriptor { starts_frame, ends_frame: false, layer: 0, body })
}

/// RFC 9628 4.2: `I P L F B E V Z`, picture id, layer indices, reference indices, structure.
pub(super) fn read_vp9(payload: &[u8]) -> Option<Descriptor<'_>> {
    let (&first, mut body) = payload.split_first()?;
    let has = |bit: u8| first & bit != 0;
    let (is_predicted, is_flexible) = (has(0x40), has(0x10));
    if has(0x80) {
        body = skip_picture_id(body)?;
    }
    let mut layer = 0;
    if has(0x20) {
        layer = body.first()? >> 1 & 7;
        // TID U SID D, and TL0PICIDX where references are not told one by one.
        body = body.get(1 + usize::from(!is_flexible)..)?;
    }
    if is_flexible && is_predicted {
        const REFERENCES_MAX: usize = 3;
        for _ in 0..REFERENCES_MAX {
            let (&reference, after) = body.split_first()?;
            body = after;
            if reference & 1 == 0 {
                break;
            }
        }
    }
    if has(0x02) {
        body = skip_structure(body)?;
    }
    Some(Descriptor { starts_frame: has(0x08), ends_frame: has(0x04), layer, body })
}

/// 7 or 15 bits, as its first bit says.
fn skip_picture_id(body: &[u8]) -> Option<&[u8]> {
    body.get(if body.first()? & 0x80 == 0 { 1 } else { 2 }..)
}

/// RFC 9628 4.2.1: `N_S Y G`, a size for each layer, then the pictures of a group.
fn skip_structure(body: &[u8]) -> Option<&[u8]> {
    let (&head, mut body) = body.split_first()?;
    if head & 0x10 != 0 {
        let layers = usize::from(head >> 5) + 1;
        body = body.get(4 * layers..)?;
    }
    if head & 0x08 != 0 {
        let (&pictures, after) = body.split_first()?;
        body = after;
        for _ in 0..pictures {
            let references = usize::from(body.first()? >> 2 & 3);
            body = body.get(1 + references..)?;
        }
    }
    Some(body)
}
