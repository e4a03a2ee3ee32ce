//! Golden bytes of every payload format, and what all formats promise.

use bytes::Bytes;
use proptest::prelude::*;
use tally_media::codec::{VideoRecord, aac, h264, h265, opus};
use tally_media::{Codec, Frame, Timescale, Timestamp, Track, TrackId};

use super::*;

/// Made by x264 and x265 (FFmpeg 9) for pictures of 322x182.
const AVCC: &[u8] = b"\x01\x64\x00\x0d\xff\xe1\x00\x1e\x67\x64\x00\x0d\xac\xd9\x41\x51\x9e\x22\x6c\x05\
    \xa8\x08\x08\x0a\x00\x00\x03\x00\x02\x00\x00\x03\x00\x64\x1e\x28\x53\x2c\x01\x00\x06\x68\xeb\xe3\
    \xcb\x22\xc0\xfd\xf8\xf8\x00";
const HVCC: &[u8] = b"\x01\x02\x20\x00\x00\x00\x90\x00\x00\x00\x00\x00\x3c\xf0\x00\xfc\xfd\xfa\xfa\x00\
    \x00\x0f\x03\xa0\x00\x01\x00\x18\x40\x01\x0c\x01\xff\xff\x02\x20\x00\x00\x03\x00\x90\x00\x00\x03\
    \x00\x00\x03\x00\x3c\x95\x98\x09\xa1\x00\x01\x00\x2f\x42\x01\x01\x02\x20\x00\x00\x03\x00\x90\x00\
    \x00\x03\x00\x00\x03\x00\x3c\xa0\x0a\x48\x0b\x9c\x94\xd9\x65\x66\x92\x4e\x57\x80\xb5\x09\x10\x09\
    \x04\x00\x00\x03\x00\x04\x00\x00\x03\x00\x64\x20\xa2\x00\x01\x00\x07\x44\x01\xc1\x72\xb4\x62\x40";
const SEQUENCE_HEADER: &[u8] = b"\x0a\x0e\x02\x00\x00\x05\x61\xe8\x36\xa3\x57\xcc\x81\x01\x00\x82";
const MAX: usize = 100;

fn track(codec: Codec) -> Track {
    let id = if codec.audio().is_some() { TrackId::Audio(0) } else { TrackId::Video(0) };
    Track { id, codec, timescale: Timescale::VIDEO, language: None, color: None }
}

fn video(record: &[u8]) -> VideoRecord {
    let record = Bytes::copy_from_slice(record);
    VideoRecord { record, width: 322, height: 182, rfc6381: String::new(), color: None }
}

fn h264_track() -> Track {
    track(h264::from_avcc(Bytes::from_static(AVCC)).unwrap())
}

fn h265_track() -> Track {
    track(h265::from_hvcc(Bytes::from_static(HVCC)).unwrap())
}

fn av1_track() -> Track {
    track(Codec::Av1(video(&[&[0x81, 0, 0x0C, 0][..], SEQUENCE_HEADER].concat())))
}

fn frame(keyframe: bool, payload: Vec<u8>) -> Frame {
    let zero = Timestamp::new(0, Timescale::VIDEO);
    Frame { dts: zero, pts: zero, duration_ticks: None, keyframe, payload: payload.into() }
}

fn nal_frame(keyframe: bool, nals: &[&[u8]]) -> Frame {
    let units = nals.iter().map(|nal| [&(nal.len() as u32).to_be_bytes(), *nal].concat());
    frame(keyframe, units.collect::<Vec<_>>().concat())
}

fn payloads(track: &Track, frame: &Frame) -> Vec<Payload> {
    Packetizer::new(track, MAX).unwrap().packetize(frame).unwrap().payloads
}

fn bytes(payload: &Payload) -> Vec<u8> {
    [payload.prefix.as_slice(), &payload.body].concat()
}

fn numbered(head: &[u8], body_bytes: usize) -> Vec<u8> {
    let body = (0..body_bytes).map(|index| index as u8);
    head.iter().copied().chain(body).collect()
}

#[test]
fn a_keyframe_starts_with_one_stap_a_of_its_parameter_sets() {
    // Figure 7 of RFC 6184: NRI 3 and type 24, then length and unit in turn.
    let made = payloads(&h264_track(), &nal_frame(true, &[&[0x65, 0x88, 1]]));
    assert_eq!(made.len(), 2);
    let expected = [&[0x78, 0, 30][..], &AVCC[8..38], &[0, 6], &AVCC[41..47]].concat();
    assert_eq!(bytes(&made[0]), expected);
    assert_eq!(bytes(&made[1]), [0x65, 0x88, 1]);
    assert_eq!([made[0].marker, made[1].marker], [false, true]);
}

