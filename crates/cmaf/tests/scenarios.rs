//! What encoders do to a show, one story per test.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{AudioSource, Checker, Encoder, VideoSource, aac, avc, play, wait};
use tally_cmaf::{Options, RenditionId};
use tally_media::{Frame, Timescale, Timestamp, TrackId};

const BOTH: Options =
    Options { part_ms: 250, segment_ms: 2_000, expects_video: true, expects_audio: true };
const V0: RenditionId = RenditionId(TrackId::Video(0));
const V1: RenditionId = RenditionId(TrackId::Video(1));
const A0: RenditionId = RenditionId(TrackId::Audio(0));
const A1: RenditionId = RenditionId(TrackId::Audio(1));

/// 30 fps, 2 s groups, AAC at 48 kHz, both announced and set.
fn usual() -> (Checker, Encoder) {
    let mut checker = Checker::new(BOTH);
    checker.set_track(&avc(0, 30));
    checker.set_track(&aac(0, 48_000, 1_024));
    let video = VideoSource::new(30_000, 60);
    (checker, Encoder::new(vec![video], vec![AudioSource::new(48_000, 1_024)]))
}

fn restart(encoder: &mut Encoder, ms: i64) {
    for video in &mut encoder.videos {
        video.restart(ms);
    }
    for audio in &mut encoder.audios {
        audio.restart(ms);
    }
}

#[test]
fn p18_gap_while_the_encoder_is_away_and_no_discontinuity_when_it_returns_as_it_was() {
    let (mut checker, mut encoder) = usual();
    play(&mut checker, &mut encoder, 7_000);
    checker.interrupted();
    let before = checker.first().parts.len();
    assert_eq!(checker.first().segments.last().unwrap().msn, 3, "the open segment ended");
    wait(&mut checker, 17_000);
    let gaps = &checker.first().parts[before..];
    assert!(gaps.iter().all(|part| part.gap));
    let gap_ms: i64 = gaps.iter().map(|part| part.duration.as_ms()).sum();
    assert!((9_400..=10_000).contains(&gap_ms), "P17: {gap_ms} ms of GAP in 10 s");
    let outs = &checker.first().part_ms[before..];
    assert!(outs.windows(2).all(|pair| pair[1] - pair[0] <= 270), "P17: a part per target");

    restart(&mut encoder, 17_000);
    checker.set_track(&avc(0, 30));
    checker.resumed();
    play(&mut checker, &mut encoder, 24_000);
    checker.finish();
    let seen = checker.first();
    let first = seen.parts[before..].iter().find(|part| !part.gap).unwrap();
    assert!(first.independent && first.index == 0, "resumes at a keyframe, in a new segment");
    assert_eq!(first.start.as_ms(), 17_000);
    let durations = seen.segments.iter().map(|segment| segment.duration.as_ms());
    assert!({ durations }.all(|ms| ms <= 2_500), "P17");
    assert_eq!(checker.segmenter.stats().discontinuities, 0);
    assert_eq!(seen.inits.len(), 1);
}

#[test]
fn p18_sound_before_the_first_picture_of_an_encoder_that_returns_stays_in_the_gap() {
    let (mut checker, mut encoder) = usual();
    play(&mut checker, &mut encoder, 5_000);
    checker.interrupted();
    wait(&mut checker, 8_000);
    checker.resumed();
    encoder.audios[0].restart(8_000);
    encoder.videos[0].restart(8_120);
    play(&mut checker, &mut encoder, 12_000);
    checker.finish();
    let seen = checker.first();
    for segment in seen.segments.iter().filter(|segment| !segment.gap) {
        let first = segment.parts.iter().find(|part| !part.gap).unwrap();
        assert!(first.independent, "{}: media begins with a keyframe", segment.msn);
    }
    assert_eq!(checker.segmenter.stats().discontinuities, 0);
}

#[test]
fn what_follows_a_gap_begins_at_its_own_time_however_short_the_gap_was() {
    let (mut checker, mut encoder) = usual();
    play(&mut checker, &mut encoder, 5_000);
    checker.interrupted();
    checker.resumed();
    restart(&mut encoder, 5_116);
    play(&mut checker, &mut encoder, 9_000);
    checker.finish();
    let seen = checker.first();
    let returns = seen.parts.iter().find(|part| part.start.as_ms() > 5_000 && part.independent);
    let segment = returns.unwrap();
    let first = seen.samples.iter().find(|s| s.msn == segment.msn && s.sync).unwrap();
    assert_eq!(first.decode, segment.start.ticks);
    assert_eq!(segment.start.as_ms(), 5_116);
}

