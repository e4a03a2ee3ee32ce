//! What the task does by itself: finals when they are due, totals, presence, compaction, and trying
//! again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use tally_store::watch_log::{Directory, LogOptions, WatchLog, read};
use tally_store::{NewShow, Store};
use tally_watch::{Basis, DeliveryKind, Evidence, Fact, Ledger, NodeId, SessionId};
use tokio::sync::{broadcast, mpsc};

use super::place::{GO_LIVE_MS, Place, SHOW, grant, heartbeats, media, show};
use crate::books::actor::{Actor, SECOND, TOTALS, UPKEEP, Viewers};
use crate::books::core::Core;
use crate::books::pending::About;

/// An actor that is not running, with a show that ended after two minutes and had a viewer.
async fn actor(place: &Place) -> (Actor, Store) {
    let store = place.store().await;
    let creator = store.ensure_creator(&"alice".parse().unwrap()).await.unwrap().id;
    let new =
        NewShow { id: show(), name: SHOW, creator, went_live_at_ms: GO_LIVE_MS, rights: None };
    store.shows().begin(&new, None).await.unwrap();
    let options =
        LogOptions { node: NodeId(1), epoch_before: 0, sync_every: Duration::from_millis(1) };
    let log = WatchLog::open(&place.log(), options).unwrap().log;
    let mut core = Core::new(Ledger::default(), log, Basis::Direct, Arc::default());
    let facts =
        [Fact::Published { media: media(0, 120_000) }, Fact::Ended { at_ms: GO_LIVE_MS + 120_000 }];
    core.know(&facts.map(|fact| Evidence { show: show(), fact }), GO_LIVE_MS).unwrap();
    core.heartbeats(&grant(1), &heartbeats(12), GO_LIVE_MS + 120_000).unwrap();
    let about = About { show: show(), session: Some((SessionId(1), DeliveryKind::Media)) };
    core.add(about, media(0, 120_000));
    core.flush_all(GO_LIVE_MS + 120_000).unwrap();
    place.clock.store(GO_LIVE_MS + 120_000, Ordering::Relaxed);
    let actor = Actor {
        core,
        ring: sync_channel(1).1,
        commands: mpsc::channel(1).1,
        store: store.clone(),
        outside: place.outside(),
        final_after_ms: 60_000,
        viewers: Viewers::default(),
        unarchived: Default::default(),
        work: Default::default(),
        finalized: broadcast::channel(1).0,
    };
    (actor, store)
}

#[tokio::test]
async fn totals_are_stored_and_who_watches_is_counted() {
    let place = Place::new();
    let (mut actor, store) = actor(&place).await;
    actor.turn(TOTALS);
    actor.finish_task().await;
    let stored = store.watch_totals().provisional(show()).await.unwrap().unwrap();
    assert_eq!((stored.counted_ms, stored.live_ms), (120_000, 120_000));
    assert_eq!(actor.viewers.lock().unwrap().get(&show()), Some(&1));
    place.clock.fetch_add(30_000, Ordering::Relaxed);
    actor.turn(SECOND);
    assert_eq!(actor.viewers.lock().unwrap().get(&show()), None, "nothing heard for too long");
}

#[tokio::test]
async fn figures_become_final_when_they_are_due_and_are_archived_once_the_store_works() {
    let place = Place::new();
    let (mut actor, store) = actor(&place).await;
    actor.core.changed.clear();
    place.clock.fetch_add(59_999, Ordering::Relaxed);
    actor.turn(TOTALS);
    assert!(actor.core.ledger.finals(show()).is_empty());
    place.clock.fetch_add(1, Ordering::Relaxed);
    store.close().await;
    actor.turn(TOTALS);
    let finals = actor.core.ledger.finals(show()).to_vec();
    assert_eq!((finals.len(), finals[0].at_ms), (1, GO_LIVE_MS + 180_000));
    actor.finish_task().await;
    assert!(actor.core.ledger.show(show()).is_some(), "kept while the store has it not");
    let counted = |actor: &Actor| actor.core.counters.unarchived_shows.load(Ordering::Relaxed);
    assert_eq!(counted(&actor), 1);

    let store = place.store().await;
    actor.store = store.clone();
    actor.turn(UPKEEP);
    actor.turn(UPKEEP + SECOND);
    actor.finish_task().await;
    assert_eq!(store.watch_totals().finals(show()).await.unwrap(), finals);
    assert!(actor.core.ledger.show(show()).is_none());
    assert_eq!(counted(&actor), 0);

    // The log forgets the evidence with the next compaction, and keeps the figures.
    let replayed = || read(&Directory::at(&place.log())).unwrap().ledger;
    assert!(replayed().show(show()).is_some());
    actor.compact(0);
    actor.finish_task().await;
    assert!(replayed().show(show()).is_none());
    assert_eq!(replayed().finals(show()), finals);
}
