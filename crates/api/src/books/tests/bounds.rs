//! What happens at the bounds: a full ring, a log that refuses, and what a viewer costs.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use tally_store::watch_log::{LogOptions, Refused, WatchLog};
use tally_watch::{
    Applied, Attention, Attested, Basis, Delivered, DeliveryKind, Evidence, Fact, Ledger, NodeId,
    SessionId, Source,
};

use super::place::{GO_LIVE_MS, Place, grant, heartbeats, media, show};
use crate::books::actor::{RING_LENGTH, Seen};
use crate::books::core::Core;
use crate::books::pending::{About, Pending};
use crate::books::presence::Presence;

fn core(place: &Place) -> Core {
    let options =
        LogOptions { node: NodeId(1), epoch_before: 0, sync_every: Duration::from_millis(1) };
    let log = WatchLog::open(&place.log(), options).unwrap().log;
    Core::new(Ledger::default(), log, Basis::Direct, Arc::default())
}

fn delivered(session: u64) -> About {
    About { show: show(), session: Some((SessionId(session), DeliveryKind::Media)) }
}

#[tokio::test]
async fn what_the_log_refuses_is_not_in_the_ledger_and_deliveries_stay_pending() {
    let place = Place::new();
    let mut core = core(&place);
    let published = Evidence { show: show(), fact: Fact::Published { media: media(0, 60_000) } };
    core.know(&[published], 0).unwrap();
    core.log.clone().close().await.unwrap();
    let before = core.ledger.clone();
    assert_eq!(
        core.know(&[Evidence { show: show(), fact: Fact::Ended { at_ms: 1 } }], 0),
        Err(Refused)
    );
    let received_ms = GO_LIVE_MS + 10_000;
    assert_eq!(core.heartbeats(&grant(1), &heartbeats(1), received_ms), Err(Refused));
    for second in 0..100 {
        core.add(delivered(1), media(second * 1_000, (second + 1) * 1_000));
        assert_eq!(core.flush_all(0), Err(Refused));
    }
    assert_eq!((core.pending.len(), &core.ledger), (1, &before), "joined, and nothing else");
    assert_eq!(core.finalize(show(), 0), Err(Refused));
    assert!(core.ledger.finals(show()).is_empty());

    // The disk is good again: all of it is there, once.
    core.log = self::core(&place).log;
    core.flush_all(0).unwrap();
    core.heartbeats(&grant(1), &heartbeats(1), received_ms).unwrap();
    let figures = core.ledger.show(show()).unwrap().figures();
    assert_eq!((figures.delivered_ms, figures.counted_ms), (60_000, 10_000));
}

#[tokio::test]
async fn a_full_ring_drops_evidence_and_counts_it() {
    let place = Place::new();
    let (books, _) = place.with_show().await;
    // The task cannot run meanwhile: this test's runtime has one thread.
    let flood = RING_LENGTH as i64 + 10;
    for at in 0..flood {
        books.published(show(), media(at, at + 1));
    }
    let dropped = books.health().dropped_evidence;
    assert!(dropped >= 10, "{dropped}");
    books.settle().await.unwrap();
    let report = books.report(show()).await.unwrap().unwrap();
    assert!(report.figures.live_ms <= 120_000);
}

#[test]
fn saying_that_a_part_was_delivered_allocates_nothing() {
    let (ring, seen) = sync_channel(1_024);
    let about = delivered(1);
    let cost = allocation_counter::measure(|| {
        for part in 0..1_000 {
            let media = media(part * 250, (part + 1) * 250);
            ring.try_send(Seen { about, media }).unwrap();
        }
    });
    assert_eq!(cost.count_total, 0);
    assert_eq!(seen.try_iter().count(), 1_000);
}

/// What a viewer of a whole show costs in memory: evidence, presence, and what is pending. The number is
/// written down in `crates/ARCHITECTURE.md`.
#[test]
fn a_viewer_costs_less_than_a_kilobyte() {
    const VIEWERS: u64 = 100_000;
    let show = show();
    let (mut ledger, mut presence) = (Ledger::default(), Presence::default());
    let mut pending = Pending::default();
    let mut know = |fact| assert_eq!(ledger.apply(&Evidence { show, fact }), Applied::Whole);
    let evidence = allocation_counter::measure(|| {
        for viewer in 0..VIEWERS {
            let session = grant(viewer).session;
            know(Fact::Session(session));
            for minute in 0..2 {
                let (session, media) = (session.id, media(minute * 60_000, (minute + 1) * 60_000));
                know(Fact::Delivered(Delivered { session, kind: DeliveryKind::Media, media }));
                let (source, attention) = (Source::Player, Attention::Visible);
                know(Fact::Attested(Attested { session, source, attention, media, wall: media }));
            }
        }
    });
    let counts = allocation_counter::measure(|| {
        for viewer in 0..VIEWERS {
            presence.seen(show, SessionId(viewer), 0);
            let about = About { show, session: Some((SessionId(viewer), DeliveryKind::Media)) };
            assert!(pending.add(about, media(0, 250)));
        }
    });
    assert_eq!(presence.count(&ledger, 0)[&show], VIEWERS);
    let bytes = [evidence, counts].map(|it| it.bytes_current.cast_unsigned() / VIEWERS);
    assert!(bytes[0] + bytes[1] < 1_024, "{bytes:?} bytes");
    eprintln!("bytes per viewer: {bytes:?}");
}
