//! The delivery seam.

use std::sync::{Arc, Mutex};

use tally_hub::{Delivery, DeliverySink, DeliveryTotals, SessionId};

use crate::support::{VIDEO, producer};

#[test]
fn deliveries_add_up_per_stream_from_any_thread() {
    let producer = producer();
    let stream = producer.stream();
    std::thread::scope(|scope| {
        for viewer in 0..4 {
            let stream = stream.clone();
            scope.spawn(move || {
                for part in 0..1_000 {
                    stream.deliver(&Delivery {
                        session: Some(SessionId(viewer)),
                        track: VIDEO,
                        start_ms: part * 250,
                        end_ms: part * 250 + 250,
                        bytes: 10,
                    });
                }
            });
        }
    });
    let wanted = DeliveryTotals { deliveries: 4_000, bytes: 40_000, media_ms: 1_000_000 };
    assert_eq!(stream.delivered(), wanted);
    assert_eq!(stream.stats().delivered, wanted);
}

#[test]
fn an_interval_that_ends_before_it_starts_has_no_length() {
    let producer = producer();
    let upside_down =
        Delivery { session: None, track: VIDEO, start_ms: 10, end_ms: i64::MIN, bytes: 1 };
    producer.stream().deliver(&upside_down);
    assert_eq!(producer.stream().delivered().media_ms, 0);
}

/// Notes what it is told.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<Delivery>>);

impl DeliverySink for Notes {
    fn delivered(&self, delivery: &Delivery) {
        self.0.lock().unwrap().push(*delivery);
    }
}

#[test]
fn the_one_sink_of_a_stream_takes_every_report_after_it_came() {
    let producer = producer();
    let delivery = |start_ms| Delivery {
        session: Some(SessionId(1)),
        track: VIDEO,
        start_ms,
        end_ms: start_ms + 250,
        bytes: 10,
    };
    producer.stream().deliver(&delivery(0));
    let (sink, late) = (Arc::new(Notes::default()), Arc::new(Notes::default()));
    assert!(producer.stream().report_to(sink.clone()));
    assert!(!producer.stream().report_to(late.clone()));
    for start_ms in [250, 500] {
        producer.stream().deliver(&delivery(start_ms));
    }
    assert_eq!(*sink.0.lock().unwrap(), [delivery(250), delivery(500)]);
    assert!(late.0.lock().unwrap().is_empty());
    assert_eq!(producer.stream().delivered().deliveries, 3);
}
