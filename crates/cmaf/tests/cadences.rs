//! P3, P4, P5, P23 and latency at every usual cadence.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use mp4_atom::Decode as _;

use common::{AudioSource, Checker, Encoder, VideoSource, aac, avc, opus, play};
use tally_cmaf::Options;
use tally_media::TrackId;

const BOTH: Options =
    Options { part_ms: 250, segment_ms: 2_000, expects_video: true, expects_audio: true };

#[test]
fn p4_p5_parts_fit_at_every_cadence_with_every_audio() {
    for fps in [23_976, 24_000, 25_000, 29_970, 30_000, 50_000, 59_940, 60_000] {
        for (audio, samples, rate) in [
            (aac(0, 48_000, 1_024), 1_024, 48_000),
            (aac(0, 44_100, 2_048), 2_048, 44_100),
            (opus(0), 960, 48_000),
        ] {
            for b_frames in [0, 2] {
                let mut checker = Checker::new(BOTH);
                checker.set_track(&avc(0, 30));
                checker.set_track(&audio);
                let group = (fps * 2 + 999) / 1_000;
                let video = VideoSource::new(fps, group).with_b_frames(b_frames);
                let mut encoder = Encoder::new(vec![video], vec![AudioSource::new(rate, samples)]);
                play(&mut checker, &mut encoder, 21_000);
                checker.finish();
                let stats = checker.segmenter.stats();
                assert_eq!(stats.forced_cuts, 0, "{fps}");
                assert_eq!(
                    stats.gap_parts + stats.frames_late + stats.frames_refused,
                    0,
                    "{stats:?}"
                );
                let seen = checker.first();
                assert_eq!(seen.breaks, 0, "A7.3: decode times are continuous at {fps}");
                assert!(seen.segments.len() >= 10, "{fps}: {}", seen.segments.len());
                for segment in &seen.segments[..seen.segments.len() - 1] {
                    assert!(segment.independent, "A7.4");
                    let parts = segment.parts.len();
                    assert!((8..=9).contains(&parts), "{fps}: {parts} parts in 2 s");
                }
            }
        }
    }
}

#[test]
fn a_part_is_out_no_later_than_its_successor_frame() {
    for fps in [24_000, 25_000, 30_000, 60_000] {
        let mut checker = Checker::new(Options { expects_audio: false, ..BOTH });
        checker.set_track(&avc(0, 30));
        let mut encoder = Encoder::new(vec![VideoSource::new(fps, fps * 2 / 1_000)], vec![]);
        let mut late = 0;
        while encoder.next_ms() < 10_000 {
            checker.tick(encoder.next_ms());
            let (id, frame) = encoder.next();
            checker.push(id, frame);
        }
        let seen = checker.first();
        for (part, out_ms) in seen.parts.iter().zip(&seen.part_ms) {
            let end_ms = part.start.as_ms() + part.duration.as_ms();
            if *out_ms > 2_100 {
                assert!(*out_ms <= end_ms + 1, "{fps}: part until {end_ms} out at {out_ms}");
                late += i64::from(*out_ms >= end_ms);
            }
        }
        // Only the last part of each segment needs its successor: others are predicted.
        let segments = i64::try_from(seen.segments.len()).unwrap();
        assert!(late <= segments + 1, "{fps}: {late} of {} waited a frame", seen.parts.len());
    }
}

#[test]
fn a_part_with_sound_waits_for_its_last_audio_frame_only() {
    for b_frames in [0, 2] {
        let mut checker = Checker::new(BOTH);
        checker.set_track(&avc(0, 30));
        checker.set_track(&aac(0, 48_000, 1_024));
        let video = VideoSource::new(30_000, 60).with_b_frames(b_frames);
        let mut encoder = Encoder::new(vec![video], vec![AudioSource::new(48_000, 1_024)]);
        while encoder.next_ms() < 10_000 {
            checker.tick(encoder.next_ms());
            let (id, frame) = encoder.next();
            checker.push(id, frame);
        }
        let seen = checker.first();
        for (part, out_ms) in seen.parts.iter().zip(&seen.part_ms) {
            let end_ms = part.start.as_ms() + part.duration.as_ms();
            assert!(*out_ms <= 2_100 || *out_ms <= end_ms + 1, "until {end_ms} out at {out_ms}");
        }
    }
}

#[test]
fn p4_p5_variable_frame_rate() {
    let mut checker = Checker::new(Options { expects_audio: false, ..BOTH });
    checker.set_track(&avc(0, 30));
    let mut encoder = Encoder::new(vec![VideoSource::new(100_000, 200)], vec![]);
    let mut random = 1_u32;
    while encoder.next_ms() < 60_000 {
        let (id, frame) = encoder.next();
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // 10 to 140 ms between frames: most are never sent.
        if frame.keyframe || random >> 28 < 4 {
            checker.push(id, frame);
        }
    }
    checker.finish();
    assert_eq!(checker.segmenter.stats().gap_parts, 0);
    assert_eq!(checker.segmenter.stats().forced_cuts, 0);
    assert!(checker.first().segments.len() >= 29);
}

