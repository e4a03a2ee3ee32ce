//! AV1: the `av1C` record (AV1-ISOBMFF 2.3.3) and the sequence header OBU (AV1 5.5).

use bytes::{BufMut, Bytes, BytesMut};

use super::bits::BitReader;
use super::{Codec, CodecError, VideoRecord, dimension};
use crate::{Color, obu};

const RECORD: &str = "av1C record";
const SEQUENCE: &str = "AV1 sequence header";
/// Bytes of the record before its OBUs.
const HEAD_BYTES: usize = 4;
/// A sequence header is about 12 bytes; with 32 operating points and every optional field it stays
/// below 600.
const SEQUENCE_BYTES_MAX: usize = 1024;

/// What a sequence header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceHeader {
    /// `seq_profile`: 0 Main, 1 High, 2 Professional.
    pub profile: u8,
    /// `seq_level_idx` of the first operating point; 31 is "no limit".
    pub level: u8,
    /// Whether the first operating point is of the High tier.
    pub high_tier: bool,
    /// 8, 10 or 12.
    pub bit_depth: u8,
    /// No chroma planes.
    pub monochrome: bool,
    /// Chroma at half width.
    pub subsampling_x: bool,
    /// Chroma at half height.
    pub subsampling_y: bool,
    /// `chroma_sample_position`, 0 unknown.
    pub chroma_position: u8,
    /// Largest frame width in pixels.
    pub width: u16,
    /// Largest frame height in pixels.
    pub height: u16,
    /// Colour description, where it has one.
    pub color: Option<Color>,
}

/// Reads an `av1C` record: the decoder record of a track, its size, colour and `av01.P.LLT.DD` name.
///
/// # Errors
/// When the record is cut, of another version, or carries no sequence header; without one the size
/// is not known: wait for the first key frame and use [`from_sequence_header`].
pub fn from_av1c(record: Bytes) -> Result<Codec, CodecError> {
    let sequence = parse_record(&record)?;
    Ok(codec(record, &sequence))
}

/// The sequence header in an `av1C` record.
pub(super) fn parse_record(record: &[u8]) -> Result<SequenceHeader, CodecError> {
    let truncated = CodecError::Truncated { record: RECORD };
    let (head, obus) = record.split_first_chunk::<HEAD_BYTES>().ok_or(truncated.clone())?;
    if head[0] != 0x81 {
        let value = u64::from(head[0]);
        return Err(CodecError::Invalid { record: RECORD, field: "marker and version", value });
    }
    let header = obu::sequence_header(obus)
        .map_err(|_| truncated)?
        .ok_or(CodecError::Missing { record: RECORD, part: "sequence header" })?;
    parse_sequence_header(header)
}

/// Makes the decoder record from a sequence header OBU (with its OBU header), as the first key frame
/// carries it.
///
/// # Errors
/// When it is cut or holds values AV1 forbids.
pub fn from_sequence_header(header: &[u8]) -> Result<Codec, CodecError> {
    let sequence = parse_sequence_header(header)?;
    let payload = payload(header)?;
    let mut record = BytesMut::with_capacity(HEAD_BYTES + 3 + payload.len());
    record.put_u8(0x81);
    record.put_u8(sequence.profile << 5 | sequence.level);
    record.put_u8(
        u8::from(sequence.high_tier) << 7
            | u8::from(sequence.bit_depth > 8) << 6
            | u8::from(sequence.bit_depth == 12) << 5
            | u8::from(sequence.monochrome) << 4
            | u8::from(sequence.subsampling_x) << 3
            | u8::from(sequence.subsampling_y) << 2
            | sequence.chroma_position,
    );
    record.put_u8(0); // no initial_presentation_delay
    // The record wants a size field, which the last OBU of a temporal unit may lack.
    record.put_u8(obu::SEQUENCE_HEADER << 3 | 2);
    put_leb128(&mut record, payload.len());
    record.put_slice(payload);
    Ok(codec(record.freeze(), &sequence))
}

