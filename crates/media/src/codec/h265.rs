//! H.265 / HEVC: the `hvcC` record (ISO/IEC 14496-15 8.3.2.1) and the sequence parameter set
//! (H.265 7.3.2.2, Annex E), read as far as size and colour.

use std::fmt::Write as _;

use bytes::{BufMut, Bytes, BytesMut};

use super::bits::BitReader;
use super::{Codec, CodecError, VideoRecord, cropped, dimension};
use crate::Color;
use crate::nal::LengthSize;

const RECORD: &str = "hvcC record";
const SPS: &str = "H.265 SPS";
/// Bytes of the record before its arrays of parameter sets.
const HEAD_BYTES: usize = 23;
pub(super) const NAL_TYPE_VPS: u8 = 32;
pub(super) const NAL_TYPE_SPS: u8 = 33;
pub(super) const NAL_TYPE_PPS: u8 = 34;

/// What a sequence parameter set tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceParameters {
    /// Width inside the conformance window, in pixels.
    pub width: u16,
    /// Height inside the conformance window, in pixels.
    pub height: u16,
    /// Colour description of the VUI.
    pub color: Option<Color>,
}

/// Reads an `hvcC` record: the decoder record of a track, its size, colour and `hvc1` name.
///
/// # Errors
/// When the record is cut, is of another version, or holds no usable SPS.
pub fn from_hvcc(record: Bytes) -> Result<Codec, CodecError> {
    let sets = parameter_sets(&record)?;
    let first = sets
        .iter()
        .find(|set| nal_type(set) == Some(NAL_TYPE_SPS))
        .ok_or(CodecError::Missing { record: RECORD, part: "SPS" })?;
    let sps = parse_sps(first)?;
    Ok(Codec::H265(VideoRecord {
        width: sps.width,
        height: sps.height,
        rfc6381: name(&record)?,
        color: sps.color,
        record,
    }))
}

/// The type of an H.265 NAL unit (H.265 7.3.1.2); `None` for an empty one.
#[must_use]
pub fn nal_type(nal: &[u8]) -> Option<u8> {
    nal.first().map(|byte| byte >> 1 & 63)
}

/// Every parameter set in an `hvcC` record, in order; their number is bounded by its length.
///
/// # Errors
/// When the record is cut or of another version.
pub fn parameter_sets(record: &[u8]) -> Result<Vec<&[u8]>, CodecError> {
    let truncated = CodecError::Truncated { record: RECORD };
    let (head, mut rest) =
        record.split_first_chunk::<HEAD_BYTES>().ok_or_else(|| truncated.clone())?;
    // Version 0 was written by encoders of the standard's draft and is laid out alike.
    if head[0] > 1 {
        let value = u64::from(head[0]);
        return Err(CodecError::Invalid { record: RECORD, field: "version", value });
    }
    if head[21] & 3 == 2 {
        return Err(CodecError::Invalid { record: RECORD, field: "NAL length size", value: 3 });
    }
    let mut sets = Vec::new();
    for _ in 0..head[22] {
        let ([_, high, low], mut after) =
            rest.split_first_chunk::<3>().ok_or_else(|| truncated.clone())?;
        for _ in 0..u16::from_be_bytes([*high, *low]) {
            let (length, tail) = after.split_first_chunk::<2>().ok_or_else(|| truncated.clone())?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (set, tail) = tail.split_at_checked(length).ok_or_else(|| truncated.clone())?;
            sets.push(set);
            after = tail;
        }
        rest = after;
    }
    Ok(sets)
}

/// `hvc1.…` from the record's profile, tier and level (ISO/IEC 14496-15 E.3).
fn name(record: &[u8]) -> Result<String, CodecError> {
    let Some(&[profile, c0, c1, c2, c3, ref constraints @ .., level]) = record.get(1..13) else {
        return Err(CodecError::Truncated { record: RECORD });
    };
    let mut name = String::from("hvc1.");
    if let space @ 1..=3 = profile >> 6 {
        name.push(char::from(b'A' + space - 1));
    }
    let compatibility = u32::from_be_bytes([c0, c1, c2, c3]).reverse_bits();
    let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
    let _infallible = write!(name, "{}.{compatibility:X}.{tier}{level}", profile & 31);
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in &constraints[..used] {
        let _infallible = write!(name, ".{byte:X}");
    }
    Ok(name)
}

