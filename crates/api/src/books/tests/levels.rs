//! From watch time to a level, in virtual time: three days of shows, and what they unlock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tally_program::{DAY_MS, Grant, Level, Rules};
use tally_store::{CreatorId, Handle, Store};
use tally_watch::{
    Basis, Delivered, DeliveryKind, Heartbeat, Interval, PlaybackSession, SessionId, ShowId,
    ViewerKey,
};

use super::place::{GO_LIVE_MS, Place, heartbeats};
use crate::books::{Books, Levels, NewShow};
use crate::{SessionGrant, show_id};

const MINUTE_MS: i64 = 60_000;
const VIEWERS: u64 = 20;

/// A show of half an hour, of which twenty viewers watch 25 minutes each: 8 hours and a third.
async fn show_of_the_day(books: &Books, place: &Place, day: i64) -> ShowId {
    let handle: Handle = "alice".parse().unwrap();
    let start_ms = GO_LIVE_MS + day * DAY_MS;
    place.clock.store(start_ms, Ordering::Relaxed);
    let name = format!("show-{day}");
    let (show, new) =
        (show_id(&name), NewShow { name: &name, handle: &handle, went_live_ms: start_ms });
    books.went_live(new).await.unwrap();
    let media = |from_ms, to_ms| Interval::new(start_ms + from_ms, start_ms + to_ms).unwrap();
    books.published(show, media(0, 30 * MINUTE_MS));
    for viewer in 0..VIEWERS {
        let id = SessionId(day.cast_unsigned() * 100 + viewer);
        let session = PlaybackSession {
            id,
            viewer: Some(ViewerKey(u128::from(viewer))),
            started_at_ms: start_ms,
            basis: Basis::Direct,
        };
        let media = media(0, 25 * MINUTE_MS);
        books.delivered(show, Delivered { session: id, kind: DeliveryKind::Media, media });
        for from_ms in (0..25 * MINUTE_MS).step_by(5 * MINUTE_MS as usize) {
            let received_ms = start_ms + from_ms + 5 * MINUTE_MS;
            let (issued_at_ms, expires_at_ms) = (received_ms, received_ms + 1);
            let grant = SessionGrant { session, show, lease: None, issued_at_ms, expires_at_ms };
            let batch = (0..10).map(|at| beat(start_ms, from_ms + at * 30_000)).collect();
            assert_eq!(books.heartbeats(grant, batch, received_ms).await.unwrap().admitted, 10);
        }
    }
    books.ended(show, start_ms + 30 * MINUTE_MS).await.unwrap();
    show
}

/// Half a minute of rendering.
fn beat(start_ms: i64, from_ms: i64) -> Heartbeat {
    let to_ms = from_ms + 30_000;
    Heartbeat {
        media_ms: [start_ms + from_ms, start_ms + to_ms],
        clock_ms: [from_ms, to_ms],
        ..heartbeats(1)[0]
    }
}

async fn level(store: &Store, creator: CreatorId) -> Level {
    store.levels().state(creator).await.unwrap().unwrap().level
}

#[tokio::test]
async fn three_days_and_25_viewer_hours_unlock_the_next_level_once() {
    let place = Place::new();
    let (books, store) = place.open().await;
    let rules = Rules::parse(include_str!("../../../../../config/levels.toml")).unwrap();
    let levels = Levels::new(store.clone(), Arc::new(rules), place.outside());
    let books = books.with_levels(levels.clone());
    let running = tokio::spawn(levels.clone().run(books.finalized().unwrap()));
    let mut shows = Vec::new();
    for day in 0..3 {
        shows.push(show_of_the_day(&books, &place, day).await);
    }
    let handle: Handle = "alice".parse().unwrap();
    let creator = store.creator(&handle).await.unwrap().unwrap().id;
    place.clock.store(GO_LIVE_MS + 3 * DAY_MS, Ordering::Relaxed);
    for &show in &shows[..2] {
        books.finalize(show).await.unwrap().unwrap();
    }
    while books.health().unarchived_shows > 0 {
        books.settle().await.unwrap();
    }
    assert_eq!(levels.decide(creator, &handle).await.unwrap(), None, "16 of 25 hours");
    assert_eq!(level(&store, creator).await, Level::RisingStar);

    books.finalize(shows[2]).await.unwrap().unwrap();
    // The task of the levels hears of it and decides.
    while level(&store, creator).await == Level::RisingStar {
        books.settle().await.unwrap();
    }
    levels.decide_all().await.unwrap();
    let decisions = store.levels().decisions(creator, 10).await.unwrap();
    assert_eq!(decisions.len(), 1);
    assert_eq!(decisions[0].figures.valid_ms, 25 * 60 * MINUTE_MS as u64);
    assert!(decisions[0].is_reproduced_by(levels.rules()));
    let grants = async |show| store.shows().get(show).await.unwrap().unwrap().rights.unwrap();
    assert!(!grants(shows[2]).await.allow(Grant::ProductPage), "fixed when it went live");
    let next = show_of_the_day(&books, &place, 4).await;
    assert!(grants(next).await.allow(Grant::ProductPage));

    let told: Vec<_> =
        store.events().due(i64::MAX, 100).await.unwrap().into_iter().map(|it| it.kind).collect();
    let count = |kind| told.iter().filter(|it| *it == kind).count();
    let counts = ["show.started", "show.ended", "show.finalized", "level.changed"].map(count);
    assert_eq!(counts, [4, 4, 3, 1]);
    books.close().await;
    running.await.unwrap();
}