#[test]
fn a_long_h264_unit_becomes_fu_a_of_equal_size() {
    // Figures 14 to 16 of RFC 6184: indicator with the unit's F and NRI, then S, E, R and its type.
    let nal = numbered(&[0x41], 250);
    let made = payloads(&h264_track(), &nal_frame(false, &[&nal]));
    let heads: Vec<&[u8]> = made.iter().map(|payload| payload.prefix.as_slice()).collect();
    assert_eq!(heads, [[0x5C, 0x81], [0x5C, 0x01], [0x5C, 0x41]]);
    assert_eq!(made.iter().map(Payload::len).collect::<Vec<_>>(), [86, 86, 84]);
    let bodies: Vec<u8> = made.iter().flat_map(|payload| payload.body.to_vec()).collect();
    assert_eq!(bodies, nal[1..]);
}

#[test]
fn h264_frames_lose_what_no_decoder_needs() {
    let sets: [&[u8]; 2] = [&AVCC[8..38], &AVCC[41..47]];
    let nals: [&[u8]; 6] = [&[9, 0x10], sets[0], sets[1], &[6, 5, 1, 0], &[0x65, 1], &[12, 0xFF]];
    let made = payloads(&h264_track(), &nal_frame(true, &nals));
    assert_eq!(made.len(), 2, "parameter sets once, and the picture");
    // A PPS that is not in the record is one that the encoder has changed.
    let made = payloads(&h264_track(), &nal_frame(false, &[&[0x68, 0xEE], &[0x41, 1]]));
    assert_eq!(bytes(&made[0]), [0x68, 0xEE]);
    let only_sei = nal_frame(false, &[&[6, 5, 1, 0]]);
    assert_eq!(Packetizer::new(&h264_track(), MAX).unwrap().packetize(&only_sei), None);
}

#[test]
fn an_h265_keyframe_starts_with_an_ap_and_a_long_unit_becomes_fu() {
    // RFC 7798 4.4.2 and 4.4.3: types 48 and 49 in the unit's header, then S, E and its type.
    let mut packetizer = Packetizer::new(&h265_track(), 200).unwrap();
    let nal = numbered(&[19 << 1, 1], 500);
    let made = packetizer.packetize(&nal_frame(true, &[&nal])).unwrap().payloads;
    let sets = [&HVCC[26..28], &HVCC[28..52], &HVCC[55..57], &HVCC[57..104]].concat();
    let expected = [&[48 << 1, 1][..], &sets, &HVCC[107..109], &HVCC[109..116]].concat();
    assert_eq!(bytes(&made[0]), expected);
    let heads: Vec<&[u8]> = made[1..].iter().map(|payload| payload.prefix.as_slice()).collect();
    assert_eq!(heads, [[49 << 1, 1, 0x80 | 19], [49 << 1, 1, 19], [49 << 1, 1, 0x40 | 19]]);
}

#[test]
fn disposable_is_what_no_picture_refers_to() {
    let made = |track: &Track, nals: &[&[u8]]| {
        let frame = nal_frame(false, nals);
        Packetizer::new(track, MAX).unwrap().packetize(&frame).unwrap().disposable
    };
    assert!(made(&h264_track(), &[&[0x01, 9, 9], &[0x01, 9, 9]]));
    assert!(!made(&h264_track(), &[&[0x01, 9, 9], &[0x21, 9, 9]]));
    // TRAIL_N is, TRAIL_R is not (H.265 table 7-1).
    assert!(made(&h265_track(), &[&[0, 1, 9]]));
    assert!(!made(&h265_track(), &[&[2, 1, 9]]));
    // With two temporal layers, a picture of the lower one may be referred to from above.
    let mut record = HVCC.to_vec();
    record[21] = record[21] & !0x38 | 2 << 3;
    let layered = track(h265::from_hvcc(record.into()).unwrap());
    assert!(!made(&layered, &[&[0, 1, 9]]));
    assert!(made(&layered, &[&[0, 2, 9]]));
}

#[test]
fn av1_headers_count_elements_and_mark_fragments() {
    // A temporal delimiter, the sequence header, and a frame of 200 bytes with its size.
    let unit = [&[0x12, 0][..], SEQUENCE_HEADER, &[0x32, 0xC8, 0x01], &numbered(&[], 200)].concat();
    let made = payloads(&av1_track(), &frame(true, unit));
    // Y, two elements, N; the sequence header's length and itself, without its size; the frame's header.
    let first = [&[0x40 | 2 << 4 | 8, 15, 0x08][..], &SEQUENCE_HEADER[2..], &[0x30]].concat();
    assert_eq!(made[0].prefix.as_slice(), first);
    assert_eq!(made[1].prefix.as_slice(), [0x80 | 0x40 | 1 << 4]);
    assert_eq!(made[2].prefix.as_slice(), [0x80 | 1 << 4]);
    assert_eq!(made.iter().map(Payload::len).collect::<Vec<_>>(), [74, 74, 72]);
}

