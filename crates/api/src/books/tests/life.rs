//! Shows from go-live to their final figures, across restarts and crashes.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use tally_store::watch_log::{Directory, read};
use tally_watch::{Heartbeat, SessionId, Verdict};

use super::place::{GO_LIVE_MS, Place, deliver, grant, heartbeats, show};
use crate::books::{Books, Receipt, WatchTime};
use crate::{SessionKind, Sessions, SigningKeys, show_id};

async fn watch_time(books: &Books) -> WatchTime {
    books.settle().await.unwrap();
    books.report(show()).await.unwrap().unwrap()
}

/// As if the machine had died just now: the files as they are, without the process.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test]
async fn what_was_watched_is_counted_stored_and_still_there_after_a_restart() {
    let place = Place::new();
    let (books, store) = place.with_show().await;
    for viewer in [1, 2] {
        books.minted(show(), grant(viewer).session).await.unwrap();
        deliver(&books, SessionId(viewer), 0, 100_000);
        let received_ms = GO_LIVE_MS + 90_000;
        let receipt = books.heartbeats(grant(viewer), heartbeats(9), received_ms).await.unwrap();
        assert_eq!(receipt, Receipt { acknowledged: 9, admitted: 9, refused: 0 });
    }
    let live = watch_time(&books).await;
    assert!(live.provisional);
    assert_eq!((live.figures.live_ms, live.figures.counted_ms), (120_000, 180_000));
    assert_eq!((live.figures.delivered_ms, live.figures.unique_viewers), (200_000, 2));
    assert_eq!((live.minutes.len(), live.minutes[0].presence_ms), (2, 120_000));

    let position = read(&Directory::at(&place.log())).unwrap().positions;
    books.close().await;
    let totals = store.watch_totals();
    assert_eq!(totals.provisional(show()).await.unwrap(), Some(live.figures));
    let stored = totals.position(tally_watch::NodeId(1)).await.unwrap();
    assert!(stored >= position.last(tally_watch::NodeId(1)), "with the log's position");

    let (books, store) = place.open().await;
    assert_eq!(watch_time(&books).await.figures, live.figures);
    let ended_at_ms = store.shows().get(show()).await.unwrap().unwrap().ended_at_ms;
    assert_eq!(ended_at_ms, Some(GO_LIVE_MS + 120_000), "with its last media");
}

#[tokio::test]
async fn after_a_crash_nothing_is_over_and_what_was_acknowledged_is_there() {
    let place = Place::new();
    let (books, _) = place.with_show().await;
    deliver(&books, SessionId(1), 0, 60_000);
    books.settle().await.unwrap();
    let received_ms = GO_LIVE_MS + 60_000;
    books.heartbeats(grant(1), heartbeats(3), received_ms).await.unwrap();
    let crashed = place.directory.path().join("crashed");
    copy(&place.log(), &crashed);
    deliver(&books, SessionId(1), 60_000, 70_000);
    books.heartbeats(grant(1), heartbeats(6), received_ms).await.unwrap();
    let truth = watch_time(&books).await;

    let (after, _) = place.open_log(crashed.clone()).await;
    let counted = |time: &WatchTime| time.figures.counted_ms;
    assert_eq!((counted(&truth), counted(&watch_time(&after).await)), (60_000, 30_000));
    // The player sends again what was not acknowledged, and to be sure what was.
    after.heartbeats(grant(1), heartbeats(6), received_ms).await.unwrap();
    let resent = watch_time(&after).await;
    assert_eq!(counted(&resent), counted(&truth));
    assert!(resent.figures.delivered_ms < truth.figures.delivered_ms);
    let repeated = read(&Directory::at(&crashed)).unwrap().report.repeated_records;
    assert_eq!(repeated, 0, "nothing was logged twice");
}

