//! Damaged and hostile frames: each costs itself.

use bytes::Bytes;
use mousiki::Channels;
use tally_audio::{PushError, QUEUE_FRAMES_MAX, Target};

use crate::sound::{
    LEVEL, Sound, TONE_HZ, decibels, frame, hear, opus_of, stereo_44100, transcoder,
};

/// Replaces every tenth frame and hears the tone nevertheless, in its place.
fn assert_survives(mut sound: Sound, target: Target, damage: &[u8]) {
    let mut transcoder = transcoder(&sound.track, target);
    let mut frames = Vec::new();
    for number in (3..sound.frames.len()).step_by(10) {
        sound.frames[number].payload = Bytes::copy_from_slice(damage);
    }
    for (number, frame) in sound.frames.iter().enumerate() {
        let pushed = transcoder.push(frame);
        let damaged = number % 10 == 3;
        assert_eq!(
            matches!(pushed, Err(PushError::Damaged { .. })),
            damaged,
            "{number}: {pushed:?}"
        );
        frames.extend(std::iter::from_fn(|| transcoder.poll_frame()));
    }
    let heard = hear(transcoder.output_track(), &frames);
    // From the last damaged frame before the tone's middle to the next are 200 ms and more.
    let amplitude = heard.amplitude(0, TONE_HZ, sound.onset_s() + 0.05, 0.06);
    assert!(decibels(amplitude, LEVEL).abs() < 6.0, "the tone is at {amplitude}");
}

#[test]
fn damaged_aac_costs_that_frame() {
    assert_survives(stereo_44100(), Target::Opus, &[0xFF; 200]);
    assert_survives(stereo_44100(), Target::Opus, &[]);
}

#[test]
fn damaged_opus_costs_that_packet() {
    assert_survives(opus_of(1.2, Channels::Stereo), Target::Aac, &[]);
    assert_survives(opus_of(1.2, Channels::Stereo), Target::Aac, &[0xFF, 0x3F, 1]);
}

/// Pushes `payloads` as they are, and good frames between them; counts what comes out.
fn push_hostile(sound: &Sound, target: Target, payloads: &[&[u8]]) {
    let mut transcoder = transcoder(&sound.track, target);
    let mut pts = sound.frames[0].pts;
    for (number, payload) in payloads.iter().enumerate() {
        let good = sound.frames[number % sound.frames.len()].payload.clone();
        for payload in [Bytes::copy_from_slice(payload), good] {
            let _ = transcoder.push(&frame(pts, payload));
            pts = pts.offset(1_024);
        }
    }
    let given = std::iter::from_fn(|| transcoder.poll_frame()).count();
    assert!(given <= QUEUE_FRAMES_MAX);
}

#[test]
fn fuzz_aac_frames() {
    let sound = stereo_44100();
    bolero::check!().with_iterations(100).for_each(|bytes: &[u8]| {
        // Half of the inputs are a good frame with the fuzzer's bytes over its middle.
        let mut steered = sound.frames[30].payload.to_vec();
        let room = steered.len() / 2;
        let length = bytes.len().min(room);
        steered[room..room + length].copy_from_slice(&bytes[..length]);
        push_hostile(&sound, Target::Opus, &[bytes, &steered]);
    });
}

#[test]
fn fuzz_opus_packets() {
    let sound = opus_of(0.8, Channels::Stereo);
    bolero::check!().with_iterations(200).for_each(|bytes: &[u8]| {
        let mut steered = sound.frames[30].payload.to_vec();
        let length = bytes.len().min(steered.len());
        steered[..length].copy_from_slice(&bytes[..length]);
        push_hostile(&sound, Target::Aac, &[bytes, &steered]);
    });
}

#[test]
fn who_never_polls_gets_the_newest() {
    let sound = stereo_44100();
    let mut transcoder = transcoder(&sound.track, Target::Opus);
    for number in 0..400 {
        let payload = sound.frames[number % sound.frames.len()].payload.clone();
        let pts = sound.frames[0].pts.offset(number as i64 * 1_024);
        transcoder.push(&frame(pts, payload)).unwrap();
    }
    let count = std::iter::from_fn(|| transcoder.poll_frame()).count();
    assert_eq!(count, QUEUE_FRAMES_MAX);
}