#[test]
fn an_av1_keyframe_gets_the_sequence_header_it_lacks() {
    let made = payloads(&av1_track(), &frame(true, vec![0x32, 3, 0x10, 1, 2]));
    // Both are short: one payload of two elements, each with its length.
    let expected = [&[8, 15, 0x08][..], &SEQUENCE_HEADER[2..]].concat();
    assert_eq!(bytes(&made[0]), [&expected[..], &[4, 0x30, 0x10, 1, 2][..]].concat());
    assert_eq!(made.len(), 1);
    let made = payloads(&av1_track(), &frame(false, vec![0x32, 3, 0x30, 1, 2]));
    assert_eq!(bytes(&made[0]), [0, 4, 0x30, 0x30, 1, 2]);
}

#[test]
fn vp8_and_vp9_count_pictures_in_fifteen_bits() {
    let mut vp8 = Packetizer::new(&track(Codec::Vp8(video(&[]))), MAX).unwrap();
    vp8.number = 0x8081;
    let made = vp8.packetize(&frame(false, numbered(&[], 150))).unwrap().payloads;
    assert_eq!(made[0].prefix.as_slice(), [0x90, 0x80, 0x80, 0x81]);
    assert_eq!(made[1].prefix.as_slice(), [0x80, 0x80, 0x80, 0x81]);
    assert_eq!(made[1].picture_id, Some(PictureIdAt { offset: 2 }));

    let mut vp9 = Packetizer::new(&track(Codec::Vp9(video(&[]))), MAX).unwrap();
    let made = vp9.packetize(&frame(true, numbered(&[], 150))).unwrap().payloads;
    // I, B, V and the size of the one layer; then I and E.
    assert_eq!(made[0].prefix.as_slice(), [0x8A, 0x80, 0, 0x10, 1, 66, 0, 182]);
    assert_eq!(made[1].prefix.as_slice(), [0x84, 0x80, 0]);
    let made = vp9.packetize(&frame(false, vec![7])).unwrap().payloads;
    assert_eq!(made[0].prefix.as_slice(), [0xCC, 0x80, 1]);
    assert_eq!(made[0].picture_id, Some(PictureIdAt { offset: 1 }));
}

#[test]
fn opus_packets_are_payloads_on_a_clock_of_48_khz() {
    let mut packetizer = Packetizer::new(&track(opus::stereo()), MAX).unwrap();
    let mut packet = frame(true, vec![0xFC, 1, 2]);
    packet.pts = Timestamp::from_ms(20);
    packet.dts = packet.pts;
    packet.duration_ticks = Some(20);
    let made = packetizer.packetize(&packet).unwrap();
    assert_eq!((made.rtp_ticks, made.start_ms, made.end_ms), (960, 20, 40));
    assert_eq!(made.payloads[0].body.as_ptr(), packet.payload.as_ptr());
    assert!(!made.payloads[0].marker && made.keyframe && !made.disposable);
    assert_eq!(packetizer.packetize(&frame(true, vec![0; MAX + 1])), None);
}

#[test]
fn times_are_those_of_presentation() {
    let mut packetizer = Packetizer::new(&h264_track(), MAX).unwrap();
    // I P B B at 25 fps in decode order.
    let times: Vec<(u64, i64, i64, i64)> = [(0, 80), (40, 200), (80, 120), (120, 160)]
        .into_iter()
        .map(|(dts, pts)| {
            let mut frame = nal_frame(false, &[&[0x41, 1]]);
            (frame.dts, frame.pts) = (Timestamp::from_ms(dts), Timestamp::from_ms(pts));
            let made = packetizer.packetize(&frame).unwrap();
            (made.number, made.rtp_ticks, made.start_ms, made.end_ms)
        })
        .collect();
    let expected = [(0, 7_200, 80, 113), (1, 18_000, 200, 240), (2, 10_800, 120, 160)];
    assert_eq!(times, [&expected[..], &[(3, 14_400, 160, 200)]].concat());
}

#[test]
fn a_pause_is_not_the_usual_distance() {
    let mut packetizer = Packetizer::new(&h264_track(), MAX).unwrap();
    let mut end = |dts_ms| {
        let mut frame = nal_frame(false, &[&[0x41, 1]]);
        (frame.dts, frame.pts) = (Timestamp::from_ms(dts_ms), Timestamp::from_ms(dts_ms));
        packetizer.packetize(&frame).unwrap().end_ms
    };
    assert_eq!([end(0), end(20), end(60_000), end(60_000)], [33, 40, 60_020, 60_020]);
}

