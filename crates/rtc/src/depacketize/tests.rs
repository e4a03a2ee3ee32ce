//! Frames through payloads and back, the figures of the payload formats, and what is malformed.

use bytes::Bytes;
use proptest::prelude::*;
use tally_media::codec::{VideoRecord, av1, h264, h265, opus};
use tally_media::nal::LengthSize;
use tally_media::{Codec, Frame, Timescale, Timestamp, Track, TrackId};

use super::*;
use crate::packetize::{PAYLOAD_BYTES_MIN, Packetizer};

/// Parameter sets that x264 and x265 (FFmpeg 9) made for pictures of 322x182.
const H264_SPS: &[u8] =
    b"\x67\x64\x00\x0d\xac\xd9\x41\x51\x9e\x22\x6c\x05\xa8\x08\x08\x0a\x00\x00\x03\
    \x00\x02\x00\x00\x03\x00\x64\x1e\x28\x53\x2c";
const H264_PPS: &[u8] = b"\x68\xeb\xe3\xcb\x22\xc0";
const H265_VPS: &[u8] =
    b"\x40\x01\x0c\x01\xff\xff\x02\x20\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\
    \x00\x3c\x95\x98\x09";
const H265_SPS: &[u8] = b"\x42\x01\x01\x02\x20\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x3c\xa0\
    \x0a\x48\x0b\x9c\x94\xd9\x65\x66\x92\x4e\x57\x80\xb5\x09\x10\x09\x04\x00\x00\x03\x00\x04\x00\x00\
    \x03\x00\x64\x20";
const H265_PPS: &[u8] = b"\x44\x01\xc1\x72\xb4\x62\x40";
pub(crate) const SEQUENCE_HEADER: &[u8] =
    b"\x0a\x0e\x02\x00\x00\x05\x61\xe8\x36\xa3\x57\xcc\x81\x01\x00\x82";
pub(crate) const VP8_KEYFRAME: &[u8] =
    b"\xf0\x67\x00\x9d\x01\x2a\x42\x01\xb6\x00\x00\x07\x08\x85\x85\x88\x85\x84\x88\x02";
pub(crate) const VP9_KEYFRAME: &[u8] =
    b"\x82\x49\x83\x42\x40\x14\x10\x0b\x56\x04\x38\x24\x1c\x18\x4a\x00\x09\x20\
    \x7f\xd9\xfa\x3e\x8f\xe7";

pub(crate) fn h264_codec() -> Codec {
    let record = h264::avcc(&[H264_SPS], &[H264_PPS], LengthSize::Four).unwrap();
    h264::from_avcc(record).unwrap()
}

pub(crate) fn h265_codec() -> Codec {
    let record = h265::hvcc(&[H265_VPS], &[H265_SPS], &[H265_PPS], LengthSize::Four).unwrap();
    h265::from_hvcc(record).unwrap()
}

pub(crate) fn vpx_record() -> VideoRecord {
    let record = Bytes::new();
    VideoRecord { record, width: 322, height: 182, rfc6381: String::new(), color: None }
}

pub(crate) fn av1_codec() -> Codec {
    av1::from_sequence_header(SEQUENCE_HEADER).unwrap()
}

pub(crate) fn length_prefixed(nals: &[&[u8]]) -> Vec<u8> {
    let units = nals.iter().map(|nal| [&(nal.len() as u32).to_be_bytes(), *nal].concat());
    units.collect::<Vec<_>>().concat()
}

/// An OBU with its size.
pub(crate) fn obu(header: u8, payload: &[u8]) -> Vec<u8> {
    let mut unit = vec![header | 2];
    if header & 4 != 0 {
        unit.push(0x28);
    }
    let mut size = payload.len();
    while size >= 0x80 {
        unit.push(size as u8 | 0x80);
        size >>= 7;
    }
    unit.push(size as u8);
    unit.extend(payload);
    unit
}

