//! Frames of every codec, each with its number in it.

use bytes::Bytes;
use tally_media::{Codec, Frame, Timescale, Timestamp, Track, TrackId};

use crate::depacketize::Format;
use crate::depacketize::tests::{
    SEQUENCE_HEADER, VP8_KEYFRAME, VP9_KEYFRAME, av1_codec, h264_codec, h265_codec,
    length_prefixed, obu, vpx_record,
};
use crate::sdp::CodecName;

pub(in crate::session) const VIDEO_FORMATS: [Format; 5] =
    [Format::H264, Format::H265, Format::Av1, Format::Vp8, Format::Vp9];
/// Of every frame, between what its codec needs and its end.
const NUMBER_BYTES: usize = 8;

pub(in crate::session) fn name(format: Format) -> CodecName {
    match format {
        Format::H264 => CodecName::H264,
        Format::H265 => CodecName::H265,
        Format::Av1 => CodecName::Av1,
        Format::Vp8 => CodecName::Vp8,
        Format::Vp9 => CodecName::Vp9,
        Format::Opus => CodecName::Opus,
    }
}

pub(in crate::session) fn track(id: TrackId, format: Format) -> Track {
    let codec = match format {
        Format::H264 => h264_codec(),
        Format::H265 => h265_codec(),
        Format::Av1 => av1_codec(),
        Format::Vp8 => Codec::Vp8(vpx_record()),
        Format::Vp9 => Codec::Vp9(vpx_record()),
        Format::Opus => tally_media::codec::opus::stereo(),
    };
    let timescale = Timescale::new(if format == Format::Opus { 48_000 } else { 90_000 });
    Track { id, codec, timescale, language: None, color: None }
}

/// The frame of this number, `ms` into the show, with this many bytes to fill it up.
pub(in crate::session) fn frame(
    format: Format,
    number: u64,
    ms: i64,
    keyframe: bool,
    fill: usize,
) -> Frame {
    let filler = (0..fill).map(|index| index as u8);
    let tail: Vec<u8> = filler.chain(number.to_be_bytes()).collect();
    let nal = |head: &[u8]| length_prefixed(&[&[head, &tail].concat()]);
    let payload = match (format, keyframe) {
        (Format::H264, true) => nal(&[0x65, 0x80]),
        (Format::H264, false) => nal(&[0x41, 0x81]),
        (Format::H265, true) => nal(&[40, 1, 0x80]),
        (Format::H265, false) => nal(&[2, 1, 0x81]),
        (Format::Av1, true) => {
            [SEQUENCE_HEADER, &obu(0x30, &[&[0x10, 1][..], &tail].concat())].concat()
        }
        (Format::Av1, false) => obu(0x30, &[&[0x30, 1][..], &tail].concat()),
        (Format::Vp8, true) => [VP8_KEYFRAME, &tail].concat(),
        (Format::Vp8, false) => [&[0xF1], &tail[..]].concat(),
        (Format::Vp9, true) => [VP9_KEYFRAME, &tail].concat(),
        (Format::Vp9, false) => [&[0x86], &tail[..]].concat(),
        // CELT, stereo, one frame of 20 ms.
        (Format::Opus, _) => [&[0xFC], &tail[..]].concat(),
    };
    let timescale = Timescale::new(if format == Format::Opus { 48_000 } else { 90_000 });
    let time = Timestamp::new(ms, Timescale::MILLIS).rescale(timescale);
    let payload = Bytes::from(payload);
    Frame { dts: time, pts: time, duration_ticks: None, keyframe, payload }
}

/// The number in a frame.
pub(in crate::session) fn number(frame: &Frame) -> u64 {
    let (_, number) = frame.payload.split_at(frame.payload.len() - NUMBER_BYTES);
    u64::from_be_bytes(number.try_into().unwrap())
}
