//! AAC: the AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1).
//!
//! # Timescale of HE-AAC
//! A track's timescale is the *output* rate: an HE-AAC frame is 2,048 samples at 48,000 Hz, never
//! 1,024 at 24,000 Hz, so that playlists, `mdhd` and the decoder's output speak of one rate. That
//! holds where SBR is signalled, hierarchically (object type 5 or 29) or with the sync extension;
//! SBR hidden in the payload alone cannot be seen here and the declared rate is kept, which plays in
//! sync as well: 1,024 samples of the lower rate last as long.

use bytes::Bytes;

use super::bits::BitReader;
use super::{AudioRecord, Codec, CodecError};

const RECORD: &str = "AudioSpecificConfig";
const PROGRAM_CONFIG: &str = "AAC program_config_element";
const ADTS: &str = "ADTS header";
/// ISO/IEC 14496-3 table 1.18.
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];
/// Highest rate taken from an explicit field: the highest of the table.
const RATE_MAX: u32 = 96_000;
const TYPE_SBR: u8 = 5;
const TYPE_PS: u8 = 29;

/// Reads an AudioSpecificConfig: rate after SBR, channels after PS, `mp4a.40.2` (LC), `mp4a.40.5`
/// (HE) or `mp4a.40.29` (HE v2).
///
/// # Errors
/// When it is cut, holds forbidden values, or is of an object type other than Main, LC, SSR and LTP
/// (with or without SBR and PS).
pub fn from_asc(record: Bytes) -> Result<Codec, CodecError> {
    let mut reader = BitReader::new(&record, RECORD);
    let mut object_type = read_object_type(&mut reader)?;
    let mut sample_rate = read_rate(&mut reader)?;
    let mut channels = reader.byte(4)?;
    let mut extension = None;
    if matches!(object_type, TYPE_SBR | TYPE_PS) {
        extension = Some(object_type);
        sample_rate = read_rate(&mut reader)?;
        object_type = read_object_type(&mut reader)?;
    }
    if !(1..=4).contains(&object_type) {
        return Err(CodecError::Unsupported { what: "this AAC object type" });
    }
    let short_frames = reader.flag()?;
    if reader.flag()? {
        reader.skip(14)?; // coreCoderDelay
    }
    reader.flag()?; // extensionFlag
    channels = match channels {
        0 => read_program_config(&mut reader)?,
        1..=6 => channels,
        7 | 12 | 14 => 8,
        11 => 7,
        13 => 24,
        _ => return Err(reader.invalid("channelConfiguration", u64::from(channels))),
    };
    if extension.is_none()
        && let Some((found, rate)) = read_sync_extension(&mut reader)
    {
        extension = Some(found);
        sample_rate = rate;
    }
    let core_samples = if short_frames { 960 } else { 1_024 };
    Ok(Codec::Aac(AudioRecord {
        record,
        sample_rate,
        // PS makes two channels from one.
        channels: if extension == Some(TYPE_PS) { 2 } else { channels },
        frame_samples: Some(if extension.is_some() { 2 * core_samples } else { core_samples }),
        rfc6381: format!("mp4a.40.{}", extension.unwrap_or(object_type)),
    }))
}

/// Makes the record from an ADTS header (ISO/IEC 14496-3 1.A.2.2), for AAC that comes with one.
///
/// # Errors
/// When it is cut, is no ADTS, or describes its channels in the payload.
pub fn from_adts(frame: &[u8]) -> Result<Codec, CodecError> {
    let mut reader = BitReader::new(frame, ADTS);
    if reader.bits(12)? != 0xFFF {
        return Err(CodecError::Missing { record: ADTS, part: "sync word" });
    }
    reader.skip(4)?; // ID, layer, protection_absent
    let object_type = reader.byte(2)? + 1;
    let rate_index = reader.byte(4)?;
    reader.flag()?; // private_bit
    let channels = reader.byte(3)?;
    if channels == 0 {
        return Err(CodecError::Unsupported { what: "ADTS with an in-band channel layout" });
    }
    from_asc(Bytes::from(vec![
        object_type << 3 | rate_index >> 1,
        (rate_index & 1) << 7 | channels << 3,
    ]))
}

fn read_object_type(reader: &mut BitReader<'_>) -> Result<u8, CodecError> {
    match reader.byte(5)? {
        31 => Ok(32 + reader.byte(6)?),
        object_type => Ok(object_type),
    }
}

fn read_rate(reader: &mut BitReader<'_>) -> Result<u32, CodecError> {
    let index = reader.byte(4)?;
    if index == 15 {
        return match reader.bits(24)? {
            rate @ 1..=RATE_MAX => Ok(rate),
            rate => Err(reader.invalid("samplingFrequency", u64::from(rate))),
        };
    }
    let rate = RATES.get(usize::from(index)).copied();
    rate.ok_or_else(|| reader.invalid("samplingFrequencyIndex", u64::from(index)))
}

/// Backward-compatible signalling after the core's config (1.6.6.2): SBR's type, PS or not, and the
/// output rate. A cut or unknown extension is none, as decoders that know nothing of it see it.
fn read_sync_extension(reader: &mut BitReader<'_>) -> Option<(u8, u32)> {
    if reader.remaining_bits() < 16 || reader.bits(11).ok()? != 0x2B7 {
        return None;
    }
    if read_object_type(reader).ok()? != TYPE_SBR || !reader.flag().ok()? {
        return None;
    }
    let rate = read_rate(reader).ok()?;
    let has_ps =
        reader.remaining_bits() >= 12 && reader.bits(11).ok()? == 0x548 && reader.flag().ok()?;
    Some((if has_ps { TYPE_PS } else { TYPE_SBR }, rate))
}

/// Counts the output channels of a program_config_element (ISO/IEC 14496-3 4.4.1.1).
fn read_program_config(reader: &mut BitReader<'_>) -> Result<u8, CodecError> {
    reader.skip(4 + 2 + 4)?; // element_instance_tag, object_type, sampling_frequency_index
    let (front, side, back) = (reader.byte(4)?, reader.byte(4)?, reader.byte(4)?);
    let lfe = reader.byte(2)?;
    let (data, coupling) = (reader.byte(3)?, reader.byte(4)?); // not output channels
    for mixdown_bits in [4, 4, 3] {
        if reader.flag()? {
            reader.skip(mixdown_bits)?;
        }
    }
    let mut channels = lfe;
    for _ in 0..front + side + back {
        channels += if reader.flag()? { 2 } else { 1 };
        reader.skip(4)?; // element tag
    }
    reader.skip(4 * usize::from(lfe + data) + 5 * usize::from(coupling))?;
    reader.align();
    let comment_bytes = reader.bits(8)? as usize;
    reader.skip(8 * comment_bytes)?;
    match channels {
        0 => Err(CodecError::Missing { record: PROGRAM_CONFIG, part: "output channels" }),
        channels => Ok(channels),
    }
}
