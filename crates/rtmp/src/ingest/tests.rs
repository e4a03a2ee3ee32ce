//! Tracks and frames out of tag bodies, in the order and number the caller relies on.

use tally_media::{Codec, Color, Timescale, TrackId};

use super::*;
use crate::amf::{Value, write};
use crate::testing::{AVCC, AVCC_2, FRAME_IDR, FRAME_P, aac_track, avc_track};

struct Setup {
    ingest: Ingest,
    events: VecDeque<Event>,
}

impl Setup {
    fn new() -> Self {
        Self { ingest: Ingest::new(Limits::default()), events: VecDeque::new() }
    }

    fn send(&mut self, type_id: u8, timestamp_ms: u32, body: &[u8]) -> Vec<Event> {
        let payload = bytes::Bytes::copy_from_slice(body);
        let message = Message { timestamp_ms, type_id, stream_id: 1, payload };
        self.ingest.handle(&message, &mut self.events).unwrap();
        self.events.drain(..).collect()
    }

    fn video(&mut self, timestamp_ms: u32, parts: &[&[u8]]) -> Vec<Event> {
        self.send(message_type::VIDEO, timestamp_ms, &parts.concat())
    }

    fn audio(&mut self, timestamp_ms: u32, parts: &[&[u8]]) -> Vec<Event> {
        self.send(message_type::AUDIO, timestamp_ms, &parts.concat())
    }
}

const AVC_START: &[u8] = b"\x17\x00\x00\x00\x00";
const AVC_KEY: &[u8] = b"\x17\x01\x00\x00\x00";
const AVC_INTER: &[u8] = b"\x27\x01\x00\x00\x50";

/// What events say, in short.
fn names(events: &[Event]) -> Vec<String> {
    let name = |event: &Event| match event {
        Event::Track(track) => format!("track {:?} {}", track.id, track.codec.rfc6381()),
        Event::TrackEnded(id) => format!("ended {id:?}"),
        Event::Frame { track, frame } => {
            let key = if frame.keyframe { " key" } else { "" };
            format!("frame {track:?} {}{key}", frame.dts.as_ms())
        }
        Event::Unsupported { what } => format!("unsupported {what}"),
        Event::Damaged { what } => format!("damaged {what}"),
        event => format!("{event:?}"),
    };
    events.iter().map(name).collect()
}