#[test]
fn a_hole_of_a_picture_before_a_keyframe_makes_no_part_without_pictures() {
    let (mut checker, mut encoder) = usual();
    // A clip that loops, its sound a little longer than its pictures.
    for round in 1..=4 {
        play(&mut checker, &mut encoder, round * 2_032);
        encoder.videos[0].restart(round * 2_032);
    }
    checker.finish();
    let parts = &checker.first().parts;
    let rests: Vec<i64> = parts.iter().map(|part| part.duration.as_ms()).collect();
    assert!(rests[..rests.len() - 1].iter().all(|&ms| ms > 40), "{rests:?}");
}

#[test]
fn p18_other_parameters_after_a_gap_start_with_a_discontinuity_and_a_new_init() {
    let (mut checker, mut encoder) = usual();
    play(&mut checker, &mut encoder, 7_000);
    checker.interrupted();
    wait(&mut checker, 9_000);
    checker.set_track(&avc(0, 31));
    checker.resumed();
    restart(&mut encoder, 9_000);
    play(&mut checker, &mut encoder, 14_000);
    checker.finish();
    let seen = checker.first();
    let breaks: Vec<_> = seen.segments.iter().filter(|segment| segment.discontinuity).collect();
    assert_eq!(breaks.len(), 1);
    assert_eq!((breaks[0].start.as_ms(), breaks[0].init), (9_000, 1));
    assert!(breaks[0].independent);
    assert_eq!(seen.segments.last().unwrap().discontinuity_sequence, 1);
}

#[test]
fn p18_new_parameters_mid_stream_cut_at_their_first_keyframe() {
    let (mut checker, mut encoder) = usual();
    play(&mut checker, &mut encoder, 6_700);
    checker.set_track(&avc(0, 31));
    restart(&mut encoder, 6_700);
    play(&mut checker, &mut encoder, 12_000);
    checker.finish();
    let seen = checker.first();
    let broken = seen.segments.iter().find(|segment| segment.discontinuity).unwrap();
    assert_eq!(broken.start.as_ms(), 6_700);
    assert_eq!(broken.init, 1);
    assert_eq!(checker.segmenter.stats().gap_parts, 0);
    assert_eq!(checker.segmenter.stats().frames_refused, 0);
    let changed = &checker.renditions[0].tracks[0];
    assert_eq!(changed.codec.rfc6381(), "avc1.64001F", "renditions tell the new codec string");
}

#[test]
fn the_same_parameters_again_change_nothing() {
    let (mut checker, mut encoder) = usual();
    play(&mut checker, &mut encoder, 5_000);
    checker.set_track(&avc(0, 30));
    checker.set_track(&aac(0, 48_000, 1_024));
    play(&mut checker, &mut encoder, 9_000);
    checker.finish();
    assert_eq!(checker.first().inits.len(), 1);
    assert_eq!(
        checker.segmenter.stats(),
        tally_cmaf::Stats {
            short_parts: checker.segmenter.stats().short_parts,
            ..Default::default()
        }
    );
}

#[test]
fn p17_a_silent_encoder_gets_gap_parts_and_comes_back_at_a_keyframe() {
    let (mut checker, mut encoder) = usual();
    play(&mut checker, &mut encoder, 6_500);
    wait(&mut checker, 12_000);
    assert!(checker.segmenter.stats().gap_parts >= 14);
    // What it sends next continues a group nobody can decode any more, until the next keyframe.
    restart(&mut encoder, 12_000);
    let (_, mut frame) = encoder.next();
    while !frame.keyframe {
        frame = encoder.next().1;
    }
    play(&mut checker, &mut encoder, 18_000);
    checker.finish();
    let stats = checker.segmenter.stats();
    assert!(stats.frames_before_keyframe > 0);
    assert_eq!(stats.discontinuities, 0);
    assert!(!checker.first().parts.last().unwrap().gap);
}

