//! Decoder records and frames as encoders really write them: x264, x265, SVT-AV1, libaom and libvpx of
//! FFmpeg 9, encoding `testsrc2` at 322x182 (a size that needs cropping), cut out of its MP4 files.

#![expect(clippy::unwrap_used, reason = "in helpers of tests a panic is the failure")]

use bytes::Bytes;
use tally_media::codec::{CodecError, VideoRecord, av1, changed_parameters, h264, h265, vp8, vp9};
use tally_media::nal::{LengthSize, RandomAccess, random_access};
use tally_media::{Codec, Color, obu};

const BT709: Color = Color { primaries: 1, transfer: 1, matrix: 1, full_range: false };
const HDR10: Color = Color { primaries: 9, transfer: 16, matrix: 9, full_range: false };

const AVCC: &str = "0164000dffe1001e6764000dacd941519e226c05a808080a000003000200000300641e28532c0100\
    0668ebe3cb22c0fdf8f800";
const AVCC_422: &str = "017a001fffe1001b677a001fb6cd941519e222f011000003000100000300320f18319601000768\
    ebe3cb3002c0fefafa00";
const AVCC_INTERLACED: &str = "01640015ffe1001a67640015acd941410fcb808800000300080000030190f8a14cb0010006\
    68fba3cb22c0fdf8f800";
const HVCC: &str = "0102200000009000000000003cf000fcfdfafa00000f03a00001001840010c01ffff02200000030090\
    000003000003003c959809a10001002f42010102200000030090000003000003003ca00a480b9c94d96566924e5780b5\
    091009040000030004000003006420a2000100074401c172b46240";
const HVCC_LAYERS: &str = "01216000000090000000000099f000fcfdf8f800001b03a00001001e40010c04ffff21600000030090\
    000003000003009900009594aca5650240a1000100304201042160000003009000000300000300990000a00a480b9c95\
    965652b295964932bc05a02000000300200000030321a2000100074401c172b46240";
const AV1C: &str = "81000c000a0e0200000561e836a017c081010082";
const AV1_KEYFRAME: &str = "0a0e0200000561e836a357cc81010082\
    32cb161400a27824db2a16481497e81c86e7a89311e82766";
const AV1C_10_BIT: &str = "81004c000a0e000000043d06d4daf95091009040";
const VPCC: &str = "01000000000b820101010000";
const VP9_KEYFRAME: &str = "824983424014100b560438241c184a0009207fd9fa3e8fe7";
const VP9_444_KEYFRAME: &str = "b124c1a11000a0805ab031c120e0c2c0006c007fd9fa3c77";
const VP8_KEYFRAME: &str = "f067009d012a4201b60000070885858885848802";

fn hex(text: &str) -> Bytes {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>().into()
}

fn check(codec: &Codec, name: &str, size: (u16, u16), color: Option<Color>) {
    let video: &VideoRecord = codec.video().unwrap();
    assert_eq!(codec.rfc6381(), name);
    assert_eq!((video.width, video.height), size);
    assert_eq!(video.color, color);
}

#[test]
fn h264_records() {
    check(&h264::from_avcc(hex(AVCC)).unwrap(), "avc1.64000D", (322, 182), Some(BT709));
    check(&h264::from_avcc(hex(AVCC_422)).unwrap(), "avc1.7A001F", (322, 182), None);
    check(&h264::from_avcc(hex(AVCC_INTERLACED)).unwrap(), "avc1.640015", (320, 240), None);
}

#[test]
fn an_avcc_is_built_as_the_muxer_builds_it() {
    for record in [AVCC, AVCC_422] {
        let record = hex(record);
        let sps_end = 8 + usize::from(record[7]);
        let pps_end = sps_end + 3 + usize::from(record[sps_end + 2]);
        let (sps, pps) = (&record[8..sps_end], &record[sps_end + 3..pps_end]);
        assert_eq!(h264::avcc(&[sps], &[pps], LengthSize::Four).unwrap(), record);
    }
}

#[test]
fn h265_records() {
    check(&h265::from_hvcc(hex(HVCC)).unwrap(), "hvc1.2.4.L60.90", (322, 182), Some(HDR10));
    // High tier, three temporal layers.
    check(&h265::from_hvcc(hex(HVCC_LAYERS)).unwrap(), "hvc1.1.6.H153.90", (322, 182), None);
}

#[test]
fn av1_records() {
    // This one names the matrix alone.
    let matrix_only = Color { primaries: 2, transfer: 2, ..BT709 };
    check(&av1::from_av1c(hex(AV1C)).unwrap(), "av01.0.00M.08", (322, 182), Some(matrix_only));
    check(&av1::from_av1c(hex(AV1C_10_BIT)).unwrap(), "av01.0.00M.10", (322, 182), Some(HDR10));
}

