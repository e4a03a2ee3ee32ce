//! MP3: MPEG-1, MPEG-2 and MPEG-2.5 layer III frame headers (ISO/IEC 11172-3 2.4.1.3).

use bytes::Bytes;

use super::bits::BitReader;
use super::{AudioRecord, Codec, CodecError};

const FRAME: &str = "MP3 frame header";
const RATES: [u32; 3] = [44_100, 48_000, 32_000];

/// Makes the record from a frame header. MP3 has no decoder record; its HLS name is `mp4a.40.34`
/// (RFC 6381 by object type), which players know better than `mp4a.6B`.
///
/// # Errors
/// When it is cut or is no layer III header.
pub fn from_frame(frame: &[u8]) -> Result<Codec, CodecError> {
    let mut reader = BitReader::new(frame, FRAME);
    if reader.bits(11)? != 0x7FF {
        return Err(CodecError::Missing { record: FRAME, part: "sync word" });
    }
    let version = reader.byte(2)?;
    let layer = reader.byte(2)?;
    if layer != 1 {
        return Err(reader.invalid("layer", u64::from(layer)));
    }
    reader.skip(1 + 4)?; // protection_bit, bitrate_index
    let rate_index = reader.byte(2)?;
    reader.skip(2)?; // padding_bit, private_bit
    let is_mono = reader.byte(2)? == 3;
    let rate = RATES
        .get(usize::from(rate_index))
        .ok_or_else(|| reader.invalid("sampling_frequency", u64::from(rate_index)))?;
    let (sample_rate, samples) = match version {
        3 => (*rate, 1_152),   // MPEG-1
        2 => (*rate / 2, 576), // MPEG-2
        0 => (*rate / 4, 576), // MPEG-2.5
        _ => return Err(reader.invalid("version", u64::from(version))),
    };
    Ok(Codec::Mp3(AudioRecord {
        record: Bytes::new(),
        sample_rate,
        channels: if is_mono { 1 } else { 2 },
        frame_samples: Some(samples),
        rfc6381: "mp4a.40.34".to_owned(),
    }))
}