#[test]
fn a_short_pause_of_the_network_costs_no_media() {
    let (mut checker, mut encoder) = usual();
    play(&mut checker, &mut encoder, 6_500);
    wait(&mut checker, 7_900);
    play(&mut checker, &mut encoder, 12_000);
    checker.finish();
    let stats = checker.segmenter.stats();
    let lost = stats.gap_parts + stats.frames_late + stats.frames_before_keyframe;
    assert_eq!(lost + stats.frames_refused, 0, "{stats:?}");
}

#[test]
fn audio_that_starts_late_joins_with_a_discontinuity() {
    let mut checker = Checker::new(BOTH);
    checker.set_track(&avc(0, 30));
    let mut encoder = Encoder::new(vec![VideoSource::new(30_000, 60)], vec![]);
    play(&mut checker, &mut encoder, 9_000);
    assert_eq!(checker.first().inits[0].tracks.len(), 1, "announced audio is not waited for ever");
    checker.set_track(&aac(0, 48_000, 1_024));
    let mut audio = AudioSource::new(48_000, 1_024);
    audio.restart(9_000);
    encoder.audios.push(audio);
    play(&mut checker, &mut encoder, 16_000);
    checker.finish();
    let seen = checker.first();
    assert_eq!(seen.inits.len(), 2);
    assert_eq!(seen.inits[1].tracks.len(), 2);
    let broken = seen.segments.iter().find(|segment| segment.discontinuity).unwrap();
    assert_eq!(broken.start.as_ms(), 10_000, "at the next keyframe");
    let sound = seen.samples.iter().find(|sample| sample.track == TrackId::Audio(0)).unwrap();
    assert!(sound.decode >= 48_000 * 10 - 2_048);
}

#[test]
fn audio_that_ends_costs_one_wait_and_video_goes_on() {
    let (mut checker, mut encoder) = usual();
    play(&mut checker, &mut encoder, 6_000);
    encoder.audios.clear();
    play(&mut checker, &mut encoder, 20_000);
    assert_eq!(checker.segmenter.stats().audio_waits_expired, 1);
    let newest = checker.first().parts.last().unwrap();
    assert!(newest.start.as_ms() + 600 >= 20_000, "no latency is kept");
    checker.finish();
    assert_eq!(checker.segmenter.stats().gap_parts, 0);
}

#[test]
fn audio_behind_video_is_waited_for_and_goes_with_its_pictures() {
    let (mut checker, mut encoder) = usual();
    encoder.audios[0].lag_ms = 300;
    play(&mut checker, &mut encoder, 15_000);
    checker.finish();
    assert_eq!(checker.segmenter.stats().audio_waits_expired, 0);
    for segment in &checker.first().segments {
        let of = |track| {
            let samples = checker.first().samples.iter();
            { samples }.find(|s| s.msn == segment.msn && s.track == track).unwrap().decode
        };
        let apart = of(TrackId::Audio(0)) * 1_000 / 48_000 - of(TrackId::Video(0)) / 90;
        assert!((-1..=22).contains(&apart), "{apart} ms");
    }
}

#[test]
fn audio_too_far_behind_goes_into_later_parts_and_is_not_lost() {
    let (mut checker, mut encoder) = usual();
    encoder.audios[0].lag_ms = 1_200;
    play(&mut checker, &mut encoder, 15_000);
    checker.finish();
    let stats = checker.segmenter.stats();
    assert!(stats.audio_waits_expired >= 1);
    assert_eq!((stats.frames_late, stats.frames_refused), (0, 0));
}

#[test]
fn pictures_that_come_late_to_a_show_of_sound() {
    let mut checker = Checker::new(Options { expects_video: false, ..BOTH });
    checker.set_track(&aac(0, 48_000, 1_024));
    let mut encoder = Encoder::new(vec![], vec![AudioSource::new(48_000, 1_024)]);
    play(&mut checker, &mut encoder, 7_300);
    assert_eq!(checker.renditions.len(), 1);
    checker.set_track(&avc(0, 30));
    let mut video = VideoSource::new(30_000, 60);
    video.restart(7_300);
    encoder.videos.push(video);
    play(&mut checker, &mut encoder, 16_000);
    checker.finish();
    let ids: Vec<_> = checker.renditions.iter().map(|rendition| rendition.id).collect();
    assert_eq!(ids, [V0, A0]);
    let seen = &checker.seen[&V0];
    assert!(seen.parts[0].independent);
    assert_eq!(seen.inits[0].tracks.len(), 2, "muxed with the sound");
    assert!(seen.segments.iter().all(|segment| segment.independent), "A7.4");
    assert_eq!(checker.segmenter.stats().forced_cuts, 0);
}

