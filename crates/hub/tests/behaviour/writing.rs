//! What a producer takes and what it refuses.

use bytes::Bytes;
use tally_hub::{Limits, Start, WriteError};
use tally_media::{Timescale, Timestamp, TrackId};

use crate::support::{
    AUDIO, VIDEO, audio, delta, frame, key, producer, producer_with, read_all, sound, video,
};

#[test]
fn a_frame_of_no_track_is_refused() {
    let mut producer = producer();
    assert_eq!(producer.write(VIDEO, key(0)), Err(WriteError::UnknownTrack(VIDEO)));
    producer.track(video(0, 1280));
    producer.write(VIDEO, key(0)).unwrap();
    producer.remove_track(VIDEO);
    producer.remove_track(VIDEO);
    assert_eq!(producer.write(VIDEO, key(20)), Err(WriteError::UnknownTrack(VIDEO)));
}

#[test]
fn decode_times_must_rise() {
    let mut producer = producer();
    producer.track(audio(0));
    producer.write(AUDIO, sound(20)).unwrap();
    for late in [20, 0] {
        let refused = producer.write(AUDIO, sound(late)).unwrap_err();
        let (dts, previous) = (Timestamp::from_ms(late), Timestamp::from_ms(20));
        assert_eq!(refused, WriteError::NotRising { track: AUDIO, dts, previous });
    }
    producer.write(AUDIO, sound(40)).unwrap();
}

#[test]
fn times_must_be_in_the_tracks_timescale() {
    let mut producer = producer();
    producer.track(audio(0));
    let mut wrong = sound(0);
    wrong.pts = wrong.pts.rescale(Timescale::VIDEO);
    assert!(matches!(
        producer.write(AUDIO, wrong),
        Err(WriteError::WrongTimescale { found: Timescale::VIDEO, .. })
    ));
}

#[test]
fn a_frame_that_would_push_out_everything_is_refused() {
    let limits = Limits { bytes_max: 4_000, ..Limits::default() };
    let mut producer = producer_with(limits);
    producer.track(video(0, 1280));
    let large = |len| frame(0, None, true, Bytes::from(vec![0; len]));
    let refused = producer.write(VIDEO, large(1_001)).unwrap_err();
    let wanted = WriteError::TooLarge { track: VIDEO, len_bytes: 1_001, frame_bytes_max: 1_000 };
    assert_eq!(refused, wanted);
    producer.write(VIDEO, large(1_000)).unwrap();
}

#[test]
fn pictures_before_a_keyframe_are_dropped_and_counted() {
    let mut producer = producer();
    let mut consumer = producer.stream().consume(Start::NewestGroup);
    producer.track(video(0, 1280));
    producer.write(VIDEO, delta(0)).unwrap();
    producer.write(VIDEO, key(20)).unwrap();
    producer.interrupted();
    producer.resumed();
    producer.write(VIDEO, delta(40)).unwrap();
    producer.write(VIDEO, key(60)).unwrap();
    producer.remove_track(VIDEO);
    producer.track(video(0, 1280));
    producer.write(VIDEO, delta(80)).unwrap();
    let wanted = ["+V0 1280", "V0 20k", "interrupted", "resumed", "V0 60k", "-V0", "+V0 1280"];
    assert_eq!(read_all(&mut consumer), wanted);
    let stats = producer.stream().stats().tracks;
    assert_eq!(stats[0].0, TrackId::Video(0));
    assert_eq!((stats[0].1.frames, stats[0].1.undecodable_frames), (2, 3));
}

#[test]
fn counters_count_what_was_written() {
    let mut producer = producer();
    producer.track(video(0, 1280));
    producer.track(audio(0));
    producer.write(VIDEO, key(0)).unwrap();
    producer.write(VIDEO, delta(20)).unwrap();
    producer.write(AUDIO, sound(0)).unwrap();
    let readers = [(); 3].map(|()| producer.stream().consume(Start::Live));
    let stats = producer.stream().stats();
    assert_eq!((stats.readers, stats.skips, stats.kept_bytes), (3, 0, 170));
    let tracks: Vec<_> = stats
        .tracks
        .iter()
        .map(|(id, track)| (*id, track.frames, track.bytes, track.keyframes))
        .collect();
    assert_eq!(tracks, [(VIDEO, 2, 150, 1), (AUDIO, 1, 20, 1)]);
    drop(readers);
    assert_eq!(producer.stream().stats().readers, 0);
}
