//! Readers that wait are woken, whatever becomes of those woken before them.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tally_hub::{Consumer, FAN_OUT, Start, WRITER_FAN_OUT};

use crate::support::{AUDIO, Wakes, audio, poll_all, producer, sound};

#[test]
fn a_waiting_reader_is_woken_by_the_next_item_and_by_the_end() {
    let mut producer = producer();
    let wakes = Arc::new(Wakes::default());
    let mut consumer = producer.stream().consume(Start::Live);
    assert_eq!(poll_all(&mut consumer, &wakes), [""; 0]);
    producer.track(audio(0));
    assert_eq!(wakes.count(), 1);
    assert_eq!(poll_all(&mut consumer, &wakes), ["+A0"]);
    drop(producer);
    assert_eq!(wakes.count(), 2);
    assert_eq!(poll_all(&mut consumer, &wakes), ["end"]);
}

#[test]
fn the_newest_waker_is_the_one_that_is_woken() {
    let mut producer = producer();
    let [old, new] = [(); 2].map(|()| Arc::new(Wakes::default()));
    let mut consumer = producer.stream().consume(Start::Live);
    poll_all(&mut consumer, &old);
    poll_all(&mut consumer, &new);
    producer.track(audio(0));
    assert_eq!((old.count(), new.count()), (0, 1));
}

fn waiting(producer: &tally_hub::Producer, count: usize) -> Vec<(Consumer, Arc<Wakes>)> {
    (0..count)
        .map(|_| {
            let wakes = Arc::new(Wakes::default());
            let mut consumer = producer.stream().consume(Start::Live);
            poll_all(&mut consumer, &wakes);
            (consumer, wakes)
        })
        .collect()
}

#[test]
fn the_writer_wakes_a_few_and_they_wake_the_rest() {
    let mut producer = producer();
    producer.track(audio(0));
    let mut readers = waiting(&producer, 1_000);
    producer.write(AUDIO, sound(0)).unwrap();
    let woken = |readers: &[(Consumer, Arc<Wakes>)]| {
        readers.iter().filter(|(_, wakes)| wakes.count() > 0).count()
    };
    assert_eq!(woken(&readers), WRITER_FAN_OUT);
    // Each woken task runs once; tasks are woken in waves until all have run.
    let mut ran = vec![false; readers.len()];
    for _wave in 0..5 {
        for (at, (consumer, wakes)) in readers.iter_mut().enumerate() {
            if wakes.count() == 1 && !std::mem::replace(&mut ran[at], true) {
                assert_eq!(poll_all(consumer, wakes), ["A0 0"]);
            }
        }
    }
    assert_eq!(woken(&readers), 1_000);
    assert!(ran.into_iter().all(|ran| ran));
}

#[test]
fn readers_dropped_after_they_were_woken_wake_the_rest() {
    let mut producer = producer();
    producer.track(audio(0));
    let mut readers = waiting(&producer, 1_000);
    producer.write(AUDIO, sound(0)).unwrap();
    // Only who was woken is dropped, so it takes a chain of them to empty the list.
    while !readers.is_empty() {
        let before = readers.len();
        readers.retain(|(_, wakes)| wakes.count() == 0);
        assert!(readers.len() < before, "{before} readers sleep for ever");
    }
    assert_eq!(producer.stream().stats().readers, 0);
}

#[test]
fn a_dropped_future_passes_the_wake_up_on_and_loses_no_item() {
    let mut producer = producer();
    producer.track(audio(0));
    let mut first = producer.stream().consume(Start::Live);
    assert!(first.try_next().is_ready());
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let rest = {
        let mut future = pin!(first.next());
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let rest = waiting(&producer, FAN_OUT);
        producer.write(AUDIO, sound(0)).unwrap();
        assert_eq!(wakes.count(), 1);
        let woken: usize = rest.iter().map(|(_, wakes)| wakes.count()).sum();
        assert_eq!(woken, WRITER_FAN_OUT - 1);
        rest
    };
    assert!(rest.iter().all(|(_, wakes)| wakes.count() == 1));
    assert!(matches!(first.try_next(), Poll::Ready(Some(_))));
}

#[test]
fn a_reader_that_gave_up_waiting_is_not_woken() {
    let mut producer = producer();
    producer.track(audio(0));
    let mut readers = waiting(&producer, WRITER_FAN_OUT + 1);
    readers[1].0.stop_waiting();
    producer.write(AUDIO, sound(0)).unwrap();
    let counts: Vec<_> = readers.iter().map(|(_, wakes)| wakes.count()).collect();
    assert_eq!(counts, [1, 0, 1], "who comes after it has its place");
}
