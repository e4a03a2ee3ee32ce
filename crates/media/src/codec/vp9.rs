//! VP9: the `vpcC` record (VP Codec ISO Media File Format Binding 1.0) and the key frame header
//! (VP9 bitstream specification 6.2), which alone knows the picture's size.

use bytes::{BufMut, Bytes, BytesMut};

use super::bits::BitReader;
use super::{Codec, CodecError, VideoRecord, dimension};
use crate::Color;

const RECORD: &str = "vpcC record";
const FRAME: &str = "VP9 frame header";
/// Version 1, no flags: how the payload of a `vpcC` box starts.
const FULL_BOX_HEAD: [u8; 4] = [1, 0, 0, 0];
/// Bytes of the record after version and flags, without initialization data.
const CONFIGURATION_BYTES: usize = 8;
/// Levels by largest luma picture (VP9 Levels and Decoder Testing 1.0, table 1). Of levels that share
/// a picture size the higher one is listed, because the frame rate is not known yet.
const LEVELS: [(u32, u8); 9] = [
    (36_864, 10),
    (73_728, 11),
    (122_880, 20),
    (245_760, 21),
    (552_960, 30),
    (983_040, 31),
    (2_228_224, 41),
    (8_912_896, 52),
    (35_651_584, 62),
];

/// What an uncompressed header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyframeHeader {
    /// 0 to 3.
    pub profile: u8,
    /// 8, 10 or 12.
    pub bit_depth: u8,
    /// `chroma_subsampling` of `vpcC`: 1 is 4:2:0, 2 is 4:2:2, 3 is 4:4:4.
    pub chroma: u8,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Colour space, where the stream names one.
    pub color: Option<Color>,
}

/// Reads a `vpcC` record and the first key frame: name and colour come from the record, the size from
/// the frame. The record may come with or without the box's version and flags: encoders do both.
///
/// # Errors
/// When either is cut, or `keyframe` is not a key frame.
pub fn from_vpcc(record: Bytes, keyframe: &[u8]) -> Result<Codec, CodecError> {
    let header = parse_keyframe(keyframe)?;
    let record = with_full_box_head(record)?;
    Ok(Codec::Vp9(video_record("vp09", record, header.width, header.height)))
}

/// Makes the record from the first key frame alone, for encoders that send no `vpcC`.
///
/// # Errors
/// When the frame header is cut or it is not a key frame.
pub fn from_keyframe(keyframe: &[u8]) -> Result<Codec, CodecError> {
    let header = parse_keyframe(keyframe)?;
    Ok(Codec::Vp9(video_record("vp09", vpcc(&header), header.width, header.height)))
}

/// Whether a decoder can start at this frame.
#[must_use]
pub fn is_keyframe(frame: &[u8]) -> bool {
    parse_keyframe(frame).is_ok()
}

pub(super) fn with_full_box_head(record: Bytes) -> Result<Bytes, CodecError> {
    // A record without the head starts with profile and level, and no level is 0.
    let has_head = record.starts_with(&FULL_BOX_HEAD);
    let needed = CONFIGURATION_BYTES + if has_head { FULL_BOX_HEAD.len() } else { 0 };
    if record.len() < needed {
        return Err(CodecError::Truncated { record: RECORD });
    }
    if has_head {
        return Ok(record);
    }
    let mut whole = BytesMut::with_capacity(FULL_BOX_HEAD.len() + record.len());
    whole.put_slice(&FULL_BOX_HEAD);
    whole.put_slice(&record);
    Ok(whole.freeze())
}

/// The record of a track; `record` has been checked to hold the whole configuration.
pub(super) fn video_record(kind: &str, record: Bytes, width: u16, height: u16) -> VideoRecord {
    let [profile, level, format, primaries, transfer, matrix] =
        [4, 5, 6, 7, 8, 9].map(|index| record[index]);
    let depth = format >> 4;
    let unspecified = [primaries, transfer, matrix].iter().all(|code| matches!(code, 0 | 2));
    let color = Color { primaries, transfer, matrix, full_range: format & 1 == 1 };
    VideoRecord {
        record,
        width,
        height,
        rfc6381: format!("{kind}.{profile:02}.{level:02}.{depth:02}"),
        color: (!unspecified).then_some(color),
    }
}