#[test]
fn an_av1c_is_built_from_a_sequence_header_as_the_muxer_builds_it() {
    for record in [AV1C, AV1C_10_BIT] {
        let record = hex(record);
        assert_eq!(
            *av1::from_sequence_header(&record[4..]).unwrap().video().unwrap().record,
            record
        );
    }
}

#[test]
fn av1_keyframes_are_found_and_do_not_change_the_track() {
    // SVT-AV1 writes other coding tools into the record than into the stream: no new track.
    let unit = hex(AV1_KEYFRAME);
    let header = obu::sequence_header(&unit).unwrap().unwrap();
    assert_ne!(header, &hex(AV1C)[4..]);
    let codec = av1::from_av1c(hex(AV1C)).unwrap();
    assert_eq!(av1::from_sequence_header(header).unwrap().rfc6381(), codec.rfc6381());
    assert_eq!(av1::parse_sequence_header(header).unwrap().width, 322);
}

#[test]
fn an_av1_record_without_a_sequence_header_says_so() {
    let missing = CodecError::Missing { record: "av1C record", part: "sequence header" };
    assert_eq!(av1::from_av1c(hex("81000c00")), Err(missing));
}

#[test]
fn vp9_records_and_keyframes() {
    let codec = vp9::from_vpcc(hex(VPCC), &hex(VP9_KEYFRAME)).unwrap();
    check(&codec, "vp09.00.11.08", (322, 182), Some(BT709));
    // The same without the box's version and flags.
    assert_eq!(vp9::from_vpcc(hex(VPCC).slice(4..), &hex(VP9_KEYFRAME)).unwrap(), codec);
    assert_eq!(vp9::from_keyframe(&hex(VP9_KEYFRAME)).unwrap(), codec);
    check(
        &vp9::from_keyframe(&hex(VP9_444_KEYFRAME)).unwrap(),
        "vp09.03.11.10",
        (322, 182),
        Some(BT709),
    );
    assert!(vp9::is_keyframe(&hex(VP9_KEYFRAME)));
    assert!(!vp9::is_keyframe(&hex("86000000")));
}

#[test]
fn vp8_keyframes() {
    let codec = vp8::from_keyframe(None, &hex(VP8_KEYFRAME)).unwrap();
    check(&codec, "vp08.00.11.08", (322, 182), None);
    assert!(!vp8::is_keyframe(&hex("f167009d012a4201b600")));
}

/// NAL units with 4-byte lengths.
fn frame(nals: &[&[u8]]) -> Bytes {
    let mut payload = Vec::new();
    for nal in nals {
        payload.extend(u32::try_from(nal.len()).unwrap().to_be_bytes());
        payload.extend_from_slice(nal);
    }
    payload.into()
}

#[test]
fn start_points_of_h264() {
    let codec = h264::from_avcc(hex(AVCC)).unwrap();
    let start = |nals: &[&[u8]]| random_access(&codec, &frame(nals)).unwrap();
    // x264: version SEI and IDR; open GOP: recovery point SEI and an I slice; a P slice.
    let idr = start(&[&hex("0605ffff99dc45e9"), &hex("65888400dfd4d446")]);
    let open = start(&[&hex("060601c480"), &hex("41 88ed07")]);
    let inter = start(&[&hex("0605021122"), &hex("419a2000")]);
    assert_eq!([idr, open, inter], [RandomAccess::Closed, RandomAccess::Open, RandomAccess::No]);
    assert_eq!([idr, open, inter].map(|is| is.is_keyframe(&codec)), [true, false, false]);
}

#[test]
fn start_points_of_h265() {
    let codec = h265::from_hvcc(hex(HVCC)).unwrap();
    let start = |nal: &str| random_access(&codec, &frame(&[&hex(nal)])).unwrap();
    let (idr, cra, trail) = (start("2801af1d"), start("2a01af1d"), start("0201d0"));
    assert_eq!([idr, cra, trail], [RandomAccess::Closed, RandomAccess::Open, RandomAccess::No]);
    // Decoders drop the leading pictures of a CRA (H.265 8.1.3).
    assert_eq!([idr, cra, trail].map(|is| is.is_keyframe(&codec)), [true, true, false]);
}

