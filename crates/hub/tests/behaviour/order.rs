//! Items of all tracks come in the order written, and parameters before the frames they are for.

use tally_hub::Start;

use crate::support::{AUDIO, VIDEO, audio, delta, key, producer, read_all, sound, video};

#[test]
fn items_of_all_tracks_come_in_the_order_written() {
    let mut producer = producer();
    let mut consumer = producer.stream().consume(Start::NewestGroup);
    producer.track(audio(0));
    producer.track(video(0, 1280));
    producer.write(AUDIO, sound(0)).unwrap();
    producer.write(VIDEO, key(0)).unwrap();
    producer.write(AUDIO, sound(20)).unwrap();
    producer.write(AUDIO, sound(40)).unwrap();
    producer.write(VIDEO, delta(40)).unwrap();
    producer.interrupted();
    producer.resumed();
    producer.write(VIDEO, key(80)).unwrap();
    producer.remove_track(AUDIO);
    let read = read_all(&mut consumer);
    let wanted = [
        "+A0",
        "+V0 1280",
        "A0 0",
        "V0 0k",
        "A0 20",
        "A0 40",
        "V0 40",
        "interrupted",
        "resumed",
        "V0 80k",
        "-A0",
    ];
    assert_eq!(read, wanted);
}

#[test]
fn new_parameters_come_right_before_the_first_frame_they_are_for() {
    let mut producer = producer();
    let mut consumer = producer.stream().consume(Start::NewestGroup);
    producer.track(video(0, 1280));
    producer.write(VIDEO, key(0)).unwrap();
    producer.track(video(0, 640));
    producer.write(VIDEO, key(40)).unwrap();
    assert_eq!(read_all(&mut consumer), ["+V0 1280", "V0 0k", "+V0 640", "V0 40k"]);
}

#[test]
fn the_same_parameters_again_are_no_item() {
    let mut producer = producer();
    let mut consumer = producer.stream().consume(Start::NewestGroup);
    let first = producer.track(video(0, 1280));
    let again = producer.track(video(0, 1280));
    assert!(std::sync::Arc::ptr_eq(&first, &again));
    assert_eq!(read_all(&mut consumer), ["+V0 1280"]);
    assert_eq!(producer.stream().tracks(), [first]);
}

#[test]
fn an_interruption_is_told_once() {
    let mut producer = producer();
    let mut consumer = producer.stream().consume(Start::NewestGroup);
    producer.resumed();
    producer.interrupted();
    producer.interrupted();
    producer.resumed();
    producer.resumed();
    assert_eq!(read_all(&mut consumer), ["interrupted", "resumed"]);
}

#[test]
fn every_reader_gets_the_same_bytes_without_a_copy() {
    let mut producer = producer();
    producer.track(video(0, 1280));
    let frame = key(0);
    let address = frame.payload.as_ptr();
    producer.write(VIDEO, frame).unwrap();
    for _ in 0..3 {
        let mut consumer = producer.stream().consume(Start::NewestGroup);
        let mut read = std::iter::from_fn(|| match consumer.try_next() {
            std::task::Poll::Ready(item) => item,
            std::task::Poll::Pending => None,
        });
        let payload = read.find_map(|item| match item {
            tally_hub::Item::Frame(_, frame) => Some(frame.payload),
            _ => None,
        });
        assert_eq!(payload.unwrap().as_ptr(), address);
    }
}