pub(super) fn vpcc(header: &KeyframeHeader) -> Bytes {
    let pixels = u32::from(header.width) * u32::from(header.height);
    let level = LEVELS.iter().find(|(most, _)| pixels <= *most).map_or(62, |(_, level)| *level);
    let color =
        header.color.unwrap_or(Color { primaries: 2, transfer: 2, matrix: 2, full_range: false });
    let mut record = BytesMut::with_capacity(FULL_BOX_HEAD.len() + CONFIGURATION_BYTES);
    record.put_slice(&FULL_BOX_HEAD);
    record.put_slice(&[
        header.profile,
        level,
        header.bit_depth << 4 | header.chroma << 1 | u8::from(color.full_range),
        color.primaries,
        color.transfer,
        color.matrix,
        0, // no codec initialization data
        0,
    ]);
    record.freeze()
}

/// Reads the uncompressed header of a key frame (VP9 6.2, 7.2).
///
/// # Errors
/// When it is cut, is no VP9, or not a key frame.
pub fn parse_keyframe(frame: &[u8]) -> Result<KeyframeHeader, CodecError> {
    let mut reader = BitReader::new(frame, FRAME);
    if reader.byte(2)? != 2 {
        return Err(CodecError::Missing { record: FRAME, part: "frame marker" });
    }
    let profile = reader.byte(1)? | reader.byte(1)? << 1;
    if profile == 3 {
        reader.flag()?; // reserved_zero
    }
    let (shows_existing, is_inter) = (reader.flag()?, reader.flag()?);
    if shows_existing || is_inter {
        return Err(CodecError::Missing { record: FRAME, part: "key frame" });
    }
    reader.skip(2)?; // show_frame, error_resilient_mode
    if reader.bits(24)? != 0x49_83_42 {
        return Err(CodecError::Missing { record: FRAME, part: "sync code" });
    }
    let bit_depth = match (profile >= 2, profile >= 2 && reader.flag()?) {
        (true, true) => 12,
        (true, false) => 10,
        (false, _) => 8,
    };
    let (chroma, color) = read_color(&mut reader, profile)?;
    let width = dimension(FRAME, "width", u64::from(reader.bits(16)?) + 1)?;
    let height = dimension(FRAME, "height", u64::from(reader.bits(16)?) + 1)?;
    Ok(KeyframeHeader { profile, bit_depth, chroma, width, height, color })
}

/// VP9 6.2.2; the colour spaces as code points of H.273.
fn read_color(reader: &mut BitReader<'_>, profile: u8) -> Result<(u8, Option<Color>), CodecError> {
    const CHROMA_420: u8 = 1;
    const CHROMA_444: u8 = 3;
    const SRGB: u8 = 7;
    let odd = profile & 1 == 1;
    let space = reader.byte(3)?;
    if space == SRGB {
        if !odd {
            return Err(reader.invalid("RGB in profile", u64::from(profile)));
        }
        reader.flag()?; // reserved_zero
        let color = Color { primaries: 1, transfer: 13, matrix: 0, full_range: true };
        return Ok((CHROMA_444, Some(color)));
    }
    let full_range = reader.flag()?;
    let mut chroma = CHROMA_420;
    if odd {
        chroma = match (reader.flag()?, reader.flag()?) {
            (false, _) => CHROMA_444,
            (true, false) => 2,
            (true, true) => return Err(reader.invalid("4:2:0 in profile", u64::from(profile))),
        };
        reader.flag()?; // reserved_zero
    }
    let code = match space {
        1 | 3 => 6, // BT.601, SMPTE 170M
        2 => 1,     // BT.709
        4 => 7,     // SMPTE 240M
        5 => 9,     // BT.2020
        _ => return Ok((chroma, None)),
    };
    let transfer = if code == 9 { 14 } else { code };
    Ok((chroma, Some(Color { primaries: code, transfer, matrix: code, full_range })))
}