#[test]
fn repeated_parameter_sets_are_no_change() {
    let record = hex(AVCC);
    let codec = h264::from_avcc(record.clone()).unwrap();
    let keyframe = frame(&[&record[8..38], &record[41..47], &hex("658884")]);
    assert_eq!(keyframe[4] & 31, 7);
    assert_eq!(changed_parameters(&codec, &keyframe), Ok(None));
}

#[test]
fn new_h264_parameter_sets_in_band_make_a_new_track() {
    let codec = h264::from_avcc(hex(AVCC)).unwrap();
    let other = hex(AVCC_INTERLACED);
    let keyframe = frame(&[&other[8..34], &other[37..43], &hex("658884")]);
    let new = changed_parameters(&codec, &keyframe).unwrap().unwrap();
    assert_eq!(new, h264::from_avcc(other).unwrap());
}

#[test]
fn new_h265_parameter_sets_in_band_make_a_new_track() {
    let codec = h265::from_hvcc(hex(HVCC)).unwrap();
    let other = hex(HVCC_LAYERS);
    // Arrays of one set each: 3 bytes of head, 2 of length.
    let (mut sets, mut at) = (Vec::new(), 23);
    for _ in 0..3 {
        let length = usize::from(other[at + 4]);
        sets.push(other.slice(at + 5..at + 5 + length));
        at += 5 + length;
    }
    let keyframe = frame(&[&sets[0], &sets[1], &sets[2], &hex("2801af")]);
    let new = changed_parameters(&codec, &keyframe).unwrap().unwrap();
    assert_eq!(new.rfc6381(), "hvc1.1.6.H153.90");
    // All but numTemporalLayers and the like, which muxers may leave unknown.
    assert_eq!(new.video().unwrap().record[..19], other[..19]);
    let repeated = frame(&[&sets[1], &hex("2801af")]);
    assert_eq!(changed_parameters(&new, &repeated), Ok(None));
}

#[test]
fn a_vp9_keyframe_of_another_size_makes_a_new_track() {
    let codec = vp9::from_vpcc(hex(VPCC), &hex(VP9_KEYFRAME)).unwrap();
    let mut keyframe = hex(VP9_KEYFRAME).to_vec();
    assert_eq!(changed_parameters(&codec, &Bytes::from(keyframe.clone())), Ok(None));
    keyframe[5] ^= 0x10; // a bit of the width
    let new = changed_parameters(&codec, &keyframe.into()).unwrap().unwrap();
    assert_ne!(new.video().unwrap().width, 322);
    assert_eq!(new.video().unwrap().height, 182);
}

#[test]
fn records_are_refused_by_name_at_every_cut() {
    for length in 0..hex(AVCC).len() - 8 {
        assert!(h264::from_avcc(hex(AVCC).slice(..length)).is_err(), "avcC of {length}");
    }
    for length in 0..hex(HVCC).len() {
        assert!(h265::from_hvcc(hex(HVCC).slice(..length)).is_err(), "hvcC of {length}");
    }
    for length in 0..hex(AV1C).len() {
        assert!(av1::from_av1c(hex(AV1C).slice(..length)).is_err(), "av1C of {length}");
    }
    let two = "0164000dfe"; // NAL lengths of three bytes
    let error = h264::from_avcc(hex(&(two.to_owned() + &AVCC[10..]))).unwrap_err();
    assert_eq!(error.to_string(), "avcC record has a forbidden NAL length size: 3");
}

/// Flips every bit of a real record, alone and with the next byte lost: gets deeper than random bytes.
/// What is still accepted has a size and a name.
fn damage(record: &str, read: impl Fn(Bytes) -> Result<Codec, CodecError>) {
    let record = hex(record);
    for bit in 0..record.len() * 8 {
        let mut damaged = record.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let mut shorter = damaged.clone();
        shorter.remove((bit / 8 + 1) % damaged.len());
        for bytes in [damaged, shorter] {
            let Ok(codec) = read(bytes.into()) else { continue };
            let video = codec.video().unwrap();
            assert!(video.width > 0 && video.height > 0 && video.rfc6381.len() > 4);
        }
    }
}

#[test]
fn damaged_records_never_panic() {
    damage(AVCC, h264::from_avcc);
    damage(AVCC_422, h264::from_avcc);
    damage(HVCC, h265::from_hvcc);
    damage(HVCC_LAYERS, h265::from_hvcc);
    damage(AV1C_10_BIT, av1::from_av1c);
    damage(VPCC, |record| vp9::from_vpcc(record, &hex(VP9_KEYFRAME)));
    damage(VP9_444_KEYFRAME, |frame| vp9::from_keyframe(&frame));
    damage(VP8_KEYFRAME, |frame| vp8::from_keyframe(None, &frame));
}