#[test]
fn a_track_is_told_with_its_first_frame_and_only_then() {
    let mut setup = Setup::new();
    assert_eq!(names(&setup.video(0, &[AVC_START, AVCC])), [""; 0]);
    let events = setup.video(0, &[AVC_KEY, FRAME_IDR]);
    assert_eq!(events[0], Event::Track(avc_track(0)));
    assert_eq!(names(&events), ["track Video(0) avc1.640009", "frame Video(0) 0 key"]);
    let events = setup.video(40, &[AVC_INTER, FRAME_P]);
    assert_eq!(names(&events), ["frame Video(0) 40"]);
    let Event::Frame { frame, .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!(frame.dts.timescale, Timescale::NANOS);
    assert_eq!((frame.dts.ticks, frame.pts.ticks), (40_000_000, 120_000_000));
    assert_eq!(frame.payload, FRAME_P);
    assert_eq!(frame.duration_ticks, None);
}

#[test]
fn a_repeated_sequence_header_changes_nothing_and_another_one_makes_a_new_track() {
    let mut setup = Setup::new();
    setup.video(0, &[AVC_START, AVCC]);
    setup.video(0, &[AVC_KEY, FRAME_IDR]);
    setup.video(1_000, &[AVC_START, AVCC]);
    let events = setup.video(1_000, &[AVC_KEY, FRAME_IDR]);
    assert_eq!(names(&events), ["frame Video(0) 1000 key"]);
    setup.video(2_000, &[AVC_START, AVCC_2]);
    let events = setup.video(2_000, &[AVC_KEY, FRAME_IDR]);
    assert_eq!(names(&events), ["track Video(0) avc1.42C01E", "frame Video(0) 2000 key"]);
}

#[test]
fn parameters_that_change_in_a_key_frame_make_a_new_track() {
    let mut setup = Setup::new();
    setup.video(0, &[AVC_START, AVCC]);
    setup.video(0, &[AVC_KEY, FRAME_IDR]);
    let sps_length = usize::from(AVCC_2[7]);
    let sps = &AVCC_2[8..8 + sps_length];
    let in_band = [&[0, 0, 0, sps_length as u8], sps, FRAME_IDR].concat();
    let events = setup.video(40, &[AVC_KEY, &in_band]);
    assert_eq!(names(&events), ["track Video(0) avc1.42C01E", "frame Video(0) 40 key"]);
}

#[test]
fn the_key_frame_flag_of_the_tag_is_not_believed() {
    let mut setup = Setup::new();
    setup.video(0, &[AVC_START, AVCC]);
    let events = setup.video(0, &[AVC_KEY, FRAME_P]);
    assert_eq!(names(&events)[1], "frame Video(0) 0");
    let events = setup.video(40, &[AVC_INTER, FRAME_IDR]);
    assert_eq!(names(&events), ["frame Video(0) 40 key"]);
}

#[test]
fn frames_before_their_sequence_header_are_dropped_in_silence() {
    let mut setup = Setup::new();
    assert_eq!(names(&setup.video(0, &[AVC_KEY, FRAME_IDR])), [""; 0]);
    assert_eq!(names(&setup.audio(0, &[b"\xaf\x01abc"])), [""; 0]);
    assert_eq!(setup.ingest.damaged(), 0);
}

#[test]
fn a_sequence_end_ends_the_track_and_the_same_header_brings_it_back() {
    let mut setup = Setup::new();
    setup.video(0, &[AVC_START, AVCC]);
    setup.video(0, &[AVC_KEY, FRAME_IDR]);
    assert_eq!(names(&setup.video(40, &[b"\x17\x02\x00\x00\x00"])), ["ended Video(0)"]);
    assert_eq!(names(&setup.video(40, &[b"\x17\x02\x00\x00\x00"])), [""; 0]);
    assert_eq!(names(&setup.video(80, &[AVC_INTER, FRAME_P])), [""; 0]);
    setup.video(80, &[AVC_START, AVCC]);
    let events = setup.video(80, &[AVC_KEY, FRAME_IDR]);
    assert_eq!(names(&events), ["track Video(0) avc1.640009", "frame Video(0) 80 key"]);
}

#[test]
fn audio_frames_know_their_length() {
    let mut setup = Setup::new();
    setup.audio(0, &[b"\xaf\x00\x12\x10"]);
    let events = setup.audio(23, &[b"\xaf\x01\x21\x00"]);
    assert_eq!(events[0], Event::Track(aac_track(0)));
    let Event::Frame { frame, .. } = &events[1] else { panic!("{events:?}") };
    assert_eq!(frame.duration_ticks, Some(1_024));
    assert!(frame.keyframe);
    assert_eq!(frame.pts.as_ms(), 23);

    // Opus with an empty head: stereo. 20 ms (config 19).
    setup.audio(0, &[b"\x95\x00Opus\x03"]);
    let events = setup.audio(23, &[b"\x95\x01Opus\x03\x98abc"]);
    assert_eq!(
        names(&events),
        ["track Audio(3) opus", "frame Audio(3) 23"].map(|name| {
            if name.starts_with("frame") { format!("{name} key") } else { name.to_owned() }
        })
    );
    let (Event::Track(track), Event::Frame { frame, .. }) = (&events[0], &events[1]) else {
        panic!("{events:?}")
    };
    assert_eq!(track.codec.audio().unwrap().channels, 2);
    assert_eq!(frame.duration_ticks, Some(960));
}

#[test]
fn multitrack_messages_feed_their_tracks() {
    let mut setup = Setup::new();
    let size = |bytes: &[u8]| (bytes.len() as u32).to_be_bytes()[1..].to_vec();
    let body = |packet_type: u8, bytes: &[u8]| {
        let both = [0, 1].map(|track| [&[track][..], &size(bytes), bytes].concat()).concat();
        [&[0x96, 0x10 | packet_type][..], b"avc1", &both].concat()
    };
    setup.video(0, &[&body(0, AVCC)]);
    let events = setup.video(0, &[&body(3, FRAME_IDR)]);
    let expected = [
        "track Video(0) avc1.640009",
        "frame Video(0) 0 key",
        "track Video(1) avc1.640009",
        "frame Video(1) 0 key",
    ];
    assert_eq!(names(&events), expected);
}

#[test]
fn nanoseconds_move_decode_and_presentation_time() {
    let mut setup = Setup::new();
    setup.video(0, &[AVC_START, AVCC]);
    // ModEx 333,333 ns, CodedFrames, composition time 80 ms.
    let events = setup.video(33, &[b"\x97\x02\x05\x16\x15\x01avc1\x00\x00\x50", FRAME_IDR]);
    let Some(Event::Frame { frame, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!((frame.dts.ticks, frame.pts.ticks), (33_333_333, 113_333_333));
}

#[test]
fn refused_codecs_are_named_once_per_track() {
    let mut setup = Setup::new();
    let vvc = b"\x91vvc1\x00\x00\x00pic";
    assert_eq!(names(&setup.video(0, &[vvc])), ["unsupported H.266/VVC (vvc1) on video track 0"]);
    assert_eq!(names(&setup.video(40, &[vvc])), [""; 0]);
    let other_track = b"\x96\x01vvc1\x01\x00\x00\x00pic";
    let events = setup.video(40, &[other_track]);
    assert_eq!(names(&events), ["unsupported H.266/VVC (vvc1) on video track 1"]);
    assert_eq!(names(&setup.audio(0, &[b"\xb6x"])), ["unsupported Speex on audio track 0"]);
    assert_eq!(setup.ingest.damaged(), 0);
}

#[test]
fn tracks_beyond_the_limit_are_told_once() {
    let mut setup = Setup::new();
    for track in 0..40 {
        setup.video(0, &[b"\x96\x00avc1", &[track], AVCC]);
    }
    let mut told = Vec::new();
    for track in 0..40 {
        let events = setup.video(0, &[b"\x96\x03avc1", &[track], FRAME_IDR]);
        told.extend(names(&events).into_iter().filter(|name| name.starts_with("track")));
    }
    assert_eq!(told.len(), Limits::default().tracks_max);
    assert!(setup.ingest.too_many_told);
}

fn color_message(four_cc: &[u8; 4], color: Value) -> Vec<u8> {
    let mut body = bytes::BytesMut::from(&[&[0xd4], &four_cc[..]].concat()[..]);
    write(&mut body, &Value::text("colorInfo"));
    write(&mut body, &color);
    body.to_vec()
}

fn color_info(codes: [(&str, f64); 3]) -> Value {
    let config = Value::object(codes.map(|(name, code)| (name, Value::Number(code))));
    Value::object([("colorConfig", config)])
}

#[test]
fn color_metadata_belongs_to_the_frames_that_follow() {
    let mut setup = Setup::new();
    let codes = ["colorPrimaries", "transferCharacteristics", "matrixCoefficients"];
    let pq = color_info([(codes[0], 9.0), (codes[1], 16.0), (codes[2], 9.0)]);
    setup.video(0, &[AVC_START, AVCC]);
    assert_eq!(names(&setup.video(0, &[&color_message(b"avc1", pq.clone())])), [""; 0]);
    let color = |events: &[Event]| match &events[0] {
        Event::Track(track) => track.color,
        event => panic!("{event:?}"),
    };
    let events = setup.video(0, &[AVC_KEY, FRAME_IDR]);
    let expected = Color { primaries: 9, transfer: 16, matrix: 9, full_range: false };
    assert_eq!((events.len(), color(&events)), (2, Some(expected)), "one track, with its colour");

    setup.video(40, &[&color_message(b"avc1", pq)]);
    let events = setup.video(40, &[AVC_INTER, FRAME_P]);
    assert_eq!(names(&events), ["frame Video(0) 40"], "the same again");

    setup.video(80, &[&color_message(b"avc1", Value::Undefined)]);
    let events = setup.video(80, &[AVC_INTER, FRAME_P]);
    assert_eq!((events.len(), color(&events)), (2, None), "taken back");
}

#[test]
fn damage_costs_one_message() {
    let mut setup = Setup::new();
    setup.video(0, &[AVC_START, AVCC]);
    let events = setup.video(0, &[AVC_KEY, &FRAME_IDR[..FRAME_IDR.len() - 1]]);
    assert_eq!(names(&events), ["damaged the NAL unit at byte 0 is longer than its frame"]);
    assert_eq!(setup.ingest.damaged(), 1);
    let events = setup.video(40, &[AVC_KEY, FRAME_IDR]);
    assert_eq!(names(&events), ["track Video(0) avc1.640009", "frame Video(0) 40 key"]);
}

#[test]
fn steady_garbage_ends_the_session_and_rare_garbage_does_not() {
    let garbage = Message {
        timestamp_ms: 0,
        type_id: message_type::VIDEO,
        stream_id: 1,
        payload: bytes::Bytes::from_static(b"\x9f"),
    };
    let mut setup = Setup::new();
    let limit = u64::from(Limits::default().damaged_bodies_max);
    for _ in 0..limit {
        setup.ingest.handle(&garbage, &mut setup.events).unwrap();
    }
    let error = setup.ingest.handle(&garbage, &mut setup.events).unwrap_err();
    let last = "FourCC ends too early".to_owned();
    assert_eq!(error, Error::Garbage { count: limit + 1, last });
    assert_eq!(setup.events.len() as u64, DAMAGED_TOLD_MAX, "told a few times only");

    let mut setup = Setup::new();
    setup.video(0, &[AVC_START, AVCC]);
    for second in 0..1_000 {
        setup.ingest.handle(&garbage, &mut setup.events).unwrap();
        for frame in 0..25 {
            setup.video(second * 1_000 + frame * 40, &[AVC_KEY, FRAME_IDR]);
        }
    }
    assert_eq!(setup.ingest.damaged(), 1_000);
}

#[test]
fn a_bad_sequence_header_stops_frames_until_a_good_one() {
    let mut setup = Setup::new();
    setup.video(0, &[AVC_START, AVCC]);
    setup.video(0, &[AVC_KEY, FRAME_IDR]);
    let events = setup.video(40, &[AVC_START, b"\x01\x02"]);
    assert!(names(&events)[0].starts_with("damaged"), "{events:?}");
    assert_eq!(names(&setup.video(40, &[AVC_KEY, FRAME_IDR])), [""; 0]);
    setup.video(80, &[AVC_START, AVCC]);
    assert_eq!(names(&setup.video(80, &[AVC_KEY, FRAME_IDR])), ["frame Video(0) 80 key"]);
}

#[test]
fn empty_messages_are_silence_not_damage() {
    let mut setup = Setup::new();
    assert_eq!(setup.audio(0, &[]), []);
    assert_eq!(setup.video(0, &[]), []);
    assert_eq!(setup.ingest.damaged(), 0);
}

#[test]
fn metadata_is_read_wherever_it_stands_and_told_when_it_changes() {
    let send = |setup: &mut Setup, values: &[Value]| {
        let mut body = bytes::BytesMut::new();
        values.iter().for_each(|value| write(&mut body, value));
        setup.send(message_type::DATA_AMF0, 0, &body)
    };
    let object = Value::EcmaArray(vec![
        ("framerate".to_owned(), Value::text("29.97")),
        ("width".to_owned(), Value::Number(1_920.0)),
        ("height".to_owned(), Value::Number(-1.0)),
        ("hasAudio".to_owned(), Value::Boolean(false)),
        ("audiocodecid".to_owned(), Value::Number(10.0)),
        ("encoder".to_owned(), Value::String("x".repeat(1_000))),
    ]);
    let mut setup = Setup::new();
    let wrapped = [Value::text("@setDataFrame"), Value::text("onMetaData"), object.clone()];
    let expected = crate::Metadata {
        frame_rate: Some(29.97),
        has_video: true,
        has_audio: false,
        width: Some(1_920),
        height: None,
        encoder: Some("x".repeat(128)),
    };
    assert_eq!(send(&mut setup, &wrapped), [Event::Metadata(expected)]);
    assert_eq!(send(&mut setup, &wrapped[1..]), [], "the same again");
    assert_eq!(send(&mut setup, &[Value::text("onTextData"), object]), [], "something else");
    assert_eq!(send(&mut setup, &[Value::text("@setDataFrame")]), []);
}

/// E-AC-3 at 44.1 kHz: packets differ by two bytes, and with them the rate in the record.
#[test]
fn eac3_packets_of_changing_size_stay_one_track() {
    // fscod 1, numblkscod 3, acmod 2, bsid 16; frmsiz 138 and 139.
    let packet = |frmsiz: u8| [&[0x0b, 0x77, 0x00, frmsiz, 0x74, 0x86][..], &[0; 300]].concat();
    let mut setup = Setup::new();
    let mut events = setup.audio(0, &[b"\x91ec-3", &packet(138)]);
    assert!(matches!(&events[0], Event::Track(track) if matches!(track.codec, Codec::Eac3(_))));
    events = setup.audio(35, &[b"\x91ec-3", &packet(139)]);
    assert_eq!(names(&events), ["frame Audio(0) 35 key"]);
    assert_eq!(setup.ingest.audio[0].number(), 0);
    assert!(matches!(events[0], Event::Frame { track: TrackId::Audio(0), .. }));
}

/// No record but an MPEG-2 TS descriptor, which is passed over: the key frame brings its header.
#[test]
fn av1_without_a_record_begins_at_a_key_frame() {
    const SEQUENCE: &[u8] = b"\x0a\x0a\x00\x00\x00\x02\xaf\xf7\x9b_ \x08";
    const KEY_FRAME: &[u8] = b"\x32\x01\x10";
    let mut setup = Setup::new();
    assert_eq!(setup.video(0, &[b"\x95av01\x80\x04descriptor"]), []);
    assert_eq!(setup.video(0, &[b"\xa1av01", b"\x12\x00", b"\x32\x01\x30"]), [], "no key frame");
    let events = setup.video(40, &[b"\x91av01", b"\x12\x00", SEQUENCE, KEY_FRAME]);
    assert_eq!(names(&events), ["track Video(0) av01.0.00M.08", "frame Video(0) 40 key"]);
    let Event::Frame { frame, .. } = &events[1] else { panic!("{events:?}") };
    assert_eq!(frame.payload, [SEQUENCE, KEY_FRAME].concat(), "without temporal delimiter");
}

#[test]
fn a_decoder_record_as_long_as_a_message_is_refused() {
    let mut setup = Setup::new();
    let events = setup.video(0, &[b"\x90vp09", &[0; RECORD_BYTES_MAX + 1]]);
    let expected = "damaged a decoder record of 65537 bytes, at most 65536 are accepted";
    assert_eq!(names(&events), [expected]);
}

/// An encoder gone mad must not fill the log.
#[test]
fn refusals_are_told_a_few_times_at_most() {
    let mut setup = Setup::new();
    let told: usize = (0..100).map(|n: u8| setup.video(0, &[b"\x91abc", &[n], b"x"]).len()).sum();
    assert_eq!(told, REFUSALS_MAX);
}
