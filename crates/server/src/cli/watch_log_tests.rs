//! Logs of one show with one viewer, and what is printed of them.

use std::path::Path;
use std::time::Duration;

use tally_store::NewShow;
use tally_store::watch_log::{LogOptions, WatchLog};
use tally_watch::{
    Attention, Attested, Basis, Delivered, DeliveryKind, Evidence, Fact, Interval, Ledger, NodeId,
    PlaybackSession, SessionId, Source, ViewerKey,
};

use super::*;

const SHOW: ShowId = ShowId(0xabc);

/// A viewer who watches two minutes.
fn facts() -> Vec<Evidence> {
    let media = Interval::new(0, 120_000).unwrap();
    let session = SessionId(1);
    let viewer = Some(ViewerKey(7));
    let facts = [
        Fact::Published { media },
        Fact::Session(PlaybackSession {
            id: session,
            viewer,
            started_at_ms: 0,
            basis: Basis::Direct,
        }),
        Fact::Delivered(Delivered { session, kind: DeliveryKind::Media, media }),
        Fact::Attested(Attested {
            session,
            source: Source::Player,
            attention: Attention::Visible,
            media,
            wall: media,
        }),
    ];
    facts.map(|fact| Evidence { show: SHOW, fact }).to_vec()
}

fn figures() -> Figures {
    let mut ledger = Ledger::default();
    for fact in facts() {
        assert_eq!(ledger.apply(&fact), tally_watch::Applied::Whole);
    }
    ledger.show(SHOW).unwrap().figures()
}

async fn write(path: &Path, last: Option<FinalRecord>) {
    let options =
        LogOptions { node: NodeId(1), epoch_before: 0, sync_every: Duration::from_millis(1) };
    let log = WatchLog::open(path, options).unwrap().log;
    log.append(facts().into_iter().map(Entry::Evidence), 5).unwrap();
    log.append(last.map(|record| Entry::Final { show: SHOW, record }), 6).unwrap();
    log.close().await.unwrap();
}

fn verified(path: &Path) -> (String, usize) {
    let mut out = Vec::new();
    let (_, problems) = verify(&Directory::at(path), &mut out).unwrap();
    (String::from_utf8(out).unwrap(), problems)
}

#[tokio::test]
async fn a_replay_prints_the_figures_the_ledger_has() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), None).await;
    let (text, problems) = verified(directory.path());
    assert_eq!(problems, 0, "{text}");
    assert_eq!(figures().counted_ms, 120_000);
    let expected = "0000000000000abc  provisional: live_ms=120000 delivered_ms=120000 \
                    gross_ms=120000 counted_ms=120000 valid_ms=120000 idle_ms=0 unique_viewers=1 \
                    valid_unique_viewers=1 views=1 peak=1 acv_milli=1000 a_ms=120000 b_ms=0 c_ms=0 \
                    d_ms=0 valid_a_ms=120000 valid_b_ms=0\n";
    assert!(text.contains(expected), "{text}");
    assert!(text.starts_with("4 records in 1 files"), "{text}");
    assert!(text.contains("node 1: up to record 4 of epoch 1"), "{text}");
}

#[tokio::test]
async fn final_figures_the_evidence_does_not_give_are_a_problem() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), Some(FinalRecord::first(figures(), 6))).await;
    assert_eq!(verified(directory.path()).1, 0);
    let forged = FinalRecord::first(Figures { counted_ms: 1, ..figures() }, 6);
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), Some(forged)).await;
    let (text, problems) = verified(directory.path());
    assert_eq!(problems, 1);
    assert!(text.contains("DIFFERENT"), "{text}");
}

#[tokio::test]
async fn damage_is_a_problem_and_a_torn_tail_is_not() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), None).await;
    let file = directory.path().join(&files(&Directory::at(directory.path())).unwrap()[0]);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let (text, problems) = verified(directory.path());
    assert_eq!(problems, 0, "{text}");
    assert!(text.contains("torn tail: 1 records begun"), "{text}");
    let mut damaged = bytes;
    damaged[20] ^= 1;
    std::fs::write(&file, damaged).unwrap();
    let (text, problems) = verified(directory.path());
    assert!(problems > 0 && text.contains("bytes damaged"), "{text}");
}

#[tokio::test]
async fn a_dump_has_a_line_for_every_record_of_the_show_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), None).await;
    let dumped = |only| {
        let mut out = Vec::new();
        dump(&Directory::at(directory.path()), only, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let all = dumped(None);
    assert_eq!(all.lines().count(), 5, "{all}");
    assert!(all.contains("1 1 3 5 0000000000000abc Delivered("), "{all}");
    assert_eq!(dumped(parse_show("abc").ok()), all);
    assert_eq!(dumped(Some(ShowId(1))).lines().count(), 1);
    assert!(parse_show("alice").is_err());
}

#[tokio::test]
async fn final_figures_are_compared_with_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path().join("tally.db").to_str().unwrap()).await.unwrap();
    let creator = store.ensure_creator(&"alice".parse().unwrap()).await.unwrap().id;
    let show = NewShow { id: SHOW, name: "a-show", creator, went_live_at_ms: 0, rights: None };
    store.shows().begin(&show, None).await.unwrap();
    let log = directory.path().join("watch");
    let record = FinalRecord::first(figures(), 6);
    write(&log, Some(record.clone())).await;
    let recovered = read(&Directory::at(&log)).unwrap();
    let mut out = Vec::new();
    assert_eq!(compare(&recovered, &store, &mut out).await.unwrap(), 0);
    assert!(String::from_utf8_lossy(&out).contains("not in the database yet"));
    let stored = FinalRecord { figures: Figures { views: 9, ..record.figures }, ..record };
    let position = recovered.positions.last(NodeId(1)).unwrap();
    let report = tally_watch::figures::Report::default();
    store.watch_totals().put_final(position, SHOW, &stored, &report, None).await.unwrap();
    assert_eq!(compare(&recovered, &store, &mut out).await.unwrap(), 1);
}
