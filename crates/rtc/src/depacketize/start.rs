//! Cheap questions to a single payload, for what reorders packets before it has a whole picture.

use super::Format;
use super::vpx::{read_vp8, read_vp9};
use tally_media::codec::{vp8, vp9};

/// Whether a picture can start with this payload. `false` is certain: it continues one. With H.264,
/// H.265 and AV1 a payload inside a picture can look like the start of one.
#[must_use]
pub fn starts_picture(format: Format, payload: &[u8]) -> bool {
    match format {
        Format::H264 => h264_units(payload).any(|unit| match unit.kind {
            // first_mb_in_slice is 0: a single 1 bit (H.264 7.3.3).
            1 | 2 | 5 => unit.starts && unit.first_byte.is_some_and(|byte| byte & 0x80 != 0),
            6..=9 | 14..=18 => unit.starts,
            _ => false,
        }),
        Format::H265 => h265_units(payload).any(|unit| match unit.kind {
            // first_slice_segment_in_pic_flag (H.265 7.3.6.1).
            0..=31 => unit.starts && unit.first_byte.is_some_and(|byte| byte & 0x80 != 0),
            32..=35 | 39 => unit.starts,
            _ => false,
        }),
        Format::Av1 => payload.len() > 1 && payload[0] & 0x80 == 0,
        Format::Vp8 => read_vp8(payload).is_some_and(|read| read.starts_frame),
        Format::Vp9 => read_vp9(payload).is_some_and(|read| read.starts_frame && read.layer == 0),
        Format::Opus => !payload.is_empty(),
    }
}

/// Whether this payload carries the start of a keyframe, or of the parameter sets in front of one. Every
/// Opus packet is one.
#[must_use]
pub fn is_keyframe_start(format: Format, payload: &[u8]) -> bool {
    match format {
        Format::H264 => h264_units(payload).any(|unit| unit.starts && matches!(unit.kind, 5 | 7)),
        Format::H265 => {
            h265_units(payload).any(|unit| unit.starts && matches!(unit.kind, 16..=21 | 33))
        }
        // N: the first packet of a coded video sequence (AV1 payload format 4.4).
        Format::Av1 => payload.first().is_some_and(|header| header & 0x88 == 0x08),
        Format::Vp8 => {
            read_vp8(payload).is_some_and(|read| read.starts_frame && vp8::is_keyframe(read.body))
        }
        Format::Vp9 => read_vp9(payload).is_some_and(|read| {
            read.starts_frame && read.layer == 0 && vp9::is_keyframe(read.body)
        }),
        Format::Opus => !payload.is_empty(),
    }
}

/// A NAL unit of which a payload carries at least a piece.
struct Unit {
    kind: u8,
    /// Whether its first byte is in this payload.
    starts: bool,
    /// The byte after its header.
    first_byte: Option<u8>,
}

fn h264_units(payload: &[u8]) -> impl Iterator<Item = Unit> + '_ {
    const STAP_A: u8 = 24;
    const FU_A: u8 = 28;
    let kind = payload.first().map_or(0, |header| header & 31);
    let whole = |unit: &[u8]| Unit {
        kind: unit.first().map_or(0, |header| header & 31),
        starts: true,
        first_byte: unit.get(1).copied(),
    };
    let fragment = || {
        let fu = payload.get(1)?;
        let first_byte = payload.get(2).copied();
        Some(Unit { kind: fu & 31, starts: fu & 0x80 != 0, first_byte })
    };
    let single = match kind {
        FU_A => fragment(),
        1..=23 => Some(whole(payload)),
        _ => None,
    };
    let aggregated = payload.get(1..).filter(|_| kind == STAP_A).unwrap_or_default();
    single.into_iter().chain(aggregated_units(aggregated).map(whole))
}

fn h265_units(payload: &[u8]) -> impl Iterator<Item = Unit> + '_ {
    const AP: u8 = 48;
    const FU: u8 = 49;
    let kind = payload.first().map_or(u8::MAX, |header| header >> 1 & 63);
    let whole = |unit: &[u8]| Unit {
        kind: unit.first().map_or(u8::MAX, |header| header >> 1 & 63),
        starts: true,
        first_byte: unit.get(2).copied(),
    };
    let fragment = || {
        let fu = payload.get(2)?;
        let first_byte = payload.get(3).copied();
        Some(Unit { kind: fu & 63, starts: fu & 0x80 != 0, first_byte })
    };
    let single = match kind {
        FU => fragment(),
        0..=47 => Some(whole(payload)),
        _ => None,
    };
    let aggregated = payload.get(2..).filter(|_| kind == AP).unwrap_or_default();
    single.into_iter().chain(aggregated_units(aggregated).map(whole))
}

/// The units of an aggregation packet behind its header; ends where one is cut. Bounded by the payload.
fn aggregated_units(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (unit, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = after;
        Some(unit)
    })
}
