//! Recordings of real encoders, played to a session: everything each sent from C0 on, taken on
//! loopback. 0.8 s of test picture (64x48, 25 fps) and tone each.
//!
//! | fixture | encoder | sink |
//! |---|---|---|
//! | `ff5_*` | ffmpeg 5.1 | its own RTMP |
//! | `ff9_*` | ffmpeg 9.0 | its own RTMP |
//! | `gst_rtmp2sink` | GStreamer 1.22 | `rtmp2sink` |
//! | `gst_librtmp` | GStreamer 1.22 | `rtmpsink`, which is librtmp |

use std::collections::BTreeMap;

use tally_media::{Codec, Color, Track, TrackId};
use tally_rtmp::{Event, Limits, Session};

/// What a recording gives, in short.
#[derive(Debug, Default)]
struct Played {
    keys: Vec<[String; 3]>,
    tracks: Vec<Track>,
    /// Per track: frames, key frames, first and last decode time in ms.
    frames: BTreeMap<TrackId, (u32, u32, i64, i64)>,
    metadata: Vec<tally_rtmp::Metadata>,
    others: Vec<Event>,
}

fn play(recording: &[u8], piece: usize) -> Played {
    let mut session = Session::new(Limits::default(), 0, [0x42; 1528]);
    let mut played = Played::default();
    for bytes in recording.chunks(piece) {
        session.handle_bytes(bytes, 0).expect("a good recording");
        while let Some(event) = session.poll_event() {
            match event {
                Event::Publish(request) => {
                    played.keys.push([request.app, request.stream_key, request.query]);
                    session.accept_publish();
                }
                Event::Track(track) => played.tracks.push(track),
                Event::Frame { track, frame } => {
                    let dts_ms = frame.dts.as_ms();
                    assert!(frame.pts >= frame.dts, "{track:?} {frame:?}");
                    let count = played.frames.entry(track).or_insert((0, 0, dts_ms, dts_ms));
                    assert!(count.0 == 0 || dts_ms > count.3, "{track:?} {frame:?}");
                    *count = (count.0 + 1, count.1 + u32::from(frame.keyframe), count.2, dts_ms);
                }
                Event::Metadata(metadata) => played.metadata.push(metadata),
                event => played.others.push(event),
            }
        }
        while session.poll_transmit().is_some() {}
    }
    assert_eq!(session.damaged_bodies(), 0);
    played
}

/// Plays a recording whole and in small pieces; checks what all of them have in common.
fn encoder(recording: &[u8]) -> Played {
    let played = play(recording, usize::MAX);
    assert_eq!(played.keys, [["live", "key", "tok=1"]]);
    let end = played.others.last();
    assert_eq!(end, Some(&Event::Unpublish), "{:?}", played.others);
    assert!(matches!(played.others[0], Event::Connected(_)));
    for piece in [1, 13, 1_460] {
        let again = play(recording, piece);
        assert_eq!((&again.tracks, &again.frames), (&played.tracks, &played.frames), "{piece}");
        assert_eq!((&again.metadata, &again.others), (&played.metadata, &played.others), "{piece}");
    }
    played
}

fn codecs(played: &Played) -> Vec<(TrackId, &str)> {
    played.tracks.iter().map(|track| (track.id, track.codec.rfc6381())).collect()
}

const VIDEO: TrackId = TrackId::Video(0);
const AUDIO: TrackId = TrackId::Audio(0);

#[test]
fn ffmpeg_5_h264_and_aac() {
    let played = encoder(include_bytes!("fixtures/ff5_avc_aac.bin"));
    assert_eq!(codecs(&played), [(VIDEO, "avc1.640009"), (AUDIO, "mp4a.40.2")]);
    assert_eq!(played.frames[&VIDEO], (20, 2, 0, 760));
    assert_eq!(played.frames[&AUDIO], (36, 36, 57, 869));
    let metadata = &played.metadata[0];
    assert_eq!(metadata.frame_rate, Some(25.0));
    assert!(metadata.has_video && metadata.has_audio);
    assert_eq!((metadata.width, metadata.height), (Some(64), Some(48)));
    assert_eq!(metadata.encoder.as_deref(), Some("Lavf59.27.100"));
}

/// `colorInfo` comes after the decoder record and before the first frame: one track, with it.
#[test]
fn ffmpeg_9_hevc_with_color_metadata_and_opus() {
    let played = encoder(include_bytes!("fixtures/ff9_hevc_opus.bin"));
    assert_eq!(codecs(&played), [(VIDEO, "hvc1.2.4.L30.90"), (AUDIO, "opus")]);
    let color = Color { primaries: 2, transfer: 2, matrix: 9, full_range: false };
    assert_eq!(played.tracks[0].color, Some(color));
    assert_eq!(played.frames[&VIDEO].0, 20);
    assert_eq!(played.frames[&AUDIO].0, 41);
}

#[test]
fn ffmpeg_9_av1_and_opus() {
    let played = encoder(include_bytes!("fixtures/ff9_av1_opus.bin"));
    assert_eq!(codecs(&played), [(AUDIO, "opus"), (VIDEO, "av01.0.00M.08")]);
    assert_eq!(played.frames[&VIDEO].1, 2);
}

