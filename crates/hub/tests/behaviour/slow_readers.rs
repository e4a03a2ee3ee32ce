//! A reader that falls behind skips to the newest keyframe, and costs nobody else anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tally_hub::{Limits, Start};

use crate::support::{
    AUDIO, VIDEO, audio, delta, frame, key, producer_with, read_all, sound, video,
};

const SECOND: Limits = Limits { duration_ms_max: 1_000, bytes_max: 1 << 20, entries_max: 100_000 };

#[test]
fn a_slow_reader_skips_to_the_newest_keyframe_and_is_told_what_it_missed() {
    let mut producer = producer_with(SECOND);
    producer.track(video(0, 1280));
    producer.track(audio(0));
    let mut consumer = producer.stream().consume(Start::NewestGroup);
    producer.write(VIDEO, key(0)).unwrap();
    producer.write(AUDIO, sound(0)).unwrap();
    assert_eq!(read_all(&mut consumer), ["+V0 1280", "+A0", "V0 0k", "A0 0"]);
    for step in 1..=500_i64 {
        let picture = if step % 25 == 0 { key(step * 20) } else { delta(step * 20) };
        producer.write(VIDEO, picture).unwrap();
        producer.write(AUDIO, sound(step * 20)).unwrap();
    }
    // The newest keyframe is the last picture, at 10,000; sound before it is skipped too.
    let wanted = ["skipped 499 of V0", "V0 10000k", "skipped 499 of A0", "A0 10000"];
    assert_eq!(read_all(&mut consumer), wanted);
    let stats = producer.stream().stats();
    assert_eq!(stats.skips, 1);
    assert!(stats.tracks.iter().all(|(_, track)| track.skipped_frames == 499));
    assert!(stats.tracks.iter().all(|(_, track)| track.frames == 501));
}

#[test]
fn a_slow_reader_learns_the_changes_it_slept_through() {
    let mut producer = producer_with(SECOND);
    producer.track(video(0, 1280));
    producer.track(audio(0));
    let mut consumer = producer.stream().consume(Start::NewestGroup);
    assert_eq!(read_all(&mut consumer), ["+V0 1280", "+A0"]);
    producer.remove_track(AUDIO);
    producer.track(video(0, 640));
    producer.interrupted();
    for picture in 0..200 {
        producer.write(VIDEO, key(picture * 20)).unwrap();
    }
    producer.track(audio(1));
    producer.write(VIDEO, key(4_000)).unwrap();
    let wanted = ["-A0", "+V0 640", "+A1", "interrupted", "V0 4000k"];
    assert_eq!(read_all(&mut consumer), wanted);
}

#[test]
fn a_skip_with_no_keyframe_left_goes_on_at_the_next_one() {
    let mut producer = producer_with(SECOND);
    producer.track(video(0, 1280));
    let mut consumer = producer.stream().consume(Start::NewestGroup);
    producer.write(VIDEO, key(0)).unwrap();
    assert_eq!(read_all(&mut consumer), ["+V0 1280", "V0 0k"]);
    for picture in 1..=200 {
        producer.write(VIDEO, delta(picture * 20)).unwrap();
    }
    assert_eq!(read_all(&mut consumer), [""; 0]);
    producer.write(VIDEO, delta(5_000)).unwrap();
    producer.write(VIDEO, key(5_020)).unwrap();
    assert_eq!(read_all(&mut consumer), ["skipped 201 of V0", "V0 5020k"]);
}

#[test]
fn what_is_kept_stays_within_every_limit() {
    let in_bytes = Limits { bytes_max: 64 << 10, ..Limits::default() };
    let mut producer = producer_with(in_bytes);
    producer.track(video(0, 1280));
    let payload = Bytes::from(vec![0; in_bytes.frame_bytes_max()]);
    for picture in 0..100 {
        producer.write(VIDEO, frame(picture, None, true, payload.clone())).unwrap();
        assert!(producer.stream().stats().kept_bytes <= in_bytes.bytes_max);
    }
    assert!(producer.stream().stats().kept_bytes > in_bytes.bytes_max / 2);

    let in_entries = Limits { entries_max: 200, ..Limits::default() };
    let mut producer = producer_with(in_entries);
    producer.track(video(0, 1280));
    for picture in 0..1_000 {
        producer.write(VIDEO, key(picture)).unwrap();
        assert!(producer.stream().stats().kept_bytes <= 200 * 100);
    }
    assert!(producer.stream().stats().kept_bytes > 100 * 100);
}

/// A payload that counts itself while it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn payload(alive: &Arc<AtomicUsize>) -> Bytes {
        alive.fetch_add(1, Ordering::Relaxed);
        Bytes::from_owner(Self(Arc::clone(alive)))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &[0; 10]
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn stalled_readers_keep_no_frame_alive() {
    let alive = Arc::new(AtomicUsize::new(0));
    let mut producer = producer_with(SECOND);
    producer.track(video(0, 1280));
    let mut stalled = Vec::new();
    for picture in 0..2_000 {
        let payload = Counted::payload(&alive);
        producer.write(VIDEO, frame(picture * 20, None, true, payload)).unwrap();
        let mut consumer = producer.stream().consume(Start::NewestGroup);
        assert!(consumer.try_next().is_ready());
        stalled.push(consumer);
    }
    // A second of frames, and what is left of the oldest chunk.
    let kept = alive.load(Ordering::Relaxed);
    assert!((51..51 + 64).contains(&kept), "{kept} frames are alive");
    drop(producer);
    stalled.clear();
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}