/// The frame as payloads, each in a buffer of its own.
fn packetize(codec: &Codec, keyframe: bool, payload: &[u8], max: usize) -> Vec<Bytes> {
    let id = if codec.audio().is_some() { TrackId::Audio(0) } else { TrackId::Video(0) };
    let codec = codec.clone();
    let track = Track { id, codec, timescale: Timescale::VIDEO, language: None, color: None };
    let zero = Timestamp::new(0, Timescale::VIDEO);
    let payload = Bytes::copy_from_slice(payload);
    let frame = Frame { dts: zero, pts: zero, duration_ticks: None, keyframe, payload };
    let made = Packetizer::new(&track, max).unwrap().packetize(&frame).unwrap();
    let bytes = made.payloads.iter().map(|p| [p.prefix.as_slice(), &p.body].concat().into());
    bytes.collect()
}

/// The payloads' frame, after checking what single payloads are said to be.
fn assemble(format: Format, keyframe: bool, payloads: &[Bytes]) -> Assembled {
    assert!(starts_picture(format, &payloads[0]));
    assert_eq!(payloads.iter().any(|p| is_keyframe_start(format, p)), keyframe);
    Depacketizer::new(format).assemble(payloads).unwrap().unwrap()
}

fn fragment(keyframe: bool, length: usize) -> Vec<u8> {
    // Starts like a first slice: first_mb_in_slice 0, first_slice_segment_in_pic_flag 1.
    let first = [if keyframe { 0x80 } else { 0x81 }];
    first.into_iter().chain((0..length).map(|index| index as u8)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn h264_and_h265_frames_come_back(
        lengths in prop::collection::vec(0usize..5_000, 1..6),
        max in PAYLOAD_BYTES_MIN..1_500,
        keyframe: bool,
    ) {
        for (format, codec, head) in [
            (Format::H264, h264_codec(), if keyframe { vec![0x65] } else { vec![0x41] }),
            (Format::H265, h265_codec(), if keyframe { vec![40, 1] } else { vec![2, 1] }),
        ] {
            let nals: Vec<Vec<u8>> =
                lengths.iter().map(|n| [&head[..], &fragment(keyframe, *n)].concat()).collect();
            let nals: Vec<&[u8]> = nals.iter().map(Vec::as_slice).collect();
            let whole = length_prefixed(&nals);
            let aud: &[u8] = if format == Format::H264 { &[9, 0x10] } else { &[70, 1, 0x10] };
            let sent = [length_prefixed(&[aud]), whole.clone()].concat();
            let made = assemble(format, keyframe, &packetize(&codec, keyframe, &sent, max));
            prop_assert_eq!(&made.payload, &whole);
            prop_assert_eq!(made.keyframe, keyframe);
            prop_assert_eq!(made.codec, keyframe.then_some(codec));
        }
    }

    #[test]
    fn av1_temporal_units_come_back(
        lengths in prop::collection::vec(0usize..3_000, 1..6),
        kinds in prop::collection::vec(0usize..3, 6),
        max in PAYLOAD_BYTES_MIN..1_500,
        keyframe: bool,
    ) {
        // Metadata, a tile group, a frame with an extension.
        let units: Vec<Vec<u8>> = lengths.iter().zip(kinds)
            .map(|(length, kind)| obu([0x28, 0x20, 0x34][kind], &numbered(*length)))
            .collect();
        let first = obu(0x30, if keyframe { &[0x10, 1] } else { &[0x30, 1] });
        let header: &[u8] = if keyframe { SEQUENCE_HEADER } else { &[] };
        let whole = [header, &first, &units.concat()].concat();
        let sent = [&[0x12, 0][..], &whole].concat();
        let made = assemble(Format::Av1, keyframe, &packetize(&av1_codec(), keyframe, &sent, max));
        prop_assert_eq!(&made.payload, &whole);
        prop_assert_eq!(made.keyframe, keyframe);
        prop_assert_eq!(made.codec, keyframe.then(av1_codec));
    }

    #[test]
    fn vp8_and_vp9_frames_come_back(
        length in 0usize..9_000,
        max in PAYLOAD_BYTES_MIN..1_500,
        keyframe: bool,
    ) {
        for (format, codec, key, delta) in [
            (Format::Vp8, Codec::Vp8(vpx_record()), VP8_KEYFRAME, &[0xF1_u8][..]),
            (Format::Vp9, Codec::Vp9(vpx_record()), VP9_KEYFRAME, &[0x86][..]),
        ] {
            let whole = [if keyframe { key } else { delta }, &numbered(length)].concat();
            let made = assemble(format, keyframe, &packetize(&codec, keyframe, &whole, max));
            prop_assert_eq!(&made.payload, &whole);
            prop_assert_eq!(made.keyframe, keyframe);
            let size = made.codec.as_ref().and_then(Codec::video).map(|v| (v.width, v.height));
            prop_assert_eq!(size, keyframe.then_some((322, 182)));
        }
    }
}

fn numbered(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| index as u8).collect()
}

