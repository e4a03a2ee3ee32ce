//! Where a new reader starts.

use tally_hub::Start;
use tally_media::TrackId;

use crate::support::{AUDIO, VIDEO, audio, delta, key, producer, read_all, sound, video};

#[test]
fn a_reader_starts_at_the_newest_keyframe_with_the_sound_that_goes_with_it() {
    let mut producer = producer();
    producer.track(video(0, 1280));
    producer.track(audio(0));
    producer.write(VIDEO, key(0)).unwrap();
    producer.write(AUDIO, sound(0)).unwrap();
    producer.write(VIDEO, delta(50)).unwrap();
    producer.write(AUDIO, sound(60)).unwrap();
    producer.write(AUDIO, sound(80)).unwrap(); // sounds until 100: before the keyframe
    producer.write(AUDIO, sound(90)).unwrap(); // sounds at 100, though written before the keyframe
    producer.write(VIDEO, key(100)).unwrap();
    producer.write(AUDIO, sound(110)).unwrap();
    producer.write(VIDEO, delta(150)).unwrap();
    let read = read_all(&mut producer.stream().consume(Start::NewestGroup));
    assert_eq!(read, ["+V0 1280", "+A0", "A0 90", "V0 100k", "A0 110", "V0 150"]);
}

#[test]
fn sound_that_lags_behind_the_keyframe_is_left_out_until_it_has_caught_up() {
    let mut producer = producer();
    producer.track(video(0, 1280));
    producer.track(audio(0));
    producer.write(VIDEO, key(100)).unwrap();
    producer.write(AUDIO, sound(60)).unwrap();
    producer.write(AUDIO, sound(80)).unwrap();
    producer.write(AUDIO, sound(100)).unwrap();
    let read = read_all(&mut producer.stream().consume(Start::NewestGroup));
    assert_eq!(read, ["+V0 1280", "+A0", "V0 100k", "A0 100"]);
}

#[test]
fn each_video_track_starts_at_its_own_newest_keyframe() {
    let mut producer = producer();
    let second = TrackId::Video(1);
    producer.track(video(0, 1280));
    producer.track(video(1, 640));
    producer.write(second, key(0)).unwrap();
    producer.write(VIDEO, key(0)).unwrap();
    producer.write(second, delta(50)).unwrap();
    producer.write(VIDEO, delta(50)).unwrap();
    producer.write(VIDEO, key(100)).unwrap();
    let read = read_all(&mut producer.stream().consume(Start::NewestGroup));
    assert_eq!(read, ["+V0 1280", "+V1 640", "V1 0k", "V1 50", "V0 100k"]);
}

#[test]
fn a_reader_learns_the_parameters_in_force_where_it_starts_and_then_the_changes() {
    let mut producer = producer();
    producer.track(video(0, 1280));
    producer.track(audio(0));
    producer.write(VIDEO, key(0)).unwrap();
    producer.remove_track(AUDIO);
    producer.track(video(0, 640));
    producer.interrupted();
    producer.resumed();
    producer.write(VIDEO, key(50)).unwrap();
    producer.track(video(0, 320));
    producer.write(VIDEO, delta(100)).unwrap();
    let read = read_all(&mut producer.stream().consume(Start::NewestGroup));
    assert_eq!(read, ["+V0 640", "V0 50k", "+V0 320", "V0 100"]);
}

#[test]
fn a_reader_that_comes_while_the_encoder_is_away_is_told() {
    let mut producer = producer();
    producer.track(audio(0));
    producer.interrupted();
    let read = read_all(&mut producer.stream().consume(Start::Live));
    assert_eq!(read, ["+A0", "interrupted"]);
}

#[test]
fn a_live_start_takes_sound_at_once_and_pictures_from_the_next_keyframe() {
    let mut producer = producer();
    producer.track(video(0, 1280));
    producer.track(audio(0));
    producer.write(VIDEO, key(0)).unwrap();
    let mut consumer = producer.stream().consume(Start::Live);
    producer.write(VIDEO, delta(40)).unwrap();
    producer.write(AUDIO, sound(0)).unwrap();
    producer.write(VIDEO, key(80)).unwrap();
    producer.write(VIDEO, delta(120)).unwrap();
    let read = read_all(&mut consumer);
    assert_eq!(read, ["+V0 1280", "+A0", "A0 0", "V0 80k", "V0 120"]);
}

#[test]
fn without_video_a_reader_starts_at_the_end() {
    let mut producer = producer();
    producer.track(audio(0));
    producer.write(AUDIO, sound(0)).unwrap();
    let mut consumer = producer.stream().consume(Start::NewestGroup);
    producer.write(AUDIO, sound(20)).unwrap();
    assert_eq!(read_all(&mut consumer), ["+A0", "A0 20"]);
}

#[test]
fn nobody_starts_at_a_group_of_a_track_that_has_ended() {
    let mut producer = producer();
    producer.track(video(0, 1280));
    producer.track(audio(0));
    producer.write(VIDEO, key(0)).unwrap();
    producer.remove_track(VIDEO);
    producer.write(AUDIO, sound(20)).unwrap();
    let mut consumer = producer.stream().consume(Start::NewestGroup);
    producer.write(AUDIO, sound(40)).unwrap();
    assert_eq!(read_all(&mut consumer), ["+A0", "A0 40"]);
}

#[test]
fn a_reader_enters_a_group_that_spans_many_chunks() {
    let mut producer = producer();
    producer.track(video(0, 1280));
    producer.write(VIDEO, key(0)).unwrap();
    for picture in 1..1_000 {
        producer.write(VIDEO, delta(picture)).unwrap();
    }
    let read = read_all(&mut producer.stream().consume(Start::NewestGroup));
    assert_eq!(read.len(), 1 + 1_000);
    assert_eq!(read[..3], ["+V0 1280", "V0 0k", "V0 1"]);
    assert_eq!(read[1_000], "V0 999");
}