#[test]
fn new_parameters_are_sent_from_the_next_keyframe_on() {
    let mut packetizer = Packetizer::new(&h264_track(), MAX).unwrap();
    let key = nal_frame(true, &[&[0x65, 1]]);
    let before = packetizer.packetize(&key).unwrap();
    let sps = &AVCC[8..38];
    let record = h264::avcc(&[sps], &[&[0x68, 0xEE]], tally_media::nal::LengthSize::Four).unwrap();
    assert!(packetizer.set_track(&track(h264::from_avcc(record).unwrap())));
    let after = packetizer.packetize(&key).unwrap();
    assert_eq!((before.number, after.number), (0, 1));
    assert!(bytes(&after.payloads[0]).ends_with(&[0, 2, 0x68, 0xEE]));
    let aac = track(aac::from_asc(Bytes::from_static(&[0x11, 0x90])).unwrap());
    assert!(!packetizer.set_track(&aac));
    assert!(Packetizer::new(&aac, MAX).is_none());
}

#[test]
fn parameter_sets_that_fit_no_aggregation_are_sent_alone() {
    let mut packetizer = Packetizer::new(&h265_track(), PAYLOAD_BYTES_MIN).unwrap();
    let made = packetizer.packetize(&nal_frame(true, &[&[19 << 1, 1, 9]])).unwrap().payloads;
    let lengths: Vec<usize> = made.iter().map(Payload::len).collect();
    assert_eq!(lengths, [24, 47, 7, 3]);
}

#[test]
fn broken_frames_have_no_payloads_and_take_no_number() {
    let mut packetizer = Packetizer::new(&h264_track(), MAX).unwrap();
    assert_eq!(packetizer.packetize(&frame(false, vec![0, 0, 0, 9, 0x41])), None);
    assert_eq!(packetizer.packetize(&frame(false, Vec::new())), None);
    let many: Vec<&[u8]> = vec![&[0x41]; payloads::PAYLOADS_MAX + 1];
    assert_eq!(packetizer.packetize(&nal_frame(false, &many)), None);
    assert_eq!(packetizer.packetize(&nal_frame(false, &[&[0x41]])).unwrap().number, 0);
    let mut av1 = Packetizer::new(&av1_track(), MAX).unwrap();
    assert_eq!(av1.packetize(&frame(false, vec![0x80])), None);
}

proptest! {
    /// Bodies are slices of the frame that follow each other; every run of fragments has one length,
    /// only its last may be shorter; nothing is longer than asked.
    #[test]
    fn bodies_are_slices_and_fragments_are_equal(
        lengths in prop::collection::vec(1usize..6_000, 1..4),
        max in PAYLOAD_BYTES_MIN..1_500,
    ) {
        let nals: Vec<Vec<u8>> = lengths.iter().map(|length| numbered(&[0x41], *length)).collect();
        let nals: Vec<&[u8]> = nals.iter().map(Vec::as_slice).collect();
        let whole = nal_frame(false, &nals);
        for (track, frame) in [
            (h264_track(), whole.clone()),
            (track(Codec::Vp8(video(&[]))), whole.clone()),
            (track(Codec::Vp9(video(&[]))), Frame { keyframe: true, ..whole }),
        ] {
            let made = Packetizer::new(&track, max).unwrap().packetize(&frame).unwrap();
            let memory = frame.payload.as_ptr_range();
            let mut at = memory.start;
            for payload in &made.payloads {
                let body = payload.body.as_ptr_range();
                prop_assert!(at <= body.start && body.end <= memory.end);
                at = body.end;
                prop_assert!(payload.len() <= max && !payload.is_empty());
            }
            prop_assert_eq!(at, memory.end);
            let markers = made.payloads.iter().filter(|payload| payload.marker).count();
            prop_assert!(markers == 1 && made.payloads[made.payloads.len() - 1].marker);
            let is_fu = matches!(track.codec, Codec::H264(_));
            let ends = |payload: &Payload| {
                if is_fu { payload.prefix.as_slice().get(1).is_none_or(|fu| fu & 0x40 != 0) }
                else { payload.marker }
            };
            for run in made.payloads.split_inclusive(ends) {
                prop_assert!(run[..run.len() - 1].iter().all(|p| p.len() == run[0].len()));
                prop_assert!(run[run.len() - 1].len() <= run[0].len());
            }
        }
    }
}

#[test]
fn fuzz_packetizer() {
    bolero::check!().with_iterations(5_000).for_each(|input: &[u8]| {
        let keyframe = input.first().is_some_and(|byte| byte & 1 == 1);
        let frame = frame(keyframe, input.to_vec());
        let vpx = [Codec::Vp8(video(&[])), Codec::Vp9(video(&[]))].map(track);
        for track in [h264_track(), h265_track(), av1_track()].into_iter().chain(vpx) {
            let made = Packetizer::new(&track, 0).unwrap().packetize(&frame);
            for payload in made.iter().flat_map(|made| &made.payloads) {
                assert!(payload.len() <= PAYLOAD_BYTES_MIN && !payload.is_empty());
            }
        }
    });
}
