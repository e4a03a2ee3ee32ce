//! Tag bodies: every form of legacy and enhanced headers, and broken ones.

use proptest::prelude::*;

use super::*;
use crate::chunk::Message;

fn video(body: &[u8]) -> Result<Vec<Packet<VideoCodec>>, FlvError> {
    VideoBody::parse(Bytes::copy_from_slice(body))?.collect()
}

fn audio(body: &[u8]) -> Result<Vec<Packet<AudioCodec>>, FlvError> {
    AudioBody::parse(Bytes::copy_from_slice(body))?.collect()
}

fn frame(composition_ms: i32, keyframe: bool, payload: &'static [u8]) -> Content {
    Content::Frame { composition_ms, keyframe, payload: Bytes::from_static(payload) }
}

fn start(record: &'static [u8]) -> Content {
    Content::SequenceStart(Bytes::from_static(record))
}

fn packet<C>(track: u8, codec: C, content: Content) -> Packet<C> {
    Packet { track, codec, content }
}

#[test]
fn legacy_avc() {
    let h264 = |content| Ok(vec![packet(0, VideoCodec::H264, content)]);
    assert_eq!(video(b"\x17\x00\x00\x00\x00rec"), h264(start(b"rec")));
    assert_eq!(video(b"\x17\x01\x00\x00\x50pic"), h264(frame(80, true, b"pic")));
    assert_eq!(video(b"\x27\x01\xff\xff\xfepic"), h264(frame(-2, false, b"pic")));
    assert_eq!(video(b"\x27\x01\x80\x00\x00p"), h264(frame(-8_388_608, false, b"p")));
    assert_eq!(video(b"\x17\x02\x00\x00\x00"), h264(Content::SequenceEnd));
    assert_eq!(video(b"\x57\x00"), Ok(vec![]), "a seek command");
    assert!(video(b"\x17\x01\x00").is_err());
    assert!(video(b"\x17\x09\x00\x00\x00").is_err());
}

#[test]
fn legacy_hevc_has_the_form_of_avc() {
    let expected = packet(0, VideoCodec::H265, frame(0, true, b"pic"));
    assert_eq!(video(b"\x1c\x01\x00\x00\x00pic"), Ok(vec![expected]));
}

#[test]
fn legacy_codecs_are_refused_by_name() {
    let name = |body: &[u8]| match video(body).unwrap()[0].codec {
        VideoCodec::Refused(codec) => codec.to_string(),
        codec => panic!("{codec:?}"),
    };
    assert_eq!(name(b"\x12anything"), "Sorenson H.263");
    assert_eq!(name(b"\x14"), "On2 VP6");
    assert_eq!(name(b"\x1f"), "FLV codec id 15");
    assert_eq!(name(b"\x90vvc1"), "H.266/VVC (vvc1)");
    assert_eq!(name(b"\x90ab\x00\"rest"), "FourCC \"ab\\x00\\\"\"");
    let name = |body: &[u8]| match audio(body).unwrap()[0].codec {
        AudioCodec::Refused(codec) => codec.to_string(),
        codec => panic!("{codec:?}"),
    };
    assert_eq!(name(b"\xb6speech"), "Speex");
    assert_eq!(name(b"\x33pcm"), "uncompressed audio (PCM)");
    assert_eq!(name(b"\x91abcd"), "FourCC \"abcd\"");
}

#[test]
fn legacy_audio() {
    let frame = |payload| frame(0, true, payload);
    let aac = |content| Ok(vec![packet(0, AudioCodec::Aac, content)]);
    assert_eq!(audio(b"\xaf\x00\x12\x10"), aac(start(b"\x12\x10")));
    assert_eq!(audio(b"\xaf\x01pkt"), aac(frame(b"pkt")));
    assert_eq!(audio(b"\x2fpkt"), Ok(vec![packet(0, AudioCodec::Mp3, frame(b"pkt"))]));
    assert!(audio(b"\xaf").is_err());
    assert!(audio(b"\xaf\x05").is_err());
}

