//! Parameters that change in band: an encoder that switches its size or profile without a new
//! decoder record, and says so only in a key frame.

use bytes::Bytes;

use super::{Codec, CodecError, VideoRecord, av1, h264, h265, vp8, vp9};
use crate::nal::{self, LengthSize};
use crate::obu;

const KEYFRAME: &str = "key frame";
/// NAL units looked at in one key frame. Parameter sets come before the picture, and encoders send a
/// handful of them.
const NALS_MAX: usize = 64;

/// The codec with the parameters of `keyframe`, if they differ from those of `codec`: then the track
/// has changed. `None` is the rule, also for encoders that repeat the same parameters.
///
/// # Errors
/// When `keyframe` cannot be read, or its parameters are bad.
pub fn changed_parameters(codec: &Codec, keyframe: &Bytes) -> Result<Option<Codec>, CodecError> {
    let length_size = LengthSize::of(codec).unwrap_or(LengthSize::Four);
    match codec {
        Codec::H264(video) => h264_change(video, length_size, keyframe),
        Codec::H265(video) => h265_change(video, length_size, keyframe),
        Codec::Av1(video) => av1_change(video, keyframe),
        Codec::Vp8(video) => {
            let new = vp8::from_keyframe(Some(video.record.clone()), keyframe)?;
            Ok((new != *codec).then_some(new))
        }
        Codec::Vp9(video) => {
            let new = vp9::from_vpcc(video.record.clone(), keyframe)?;
            Ok((new != *codec).then_some(new))
        }
        _ => Ok(None),
    }
}

fn nals(keyframe: &[u8], length_size: LengthSize) -> Result<Vec<&[u8]>, CodecError> {
    let nals = nal::walk(keyframe, length_size).take(NALS_MAX);
    nals.collect::<Result<_, _>>().map_err(|_| CodecError::Truncated { record: KEYFRAME })
}

/// The sets that came in band, or those of the record where none came.
fn newest<'a>(in_band: Vec<&'a [u8]>, known: Vec<&'a [u8]>) -> Vec<&'a [u8]> {
    if in_band.is_empty() { known } else { in_band }
}

fn h264_change(
    video: &VideoRecord,
    length_size: LengthSize,
    keyframe: &[u8],
) -> Result<Option<Codec>, CodecError> {
    const SPS: u8 = 7;
    const PPS: u8 = 8;
    let known = h264::ParameterSets::parse(&video.record)?;
    let nals = nals(keyframe, length_size)?;
    let of_type =
        |kind| nals.iter().copied().filter(|nal| nal[0] & 31 == kind).collect::<Vec<&[u8]>>();
    let (sps, pps) = (of_type(SPS), of_type(PPS));
    if sps.iter().all(|set| known.sps.contains(set))
        && pps.iter().all(|set| known.pps.contains(set))
    {
        return Ok(None);
    }
    let record = h264::avcc(&newest(sps, known.sps), &newest(pps, known.pps), length_size)?;
    h264::from_avcc(record).map(Some)
}

fn h265_change(
    video: &VideoRecord,
    length_size: LengthSize,
    keyframe: &[u8],
) -> Result<Option<Codec>, CodecError> {
    let known = h265::parameter_sets(&video.record)?;
    let nals = nals(keyframe, length_size)?;
    let sets = [h265::NAL_TYPE_VPS, h265::NAL_TYPE_SPS, h265::NAL_TYPE_PPS].map(|kind| {
        let of_kind = |nal: &&[u8]| h265::nal_type(nal) == Some(kind);
        let in_band: Vec<&[u8]> = nals.iter().copied().filter(of_kind).collect();
        let is_new = in_band.iter().any(|set| !known.contains(set));
        (newest(in_band, known.iter().copied().filter(of_kind).collect()), is_new)
    });
    if sets.iter().all(|(_, is_new)| !is_new) {
        return Ok(None);
    }
    let record = h265::hvcc(&sets[0].0, &sets[1].0, &sets[2].0, length_size)?;
    h265::from_hvcc(record).map(Some)
}

fn av1_change(video: &VideoRecord, keyframe: &[u8]) -> Result<Option<Codec>, CodecError> {
    let truncated = |_| CodecError::Truncated { record: KEYFRAME };
    let Some(header) = obu::sequence_header(keyframe).map_err(truncated)? else {
        return Ok(None);
    };
    let new = av1::parse_sequence_header(header)?;
    // Not the bytes: encoders write other coding tools into the record than they then use.
    if av1::parse_record(&video.record)? == new {
        return Ok(None);
    }
    av1::from_sequence_header(header).map(Some)
}
