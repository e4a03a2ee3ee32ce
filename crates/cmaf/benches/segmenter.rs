//! What the segmenter costs: `cargo bench -p tally-cmaf`.
//!
//! Payloads are passed by reference, so their size must not show in the times; the `bytes` column
//! of the large and the small case is what to compare. Bytes copied per payload byte: 0.
#![allow(missing_docs)]

use std::sync::Arc;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use tally_cmaf::{Options, Output, Segmenter};
use tally_media::codec::{AudioRecord, VideoRecord};
use tally_media::{Codec, Frame, Timescale, Timestamp, Track, TrackId};

fn main() {
    divan::main();
}

/// Seconds of show per run.
const SECONDS: i64 = 20;

fn tracks(videos: u8) -> Vec<Arc<Track>> {
    let record = Bytes::from_static(&[1, 0x64, 0, 40, 0xFF, 0xE0, 0]);
    let video = |n| Track {
        id: TrackId::Video(n),
        codec: Codec::H264(VideoRecord {
            record: record.clone(),
            width: 1_920,
            height: 1_080,
            rfc6381: "avc1.640028".into(),
            color: None,
        }),
        timescale: Timescale::VIDEO,
        language: None,
        color: None,
    };
    let audio = Track {
        id: TrackId::Audio(0),
        codec: Codec::Aac(AudioRecord {
            record: Bytes::from_static(&[0x11, 0x90]),
            sample_rate: 48_000,
            channels: 2,
            frame_samples: Some(1_024),
            rfc6381: "mp4a.40.2".into(),
        }),
        timescale: Timescale::new(48_000),
        language: None,
        color: None,
    };
    (0..videos).map(video).chain([audio]).map(Arc::new).collect()
}

/// 30 fps in 2 s groups and AAC at 48 kHz, in the order of decode times.
fn frames(videos: u8, video_bytes: usize) -> Vec<(TrackId, Frame)> {
    let picture = Bytes::from(vec![0xAB; video_bytes]);
    let sound = Bytes::from(vec![0xCD; 340]);
    let frame = |ticks, timescale, keyframe, payload: &Bytes| {
        let at = Timestamp::new(ticks, timescale);
        Frame { dts: at, pts: at, duration_ticks: None, keyframe, payload: payload.clone() }
    };
    let pictures = (0..SECONDS * 30).flat_map(|n| (0..videos).map(move |track| (n, track)));
    let pictures = pictures.map(|(n, track)| {
        (TrackId::Video(track), frame(n * 3_000, Timescale::VIDEO, n % 60 == 0, &picture))
    });
    let sounds = (0..SECONDS * 48_000 / 1_024)
        .map(|n| (TrackId::Audio(0), frame(n * 1_024, Timescale::new(48_000), true, &sound)));
    let mut frames: Vec<_> = pictures.chain(sounds).collect();
    frames.sort_by_key(|(_, frame)| frame.dts);
    frames
}

/// Runs a whole show; gives the number of parts.
fn run(tracks: &[Arc<Track>], frames: Vec<(TrackId, Frame)>) -> usize {
    let mut segmenter =
        Segmenter::new(Options { expects_video: true, expects_audio: true, ..Options::default() });
    for track in tracks {
        segmenter.set_track(track.clone());
    }
    let mut parts = 0;
    for (id, frame) in frames {
        segmenter.push(id, frame);
        while let Some(output) = segmenter.poll_output() {
            parts += usize::from(matches!(output, Output::Part { .. }));
            divan::black_box(&output);
        }
    }
    parts
}

fn bench(bencher: Bencher, videos: u8, video_bytes: usize, per_part: bool) {
    let tracks = tracks(videos);
    let parts = run(&tracks, frames(videos, video_bytes));
    bencher
        .with_inputs(|| frames(videos, video_bytes))
        .input_counter(move |frames| ItemsCount::new(if per_part { parts } else { frames.len() }))
        .input_counter(|frames| {
            BytesCount::new(frames.iter().map(|(_, frame)| frame.payload.len()).sum::<usize>())
        })
        .bench_values(|frames| run(&tracks, frames));
}

/// Items are frames. 500 bytes a picture: 120 kbit/s.
#[divan::bench]
fn frames_small(bencher: Bencher) {
    bench(bencher, 1, 500, false);
}

/// Items are frames. 100,000 bytes a picture: 24 Mbit/s, in the same time as the small ones.
#[divan::bench]
fn frames_large(bencher: Bencher) {
    bench(bencher, 1, 100_000, false);
}

/// Items are parts.
#[divan::bench]
fn parts(bencher: Bencher) {
    bench(bencher, 1, 20_000, true);
}

/// Items are frames: four renditions in step.
#[divan::bench]
fn four_renditions(bencher: Bencher) {
    bench(bencher, 4, 20_000, false);
}