fn put_leb128(out: &mut BytesMut, mut value: usize) {
    while value > 0x7F {
        out.put_u8((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn codec(record: Bytes, sequence: &SequenceHeader) -> Codec {
    let tier = if sequence.high_tier { 'H' } else { 'M' };
    Codec::Av1(VideoRecord {
        record,
        width: sequence.width,
        height: sequence.height,
        rfc6381: format!(
            "av01.{}.{:02}{tier}.{:02}",
            sequence.profile, sequence.level, sequence.bit_depth
        ),
        color: sequence.color,
    })
}

fn payload(header: &[u8]) -> Result<&[u8], CodecError> {
    match obu::walk(header).next() {
        Some(Ok(obu)) if obu.kind == obu::SEQUENCE_HEADER => {
            obu.payload.get(..obu.payload.len().min(SEQUENCE_BYTES_MAX))
        }
        _ => None,
    }
    .ok_or(CodecError::Missing { record: SEQUENCE, part: "OBU header" })
}

/// Reads a sequence header OBU, OBU header included (AV1 5.5.1).
///
/// # Errors
/// When it is cut or holds values AV1 forbids.
pub fn parse_sequence_header(header: &[u8]) -> Result<SequenceHeader, CodecError> {
    let mut reader = BitReader::new(payload(header)?, SEQUENCE);
    let profile = reader.byte(3)?;
    if profile > 2 {
        return Err(reader.invalid("seq_profile", u64::from(profile)));
    }
    reader.flag()?; // still_picture
    let reduced = reader.flag()?;
    let (level, high_tier) =
        if reduced { (reader.byte(5)?, false) } else { read_operating_points(&mut reader)? };
    let (width, height) = read_size(&mut reader, reduced)?;
    skip_tools(&mut reader, reduced)?;
    let mut sequence = SequenceHeader {
        profile,
        level,
        high_tier,
        bit_depth: 8,
        monochrome: false,
        subsampling_x: true,
        subsampling_y: true,
        chroma_position: 0,
        width,
        height,
        color: None,
    };
    read_color(&mut reader, &mut sequence)?;
    Ok(sequence)
}

/// Timing, decoder model and operating points; gives level and tier of the first point.
fn read_operating_points(reader: &mut BitReader<'_>) -> Result<(u8, bool), CodecError> {
    let mut model_delay_bits = None;
    if reader.flag()? {
        reader.skip(64)?; // num_units_in_display_tick, time_scale
        if reader.flag()? {
            reader.unsigned()?; // num_ticks_per_picture_minus_1
        }
        if reader.flag()? {
            model_delay_bits = Some(usize::from(reader.byte(5)?) + 1);
            reader.skip(32 + 5 + 5)?;
        }
    }
    let has_display_delay = reader.flag()?;
    let mut first = None;
    for _ in 0..=reader.byte(5)? {
        reader.skip(12)?; // operating_point_idc
        let level = reader.byte(5)?;
        let high_tier = level > 7 && reader.flag()?;
        if let Some(bits) = model_delay_bits
            && reader.flag()?
        {
            reader.skip(2 * bits + 1)?;
        }
        if has_display_delay && reader.flag()? {
            reader.skip(4)?;
        }
        first.get_or_insert((level, high_tier));
    }
    first.ok_or(CodecError::Missing { record: SEQUENCE, part: "operating point" })
}

fn read_size(reader: &mut BitReader<'_>, reduced: bool) -> Result<(u16, u16), CodecError> {
    let width_bits = reader.bits(4)? + 1;
    let height_bits = reader.bits(4)? + 1;
    let width = u64::from(reader.bits(width_bits)?) + 1;
    let height = u64::from(reader.bits(height_bits)?) + 1;
    if !reduced && reader.flag()? {
        reader.skip(4 + 3)?; // frame id lengths
    }
    Ok((dimension(SEQUENCE, "width", width)?, dimension(SEQUENCE, "height", height)?))
}

fn skip_tools(reader: &mut BitReader<'_>, reduced: bool) -> Result<(), CodecError> {
    reader.skip(3)?; // use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
    if !reduced {
        reader.skip(4)?; // interintra, masked compound, warped motion, dual filter
        let order_hint = reader.flag()?;
        if order_hint {
            reader.skip(2)?; // enable_jnt_comp, enable_ref_frame_mvs
        }
        let chooses_screen_content = reader.flag()?;
        let screen_content = chooses_screen_content || reader.flag()?;
        if screen_content && !reader.flag()? {
            reader.flag()?; // seq_force_integer_mv
        }
        if order_hint {
            reader.skip(3)?; // order_hint_bits_minus_1
        }
    }
    reader.skip(3) // enable_superres, enable_cdef, enable_restoration
}

/// AV1 5.5.2.
fn read_color(reader: &mut BitReader<'_>, out: &mut SequenceHeader) -> Result<(), CodecError> {
    const BT709: u8 = 1;
    const SRGB: u8 = 13;
    const IDENTITY: u8 = 0;
    out.bit_depth = match (reader.flag()?, out.profile) {
        (false, _) => 8,
        (true, 2) if reader.flag()? => 12,
        (true, _) => 10,
    };
    out.monochrome = out.profile != 1 && reader.flag()?;
    let described = reader.flag()?;
    let (mut primaries, mut transfer, mut matrix) = (2, 2, 2); // unspecified
    if described {
        (primaries, transfer, matrix) = (reader.byte(8)?, reader.byte(8)?, reader.byte(8)?);
    }
    let is_rgb = (primaries, transfer, matrix) == (BT709, SRGB, IDENTITY);
    let full_range = if is_rgb && !out.monochrome { true } else { reader.flag()? };
    if !out.monochrome {
        (out.subsampling_x, out.subsampling_y) = match out.profile {
            _ if is_rgb => (false, false),
            0 => (true, true),
            1 => (false, false),
            _ if out.bit_depth == 12 => {
                let x = reader.flag()?;
                (x, x && reader.flag()?)
            }
            _ => (true, false),
        };
        if out.subsampling_x && out.subsampling_y {
            out.chroma_position = reader.byte(2)?;
        }
    }
    out.color = described.then_some(Color { primaries, transfer, matrix, full_range });
    Ok(())
}
