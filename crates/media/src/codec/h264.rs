//! H.264 / AVC: the `avcC` record (ISO/IEC 14496-15 5.3.3.1) and the sequence parameter set
//! (H.264 7.3.2.1.1, Annex E), read as far as size and colour.

use bytes::{BufMut, Bytes, BytesMut};

use super::bits::BitReader;
use super::{Codec, CodecError, VideoRecord, cropped, dimension};
use crate::Color;
use crate::nal::LengthSize;

const RECORD: &str = "avcC record";
const SPS: &str = "H.264 SPS";
/// Profiles whose SPS carries chroma format and scaling lists (H.264 7.3.2.1.1).
const HIGH_PROFILES: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// What a sequence parameter set tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceParameters {
    /// `profile_idc`.
    pub profile: u8,
    /// The byte of `constraint_set*_flag`s.
    pub constraints: u8,
    /// `level_idc`.
    pub level: u8,
    /// Width after cropping, in pixels.
    pub width: u16,
    /// Height after cropping, in pixels.
    pub height: u16,
    /// Colour description of the VUI.
    pub color: Option<Color>,
}

/// Reads an `avcC` record: the decoder record of a track, its size, colour and `avc1.PPCCLL` name.
///
/// # Errors
/// When the record is cut, is of another version, or holds no usable SPS.
pub fn from_avcc(record: Bytes) -> Result<Codec, CodecError> {
    let sets = ParameterSets::parse(&record)?;
    let first = sets.sps.first().ok_or(CodecError::Missing { record: RECORD, part: "SPS" })?;
    let sps = parse_sps(first)?;
    Ok(Codec::H264(VideoRecord {
        width: sps.width,
        height: sps.height,
        // The SPS's own bytes: some encoders fill in the record's header from their settings.
        rfc6381: format!("avc1.{:02X}{:02X}{:02X}", sps.profile, sps.constraints, sps.level),
        color: sps.color,
        record,
    }))
}

/// Builds an `avcC` record from parameter sets without length prefixes, as
/// WebRTC and encoders that change parameters in band send them.
///
/// # Errors
/// When there is no SPS, or a set is longer or there are more of them than the record can say.
pub fn avcc(sps: &[&[u8]], pps: &[&[u8]], length_size: LengthSize) -> Result<Bytes, CodecError> {
    let missing = CodecError::Missing { record: RECORD, part: "SPS" };
    let &[_, profile, constraints, level, ..] = *sps.first().ok_or(missing)? else {
        return Err(CodecError::Truncated { record: SPS });
    };
    let mut out = BytesMut::new();
    out.put_slice(&[1, profile, constraints, level, 0xFC | (length_size.bytes() - 1) as u8]);
    put_sets(&mut out, sps, 31, 0xE0)?;
    put_sets(&mut out, pps, 255, 0)?;
    if !matches!(profile, 66 | 77 | 88) {
        let format = parse_format(sps[0])?;
        out.put_slice(&[
            0xFC | format.chroma,
            0xF8 | format.luma_depth_minus8,
            0xF8 | format.chroma_depth_minus8,
            0,
        ]);
    }
    Ok(out.freeze())
}

fn put_sets(
    out: &mut BytesMut,
    sets: &[&[u8]],
    count_max: usize,
    reserved: u8,
) -> Result<(), CodecError> {
    let invalid = |value: usize| CodecError::Invalid {
        record: RECORD,
        field: "number or length of parameter sets",
        value: value as u64,
    };
    let count = u8::try_from(sets.len()).map_err(|_| invalid(sets.len()))?;
    if sets.len() > count_max {
        return Err(invalid(sets.len()));
    }
    out.put_u8(reserved | count);
    for set in sets {
        out.put_u16(u16::try_from(set.len()).map_err(|_| invalid(set.len()))?);
        out.put_slice(set);
    }
    Ok(())
}

/// The parameter sets inside an `avcC` record, without their lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSets<'a> {
    /// Sequence parameter sets, in the record's order.
    pub sps: Vec<&'a [u8]>,
    /// Picture parameter sets, in the record's order.
    pub pps: Vec<&'a [u8]>,
}

impl<'a> ParameterSets<'a> {
    /// Reads the sets; their number is bounded by the record's 5- and 8-bit counts.
    ///
    /// # Errors
    /// When the record is cut or of another version.
    pub fn parse(record: &'a [u8]) -> Result<Self, CodecError> {
        let &[version, _, _, _, length_size, sps_count, ref rest @ ..] = record else {
            return Err(CodecError::Truncated { record: RECORD });
        };
        if version != 1 {
            let value = u64::from(version);
            return Err(CodecError::Invalid { record: RECORD, field: "version", value });
        }
        if length_size & 3 == 2 {
            return Err(CodecError::Invalid { record: RECORD, field: "NAL length size", value: 3 });
        }
        let (sps, rest) = take_sets(rest, sps_count & 31)?;
        let (&pps_count, rest) =
            rest.split_first().ok_or(CodecError::Truncated { record: RECORD })?;
        let (pps, _) = take_sets(rest, pps_count)?;
        Ok(Self { sps, pps })
    }
}