#[test]
fn enhanced_packets_without_multitrack() {
    let one = |codec, content| Ok(vec![packet(0, codec, content)]);
    assert_eq!(video(b"\x90hvc1rec"), one(VideoCodec::H265, start(b"rec")));
    assert_eq!(video(b"\x91hvc1\x00\x00\x28pic"), one(VideoCodec::H265, frame(40, true, b"pic")));
    assert_eq!(video(b"\xa3avc1pic"), one(VideoCodec::H264, frame(0, false, b"pic")));
    assert_eq!(video(b"\x91av01pic"), one(VideoCodec::Av1, frame(0, true, b"pic")));
    assert_eq!(video(b"\xa1vp09pic"), one(VideoCodec::Vp9, frame(0, false, b"pic")));
    assert_eq!(video(b"\x91vp08pic"), one(VideoCodec::Vp8, frame(0, true, b"pic")));
    assert_eq!(video(b"\x92av01"), one(VideoCodec::Av1, Content::SequenceEnd));
    assert_eq!(video(b"\x95av01ts"), one(VideoCodec::Av1, Content::Ignored));
    let metadata = Content::Metadata(Bytes::from_static(b"amf"));
    assert_eq!(video(b"\xd4hvc1amf"), one(VideoCodec::H265, metadata), "frame type is ignored");
    assert_eq!(video(b"\xd1\x00"), Ok(vec![]), "a seek command has no FourCC");
    assert!(video(b"\x98hvc1").is_err(), "packet type 8");
    assert!(video(b"\x91hvc").is_err());

    let one = |codec, content| Ok(vec![packet(0, codec, content)]);
    assert_eq!(audio(b"\x90Opusrec"), one(AudioCodec::Opus, start(b"rec")));
    assert_eq!(audio(b"\x91Opuspkt"), one(AudioCodec::Opus, frame(0, true, b"pkt")));
    assert_eq!(audio(b"\x92fLaC"), one(AudioCodec::Flac, Content::SequenceEnd));
    assert_eq!(audio(b"\x94mp4a\x01\x02\x00\x00\x00\x03"), one(AudioCodec::Aac, Content::Ignored));
    assert!(audio(b"\x93mp4a").is_err(), "packet type 3 is reserved");
}

#[test]
fn multitrack_one_track() {
    // OBS 32's extra video tracks, ffmpeg 9's second audio track.
    let expected = packet(1, VideoCodec::H264, frame(0, true, b"pic"));
    assert_eq!(video(b"\x96\x03avc1\x01pic"), Ok(vec![expected]));
    let expected = packet(1, AudioCodec::Aac, start(b"\x12\x10"));
    assert_eq!(audio(b"\x95\x00mp4a\x01\x12\x10"), Ok(vec![expected]));
}

#[test]
fn multitrack_many_tracks() {
    let body = b"\x96\x11hvc1\x00\x00\x00\x04\x00\x00\x00a\x02\x00\x00\x05\x00\x00\x28bc";
    let expected = vec![
        packet(0, VideoCodec::H265, frame(0, true, b"a")),
        packet(2, VideoCodec::H265, frame(40, true, b"bc")),
    ];
    assert_eq!(video(body), Ok(expected));
}

#[test]
fn multitrack_many_tracks_many_codecs() {
    let body = b"\x95\x21Opus\x00\x00\x00\x01amp4a\x01\x00\x00\x02bc";
    let expected = vec![
        packet(0, AudioCodec::Opus, frame(0, true, b"a")),
        packet(1, AudioCodec::Aac, frame(0, true, b"bc")),
    ];
    assert_eq!(audio(body), Ok(expected));
}

#[test]
fn broken_multitrack_bodies_are_refused() {
    assert_eq!(video(b"\x96\x06avc1\x01"), Err(FlvError::NestedMultitrack));
    assert_eq!(audio(b"\x95\x05Opus\x01"), Err(FlvError::NestedMultitrack));
    assert_eq!(video(b"\x96\x31"), Err(FlvError::Unknown { what: "multitrack type", value: 3 }));
    assert!(video(b"\x96\x11hvc1\x00\x00\x00\x09short").is_err());
    // Track after track of nothing.
    let body = [&b"\x95\x11Opus"[..], &[0; 4 * 300]].concat();
    assert_eq!(audio(&body), Err(FlvError::TooManyTracks { max: 256 }));
}