#[test]
fn no_keyframe_for_ten_seconds() {
    let (mut checker, mut encoder) = usual();
    encoder.videos[0].group = 1_000;
    encoder.next();
    play(&mut checker, &mut encoder, 10_000);
    let parts = &checker.first().parts;
    assert!(!parts.is_empty() && parts.iter().all(|part| part.gap), "sound alone cannot play");
    assert!(checker.segmenter.stats().frames_before_keyframe >= 290);
    restart(&mut encoder, 10_000);
    encoder.videos[0].group = 60;
    play(&mut checker, &mut encoder, 16_000);
    checker.finish();
    let seen = checker.first();
    let picture = seen.parts.iter().find(|part| part.independent).unwrap();
    assert_eq!(picture.start.as_ms(), 10_000, "pictures begin a segment when they come");
}

#[test]
fn groups_of_250_frames_fit_the_long_target() {
    let (mut checker, mut encoder) = usual();
    encoder.videos[0].group = 250;
    play(&mut checker, &mut encoder, 60_000);
    checker.finish();
    assert_eq!(checker.plan.unwrap().target_duration_s, 10);
    assert_eq!(checker.segmenter.stats().forced_cuts, 0);
    assert!(checker.first().segments.iter().all(|segment| segment.independent));
}

#[test]
fn p3_groups_that_grow_force_cuts_that_are_counted() {
    let (mut checker, mut encoder) = usual();
    play(&mut checker, &mut encoder, 6_000);
    encoder.videos[0].group = 300;
    restart(&mut encoder, 6_000);
    play(&mut checker, &mut encoder, 30_000);
    checker.finish();
    assert!(checker.segmenter.stats().forced_cuts >= 7);
    assert!(checker.first().segments.iter().any(|segment| !segment.independent));
    assert_eq!(checker.segmenter.stats().gap_parts, 0);
}

#[test]
fn open_groups_lose_their_leading_pictures_after_a_hole_only() {
    let mut checker = Checker::new(Options { expects_audio: false, ..BOTH });
    checker.set_track(&avc(0, 30));
    let mut number = 0;
    let mut open_group = |checker: &mut Checker, start: i64| {
        for n in 0..60_i64 {
            number += 1;
            // Decoded: I, then two pictures shown before it that refer to the last group.
            let shown = match n {
                0 => 2,
                1 => 0,
                2 => 1,
                n => n,
            };
            let at = |n: i64| Timestamp::new((start + n) * 3_000, Timescale::VIDEO);
            let payload = Bytes::copy_from_slice(&u64::to_be_bytes(number));
            let frame = Frame {
                dts: at(n),
                pts: at(shown + 2),
                duration_ticks: None,
                keyframe: n == 0,
                payload,
            };
            checker.push(TrackId::Video(0), frame);
        }
    };
    open_group(&mut checker, 0);
    assert_eq!(checker.segmenter.stats().frames_before_keyframe, 2);
    open_group(&mut checker, 60);
    assert_eq!(checker.segmenter.stats().frames_before_keyframe, 2, "decodable in the middle");
    checker.interrupted();
    open_group(&mut checker, 120);
    assert_eq!(checker.segmenter.stats().frames_before_keyframe, 4);
    checker.finish();
}

