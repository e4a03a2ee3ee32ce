//! P21 and A2.24: init segments of every codec, read back by another's reader, records untouched.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use bytes::Bytes;
use mp4_atom::{Any, Codec as Entry, Colr, DecodeMaybe, Moov};
use tally_cmaf::{Init, Options, Output, Segmenter};
use tally_media::codec::{AudioRecord, VideoRecord, av1, vp8, vp9};
use tally_media::{Codec, Color, Frame, Timescale, Timestamp, Track, TrackId};

fn video(codec: fn(VideoRecord) -> Codec, record: &[u8]) -> Track {
    let record = VideoRecord {
        record: Bytes::copy_from_slice(record),
        width: 1_920,
        height: 1_080,
        rfc6381: "video".into(),
        color: None,
    };
    Track {
        id: TrackId::Video(0),
        codec: codec(record),
        timescale: Timescale::VIDEO,
        language: None,
        color: None,
    }
}

fn audio(codec: fn(AudioRecord) -> Codec, record: &[u8], rate: u32) -> Track {
    let record = AudioRecord {
        record: Bytes::copy_from_slice(record),
        sample_rate: rate,
        channels: 2,
        frame_samples: Some(1_024),
        rfc6381: "audio".into(),
    };
    Track {
        id: TrackId::Audio(0),
        codec: codec(record),
        timescale: Timescale::new(rate),
        language: None,
        color: None,
    }
}

/// The init segment of a show with this one track.
fn init(track: Track) -> Arc<Init> {
    let mut segmenter = Segmenter::new(Options::default());
    let (id, timescale) = (track.id, track.timescale);
    segmenter.set_track(Arc::new(track));
    let at = Timestamp::new(0, timescale);
    let payload = Bytes::from_static(b"frame");
    segmenter.push(id, Frame { dts: at, pts: at, duration_ticks: None, keyframe: true, payload });
    segmenter.finish();
    let outputs = std::iter::from_fn(|| segmenter.poll_output());
    let mut inits = outputs.filter_map(|output| match output {
        Output::Init { init, .. } => Some(init),
        _ => None,
    });
    inits.next().expect("an init segment")
}

fn moov(init: &Init) -> Moov {
    let mut reader = init.body.as_ref();
    while let Some(atom) = Any::decode_maybe(&mut reader).unwrap() {
        if let Any::Moov(moov) = atom {
            return moov;
        }
    }
    panic!("no moov");
}

fn entry(init: &Init) -> Entry {
    moov(init).trak[0].mdia.minf.stbl.stsd.codecs[0].clone()
}

/// Whether a box of `kind` with exactly `payload` is in the init segment.
fn holds(init: &Init, kind: &[u8; 4], payload: &[u8]) -> bool {
    let size = u32::try_from(payload.len() + 8).unwrap().to_be_bytes();
    let whole = [size.as_slice(), kind, payload].concat();
    init.body.windows(whole.len()).any(|window| window == whole)
}

const AVCC: &[u8] = &[1, 0x64, 0, 40, 0xFF, 0xE1, 0, 4, 0x67, 0x64, 0, 40, 1, 0, 2, 0x68, 0xEB];

#[test]
fn a1_10_parameter_sets_are_in_the_sample_entry_as_they_came() {
    let init = init(video(Codec::H264, AVCC));
    let Entry::Avc1(avc1) = entry(&init) else { panic!("avc1") };
    assert_eq!((avc1.visual.width, avc1.visual.height), (1_920, 1_080));
    assert!(holds(&init, b"avcC", AVCC));
    let trak = &moov(&init).trak[0];
    assert_eq!((trak.tkhd.width.integer(), trak.tkhd.height.integer()), (1_920, 1_080));
    assert_eq!(&trak.mdia.hdlr.handler, &mp4_atom::FourCC::new(b"vide"));
    assert_eq!(trak.mdia.mdhd.language, "und");
}

#[test]
fn records_no_library_knows_go_out_as_they_came() {
    // A future version: a reader that parses it may fail, the copy must not.
    let record = [9, 1, 2, 3];
    for (codec, kind) in [
        (Codec::H264 as fn(VideoRecord) -> Codec, b"avcC"),
        (Codec::H265, b"hvcC"),
        (Codec::Av1, b"av1C"),
        (Codec::Vp8, b"vpcC"),
        (Codec::Vp9, b"vpcC"),
    ] {
        assert!(holds(&init(video(codec, &record)), kind, &record), "{kind:?}");
    }
    for (codec, kind) in [
        (Codec::Opus as fn(AudioRecord) -> Codec, b"dOps"),
        (Codec::Flac, b"dfLa"),
        (Codec::Ac3, b"dac3"),
        (Codec::Eac3, b"dec3"),
    ] {
        assert!(holds(&init(audio(codec, &record, 48_000)), kind, &record), "{kind:?}");
    }
}

#[test]
fn sample_entries_have_their_registered_names() {
    let vpcc = [1, 0, 0, 0, 0, 31, 0x82, 1, 1, 1, 0, 0];
    assert!(matches!(entry(&init(video(Codec::Vp9, &vpcc))), Entry::Vp09(_)));
    assert!(matches!(entry(&init(video(Codec::Vp8, &vpcc))), Entry::Vp08(_)));
    let dops = [0, 2, 1, 0x38, 0, 0, 0xBB, 0x80, 0, 0, 0];
    assert!(matches!(entry(&init(audio(Codec::Opus, &dops, 48_000))), Entry::Opus(_)));
    let dac3 = [0x10, 0x3C, 0xE0];
    assert!(matches!(entry(&init(audio(Codec::Ac3, &dac3, 48_000))), Entry::Ac3(_)));
}

