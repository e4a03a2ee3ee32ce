//! Loss, reordering, duplicates and outages.

use super::peer::{Link, Run, ms};
use crate::ingest::keyframes::{INTERVAL_MIN, REPEAT_MIN};

#[test]
fn a_clean_link_gives_every_picture() {
    let mut run = Run::new(1, Link::default());
    let sent = run.run(300);
    assert_eq!(run.numbers(), (0..sent).collect::<Vec<_>>());
    let stats = run.receiver.stats();
    assert_eq!((stats.reorder.lost, stats.asked, stats.keyframe_requests), (0, 0, 0));
}

#[test]
fn five_percent_loss_is_repaired() {
    for seed in 0..3 {
        let mut run = Run::new(seed, Link { loss: 5, jitter_ms: 5, ..Link::default() });
        let sent = run.run(2_000);
        let got = run.numbers().len();
        assert!(got * 1_000 >= sent as usize * 999, "seed {seed}: {got} of {sent}");
        assert!(run.receiver.stats().repaired > 300, "seed {seed}: nothing was repaired");
        let rtt = run.receiver.rtt();
        assert!(rtt >= ms(45) && rtt <= ms(70), "seed {seed}: round trip {rtt:?}");
    }
}

#[test]
fn reordering_and_duplicates_lose_nothing() {
    for seed in 0..5 {
        let link = Link { duplicates: 20, jitter_ms: 40, ..Link::default() };
        let mut run = Run::new(seed, link);
        let sent = run.run(600);
        assert_eq!(run.numbers(), (0..sent).collect::<Vec<_>>(), "seed {seed}");
        let stats = run.receiver.stats();
        assert_eq!((stats.reorder.lost, stats.keyframe_requests), (0, 0), "seed {seed}");
        assert!(stats.reorder.duplicates + stats.reorder.late > 100, "seed {seed}");
    }
}

#[test]
fn an_outage_asks_for_a_keyframe_once_an_interval_until_it_comes() {
    let link = Link { outage: Some((7_000, 700)), ..Link::default() };
    let mut run = Run::new(4, link);
    run.answers_asks = false;
    run.answers_keyframes = false;
    run.run(600);
    run.numbers();
    let asked = &run.keyframe_requests_ms;
    assert!(asked.len() > 5, "{asked:?}");
    let interval = u64::try_from(INTERVAL_MIN.as_millis()).unwrap();
    let first = u64::try_from(REPEAT_MIN.as_millis()).unwrap();
    assert!((first..interval).contains(&(asked[1] - asked[0])), "{asked:?}");
    assert!(asked[1..].windows(2).all(|pair| pair[1] - pair[0] >= interval), "{asked:?}");

    let mut run = Run::new(4, link);
    run.answers_asks = false;
    run.run(600);
    let outages = run.keyframe_requests_ms.len();
    assert_eq!(outages, 2, "{:?}", run.keyframe_requests_ms);
    assert!(run.receiver.stats().reorder.lost > 100);
}

#[test]
fn an_outage_shorter_than_the_wait_is_repaired_whole() {
    let link = Link { outage: Some((7_000, 300)), ..Link::default() };
    let mut run = Run::new(4, link);
    let sent = run.run(600);
    assert_eq!(run.numbers(), (0..sent).collect::<Vec<_>>());
    assert_eq!(run.receiver.stats().keyframe_requests, 0);
    assert!(run.receiver.stats().repaired > 50);
}