#[test]
fn p8_renditions_of_other_rates_and_languages_are_in_step() {
    let mut checker = Checker::new(BOTH);
    checker.set_track(&avc(0, 40));
    checker.set_track(&avc(1, 30));
    checker.set_track(&aac(0, 48_000, 1_024));
    checker.set_track(&aac(1, 44_100, 1_024));
    let large = VideoSource::new(60_000, 120).with_b_frames(2);
    let small = VideoSource::new(30_000, 60).with_id(1);
    let sounds = vec![AudioSource::new(48_000, 1_024), AudioSource::new(44_100, 1_024).with_id(1)];
    let mut encoder = Encoder::new(vec![large, small], sounds);
    play(&mut checker, &mut encoder, 20_000);
    let newest = |id| checker.seen[&id].parts.last().unwrap().start.as_ms();
    for id in [V1, A1] {
        assert!((newest(V0) - newest(id)).abs() <= 300, "in step within a part: {id}");
    }
    checker.finish();
    let ids: Vec<_> = checker.renditions.iter().map(|rendition| rendition.id).collect();
    assert_eq!(ids, [V0, V1, A1]);
    let rates: Vec<_> =
        checker.renditions.iter().map(|r| r.frame_rate.map(|rate| rate.millihertz)).collect();
    assert_eq!(rates, [Some(60_000), Some(30_000), None]);
    for id in [V0, V1, A1] {
        assert!(checker.seen[&id].segments.len() >= 9);
        assert!(checker.seen[&id].segments.iter().all(|segment| segment.independent), "{id}");
    }
    let stats = checker.segmenter.stats();
    assert_eq!((stats.gap_parts, stats.forced_cuts, stats.frames_refused), (0, 0, 0), "{stats:?}");
}

#[test]
fn a_track_that_is_taken_away_ends_its_rendition_only() {
    let mut checker = Checker::new(BOTH);
    checker.set_track(&avc(0, 40));
    checker.set_track(&avc(1, 30));
    checker.set_track(&aac(0, 48_000, 1_024));
    let videos = vec![VideoSource::new(30_000, 60), VideoSource::new(30_000, 60).with_id(1)];
    let mut encoder = Encoder::new(videos, vec![AudioSource::new(48_000, 1_024)]);
    play(&mut checker, &mut encoder, 7_000);
    checker.remove_track(TrackId::Video(0));
    encoder.videos.remove(0);
    play(&mut checker, &mut encoder, 12_000);
    let ids: Vec<_> = checker.renditions.iter().map(|rendition| rendition.id).collect();
    assert_eq!(ids, [V1]);
    assert_eq!(checker.retired[0].0, V0);
    assert!(checker.seen[&V1].parts.last().unwrap().start.as_ms() > 11_000);
}

#[test]
fn tracks_that_come_back_go_on() {
    let (mut checker, mut encoder) = usual();
    checker.set_track(&avc(1, 30));
    checker.remove_track(TrackId::Video(1));
    play(&mut checker, &mut encoder, 5_000);
    assert_eq!(checker.renditions.len(), 1, "taken away before the plan");
    for id in [TrackId::Audio(0), TrackId::Video(0)] {
        checker.remove_track(id);
    }
    checker.set_track(&aac(0, 48_000, 1_024));
    checker.set_track(&avc(0, 30));
    checker.set_track(&avc(1, 31));
    encoder.videos.push(VideoSource::new(30_000, 60).with_id(1));
    restart(&mut encoder, 5_000);
    play(&mut checker, &mut encoder, 12_000);
    checker.finish();
    for id in [V0, V1] {
        let seen = &checker.seen[&id];
        let newest = |track| {
            let samples = seen.samples.iter().rev();
            { samples }.find(|sample| sample.track == track).unwrap().msn
        };
        let msn = seen.segments.last().unwrap().msn;
        assert_eq!((newest(id.0), newest(TrackId::Audio(0))), (msn, msn));
    }
}

#[test]
fn p17_a_rendition_whose_pictures_stop_follows_with_gaps() {
    let (mut checker, mut encoder) = usual();
    checker.set_track(&avc(1, 30));
    encoder.videos.push(VideoSource::new(30_000, 60).with_id(1));
    play(&mut checker, &mut encoder, 6_000);
    encoder.videos.pop();
    play(&mut checker, &mut encoder, 16_000);
    let newest = checker.seen[&V1].parts.last().unwrap();
    assert!(newest.start.as_ms() >= 14_000 && newest.gap, "{newest:?}");
    assert!(!checker.seen[&V0].parts.last().unwrap().gap);
    checker.finish();
}

