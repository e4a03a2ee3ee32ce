//! The delivery seam.

use tally_hub::{Delivery, DeliveryTotals, SessionId};

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
