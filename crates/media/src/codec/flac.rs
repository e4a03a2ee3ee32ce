//! FLAC: `STREAMINFO` (RFC 9639 8.2), the `dfLa` box (FLAC in ISO-BMFF 3.3.2), and frame lengths from
//! frame headers (RFC 9639 9.1).

use bytes::{BufMut, BytesMut};

use super::bits::BitReader;
use super::{AudioRecord, Codec, CodecError};

const RECORD: &str = "FLAC STREAMINFO";
const FRAME: &str = "FLAC frame header";
const STREAMINFO_BYTES: usize = 34;

/// Makes the `dfLa` record from `STREAMINFO`, which may come bare (34 bytes), behind its metadata
/// block header, or behind the `fLaC` marker: encoders do all three.
///
/// # Errors
/// When it is cut or holds forbidden values.
pub fn from_stream_info(header: &[u8]) -> Result<Codec, CodecError> {
    let truncated = CodecError::Truncated { record: RECORD };
    let mut body = header.strip_prefix(b"fLaC").unwrap_or(header);
    if body.len() != STREAMINFO_BYTES {
        let (block, after) = body.split_first_chunk::<4>().ok_or_else(|| truncated.clone())?;
        if block[0] & 0x7F != 0 {
            return Err(CodecError::Missing { record: RECORD, part: "place as first block" });
        }
        body = after;
    }
    let info = body.get(..STREAMINFO_BYTES).ok_or(truncated)?;
    let mut reader = BitReader::new(info, RECORD);
    let (shortest, longest) = (reader.bits(16)?, reader.bits(16)?);
    reader.skip(48)?; // frame sizes in bytes
    let sample_rate = reader.bits(20)?;
    let channels = reader.byte(3)? + 1;
    if sample_rate == 0 {
        return Err(reader.invalid("sample rate", 0));
    }
    if shortest < 16 || longest < shortest {
        return Err(reader.invalid("block size", u64::from(shortest)));
    }
    let mut record = BytesMut::with_capacity(8 + STREAMINFO_BYTES);
    record.put_u32(0); // version and flags
    record.put_slice(&[0x80, 0, 0, STREAMINFO_BYTES as u8]); // the last and only block
    // What is known only at the end (frame sizes, length, checksum) stays "unknown": encoders repeat
    // the block when they stop, and that is no new track.
    record.put_slice(&info[..4]);
    record.put_bytes(0, 6);
    record.put_slice(&info[10..13]);
    record.put_u8(info[13] & 0xF0);
    record.put_bytes(0, 20);
    Ok(Codec::Flac(AudioRecord {
        record: record.freeze(),
        sample_rate,
        channels,
        frame_samples: (shortest == longest).then_some(shortest),
        rfc6381: "fLaC".to_owned(),
    }))
}

/// Samples per channel in a frame.
///
/// # Errors
/// When the header is cut or is no FLAC frame header.
pub fn frame_samples(frame: &[u8]) -> Result<u32, CodecError> {
    let mut reader = BitReader::new(frame, FRAME);
    if reader.bits(15)? != 0xFFF8 >> 1 {
        return Err(CodecError::Missing { record: FRAME, part: "sync code" });
    }
    reader.flag()?; // blocking strategy
    let size_code = reader.bits(4)?;
    reader.skip(4 + 4 + 3 + 1)?; // rate, channels, depth, reserved
    // The frame or sample number is coded like a UTF-8 character of up to 7 bytes.
    let first = reader.byte(8)?;
    if first.leading_ones() > 1 {
        reader.skip(8 * (first.leading_ones() as usize - 1))?;
    }
    Ok(match size_code {
        1 => 192,
        2..=5 => 144 << size_code,
        6 => reader.bits(8)? + 1,
        7 => reader.bits(16)? + 1,
        8.. => 1 << size_code,
        0 => return Err(reader.invalid("block size code", 0)),
    })
}
