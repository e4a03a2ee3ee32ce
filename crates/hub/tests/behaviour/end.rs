//! A stream ends when its producer is dropped.

use tally_hub::Start;

use crate::support::{VIDEO, delta, key, producer, read_all, video};

#[test]
fn readers_get_what_is_written_and_then_the_end_for_good() {
    let mut producer = producer();
    let mut consumer = producer.stream().consume(Start::NewestGroup);
    producer.track(video(0, 1280));
    producer.write(VIDEO, key(0)).unwrap();
    drop(producer);
    assert_eq!(read_all(&mut consumer), ["+V0 1280", "V0 0k", "end"]);
    assert_eq!(read_all(&mut consumer), ["end"]);
}

#[test]
fn a_handle_reads_the_last_group_after_the_end() {
    let mut producer = producer();
    producer.track(video(0, 1280));
    producer.write(VIDEO, key(0)).unwrap();
    producer.write(VIDEO, key(40)).unwrap();
    producer.write(VIDEO, delta(80)).unwrap();
    let stream = producer.stream();
    drop(producer);
    let newest = read_all(&mut stream.consume(Start::NewestGroup));
    assert_eq!(newest, ["+V0 1280", "V0 40k", "V0 80", "end"]);
    assert_eq!(read_all(&mut stream.consume(Start::Live)), ["+V0 1280", "end"]);
}