#[test]
fn p5_audio_only_shows() {
    for (track, samples, rate) in [
        (aac(0, 48_000, 1_024), 1_024, 48_000),
        (aac(0, 48_000, 2_048), 2_048, 48_000),
        (opus(0), 960, 48_000),
    ] {
        let mut checker = Checker::new(Options { expects_video: false, ..BOTH });
        checker.set_track(&track);
        let mut encoder = Encoder::new(vec![], vec![AudioSource::new(rate, samples)]);
        play(&mut checker, &mut encoder, 20_000);
        checker.finish();
        let plan = checker.plan.unwrap();
        assert_eq!(plan.target_duration_s, 2);
        let seen = checker.first();
        assert!(seen.segments.len() >= 9);
        assert!(seen.parts.iter().all(|part| part.independent));
        for part in &seen.parts[..seen.parts.len() - 1] {
            let is_last = seen.segments.iter().any(|s| s.parts.last() == Some(part));
            assert!(is_last || part.duration.ticks >= 250 * 90 * 85 / 100, "{part:?}");
        }
    }
}

#[test]
fn p23_no_drift_over_24_hours() {
    const DAY_MS: i64 = 24 * 3_600 * 1_000;
    let mut checker = tally_cmaf::Segmenter::new(BOTH);
    checker.set_track(avc(0, 30));
    checker.set_track(aac(0, 44_100, 4_096));
    // Few frames, odd rates: a sixth of 29.97 fps and long audio frames at 44.1 kHz.
    let video = VideoSource::new(4_995, 10);
    let mut encoder = Encoder::new(vec![video], vec![AudioSource::new(44_100, 4_096)]);
    let (mut elapsed, mut segments) = (0, 0);
    let mut newest = None;
    while encoder.next_ms() < DAY_MS {
        let (id, frame) = encoder.next();
        checker.push(id, frame);
        while let Some(output) = checker.poll_output() {
            let tally_cmaf::Output::Segment { segment, .. } = output else {
                continue;
            };
            elapsed += segment.duration.ticks;
            segments += 1;
            // EXTINF sums follow the source's clock, within the rounding of one timestamp.
            let source_ms = (segments * 10 * 1_000_000 + 2_497) / 4_995;
            assert!((elapsed - source_ms * 90).abs() <= 90, "{segments}: {elapsed}");
            newest = Some(segment);
        }
    }
    assert!(segments > 43_000);
    // A day later, the sound of the newest part is where its sample count says, on the grid.
    let part = newest.unwrap().parts.last().unwrap().clone();
    let whole: Vec<u8> = part.body.chunks().iter().flatten().copied().collect();
    let moof = mp4_atom::Moof::decode(&mut whole.as_slice()).unwrap();
    let sound = moof.traf[1].tfdt.as_ref().unwrap().base_media_decode_time;
    assert_eq!(sound % 4_096, 0);
    let apart_ms = sound as i64 * 1_000 / 44_100 - part.start.as_ms();
    assert!((0..=93).contains(&apart_ms), "{apart_ms} ms apart after a day");
}

/// What a browser sends: a frame rate that follows the scene, keyframes when they are asked for, and
/// Opus, which in DTX is one packet in 400 ms.
#[test]
fn p4_p5_webrtc_publishers() {
    let mut checker = Checker::new(BOTH);
    checker.set_track(&avc(0, 30));
    checker.set_track(&opus(0));
    let (video, audio) = (VideoSource::new(60_000, 1), AudioSource::new(48_000, 960));
    let mut encoder = Encoder::new(vec![video], vec![audio]);
    let (mut last_keyframe_ms, mut due_ms, mut packets) = (-2_000, 0, 0);
    while encoder.next_ms() < 60_000 {
        let now_ms = encoder.next_ms();
        checker.tick(now_ms);
        let (id, mut frame) = encoder.next();
        if let TrackId::Audio(_) = id {
            packets += 1;
            let is_silent = (20_000..30_000).contains(&now_ms) && packets % 20 != 0;
            if !is_silent {
                checker.push(id, frame);
            }
        } else if now_ms >= due_ms {
            due_ms = now_ms + [16, 200, 33, 100, 66][(now_ms / 4_000 % 5) as usize];
            frame.keyframe = now_ms - last_keyframe_ms >= 1_980;
            if frame.keyframe {
                last_keyframe_ms = now_ms;
            }
            checker.push(id, frame);
        }
    }
    checker.finish();
    let stats = checker.segmenter.stats();
    assert_eq!(stats.forced_cuts + stats.gap_parts + stats.discontinuities, 0, "{stats:?}");
    assert_eq!(stats.frames_late + stats.frames_refused, 0, "{stats:?}");
    assert_eq!(stats.audio_waits_expired, 0, "{stats:?}");
    let seen = checker.first();
    assert!(seen.segments.iter().all(|segment| segment.independent));
    assert!(seen.segments.len() >= 27, "{}", seen.segments.len());
    for (part, out_ms) in seen.parts.iter().zip(&seen.part_ms).filter(|(_, ms)| **ms > 2_100) {
        // What it waits for: the next picture, or the next packet of sound.
        let wait_ms = if (20_000..30_400).contains(out_ms) { 400 } else { 200 };
        let end_ms = part.start.as_ms() + part.duration.as_ms();
        assert!(*out_ms <= end_ms + wait_ms, "until {end_ms} out at {out_ms}");
    }
}
