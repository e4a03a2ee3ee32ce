//! What other programs make of it: ffmpeg decodes everything, ffprobe and a second MP4 reader see
//! the same samples at the same times.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::clip::{self, ClipTrack};
use tally_cmaf::{Init, Options, Output, Segment, Segmenter};
use tally_media::{Frame, Timescale, Timestamp, Track, TrackId};

const H264: &[&str] =
    &["-c:v", "libx264", "-preset", "veryfast", "-sc_threshold", "0", "-c:a", "aac"];

/// A show made of a clip.
struct Show {
    init: Arc<Init>,
    segments: Vec<Arc<Segment>>,
    frames: Vec<(TrackId, Frame)>,
}

impl Show {
    /// Segments the clip's frames as if they came over RTMP: video in 90 kHz, rounded to
    /// milliseconds, all interleaved by decode time.
    fn of(clip: Vec<ClipTrack>) -> Self {
        let mut segmenter = Segmenter::new(Options {
            expects_video: true,
            expects_audio: true,
            segment_ms: 1_000,
            ..Options::default()
        });
        let mut frames = Vec::new();
        for ClipTrack { track, frames: of_track } in clip {
            let is_video = track.codec.video().is_some();
            let timescale = if is_video { Timescale::VIDEO } else { track.timescale };
            segmenter.set_track(Arc::new(Track { timescale, ..Track::clone(&track) }));
            let rounded = |time: Timestamp| match is_video {
                true => Timestamp::from_ms(time.as_ms()).rescale(Timescale::VIDEO),
                false => time,
            };
            frames.extend(of_track.into_iter().map(|frame| {
                let (dts, pts) = (rounded(frame.dts), rounded(frame.pts));
                (track.id, Frame { dts, pts, ..frame })
            }));
        }
        frames.sort_by_key(|(_, frame)| frame.dts);
        for (id, frame) in &frames {
            segmenter.push(*id, frame.clone());
        }
        segmenter.finish();
        let (mut init, mut segments) = (None, Vec::new());
        while let Some(output) = segmenter.poll_output() {
            match output {
                Output::Init { init: new, .. } => assert!(init.replace(new).is_none()),
                Output::Segment { segment, .. } => segments.push(segment),
                _ => {}
            }
        }
        assert_eq!(segmenter.stats().gap_parts, 0);
        Self { init: init.unwrap(), segments, frames }
    }

    fn bytes<'a>(&self, segments: impl IntoIterator<Item = &'a Arc<Segment>>) -> Vec<u8> {
        let mut bytes = self.init.body.to_vec();
        for chunk in segments.into_iter().flat_map(|segment| segment.chunks()) {
            bytes.extend_from_slice(chunk);
        }
        bytes
    }

    /// Presentation times of a medium in its timescale, rising.
    fn times(&self, is_video: bool) -> Vec<i64> {
        let of_medium = |id: &TrackId| matches!(id, TrackId::Video(_)) == is_video;
        let frames = self.frames.iter().filter(|(id, _)| of_medium(id));
        let mut times: Vec<_> = frames.map(|(_, frame)| frame.pts.ticks).collect();
        times.sort_unstable();
        times
    }
}

/// Presentation times in `file` by ffprobe, rising.
fn probe(file: &Path, stream: &str, entry: &str) -> Vec<i64> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-select_streams", stream, "-of", "csv=p=0"]);
    command.args(["-show_entries", entry]).arg(file);
    let text = clip::run(&mut command);
    let first = |line: &str| line.split(',').next().unwrap().trim().parse().unwrap();
    let mut times: Vec<i64> = text.lines().filter(|line| !line.is_empty()).map(first).collect();
    times.sort_unstable();
    times
}

fn decode(file: &Path) {
    let mut command = Command::new("ffmpeg");
    clip::run(command.args(["-v", "error", "-i"]).arg(file).args(["-f", "null", "-"]));
}

#[test]
fn p21_p23_ffmpeg_decodes_every_frame_at_its_time() {
    if !clip::has_ffmpeg() {
        return;
    }
    let cases = [
        ("30", ["-g", "60", "-bf", "2"]),
        ("24000/1001", ["-g", "24", "-bf", "0"]),
        ("60", ["-g", "60", "-bf", "3"]),
        ("25", ["-g", "50", "-bf", "1"]),
    ];
    for (rate, group) in cases {
        let directory = tempfile::tempdir().unwrap();
        let show = Show::of(clip::make(directory.path(), rate, 5, &[H264, &group].concat()));
        let file = directory.path().join("show.mp4");
        std::fs::write(&file, show.bytes(&show.segments)).unwrap();
        decode(&file);
        assert_eq!(probe(&file, "v", "frame=pts"), show.times(true), "{rate}");
        assert_eq!(probe(&file, "a", "packet=pts"), show.times(false), "{rate}");
        assert!(show.segments.len() >= 2);
        for segment in &show.segments {
            // A7.4: each segment decodes on its own.
            std::fs::write(&file, show.bytes([segment])).unwrap();
            decode(&file);
            let first = probe(&file, "v", "frame=pts")[0];
            let apart = (first - segment.start.ticks).abs();
            assert!(apart <= 180, "a segment starts where its first picture is shown: {apart}");
        }
    }
}

#[test]
fn every_codec_decodes_from_its_init_segment() {
    if !clip::has_ffmpeg() {
        return;
    }
    let videos: [&[&str]; 4] = [
        &[
            "-c:v",
            "libx265",
            "-tag:v",
            "hvc1",
            "-x265-params",
            "log-level=none",
            "-preset",
            "ultrafast",
        ],
        &["-c:v", "libaom-av1", "-cpu-used", "8", "-row-mt", "1"],
        &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
        &["-c:v", "libx264", "-preset", "ultrafast"],
    ];
    let audios: [&[&str]; 5] = [
        &["-c:a", "libopus"],
        &["-c:a", "flac"],
        &["-c:a", "ac3"],
        &["-c:a", "eac3"],
        &["-c:a", "libmp3lame"],
    ];
    for (index, audio) in audios.into_iter().enumerate() {
        let video = videos[index % videos.len()];
        let directory = tempfile::tempdir().unwrap();
        let codecs = [video, audio, &["-g", "30"]].concat();
        let show = Show::of(clip::make(directory.path(), "30", 2, &codecs));
        let file = directory.path().join("show.mp4");
        std::fs::write(&file, show.bytes(&show.segments)).unwrap();
        decode(&file);
        assert_eq!(probe(&file, "v", "frame=pts"), show.times(true), "{codecs:?}");
        assert_eq!(probe(&file, "a", "packet=pts"), show.times(false), "{codecs:?}");
    }
}

#[test]
fn a_second_reader_finds_the_same_samples() {
    if !clip::has_ffmpeg() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let codecs = [H264, &["-g", "30", "-bf", "2"]].concat();
    let show = Show::of(clip::make(directory.path(), "30", 3, &codecs));
    let bytes = show.bytes(&show.segments);
    let len = bytes.len() as u64;
    let reader = mp4::Mp4Reader::read_header(std::io::Cursor::new(bytes), len).unwrap();
    assert!(reader.is_fragmented());
    assert_eq!(reader.tracks().len(), 2);
    assert_eq!(reader.sample_count(1).unwrap() as usize, show.times(true).len());
    assert_eq!(reader.sample_count(2).unwrap() as usize, show.times(false).len());
    let video = &reader.tracks()[&1];
    assert_eq!((video.width(), video.height()), (320, 180));
    assert_eq!(reader.tracks()[&2].media_type().unwrap(), mp4::MediaType::AAC);
}