#[test]
fn opus_packets_come_back_without_a_copy() {
    let payloads = packetize(&opus::stereo(), true, &[0xFC, 1, 2], 1_200);
    let made = assemble(Format::Opus, true, &payloads);
    assert_eq!(made.payload.as_ptr(), payloads[0].as_ptr());
    assert_eq!(made.codec, Some(opus::stereo()));
    let mut depacketizer = Depacketizer::new(Format::Opus);
    assert_eq!(depacketizer.assemble(&[Bytes::new()]), Err(DepacketizeError::Empty));
    let cut = Bytes::from_static(&[0xFF]);
    assert!(matches!(depacketizer.assemble(&[cut]), Err(DepacketizeError::Codec(_))));
    let two = [payloads[0].clone(), payloads[0].clone()];
    assert_eq!(depacketizer.assemble(&two), Err(DepacketizeError::TooLarge));
}

fn bytes(parts: &[&[u8]]) -> Bytes {
    parts.concat().into()
}

#[test]
fn a_stap_a_and_fu_a_by_the_figures_of_rfc_6184() {
    let mut depacketizer = Depacketizer::new(Format::H264);
    let stap = bytes(&[&[0x78, 0, 30], H264_SPS, &[0, 6], H264_PPS]);
    let (start, end) = (bytes(&[&[0x7C, 0x85, 0x88]]), bytes(&[&[0x7C, 0x45, 1, 2]]));
    let made = depacketizer.assemble(&[stap, start, end]).unwrap().unwrap();
    assert_eq!(made.payload, [0, 0, 0, 4, 0x65, 0x88, 1, 2][..]);
    assert_eq!(made.codec, Some(h264_codec()));
    assert_eq!(depacketizer.codec(), Some(&h264_codec()));
}

#[test]
fn packets_of_padding_alone_are_passed_over() {
    let pieces = [bytes(&[&[0x5C, 0x81, 0x88]]), Bytes::new(), bytes(&[&[0x5C, 0x41, 1]])];
    let made = Depacketizer::new(Format::H264).assemble(&pieces).unwrap().unwrap();
    assert_eq!(made.payload, [0, 0, 0, 3, 0x41, 0x88, 1][..]);
}

#[test]
fn parameter_sets_ahead_of_their_keyframe_are_kept() {
    let mut depacketizer = Depacketizer::new(Format::H264);
    let sets = [bytes(&[H264_SPS]), bytes(&[H264_PPS])];
    assert_eq!(depacketizer.assemble(&sets), Ok(None));
    let key = [bytes(&[&[0x65, 0x88]])];
    let made = depacketizer.assemble(&key).unwrap().unwrap();
    assert_eq!(made.codec, Some(h264_codec()));
    // The same again is no news.
    let again = [sets[0].clone(), sets[1].clone(), key[0].clone()];
    assert_eq!(depacketizer.assemble(&again).unwrap().unwrap().codec, None);
    // Another PPS is.
    let changed = [sets[0].clone(), bytes(&[&[0x68, 0xEE]]), key[0].clone()];
    assert!(depacketizer.assemble(&changed).unwrap().unwrap().codec.is_some());
}

