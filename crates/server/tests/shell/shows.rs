//! Shows over their whole life: publishers come, drop, come back, take over and leave.

use std::time::Duration;

use tally_hub::Hub;
use tally_media::{Frame, Timescale, Timestamp};
use tally_server::config::HlsAudio;
use tally_server::egress::HlsOptions;
use tally_server::metrics::Metrics;
use tally_server::shows::{
    Publication, PublishEnded, PublishRefused, ShowState, Shows, ShowsOptions,
};
use tally_testsource::{Options, TestSource};

const GRACE: Duration = Duration::from_secs(30);

fn shows(reconnect_grace: Duration, shows_max: usize) -> Shows {
    let audio = HlsAudio::Passthrough;
    let hls = HlsOptions { part_ms: 250, segment_ms: 2_000, window_ms: 12_000, audio };
    let options = ShowsOptions { hls, reconnect_grace, shows_max };
    Shows::new(Hub::new(tally_hub::Limits::default()), options, Metrics::new())
}

/// Sends a second of the test source, as fast as it is taken.
fn send(publication: &mut Publication, source: &mut TestSource) -> Result<(), PublishEnded> {
    source.tracks().iter().for_each(|track| publication.track(track.clone()));
    for _ in 0..75 {
        let (id, frame) = source.next_frame();
        let nanos =
            |time: Timestamp| Timestamp::new(time.ticks_in(Timescale::NANOS), Timescale::NANOS);
        let frame = Frame { dts: nanos(frame.dts), pts: nanos(frame.pts), ..frame };
        publication.write(id, frame)?;
    }
    Ok(())
}

fn source() -> TestSource {
    TestSource::new(Options::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_many_publishers_has_the_show_and_each_other_is_told() {
    let shows = shows(GRACE, 10);
    let mut publishers: Vec<_> = (0..20).map(|_| shows.publish("alice").unwrap()).collect();
    let mut newest = publishers.pop().unwrap();
    for old in &mut publishers {
        assert_eq!(old.evicted().await, PublishEnded::TakenOver);
        assert_eq!(send(old, &mut source()), Err(PublishEnded::TakenOver));
    }
    send(&mut newest, &mut source()).unwrap();
    drop(publishers);
    assert_eq!(shows.all().len(), 1);
    // The ones who lost it do not start a grace, nor can they end the show.
    tokio::time::sleep(GRACE * 2).await;
    send(&mut newest, &mut source()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_publisher_that_returns_within_the_grace_goes_on_with_its_show() {
    let shows = shows(GRACE, 10);
    let mut first = shows.publish("alice").unwrap();
    let mut source = source();
    (0..5).for_each(|_| send(&mut first, &mut source).unwrap());
    let show = std::sync::Arc::clone(first.show());
    let mut state = show.watch_state();
    state.wait_for(|state| *state == ShowState::Live).await.unwrap();
    drop(first);
    assert_eq!(show.state(), ShowState::Away);
    tokio::time::sleep(GRACE - Duration::from_secs(1)).await;
    let second = shows.publish("alice").unwrap();
    assert_eq!(second.show().id(), show.id());
    assert_eq!(show.state(), ShowState::Live);
    tokio::time::sleep(GRACE * 2).await;
    assert_eq!(show.state(), ShowState::Live, "the first one's grace ended the second one's show");
}

#[tokio::test(start_paused = true)]
async fn a_show_that_never_had_media_leaves_nothing() {
    let shows = shows(GRACE, 10);
    drop(shows.publish("alice").unwrap());
    assert_eq!(shows.all().len(), 1);
    tokio::time::sleep(GRACE + Duration::from_secs(1)).await;
    assert!(shows.all().is_empty());
    shows.publish("alice").unwrap().end();
    assert!(shows.all().is_empty());
}

// P19: however short it was, what a show left can be played for a while.
#[tokio::test(start_paused = true)]
async fn a_show_of_a_second_can_be_played_after_its_end_and_is_gone_later() {
    let shows = shows(GRACE, 10);
    let mut publication = shows.publish("alice").unwrap();
    send(&mut publication, &mut source()).unwrap();
    let show = std::sync::Arc::clone(publication.show());
    publication.end();
    shows.all_packaged().await;
    assert_eq!(show.state(), ShowState::Ended);
    assert!(show.hls().presentation().is_some());
    tokio::time::sleep(show.hls().linger() - Duration::from_millis(1)).await;
    assert_eq!(shows.by_handle("alice").unwrap().id(), show.id());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(shows.by_handle("alice").is_none());
    assert!(shows.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_encoder_that_starts_and_stops_in_a_loop_does_not_fill_the_server() {
    let shows = shows(GRACE, 10);
    for _ in 0..50 {
        let mut publication = shows.publish("alice").unwrap();
        send(&mut publication, &mut source()).unwrap();
        publication.end();
    }
    assert!(shows.all().len() <= 3, "{} shows are held", shows.all().len());
}

#[tokio::test(start_paused = true)]
async fn a_full_server_takes_no_new_show_but_goes_on_with_those_it_has() {
    let shows = shows(GRACE, 2);
    let _alice = shows.publish("alice").unwrap();
    let _bob = shows.publish("bob").unwrap();
    assert_eq!(shows.publish("carol").unwrap_err(), PublishRefused::TooMany(2));
    shows.publish("alice").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_what_waits_for_its_publisher_and_admits_nobody() {
    let shows = shows(GRACE, 10);
    drop(shows.publish("alice").unwrap());
    let bob = shows.publish("bob").unwrap();
    shows.refuse_publishers();
    assert!(shows.by_handle("alice").is_none());
    assert_eq!(shows.publish("carol").unwrap_err(), PublishRefused::Draining);
    drop(bob);
    shows.all_ended().await;
    assert!(shows.all().is_empty());
}

/// The encoder comes back at the very moment its grace ends: whichever comes first, the publisher
/// has a show it can write into.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_return_at_the_end_of_the_grace_finds_an_open_show() {
    let shows = shows(Duration::ZERO, 10);
    let mut publication = shows.publish("alice").unwrap();
    for _ in 0..2_000 {
        let returning = shows.clone();
        let task = tokio::spawn(async move { returning.publish("alice").unwrap() });
        drop(publication);
        publication = task.await.unwrap();
        let track = source().tracks()[0].clone();
        publication.track(track.clone());
        let (_, frame) = source().next_frame();
        assert_eq!(publication.write(track.id, frame), Ok(()));
    }
}
