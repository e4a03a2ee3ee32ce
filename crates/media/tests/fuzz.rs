//! No input panics, hangs or grows: every parser here reads what an unauthenticated peer sent.
//! `cargo bolero test -p tally-media fuzz_...` runs one of these guided by coverage.

use bytes::Bytes;
use tally_media::codec::{
    VideoRecord, aac, ac3, av1, changed_parameters, eac3, flac, h264, h265, mp3, opus, vp8, vp9,
};
use tally_media::nal::{self, LengthSize};
use tally_media::{Codec, obu};

/// Inputs tried when run as a plain test: a second or two.
const ITERATIONS: usize = 20_000;

fn video(record: &[u8]) -> VideoRecord {
    VideoRecord {
        record: Bytes::copy_from_slice(record),
        width: 16,
        height: 16,
        rfc6381: String::new(),
        color: None,
    }
}

#[test]
fn fuzz_video_records() {
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        let bytes = Bytes::copy_from_slice(input);
        let records = [h264::from_avcc(bytes.clone()), h265::from_hvcc(bytes.clone())];
        for codec in records.iter().flatten() {
            assert!(LengthSize::of(codec).is_some());
            assert!(codec.video().is_some_and(|video| video.width > 0 && video.height > 0));
        }
        // A record that was built is read back alike.
        if let Ok(codec) = av1::from_sequence_header(input) {
            let record = codec.video().map(|video| video.record.clone()).unwrap_or_default();
            assert_eq!(av1::from_av1c(record), Ok(codec));
        }
        let _ = av1::from_av1c(bytes.clone());
        let _ = vp8::from_keyframe(Some(bytes.clone()), input);
        let _ = vp9::from_vpcc(bytes, input);
        if let Ok(codec) = vp9::from_keyframe(input) {
            assert!(codec.rfc6381().starts_with("vp09."));
        }
    });
}

#[test]
fn fuzz_parameter_sets() {
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        let h264_sps = [&[0x67, 100, 0, 31][..], input].concat();
        if h264::parse_sps(&h264_sps).is_ok() {
            let record = h264::avcc(&[&h264_sps], &[], LengthSize::Two);
            assert!(record.and_then(h264::from_avcc).is_ok());
        }
        let h265_sps = [&[0x42, 1, 1][..], &[0; 12], input].concat();
        if h265::parse_sps(&h265_sps).is_ok() {
            let record = h265::hvcc(&[], &[&h265_sps], &[], LengthSize::Four);
            assert!(record.and_then(h265::from_hvcc).is_ok());
        }
    });
}

#[test]
fn fuzz_audio_records() {
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        let with_magic = [&b"OpusHead"[..], input].concat();
        let codecs = [
            aac::from_asc(Bytes::copy_from_slice(input)),
            aac::from_adts(&[&[0xFF, 0xF1][..], input].concat()),
            opus::from_opus_head(&with_magic),
            flac::from_stream_info(input),
            mp3::from_frame(&[&[0xFF, 0xFB][..], input].concat()),
            ac3::from_sync_frame(&[&[0x0B, 0x77][..], input].concat()),
            eac3::from_sync_frame(&[&[0x0B, 0x77][..], input].concat()),
        ];
        for audio in codecs.iter().flatten().filter_map(Codec::audio) {
            assert!(audio.sample_rate > 0 && audio.channels > 0);
            assert_ne!(audio.frame_samples, Some(0));
        }
        if let Ok(samples) = opus::packet_samples(input) {
            assert!((120..=5_760).contains(&samples));
        }
        let _ = flac::frame_samples(&[&[0xFF, 0xF8][..], input].concat());
    });
}

#[test]
fn fuzz_nal_units() {
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        for (size, field) in [(LengthSize::One, 0), (LengthSize::Two, 1), (LengthSize::Four, 3)] {
            let mut seen = 0;
            for nal in nal::walk(input, size).flatten() {
                assert!(!nal.is_empty());
                seen += size.bytes() + nal.len();
            }
            assert!(seen <= input.len());
            let codec = Codec::H264(video(&[1, 66, 0, 30, 0xFC | field, 0xE0, 0]));
            let _ = nal::random_access(&codec, input);
            let _ = changed_parameters(&codec, &Bytes::copy_from_slice(input));
        }
    });
}

#[test]
fn fuzz_obus() {
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        let unit = Bytes::copy_from_slice(input);
        let mut end = 0;
        for obu in obu::walk(input).flatten() {
            assert_eq!(obu.range.start, end);
            assert!(obu.range.end > end && obu.range.end <= input.len());
            end = obu.range.end;
        }
        let Ok(kept) = obu::without_temporal_delimiters(unit.clone()) else { return };
        let delimiters = |unit: &[u8]| {
            obu::walk(unit).flatten().filter(|obu| obu.kind == obu::TEMPORAL_DELIMITER).count()
        };
        assert_eq!(delimiters(&kept), 0);
        assert_eq!(obu::is_keyframe(&kept), obu::is_keyframe(&unit));
        assert!(obu::sequence_header(&kept).is_ok());
    });
}