#[test]
fn ffmpeg_9_vp9_and_ac3() {
    let played = encoder(include_bytes!("fixtures/ff9_vp9_ac3.bin"));
    assert_eq!(codecs(&played), [(AUDIO, "ac-3"), (VIDEO, "vp09.00.10.08")]);
    let size = played.tracks[1].codec.video().map(|video| (video.width, video.height));
    assert_eq!(size, Some((64, 48)), "the record does not tell it, the key frame does");
    assert_eq!(played.frames[&VIDEO].1, 2);
}

/// Its packets alternate between two sizes at 44.1 kHz, and the record with them: one track all the
/// same.
#[test]
fn ffmpeg_9_h264_and_eac3() {
    let played = encoder(include_bytes!("fixtures/ff9_avc_eac3.bin"));
    assert_eq!(codecs(&played), [(VIDEO, "avc1.640009"), (AUDIO, "ec-3")]);
    assert_eq!(played.frames[&AUDIO].0, 23);
}

#[test]
fn ffmpeg_9_h264_and_flac() {
    let played = encoder(include_bytes!("fixtures/ff9_avc_flac.bin"));
    assert_eq!(codecs(&played), [(VIDEO, "avc1.640009"), (AUDIO, "fLaC")]);
    assert_eq!(played.frames[&AUDIO].0, 35);
}

#[test]
fn ffmpeg_9_h264_and_mp3() {
    let played = encoder(include_bytes!("fixtures/ff9_avc_mp3.bin"));
    assert_eq!(codecs(&played), [(VIDEO, "avc1.640009"), (AUDIO, "mp4a.40.34")]);
    let samples = played.tracks[1].codec.audio().unwrap().frame_samples;
    assert_eq!(samples, Some(1_152));
}

#[test]
fn ffmpeg_9_multitrack_video_and_audio() {
    let played = encoder(include_bytes!("fixtures/ff9_multitrack.bin"));
    let expected = [
        (VIDEO, "avc1.640009"),
        (TrackId::Video(1), "avc1.640009"),
        (AUDIO, "mp4a.40.2"),
        (TrackId::Audio(1), "mp4a.40.2"),
    ];
    assert_eq!(codecs(&played), expected);
    assert_eq!(played.frames[&VIDEO], played.frames[&TrackId::Video(1)]);
    assert_eq!(played.frames[&AUDIO], played.frames[&TrackId::Audio(1)]);
}

#[test]
fn ffmpeg_9_surround_without_video() {
    let played = encoder(include_bytes!("fixtures/ff9_51.bin"));
    assert_eq!(played.tracks.len(), 1);
    let Codec::Opus(record) = &played.tracks[0].codec else { panic!("{:?}", played.tracks) };
    assert_eq!(record.channels, 6);
    assert!(played.metadata[0].has_audio && !played.metadata[0].has_video);
}

#[test]
fn gstreamer_rtmp2sink() {
    let played = encoder(include_bytes!("fixtures/gst_rtmp2sink.bin"));
    assert_eq!(codecs(&played), [(VIDEO, "avc1.F4000A"), (AUDIO, "mp4a.40.2")]);
    assert_eq!(played.frames[&VIDEO].0, 20);
    assert_eq!(played.metadata.len(), 1, "it sends the same again every few frames");
}

#[test]
fn gstreamer_librtmp() {
    let played = encoder(include_bytes!("fixtures/gst_librtmp.bin"));
    assert_eq!(codecs(&played), [(VIDEO, "avc1.F4000A"), (AUDIO, "mp4a.40.2")]);
    assert_eq!(played.frames[&AUDIO].0, 36);
}

/// A recording with bytes changed at random: the session may end, but it never panics, and what it
/// keeps stays within its limits.
#[test]
fn fuzz_damaged_recordings() {
    let recordings: [&[u8]; 3] = [
        include_bytes!("fixtures/ff9_multitrack.bin"),
        include_bytes!("fixtures/ff9_hevc_opus.bin"),
        include_bytes!("fixtures/gst_librtmp.bin"),
    ];
    bolero::check!().with_iterations(500).for_each(|changes: &[u8]| {
        for recording in recordings {
            let mut bytes = recording.to_vec();
            for change in changes.chunks_exact(3) {
                let at = usize::from(u16::from_be_bytes([change[0], change[1]]));
                // The handshake is not looked at closely enough to be worth it.
                let at = 3_073 + at % (bytes.len() - 3_073);
                bytes[at] = change[2];
            }
            let mut session = Session::new(Limits::default(), 0, [0; 1528]);
            for piece in bytes.chunks(4_096) {
                if session.handle_bytes(piece, 0).is_err() {
                    assert!(session.is_closed());
                    break;
                }
                while let Some(event) = session.poll_event() {
                    if let Event::Publish(_) = event {
                        session.accept_publish();
                    }
                }
                while session.poll_transmit().is_some() {}
            }
        }
    });
}
