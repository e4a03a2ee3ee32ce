//! Times of frames: stamps of milliseconds, gaps, absences, and tracks that change.

use syom::EncodeOptions;
use tally_audio::{PushError, Target};
use tally_media::{Timescale, Timestamp};

use crate::sound::{START_S, aac_of, frame, hear, stereo_44100, through, tone, transcoder};

#[test]
fn stamps_of_milliseconds_give_even_times_in_place() {
    let mut sound = stereo_44100();
    let expected_s = sound.onset_s();
    for frame in &mut sound.frames {
        let ms = Timestamp::from_ms(frame.pts.as_ms());
        frame.pts = ms.rescale(sound.track.timescale);
    }
    let mut transcoder = transcoder(&sound.track, Target::Opus);
    let frames = through(&mut transcoder, &sound.frames);
    assert_eq!(frames[0].pts.ticks, START_S * 48_000 - 312);
    let heard = hear(transcoder.output_track(), &frames);
    assert!((heard.onset_s() - expected_s).abs() < 0.005);
}

/// An hour of stamps with sound at its ends: each is where its own stamps put it.
#[test]
fn after_an_hour_of_44100_hz_times_are_within_a_millisecond() {
    let sound = stereo_44100();
    let mut transcoder = transcoder(&sound.track, Target::Opus);
    let (mut pushed, mut given) = (0_i64, 0_i64);
    let frames_per_hour = 3_600 * 44_100 / 1_024;
    let start = START_S * 44_100;
    let mut last = None;
    for number in 0..frames_per_hour {
        // The publisher is away for nearly all of it; `place` is tested over 24 hours without a gap.
        if (200..frames_per_hour - 200).contains(&number) {
            continue;
        }
        let ms = Timestamp::new(start + number * 1_024, Timescale::new(44_100)).as_ms();
        let pts = Timestamp::from_ms(ms).rescale(sound.track.timescale);
        let payload = sound.frames[number as usize % sound.frames.len()].payload.clone();
        transcoder.push(&frame(pts, payload)).unwrap();
        pushed = start + (number + 1) * 1_024;
        while let Some(frame) = transcoder.poll_frame() {
            assert!(last.is_none_or(|last| frame.pts.ticks >= last + 960));
            last = Some(frame.pts.ticks);
        }
    }
    transcoder.finish();
    while let Some(frame) = transcoder.poll_frame() {
        given = frame.pts.ticks + 960 + 312;
    }
    let end = Timestamp::new(pushed, Timescale::new(44_100)).ticks_in(Timescale::new(48_000));
    // The last frame is filled with silence, by less than its length and the look-ahead.
    assert!((end - 48..end + 960 + 312 + 48).contains(&given), "{given} for {end}");
}

#[test]
fn lost_frames_are_silence_and_move_nothing() {
    let mut sound = stereo_44100();
    let expected_s = sound.onset_s();
    sound.frames.drain(5..9);
    let mut transcoder = transcoder(&sound.track, Target::Opus);
    let frames = through(&mut transcoder, &sound.frames);
    // `hear` checks that there is no hole.
    let heard = hear(transcoder.output_track(), &frames);
    assert!((heard.onset_s() - expected_s).abs() < 0.005);
}

#[test]
fn an_absence_is_a_jump_of_the_times() {
    let mut sound = stereo_44100();
    let away = 60 * 44_100;
    for frame in &mut sound.frames[15..] {
        frame.pts = frame.pts.offset(away);
    }
    let mut transcoder = transcoder(&sound.track, Target::Opus);
    let frames = through(&mut transcoder, &sound.frames);
    let jump = frames.windows(2).position(|pair| pair[1].pts.ticks - pair[0].pts.ticks != 960);
    let jump = jump.expect("the times jump") + 1;
    let back = sound.frames[15].pts.ticks_in(Timescale::new(48_000)) - 312;
    assert_eq!(frames[jump].pts.ticks, back);
    let heard = hear(transcoder.output_track(), &frames[jump..]);
    assert!((heard.onset_s() - sound.onset_s() - 60.0).abs() < 0.005);
}

#[test]
fn frames_that_come_twice_are_left_out() {
    let sound = stereo_44100();
    let mut transcoder = transcoder(&sound.track, Target::Opus);
    transcoder.push(&sound.frames[0]).unwrap();
    transcoder.push(&sound.frames[1]).unwrap();
    let late = transcoder.push(&sound.frames[0]);
    let track = sound.track.id;
    assert_eq!(late, Err(PushError::Late { track, late_ms: 23 }));
    transcoder.push(&sound.frames[2]).unwrap();
}

#[test]
fn a_track_that_changes_goes_on_without_a_hole() {
    let first = stereo_44100();
    let options = EncodeOptions::raw().with_bitrate_bps(96_000);
    let mut second = aac_of(&[tone(48_000, 1.2)], 48_000, &options);
    let from = first.frames.len() as i64 * 1_024;
    let moved = Timestamp::new(from, Timescale::new(44_100)).ticks_in(Timescale::new(48_000));
    for frame in &mut second.frames {
        frame.pts = frame.pts.offset(moved);
    }
    let mut transcoder = transcoder(&first.track, Target::Opus);
    let mut frames = Vec::new();
    for frame in &first.frames {
        transcoder.push(frame).unwrap();
        frames.extend(std::iter::from_fn(|| transcoder.poll_frame()));
    }
    transcoder.set_track(&second.track).unwrap();
    frames.extend(through(&mut transcoder, &second.frames));
    let cut = Timestamp::new(from, Timescale::new(44_100)).ticks as f64 / 44_100.0;
    let heard = hear(transcoder.output_track(), &frames);
    let tone_s = second.onset_s() + cut;
    let before = heard.amplitude(0, 1_000.0, tone_s - 0.3, 0.25);
    let after = heard.amplitude(0, 1_000.0, tone_s + 0.05, 0.25);
    assert!(before < 0.01 && after > 0.22, "{before} before, {after} after");
}

#[test]
fn nothing_is_given_out_before_zero() {
    let mut sound = stereo_44100();
    for frame in &mut sound.frames {
        frame.pts = frame.pts.offset(-START_S * 44_100);
    }
    let mut transcoder = transcoder(&sound.track, Target::Opus);
    let frames = through(&mut transcoder, &sound.frames);
    assert_eq!(frames[0].pts.ticks, 960 - 312);
}