/// Publishers without records (WHIP) have theirs made of their first keyframe: here those of libvpx and
/// libaom, of 1280x720.
#[test]
fn records_made_of_keyframes_are_read_back() {
    let vp8_frame = [0xF0, 0xC2, 0, 0x9D, 0x01, 0x2A, 0, 5, 0xD0, 2];
    let vp9_frame = [0x82, 0x49, 0x83, 0x42, 0x00, 0x4F, 0xF0, 0x2C, 0xF6, 0x00];
    let av1_header = [0x0A, 0x0B, 0, 0, 0, 0x2D, 0x4C, 0xFF, 0xB3, 0xCC, 0xAF, 0x90, 0x04];
    let of = |codec: Codec| {
        let name = codec.rfc6381().to_owned();
        let track = Track { codec, ..video(Codec::H264, &[]) };
        (name, init(track))
    };
    let (name, vp8) = of(vp8::from_keyframe(None, &vp8_frame).unwrap());
    let Entry::Vp08(entry08) = entry(&vp8) else { panic!("vp08") };
    assert_eq!((&*name, entry08.vpcc.level, entry08.vpcc.bit_depth), ("vp08.00.31.08", 31, 8));
    let (name, vp9) = of(vp9::from_keyframe(&vp9_frame).unwrap());
    let Entry::Vp09(entry09) = entry(&vp9) else { panic!("vp09") };
    assert_eq!((&*name, entry09.vpcc.level, entry09.vpcc.bit_depth), ("vp09.00.31.08", 31, 8));
    let (name, av1) = of(av1::from_sequence_header(&av1_header).unwrap());
    let Entry::Av01(entry01) = entry(&av1) else { panic!("av01") };
    assert_eq!((&*name, entry01.av1c.seq_level_idx_0), ("av01.0.05M.08", 5));
    for visual in [entry08.visual, entry09.visual, entry01.visual] {
        assert_eq!((visual.width, visual.height), (1_280, 720));
    }
}

#[test]
fn a2_24_he_aac_keeps_its_explicit_sbr_signalling() {
    // Object type 5, core 24 kHz, output 48 kHz, then AAC-LC.
    let config = [0x2B, 0x11, 0x88, 0x00];
    let init = init(audio(Codec::Aac, &config, 48_000));
    let Entry::Mp4a(mp4a) = entry(&init) else { panic!("mp4a") };
    assert_eq!(mp4a.esds.es_desc.dec_config.object_type_indication, 0x40);
    assert_eq!(mp4a.audio.sample_rate.integer(), 48_000);
    let specific = [&[0x05, 0x80, 0x80, 0x80, 4][..], &config].concat();
    assert!(init.body.windows(specific.len()).any(|window| window == specific));
}

#[test]
fn mp3_is_named_by_its_object_type() {
    for (rate, object_type) in [(44_100, 0x6B), (22_050, 0x69)] {
        let init = init(audio(Codec::Mp3, &[], rate));
        let esds = init.body.windows(4).position(|window| window == b"esds").unwrap();
        // Version and flags, ES descriptor head and ids, decoder config head.
        assert_eq!(init.body[esds + 8 + 5 + 3 + 5], object_type, "{rate}");
    }
}

#[test]
fn color_comes_from_the_track_or_else_from_the_bitstream() {
    let hlg = Color { primaries: 9, transfer: 18, matrix: 9, full_range: false };
    let srgb = Color { primaries: 1, transfer: 13, matrix: 1, full_range: true };
    let colr = |track| {
        let Entry::Avc1(avc1) = entry(&init(track)) else { panic!("avc1") };
        avc1.colr
    };
    let plain = video(Codec::H264, AVCC);
    assert_eq!(colr(plain.clone()), None);
    let Codec::H264(record) = plain.codec.clone() else { panic!() };
    let coded = Track { codec: Codec::H264(VideoRecord { color: Some(srgb), ..record }), ..plain };
    let nclx = |color: Color| {
        Some(Colr::Nclx {
            colour_primaries: color.primaries.into(),
            transfer_characteristics: color.transfer.into(),
            matrix_coefficients: color.matrix.into(),
            full_range_flag: color.full_range,
        })
    };
    assert_eq!(colr(coded.clone()), nclx(srgb));
    assert_eq!(colr(Track { color: Some(hlg), ..coded }), nclx(hlg));
}

#[test]
fn languages_are_told_whole() {
    let track = audio(Codec::Opus, &[0; 11], 48_000);
    let init = init(Track { language: Some("pt-BR".into()), ..track });
    assert!(holds(&init, b"elng", b"\0\0\0\0pt-BR\0"));
}

#[test]
fn rates_beyond_16_bits_are_left_to_the_record() {
    let init = init(audio(Codec::Flac, &[0; 42], 96_000));
    let at = init.body.windows(4).position(|window| window == b"fLaC").unwrap();
    assert_eq!(init.body[at + 28..at + 32], [0, 0, 0, 0]);
    assert_eq!(moov_timescale(&init), 96_000);
}

fn moov_timescale(init: &Init) -> u32 {
    let at = init.body.windows(4).position(|window| window == b"mdhd").unwrap();
    u32::from_be_bytes(init.body[at + 16..at + 20].try_into().unwrap())
}
