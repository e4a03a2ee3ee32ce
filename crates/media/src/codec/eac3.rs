//! Enhanced AC-3: the sync frame's header (ETSI TS 102 366 E.1.2) and the `dec3` box (F.6).

use bytes::{BufMut, BytesMut};

use super::ac3::{CHANNELS, RATES};
use super::bits::BitReader;
use super::{AudioRecord, Codec, CodecError};

const FRAME: &str = "E-AC-3 sync frame";
const SYNC_WORD: u32 = 0x0B77;

/// Makes the `dec3` record from a sync frame with one independent substream, which is what live
/// encoders send; dependent substreams (7.1 and Atmos) ride in the payload and decoders that know
/// them find them there.
///
/// # Errors
/// When it is cut, or is no Enhanced AC-3.
pub fn from_sync_frame(frame: &[u8]) -> Result<Codec, CodecError> {
    let mut reader = BitReader::new(frame, FRAME);
    if reader.bits(16)? != SYNC_WORD {
        return Err(CodecError::Missing { record: FRAME, part: "sync word" });
    }
    let stream_type = reader.byte(2)?;
    if stream_type == 1 {
        return Err(CodecError::Missing { record: FRAME, part: "independent substream" });
    }
    reader.skip(3)?; // substreamid
    let frame_bytes = (reader.bits(11)? + 1) * 2;
    let rate_code = reader.byte(2)?;
    let second_code = reader.byte(2)?;
    let (sample_rate, blocks) = match RATES.get(usize::from(rate_code)) {
        Some(rate) => (*rate, [1, 2, 3, 6][usize::from(second_code)]),
        None => match RATES.get(usize::from(second_code)) {
            Some(rate) => (rate / 2, 6), // fscod2: half rates
            None => return Err(reader.invalid("fscod2", u64::from(second_code))),
        },
    };
    let layout = reader.byte(3)?;
    let lfe = reader.byte(1)?;
    let stream_id = reader.byte(5)?;
    if !(11..=16).contains(&stream_id) {
        return Err(reader.invalid("bsid", u64::from(stream_id)));
    }
    let samples = blocks * 256;
    // kbit/s, which is what `data_rate` holds (F.6.2.2).
    let data_rate = (frame_bytes * 8 * (sample_rate / 100) / samples / 10).min(0x1FFF);
    let mut record = BytesMut::with_capacity(5);
    record.put_u16((data_rate << 3) as u16); // num_ind_sub 0: one substream
    let substream = u32::from(rate_code) << 22
        | u32::from(stream_id) << 17
        | u32::from(layout) << 9
        | u32::from(lfe) << 8;
    record.put_slice(&substream.to_be_bytes()[1..]);
    Ok(Codec::Eac3(AudioRecord {
        record: record.freeze(),
        sample_rate,
        channels: CHANNELS[usize::from(layout)] + lfe,
        frame_samples: Some(samples),
        rfc6381: "ec-3".to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_record_is_five_bytes() {
        let Codec::Eac3(audio) = from_sync_frame(&HEADER).unwrap() else { panic!("E-AC-3") };
        assert_eq!(audio.record, Bytes::from_static(&[0x06, 0x00, 0x20, 0x0F, 0x00]));
        assert_eq!(
            (audio.sample_rate, audio.channels, audio.frame_samples),
            (48_000, 6, Some(1_536))
        );
    }

    /// 192 kbit/s, 48 kHz, 3/2 with LFE: 768 bytes a frame.
    const HEADER: [u8; 6] = [0x0B, 0x77, 0x01, 0x7F, 0x3F, 0x87];

    #[test]
    fn a_dependent_substream_cannot_start_a_track() {
        let mut dependent = HEADER;
        dependent[2] |= 0x40;
        assert!(from_sync_frame(&dependent).is_err());
    }
}