#[test]
fn new_parameter_sets_between_keyframes_stay_in_the_frame() {
    let mut depacketizer = Depacketizer::new(Format::H264);
    let (sps, pps, key) = (bytes(&[H264_SPS]), bytes(&[H264_PPS]), bytes(&[&[0x65, 0x88]]));
    depacketizer.assemble(&[sps, pps.clone(), key]).unwrap();
    let delta = bytes(&[&[0x41, 0x88]]);
    let made = depacketizer.assemble(&[pps, bytes(&[&[0x68, 0xEE]]), delta]).unwrap().unwrap();
    assert_eq!(made.payload, length_prefixed(&[&[0x68, 0xEE], &[0x41, 0x88]]));
    assert_eq!((made.keyframe, made.codec), (false, None));
}

#[test]
fn a_keyframe_without_usable_parameters_is_an_error_until_they_come() {
    let mut depacketizer = Depacketizer::new(Format::H264);
    let key = bytes(&[&[0x65, 0x88]]);
    for _ in 0..2 {
        let refused = depacketizer.assemble(std::slice::from_ref(&key));
        assert!(matches!(refused, Err(DepacketizeError::Codec(_))));
    }
    let made = depacketizer.assemble(&[bytes(&[H264_SPS]), bytes(&[H264_PPS]), key]);
    assert!(made.unwrap().unwrap().codec.is_some());
}

#[test]
fn holes_in_a_picture_are_told() {
    let incomplete = Err(DepacketizeError::Incomplete);
    let h264 = |payloads: &[&'static [u8]]| {
        let payloads: Vec<Bytes> = payloads.iter().map(|p| Bytes::from_static(p)).collect();
        Depacketizer::new(Format::H264).assemble(&payloads)
    };
    assert_eq!(h264(&[&[0x7C, 0x41, 1]]), incomplete, "an end without a start");
    assert_eq!(h264(&[&[0x7C, 0x81, 1]]), incomplete, "a start without an end");
    assert_eq!(h264(&[&[0x7C, 0x81, 1], &[0x41, 2]]), incomplete, "another unit in between");
    assert_eq!(h264(&[&[0x78, 0, 9, 0x41]]), Err(DepacketizeError::Truncated));
    assert_eq!(h264(&[&[0x79, 0]]), Err(DepacketizeError::Unsupported { kind: 25 }));
    assert_eq!(h264(&[]), Err(DepacketizeError::Empty));
    let of = |format, payload: &'static [u8]| {
        Depacketizer::new(format).assemble(&[Bytes::from_static(payload)])
    };
    assert_eq!(of(Format::Av1, &[0x90, 0x30]), incomplete);
    assert_eq!(of(Format::Av1, &[0x50, 0x30]), incomplete);
    assert_eq!(of(Format::Av1, &[0x20, 9, 0x30]), Err(DepacketizeError::Truncated));
    assert_eq!(of(Format::Vp8, &[0x00, 0xF1]), incomplete);
    assert_eq!(of(Format::Vp9, &[0x04, 0x86]), incomplete);
    assert_eq!(of(Format::Vp9, &[0x08, 0x86]), incomplete);
    assert_eq!(of(Format::Vp9, &[0x0A]), Err(DepacketizeError::Truncated));
}

#[test]
fn frames_are_bounded() {
    let big = Bytes::from(vec![0x41; FRAME_BYTES_MAX / 2 + 1]);
    let made = Depacketizer::new(Format::H264).assemble(&[big.clone(), big]);
    assert_eq!(made, Err(DepacketizeError::TooLarge));
    let many = Bytes::from([&[0x78][..], &[0, 1, 0x41].repeat(UNITS_MAX + 1)].concat());
    let made = Depacketizer::new(Format::H264).assemble(&[many]);
    assert_eq!(made, Err(DepacketizeError::TooLarge));
    let many = Bytes::from([&[0x00][..], &[1, 0x28].repeat(UNITS_MAX + 1)].concat());
    let made = Depacketizer::new(Format::Av1).assemble(&[many]);
    assert_eq!(made, Err(DepacketizeError::TooLarge));
}