#[test]
fn mod_ex_chains_carry_nanoseconds() {
    let parse = |body: &[u8]| VideoBody::parse(Bytes::copy_from_slice(body)).unwrap();
    // Three bytes of offset, then CodedFramesX.
    let body = parse(b"\x97\x02\x01\xe2\x40\x03avc1pic");
    assert_eq!(body.nano_offset(), 123_456);
    let expected = packet(0, VideoCodec::H264, frame(0, true, b"pic"));
    assert_eq!(body.collect::<Vec<_>>(), [Ok(expected)]);
    // An unknown kind before it, long form of its size.
    let long = [&b"\x97\xff\x00\xff"[..], &[9; 256], b"\x57\x02\x00\x00\x07\x01av01x"].concat();
    let body = parse(&long);
    assert_eq!(body.nano_offset(), 7);
    let expected = packet(0, VideoCodec::Av1, frame(0, true, b"x"));
    assert_eq!(body.collect::<Vec<_>>(), [Ok(expected)]);
    // More than a millisecond, or too short: no offset.
    assert_eq!(parse(b"\x97\x02\x0f\x42\x40\x03avc1pic").nano_offset(), 0);
    assert_eq!(parse(b"\x97\x01\x00\x01\x03avc1pic").nano_offset(), 0);
    // Before a multitrack packet.
    let body = parse(b"\x97\x02\x00\x00\x05\x06\x03avc1\x01pic");
    assert_eq!((body.nano_offset(), body.count()), (5, 1));
    let body = AudioBody::parse(Bytes::from_static(b"\x97\x02\x00\x00\x05\x01Opuspkt")).unwrap();
    assert_eq!((body.nano_offset(), body.count()), (5, 1));
    assert!(VideoBody::parse(Bytes::from_static(b"\x97\x05\x00")).is_err());
}

#[test]
fn aggregates_move_their_tags_to_their_own_time() {
    let tag = |type_id: u8, time: [u8; 4], payload: &[u8]| {
        let length = payload.len() as u8;
        let head = [type_id, 0, 0, length, time[1], time[2], time[3], time[0], 0, 0, 0];
        [&head[..], payload, &[0, 0, 0, 11 + length]].concat()
    };
    let payload = [tag(8, [1, 0, 0, 10], b"a"), tag(9, [1, 0, 0, 30], b"bc")].concat();
    let message = |timestamp_ms, type_id, payload: &'static [u8]| Message {
        timestamp_ms,
        type_id,
        stream_id: 1,
        payload: Bytes::from_static(payload),
    };
    let aggregate =
        Message { timestamp_ms: 500, type_id: 22, stream_id: 1, payload: payload.into() };
    let tags: Vec<_> = Tags::new(&aggregate).collect();
    assert_eq!(tags, [Ok(message(500, 8, b"a")), Ok(message(520, 9, b"bc"))]);

    let many = Bytes::from(tag(8, [0; 4], b"").repeat(5_000));
    let tags = Tags::new(&Message { payload: many, ..aggregate });
    assert_eq!(tags.last(), Some(Err(FlvError::TooManyTags { max: 4_096 })));
}

proptest! {
    #[test]
    fn every_byte_of_a_track_comes_out(
        sizes in prop::collection::vec(0..40usize, 1..12),
        many_codecs in any::<bool>(),
    ) {
        let mut body = vec![0x96, if many_codecs { 0x23 } else { 0x13 }];
        if !many_codecs {
            body.extend(b"hvc1");
        }
        for (track, &size) in sizes.iter().enumerate() {
            if many_codecs {
                body.extend(b"av01");
            }
            body.extend([track as u8, 0, 0, size as u8]);
            body.extend(vec![track as u8; size]);
        }
        let packets = video(&body).unwrap();
        prop_assert_eq!(packets.len(), sizes.len());
        for (track, (packet, &size)) in packets.into_iter().zip(&sizes).enumerate() {
            let Content::Frame { payload, .. } = packet.content else { panic!("no frame") };
            prop_assert_eq!(packet.track, track as u8);
            prop_assert_eq!(payload, vec![track as u8; size]);
        }
    }
}

#[test]
fn fuzz_flv_bodies() {
    bolero::check!().with_iterations(20_000).for_each(|bytes: &[u8]| {
        let _ = video(bytes);
        let _ = audio(bytes);
        let payload = Bytes::copy_from_slice(bytes);
        let message = Message { timestamp_ms: 0, type_id: 22, stream_id: 1, payload };
        assert!(Tags::new(&message).count() <= 4_097);
    });
}