fn take_sets(mut rest: &[u8], count: u8) -> Result<(Vec<&[u8]>, &[u8]), CodecError> {
    let truncated = CodecError::Truncated { record: RECORD };
    let mut sets = Vec::with_capacity(count.into());
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<2>().ok_or(truncated.clone())?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (set, after) = after.split_at_checked(length).ok_or(truncated.clone())?;
        sets.push(set);
        rest = after;
    }
    Ok((sets, rest))
}

/// Chroma format and bit depths.
struct Format {
    chroma: u8,
    separate_planes: bool,
    luma_depth_minus8: u8,
    chroma_depth_minus8: u8,
}

/// Reads a sequence parameter set NAL unit (header byte included, no length prefix or start code).
///
/// # Errors
/// When it is cut or holds values H.264 forbids.
pub fn parse_sps(nal: &[u8]) -> Result<SequenceParameters, CodecError> {
    let mut reader = BitReader::of_nal(nal, SPS);
    let (profile, constraints, level) = read_start(&mut reader)?;
    let format = read_format(&mut reader, profile)?;
    skip_order_count(&mut reader)?;
    reader.unsigned()?; // max_num_ref_frames
    reader.flag()?; // gaps_in_frame_num_value_allowed_flag
    let (width, height) = read_size(&mut reader, &format)?;
    let color = if reader.flag()? { super::read_vui_color(&mut reader)? } else { None };
    Ok(SequenceParameters { profile, constraints, level, width, height, color })
}

fn parse_format(nal: &[u8]) -> Result<Format, CodecError> {
    let mut reader = BitReader::of_nal(nal, SPS);
    let (profile, ..) = read_start(&mut reader)?;
    read_format(&mut reader, profile)
}

fn read_start(reader: &mut BitReader<'_>) -> Result<(u8, u8, u8), CodecError> {
    let header = reader.byte(8)?;
    if header & 31 != 7 {
        return Err(reader.invalid("NAL unit type", u64::from(header & 31)));
    }
    let start = (reader.byte(8)?, reader.byte(8)?, reader.byte(8)?);
    reader.unsigned_max("seq_parameter_set_id", 31)?;
    Ok(start)
}

#[expect(clippy::cast_possible_truncation, reason = "each value is bounded by unsigned_max")]
fn read_format(reader: &mut BitReader<'_>, profile: u8) -> Result<Format, CodecError> {
    let mut format =
        Format { chroma: 1, separate_planes: false, luma_depth_minus8: 0, chroma_depth_minus8: 0 };
    if !HIGH_PROFILES.contains(&profile) {
        return Ok(format);
    }
    format.chroma = reader.unsigned_max("chroma_format_idc", 3)? as u8;
    if format.chroma == 3 {
        format.separate_planes = reader.flag()?;
    }
    format.luma_depth_minus8 = reader.unsigned_max("bit_depth_luma_minus8", 6)? as u8;
    format.chroma_depth_minus8 = reader.unsigned_max("bit_depth_chroma_minus8", 6)? as u8;
    reader.flag()?; // qpprime_y_zero_transform_bypass_flag
    if reader.flag()? {
        let lists = if format.chroma == 3 { 12 } else { 8 };
        for list in 0..lists {
            if reader.flag()? {
                skip_scaling_list(reader, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(format)
}

/// H.264 7.3.2.1.1.1.
fn skip_scaling_list(reader: &mut BitReader<'_>, size: u32) -> Result<(), CodecError> {
    let mut last = 8;
    for _ in 0..size {
        let next = (last + reader.signed()?).rem_euclid(256);
        if next == 0 {
            break; // the rest repeats the last value
        }
        last = next;
    }
    Ok(())
}

fn skip_order_count(reader: &mut BitReader<'_>) -> Result<(), CodecError> {
    reader.unsigned_max("log2_max_frame_num_minus4", 12)?;
    match reader.unsigned_max("pic_order_cnt_type", 2)? {
        0 => {
            reader.unsigned_max("log2_max_pic_order_cnt_lsb_minus4", 12)?;
        }
        1 => {
            reader.flag()?; // delta_pic_order_always_zero_flag
            reader.signed()?; // offset_for_non_ref_pic
            reader.signed()?; // offset_for_top_to_bottom_field
            for _ in 0..reader.unsigned_max("num_ref_frames_in_pic_order_cnt_cycle", 255)? {
                reader.signed()?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Size in pixels after cropping (H.264 7.4.2.1.1).
fn read_size(reader: &mut BitReader<'_>, format: &Format) -> Result<(u16, u16), CodecError> {
    let width_mbs = u64::from(reader.unsigned()?) + 1;
    let height_units = u64::from(reader.unsigned()?) + 1;
    let frames_only = reader.flag()?;
    if !frames_only {
        reader.flag()?; // mb_adaptive_frame_field_flag
    }
    reader.flag()?; // direct_8x8_inference_flag
    let fields = if frames_only { 1 } else { 2 };
    let chroma = if format.separate_planes { 0 } else { format.chroma };
    let size = (width_mbs * 16, height_units * 16 * fields);
    let (width, height) = cropped(reader, size, chroma, fields)?;
    Ok((dimension(SPS, "width", width)?, dimension(SPS, "height", height)?))
}
