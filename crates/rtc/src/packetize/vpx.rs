//! VP8 (RFC 7741) and VP9 (RFC 9628, non-flexible mode, one layer), both with 15-bit picture ids.
//!
//! Neither marks frames as disposable: whether one is referred to stands in VP8's entropy-coded header,
//! and a VP9 frame that refreshes no picture may still refresh the probabilities of frames after it.

use tally_media::Frame;

use super::payloads::{Payloads, Piece, PrefixBytes};
use super::{PictureIdAt, Prefix};

/// Adds the payloads of a VP8 frame. The descriptor (RFC 7741 4.2) is `X R N S R PID`, `I L T K`, and
/// the picture id.
pub(super) fn packetize_vp8(frame: &Frame, picture_id: u16, out: &mut Payloads) -> Option<bool> {
    const EXTENDED: u8 = 0x80;
    const START: u8 = 0x10;
    const HAS_PICTURE_ID: u8 = 0x80;
    if frame.payload.is_empty() {
        return None;
    }
    let [high, low] = picture_id.to_be_bytes();
    let prefix_bytes = PrefixBytes { first: 4, next: 4 };
    let at = Some(PictureIdAt { offset: 2 });
    out.push_cut(&frame.payload, prefix_bytes, at, |piece| {
        let start = if piece.is_first { START } else { 0 };
        Prefix::new(&[EXTENDED | start, HAS_PICTURE_ID, 0x80 | high, low])
    })?;
    Some(false)
}

/// Adds the payloads of a VP9 frame. The descriptor (RFC 9628 4.2) is `I P L F B E V Z` and the picture
/// id; a keyframe's first payload has the scalability structure with the picture's `size` in pixels.
pub(super) fn packetize_vp9(
    frame: &Frame,
    picture_id: u16,
    size: (u16, u16),
    out: &mut Payloads,
) -> Option<bool> {
    /// One spatial layer, Y (its size follows), no G (no picture group).
    const SIZE_FOLLOWS: u8 = 0x10;
    if frame.payload.is_empty() {
        return None;
    }
    let [high, low] = picture_id.to_be_bytes();
    let ([width_high, width_low], [height_high, height_low]) =
        (size.0.to_be_bytes(), size.1.to_be_bytes());
    let first = if frame.keyframe { 8 } else { 3 };
    let at = Some(PictureIdAt { offset: 1 });
    out.push_cut(&frame.payload, PrefixBytes { first, next: 3 }, at, |piece| {
        let descriptor = vp9_flags(frame.keyframe, piece);
        let bytes = [
            descriptor,
            0x80 | high,
            low,
            SIZE_FOLLOWS,
            width_high,
            width_low,
            height_high,
            height_low,
        ];
        Prefix::new(&bytes[..if piece.is_first { first } else { 3 }])
    })?;
    Some(false)
}

fn vp9_flags(keyframe: bool, piece: Piece) -> u8 {
    const HAS_PICTURE_ID: u8 = 0x80;
    const PREDICTED: u8 = 0x40;
    const START: u8 = 0x08;
    const END: u8 = 0x04;
    const HAS_STRUCTURE: u8 = 0x02;
    let mut flags = HAS_PICTURE_ID;
    if !keyframe {
        flags |= PREDICTED;
    }
    if piece.is_first {
        flags |= START;
        if keyframe {
            flags |= HAS_STRUCTURE;
        }
    }
    if piece.is_last {
        flags |= END;
    }
    flags
}