#[tokio::test]
async fn figures_become_final_once_and_outlive_their_evidence() {
    let place = Place::new();
    let (books, store) = place.with_show().await;
    deliver(&books, SessionId(1), 0, 120_000);
    let received_ms = GO_LIVE_MS + 120_000;
    books.heartbeats(grant(1), heartbeats(12), received_ms).await.unwrap();
    books.ended(show(), GO_LIVE_MS + 120_000).await.unwrap();
    let live = watch_time(&books).await;
    place.clock.store(GO_LIVE_MS + 180_000, Ordering::Relaxed);
    let record = books.finalize(show()).await.unwrap().unwrap();
    assert_eq!((record.at_ms, record.figures), (GO_LIVE_MS + 180_000, live.figures));
    assert_eq!(books.finalize(show()).await.unwrap(), None, "final is final");
    while books.health().unarchived_shows > 0 {
        books.settle().await.unwrap();
    }
    assert_eq!(store.watch_totals().finals(show()).await.unwrap(), std::slice::from_ref(&record));

    // Late evidence is acknowledged and changes nothing.
    let receipt = books.heartbeats(grant(2), heartbeats(3), received_ms).await.unwrap();
    assert_eq!(receipt.acknowledged, 3);
    deliver(&books, SessionId(2), 0, 10_000);
    let expected = WatchTime { provisional: false, finals: vec![record], ..live };
    assert_eq!(watch_time(&books).await, expected);
    assert!(books.health().late_facts > 0);
    books.close().await;
    let (books, _) = place.open().await;
    assert_eq!(watch_time(&books).await, expected);
    assert_eq!(books.report(show_id("unknown")).await.unwrap(), None);
}

#[tokio::test]
async fn refused_heartbeats_are_acknowledged_and_worth_nothing() {
    let place = Place::new();
    let (books, _) = place.with_show().await;
    deliver(&books, SessionId(1), 0, 60_000);
    let too_fast = Heartbeat { clock_ms: [0, 5_000], sequence: 7, ..heartbeats(1)[0] };
    let received_ms = GO_LIVE_MS + 60_000;
    let receipt = books.heartbeats(grant(1), vec![too_fast], received_ms).await.unwrap();
    assert_eq!(receipt, Receipt { acknowledged: 7, admitted: 0, refused: 1 });
    let expired = grant(1).expires_at_ms;
    let receipt = books.heartbeats(grant(1), heartbeats(6), expired).await.unwrap();
    assert_eq!((receipt.admitted, receipt.refused), (0, 6));
    assert_eq!(watch_time(&books).await.figures.counted_ms, 0);
    let refused = books.health().refused_heartbeats;
    assert_eq!(refused.values().sum::<u64>(), 7);
    assert_eq!(books.heartbeats(grant(1), Vec::new(), 0).await.unwrap(), Receipt::default());
}

#[tokio::test]
async fn strangers_have_gross_time_and_judged_sessions_are_not_valid() {
    let place = Place::new();
    let (books, _) = place.with_show().await;
    let outside = place.outside();
    let sessions = Sessions::new(SigningKeys::ephemeral(&outside).into(), &outside);
    let stranger = sessions.mint(SessionKind::Stranger, GO_LIVE_MS);
    deliver(&books, stranger, 0, 20_000);
    books.settle().await.unwrap();
    books.derived(show(), stranger, heartbeats(1)[0], GO_LIVE_MS + 20_000);
    deliver(&books, SessionId(1), 0, 20_000);
    books.heartbeats(grant(1), heartbeats(2), GO_LIVE_MS + 20_000).await.unwrap();
    let verdict = Verdict { revision: 1, invalid: true, reason: 3 };
    books.judged(show(), SessionId(1), verdict).await.unwrap();
    let figures = watch_time(&books).await.figures;
    assert_eq!((figures.counted_ms, figures.valid_ms), (20_000, 0));
    assert_eq!(
        (figures.gross_ms, figures.assurance.c_ms, figures.assurance.d_ms),
        (30_000, 10_000, 10_000)
    );
}

#[tokio::test]
async fn the_log_replays_to_the_very_ledger_also_while_it_is_written() {
    let place = Place::new();
    let (books, _) = place.with_show().await;
    for viewer in 1..20 {
        books.minted(show(), grant(viewer).session).await.unwrap();
        let end_ms = viewer.cast_signed() * 5_000;
        deliver(&books, SessionId(viewer), 0, end_ms);
        deliver(&books, SessionId(viewer), 0, 10_000);
        books.heartbeats(grant(viewer), heartbeats(viewer / 2), GO_LIVE_MS + 95_000).await.unwrap();
    }
    let live = watch_time(&books).await;
    let replayed = read(&Directory::at(&place.log())).unwrap();
    let report = replayed.ledger.show(show()).unwrap().report();
    assert_eq!((report.figures, report.minutes), (live.figures, live.minutes));
    assert!(live.figures.counted_ms > 0);
}