/// Builds an `hvcC` record from parameter sets without length prefixes, as WebRTC and encoders that
/// change parameters in band send them.
///
/// # Errors
/// When there is no SPS, or a set is longer or there are more of them than the record can say.
pub fn hvcc(
    vps: &[&[u8]],
    sps: &[&[u8]],
    pps: &[&[u8]],
    length_size: LengthSize,
) -> Result<Bytes, CodecError> {
    let first = sps.first().ok_or(CodecError::Missing { record: RECORD, part: "SPS" })?;
    let parsed = read_sps(first)?;
    let mut out = BytesMut::new();
    out.put_u8(1);
    out.put_slice(&parsed.profile_tier_level);
    // No minimum spatial segmentation, unknown parallelism.
    out.put_slice(&[0xF0, 0, 0xFC, 0xFC | parsed.chroma]);
    out.put_slice(&[0xF8 | parsed.luma_depth_minus8, 0xF8 | parsed.chroma_depth_minus8]);
    out.put_u16(0); // avgFrameRate unknown
    let layers = (parsed.sub_layers + 1) << 3 | u8::from(parsed.is_nested) << 2;
    out.put_u8(layers | (length_size.bytes() - 1) as u8);
    out.put_u8(3);
    for (kind, sets) in [(NAL_TYPE_VPS, vps), (NAL_TYPE_SPS, sps), (NAL_TYPE_PPS, pps)] {
        let invalid = |value: usize| CodecError::Invalid {
            record: RECORD,
            field: "number or length of parameter sets",
            value: value as u64,
        };
        out.put_u8(0x80 | kind); // array_completeness
        out.put_u16(u16::try_from(sets.len()).map_err(|_| invalid(sets.len()))?);
        for set in sets {
            out.put_u16(u16::try_from(set.len()).map_err(|_| invalid(set.len()))?);
            out.put_slice(set);
        }
    }
    Ok(out.freeze())
}

/// Reads a sequence parameter set NAL unit (2-byte header included, no length prefix).
///
/// # Errors
/// When it is cut or holds values H.265 forbids.
pub fn parse_sps(nal: &[u8]) -> Result<SequenceParameters, CodecError> {
    read_sps(nal).map(|sps| sps.parameters)
}

/// All that this module takes from an SPS.
struct Sps {
    parameters: SequenceParameters,
    /// As `hvcC` repeats it: profile space, tier, profile, compatibility, constraints, level.
    profile_tier_level: [u8; 12],
    chroma: u8,
    luma_depth_minus8: u8,
    chroma_depth_minus8: u8,
    sub_layers: u8,
    is_nested: bool,
}

#[expect(clippy::cast_possible_truncation, reason = "bit depths are bounded by unsigned_max")]
fn read_sps(nal: &[u8]) -> Result<Sps, CodecError> {
    let mut reader = BitReader::of_nal(nal, SPS);
    let header = reader.bits(16)?;
    if header >> 9 & 63 != u32::from(NAL_TYPE_SPS) {
        return Err(reader.invalid("NAL unit type", u64::from(header >> 9 & 63)));
    }
    reader.skip(4)?; // sps_video_parameter_set_id
    let sub_layers = reader.byte(3)?;
    if sub_layers > 6 {
        return Err(reader.invalid("sps_max_sub_layers_minus1", u64::from(sub_layers)));
    }
    let is_nested = reader.flag()?;
    let profile_tier_level = read_profile_tier_level(&mut reader, sub_layers)?;
    reader.unsigned_max("sps_seq_parameter_set_id", 15)?;
    let (chroma, width, height) = read_size(&mut reader)?;
    let luma_depth_minus8 = reader.unsigned_max("bit_depth_luma_minus8", 8)? as u8;
    let chroma_depth_minus8 = reader.unsigned_max("bit_depth_chroma_minus8", 8)? as u8;
    let order_count_bits = read_order_count(&mut reader, sub_layers)?;
    skip_coding_tools(&mut reader)?;
    skip_reference_sets(&mut reader, order_count_bits)?;
    reader.skip(2)?; // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
    let color = if reader.flag()? { super::read_vui_color(&mut reader)? } else { None };
    Ok(Sps {
        parameters: SequenceParameters { width, height, color },
        profile_tier_level,
        chroma,
        luma_depth_minus8,
        chroma_depth_minus8,
        sub_layers,
        is_nested,
    })
}

/// H.265 7.3.3: gives the general part and skips those of the sub-layers.
fn read_profile_tier_level(
    reader: &mut BitReader<'_>,
    sub_layers: u8,
) -> Result<[u8; 12], CodecError> {
    const PROFILE_BITS: usize = 88;
    const LEVEL_BITS: usize = 8;
    let mut general = [0; 12];
    for byte in &mut general {
        *byte = reader.byte(8)?;
    }
    let mut sub_layer_bits = 0;
    for _ in 0..sub_layers {
        sub_layer_bits += if reader.flag()? { PROFILE_BITS } else { 0 };
        sub_layer_bits += if reader.flag()? { LEVEL_BITS } else { 0 };
    }
    if sub_layers > 0 {
        reader.skip(2 * usize::from(8 - sub_layers))?; // reserved_zero_2bits
    }
    reader.skip(sub_layer_bits)?;
    Ok(general)
}