#[test]
fn measured_bit_rates() {
    let (mut checker, mut encoder) = usual();
    assert_eq!(checker.segmenter.bitrates(V0), None);
    play(&mut checker, &mut encoder, 11_000);
    let rates = checker.segmenter.bitrates(V0).unwrap();
    let segments = &checker.first().segments;
    let bits = |s: &Arc<tally_cmaf::Segment>| s.len_bytes * 8 * 90_000 / s.duration.ticks as u64;
    assert_eq!(rates.peak_bps, segments.iter().map(bits).max().unwrap());
    let mean = segments.iter().map(bits).sum::<u64>() / segments.len() as u64;
    assert!(rates.average_bps.abs_diff(mean) <= mean / 100);
}

#[test]
fn a_show_shorter_than_a_group_is_measured_too() {
    let (mut checker, mut encoder) = usual();
    play(&mut checker, &mut encoder, 1_000);
    checker.finish();
    assert_eq!(checker.first().segments.len(), 1);
    assert!(checker.segmenter.bitrates(V0).is_some_and(|rates| rates.peak_bps > 0));
}

#[test]
fn a_show_without_frames_just_ends() {
    let mut checker = Checker::new(BOTH);
    checker.tick(10_000);
    checker.interrupted();
    checker.finish();
    assert!(checker.plan.is_none());
    checker
        .segmenter
        .push(TrackId::Video(0), Encoder::new(vec![VideoSource::new(30_000, 60)], vec![]).next().1);
    assert!(checker.segmenter.poll_output().is_none(), "nothing after the end");
}

#[test]
fn a_show_shorter_than_the_probe_is_put_out_at_its_end() {
    let (mut checker, mut encoder) = usual();
    play(&mut checker, &mut encoder, 900);
    assert!(checker.plan.is_none());
    checker.finish();
    let seen = checker.first();
    assert_eq!(seen.segments.len(), 1);
    let duration = seen.segments[0].duration.as_ms();
    assert!((900..=925).contains(&duration), "{duration}");
}

#[test]
fn p17_a_clock_that_jumps_catches_up_in_bounded_steps() {
    let (mut checker, mut encoder) = usual();
    play(&mut checker, &mut encoder, 5_000);
    checker.interrupted();
    let before = checker.first().parts.len();
    checker.tick(5_000);
    checker.tick(3_600_000);
    assert!(checker.first().parts.len() - before <= 65);
    for _ in 0..400 {
        checker.tick(3_600_000);
    }
    let newest = checker.first().parts.last().unwrap();
    assert!((newest.start.as_ms() - 3_600_000).abs() < 1_000);
}

#[test]
fn frames_far_ahead_are_refused_and_drive_the_show_where_no_clock_does() {
    let (mut checker, mut encoder) = usual();
    play(&mut checker, &mut encoder, 5_000);
    encoder.videos.clear();
    while encoder.next_ms() < 60_000 {
        let (id, frame) = encoder.next();
        checker.push(id, frame);
    }
    assert!(checker.segmenter.stats().frames_refused > 0, "sound does not wait without end");
    let newest = checker.first().parts.last().unwrap().start.as_ms();
    assert!(newest > 40_000, "{newest}");
}

#[test]
fn a_segment_has_a_bound_in_bytes() {
    const SEGMENT_BYTES_MAX: u64 = 128 * 1_024 * 1_024;
    let large = Bytes::from(vec![0; 1_024 * 1_024]);
    let mut segmenter = tally_cmaf::Segmenter::new(Options { expects_audio: false, ..BOTH });
    segmenter.set_track(avc(0, 30));
    let mut encoder = Encoder::new(vec![VideoSource::new(30_000, 240)], vec![]);
    let mut largest = 0;
    while encoder.next_ms() < 30_000 {
        let (id, frame) = encoder.next();
        segmenter.push(id, Frame { payload: large.clone(), ..frame });
        while let Some(output) = segmenter.poll_output() {
            if let tally_cmaf::Output::Segment { segment, .. } = output {
                largest = segment.len_bytes.max(largest);
            }
        }
    }
    let stats = segmenter.stats();
    assert!(stats.frames_refused >= 3, "240 MiB do not fit");
    assert!(stats.frames_before_keyframe > 200, "what refers to a refused frame is dropped");
    assert!(largest > SEGMENT_BYTES_MAX / 2 && largest <= SEGMENT_BYTES_MAX + 65_536);
}