#[test]
fn av1_units_that_kept_their_size_are_read_too() {
    // W 1, N, a sequence header and W 1, a frame whose size is right, then one whose size is wrong.
    let header = bytes(&[&[0x18], SEQUENCE_HEADER]);
    let frame = Bytes::from_static(&[0x10, 0x32, 2, 0x10, 1]);
    let made = Depacketizer::new(Format::Av1).assemble(&[header, frame]).unwrap().unwrap();
    assert_eq!(made.payload, [SEQUENCE_HEADER, &[0x32, 2, 0x10, 1]].concat());
    assert!(made.keyframe);
    let wrong = Bytes::from_static(&[0x10, 0x32, 3, 0x10, 1]);
    let made = Depacketizer::new(Format::Av1).assemble(&[wrong]);
    assert_eq!(made, Err(DepacketizeError::Bitstream));
}

#[test]
fn descriptors_of_other_senders_are_read() {
    // VP8 with a 7-bit picture id, TL0PICIDX, and TID; libwebrtc sends this with temporal layers.
    let vp8 = bytes(&[&[0x90, 0xE0, 0x11, 0x22, 0x20], VP8_KEYFRAME]);
    let made = assemble(Format::Vp8, true, &[vp8]);
    assert_eq!(made.payload, VP8_KEYFRAME);
    // VP9, flexible: picture id, layer indices, two references.
    let vp9 = bytes(&[&[0xFC, 0x81, 0x23, 0x00, 0x03, 0x04, 0x86]]);
    assert_eq!(assemble(Format::Vp9, false, &[vp9]).payload, [0x86][..]);
    // VP9, not flexible, as libwebrtc starts: TL0PICIDX, a structure with size and a group of one.
    let head = [0xAE, 0x81, 0x23, 0x00, 0x00, 0x18, 1, 66, 0, 182, 1, 0x04, 1];
    let vp9 = bytes(&[&head, VP9_KEYFRAME]);
    assert_eq!(assemble(Format::Vp9, true, &[vp9]).payload, VP9_KEYFRAME);
}

#[test]
fn spatial_layers_of_vp9_become_a_superframe() {
    let base = Bytes::from_static(&[0xEC, 0x01, 0x00, 0x09, 0x86, 1, 2]);
    let upper = Bytes::from_static(&[0xEC, 0x01, 0x03, 0x09, 0x86, 3]);
    assert!(starts_picture(Format::Vp9, &base) && !starts_picture(Format::Vp9, &upper));
    let made = Depacketizer::new(Format::Vp9).assemble(&[base, upper]).unwrap().unwrap();
    // Annex B of VP9: the marker with two frames and sizes of four bytes, on both sides.
    let index = [0xD9, 3, 0, 0, 0, 2, 0, 0, 0, 0xD9];
    assert_eq!(made.payload, [&[0x86, 1, 2, 0x86, 3][..], &index].concat());
}

#[test]
fn fuzz_depacketizer() {
    const FORMATS: [Format; 6] =
        [Format::H264, Format::H265, Format::Av1, Format::Vp8, Format::Vp9, Format::Opus];
    bolero::check!().with_iterations(5_000).for_each(|input: &[u8]| {
        // The first byte says how long payloads are; several make fragments meet.
        let (length, rest) = input.split_first().map_or((1, input), |(n, rest)| (*n, rest));
        let input = Bytes::copy_from_slice(rest);
        let length = usize::from(length % 32) + 1;
        let cuts = (0..input.len()).step_by(length);
        let payloads: Vec<Bytes> =
            cuts.map(|at| input.slice(at..input.len().min(at + length))).collect();
        for format in FORMATS {
            for payload in &payloads {
                let starts = starts_picture(format, payload);
                assert!(!payload.is_empty() || !starts);
                let _ = is_keyframe_start(format, payload);
            }
            let mut depacketizer = Depacketizer::new(format);
            if let Ok(Some(made)) = depacketizer.assemble(&payloads) {
                assert!(!made.payload.is_empty());
                assert!(made.payload.len() <= 8 * input.len() + 64);
                assert_eq!(made.codec.as_ref(), depacketizer.codec());
            }
        }
    });
}
