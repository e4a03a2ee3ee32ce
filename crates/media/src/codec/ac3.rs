//! AC-3: the sync frame's header (ETSI TS 102 366 4.3, 4.4) and the `dac3` box (F.4).

use bytes::Bytes;

use super::bits::BitReader;
use super::{AudioRecord, Codec, CodecError};

const FRAME: &str = "AC-3 sync frame";
const SYNC_WORD: u32 = 0x0B77;
/// Sample rates by `fscod`.
pub(super) const RATES: [u32; 3] = [48_000, 44_100, 32_000];
/// Channels by `acmod`, without the LFE channel.
pub(super) const CHANNELS: [u8; 8] = [2, 1, 2, 3, 3, 4, 4, 5];
/// `frmsizecod` has two codes for each of the 19 bit rates.
const FRAME_SIZE_CODES: u8 = 38;

/// Makes the `dac3` record from a sync frame.
///
/// # Errors
/// When it is cut, or is no AC-3 (`bsid` above 8: Enhanced AC-3).
pub fn from_sync_frame(frame: &[u8]) -> Result<Codec, CodecError> {
    let mut reader = BitReader::new(frame, FRAME);
    if reader.bits(16)? != SYNC_WORD {
        return Err(CodecError::Missing { record: FRAME, part: "sync word" });
    }
    reader.skip(16)?; // crc1
    let rate_code = reader.byte(2)?;
    let size_code = reader.byte(6)?;
    let stream_id = reader.byte(5)?;
    let mode = reader.byte(3)?;
    let layout = reader.byte(3)?;
    let sample_rate = *RATES
        .get(usize::from(rate_code))
        .ok_or_else(|| reader.invalid("fscod", u64::from(rate_code)))?;
    if size_code >= FRAME_SIZE_CODES {
        return Err(reader.invalid("frmsizecod", u64::from(size_code)));
    }
    if stream_id > 8 {
        return Err(reader.invalid("bsid", u64::from(stream_id)));
    }
    skip_mix_levels(&mut reader, layout)?;
    let lfe = reader.byte(1)?;
    let bits = u32::from(rate_code) << 22
        | u32::from(stream_id) << 17
        | u32::from(mode) << 14
        | u32::from(layout) << 11
        | u32::from(lfe) << 10
        | u32::from(size_code >> 1) << 5;
    let [_, record @ ..] = bits.to_be_bytes();
    Ok(Codec::Ac3(AudioRecord {
        record: Bytes::copy_from_slice(&record),
        sample_rate,
        channels: CHANNELS[usize::from(layout)] + lfe,
        frame_samples: Some(1_536),
        rfc6381: "ac-3".to_owned(),
    }))
}

/// `cmixlev`, `surmixlev` and `dsurmod`, each present only in some layouts (4.3.2).
fn skip_mix_levels(reader: &mut BitReader<'_>, layout: u8) -> Result<(), CodecError> {
    let has_center = layout & 1 == 1 && layout != 1;
    let has_surround = layout & 4 == 4;
    let is_stereo = layout == 2;
    reader.skip(2 * [has_center, has_surround, is_stereo].into_iter().filter(|is| *is).count())
}