/// Chroma format, and size in pixels inside the conformance window (H.265 7.4.3.2.1).
#[expect(clippy::cast_possible_truncation, reason = "the chroma format is at most 3")]
fn read_size(reader: &mut BitReader<'_>) -> Result<(u8, u16, u16), CodecError> {
    let format = reader.unsigned_max("chroma_format_idc", 3)? as u8;
    // Separate planes are each coded like monochrome.
    let chroma = if format == 3 && reader.flag()? { 0 } else { format };
    let size = (u64::from(reader.unsigned()?), u64::from(reader.unsigned()?));
    let (width, height) = cropped(reader, size, chroma, 1)?;
    Ok((format, dimension(SPS, "width", width)?, dimension(SPS, "height", height)?))
}

/// Buffer sizes; gives the bits of a picture order count, which later fields need.
fn read_order_count(reader: &mut BitReader<'_>, sub_layers: u8) -> Result<u32, CodecError> {
    let bits = reader.unsigned_max("log2_max_pic_order_cnt_lsb_minus4", 12)? + 4;
    let every_sub_layer = reader.flag()?;
    for _ in 0..=(if every_sub_layer { sub_layers } else { 0 }) {
        reader.unsigned()?; // sps_max_dec_pic_buffering_minus1
        reader.unsigned()?; // sps_max_num_reorder_pics
        reader.unsigned()?; // sps_max_latency_increase_plus1
    }
    Ok(bits)
}

fn skip_coding_tools(reader: &mut BitReader<'_>) -> Result<(), CodecError> {
    for _ in 0..6 {
        reader.unsigned()?; // block size range, transform size range, transform depths
    }
    if reader.flag()? && reader.flag()? {
        skip_scaling_lists(reader)?;
    }
    reader.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if reader.flag()? {
        reader.skip(8)?; // pcm bit depths
        reader.unsigned()?;
        reader.unsigned()?;
        reader.flag()?; // pcm_loop_filter_disabled_flag
    }
    Ok(())
}

/// H.265 7.3.4.
fn skip_scaling_lists(reader: &mut BitReader<'_>) -> Result<(), CodecError> {
    for size in 0..4u32 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if !reader.flag()? {
                reader.unsigned()?; // scaling_list_pred_matrix_id_delta
                continue;
            }
            if size > 1 {
                reader.signed()?; // scaling_list_dc_coef_minus8
            }
            for _ in 0..(1u32 << (4 + (size << 1))).min(64) {
                reader.signed()?;
            }
        }
    }
    Ok(())
}

/// Short- and long-term reference picture sets (H.265 7.3.2.2, 7.3.7).
fn skip_reference_sets(reader: &mut BitReader<'_>, order_bits: u32) -> Result<(), CodecError> {
    let sets = reader.unsigned_max("num_short_term_ref_pic_sets", 64)?;
    let mut previous_pictures = 0;
    for set in 0..sets {
        previous_pictures = skip_short_term_set(reader, set, previous_pictures)?;
    }
    if reader.flag()? {
        for _ in 0..reader.unsigned_max("num_long_term_ref_pics_sps", 32)? {
            reader.skip(order_bits as usize + 1)?;
        }
    }
    Ok(())
}

/// Skips one short-term set and gives its number of pictures (NumDeltaPocs), at most 16 because a
/// decoded picture buffer holds no more (H.265 A.4.2).
fn skip_short_term_set(
    reader: &mut BitReader<'_>,
    index: u32,
    previous_pictures: u32,
) -> Result<u32, CodecError> {
    const PICTURES_MAX: u32 = 16;
    if index > 0 && reader.flag()? {
        reader.flag()?; // delta_rps_sign
        reader.unsigned()?; // abs_delta_rps_minus1
        let mut pictures = 0;
        for _ in 0..=previous_pictures {
            let used = reader.flag()?;
            if used || reader.flag()? {
                pictures += 1;
            }
        }
        return Ok(pictures.min(PICTURES_MAX));
    }
    let negative = reader.unsigned_max("num_negative_pics", PICTURES_MAX)?;
    let positive = reader.unsigned_max("num_positive_pics", PICTURES_MAX - negative)?;
    for _ in 0..negative + positive {
        reader.unsigned()?; // delta_poc_minus1
        reader.flag()?; // used_by_curr_pic_flag
    }
    Ok(negative + positive)
}
