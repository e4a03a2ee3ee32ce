//! The log as an operator meets it: gaps, repeats, torn tails, faulty disks, broken snapshots.

use tally_watch::log::{Replay, ReplayReport, compact};
use tally_watch::{Applied, FinalError, FinalRecord, Ledger, NodeId};

use crate::invariants::write;
use crate::scenario::{GO_LIVE, SHOW, Scenario};
use crate::subject::{Told, Variant, facts, fold};

fn some_facts() -> Vec<Told> {
    facts(Variant::Right, &Scenario::random(4))
}

fn read(pieces: &[&[u8]]) -> Replay {
    let mut replay = Replay::default();
    for piece in pieces {
        replay.read(piece);
    }
    replay
}

#[test]
fn a_whole_log_has_nothing_to_report() {
    let facts = some_facts();
    let replay = read(&[&write(&facts, 1)]);
    let expected = ReplayReport { records: facts.len() as u64, ..ReplayReport::default() };
    assert_eq!(replay.report(), expected);
    assert_eq!(*replay.ledger(), fold(&facts));
    let last = replay.positions().last(NodeId(1)).unwrap();
    assert_eq!((last.epoch, last.sequence), (1, facts.len() as u64));
}

#[test]
fn a_log_goes_on_behind_a_torn_tail() {
    let facts = some_facts();
    let (early, late) = facts.split_at(facts.len() / 2);
    let mut file = write(early, 1);
    file.truncate(file.len() - 3);
    let tail = Replay::default().read(&file);
    assert_eq!(tail.torn_records, 1);
    file.truncate(tail.intact_bytes);
    file.extend(write(&facts[early.len() - 1..], 2));
    let replay = read(&[&file]);
    assert_eq!(*replay.ledger(), fold(&facts));
    assert_eq!(replay.report().torn_bytes, 0);
    assert_eq!(replay.report().records as usize, early.len() - 1 + 1 + late.len());
}

#[test]
fn a_faulty_sector_costs_its_records_and_is_told() {
    let facts = some_facts();
    let mut file = write(&facts, 1);
    let middle = file.len() / 2;
    file[middle..middle + 100].fill(0xa5);
    let report = read(&[&file]).report();
    assert!(report.damaged_bytes >= 100 && report.torn_bytes == 0, "{report:?}");
    assert!(report.missing_records > 0, "{report:?}");
    assert_eq!(report.records + report.missing_records, facts.len() as u64);
}

#[test]
fn a_snapshot_cut_short_is_known_to_be() {
    let facts = some_facts();
    let log = write(&facts, 1);
    let (snapshot, _) = compact(&[&log], NodeId(1), GO_LIVE);
    assert!(snapshot.len() < log.len(), "{} of {}", snapshot.len(), log.len());
    let replay = read(&[&snapshot[..snapshot.len() - 1]]);
    assert_eq!((replay.report().whole_snapshots, replay.report().broken_snapshots), (0, 1));
    assert_eq!(replay.positions().iter().len(), 0, "the records it stood for are still needed");
    let repaired = read(&[&snapshot[..snapshot.len() - 1], &log]);
    assert_eq!(*repaired.ledger(), fold(&facts));
}

#[test]
fn a_snapshot_and_what_came_after_is_the_whole() {
    let facts = some_facts();
    let (early, late) = facts.split_at(facts.len() / 3);
    let (snapshot, _) = compact(&[&write(early, 1)], NodeId(1), GO_LIVE);
    let replay = read(&[&snapshot, &write(late, 2)]);
    assert_eq!(*replay.ledger(), fold(&facts));
    assert_eq!(replay.report().missing_records, 0);
}

#[test]
fn merging_keeps_the_longer_list_of_finals() {
    let first = FinalRecord::first(tally_watch::Figures::default(), 1);
    let correction = FinalRecord::correction(&first, first.figures, 2, "found more").unwrap();
    let [mut behind, mut ahead] = [Ledger::default(), Ledger::default()];
    let orphan = behind.record_final(SHOW, correction.clone());
    assert_eq!(orphan, Err(FinalError::OutOfOrder));
    assert_eq!(behind, Ledger::default(), "a refused record leaves nothing");
    for ledger in [&mut behind, &mut ahead] {
        ledger.record_final(SHOW, first.clone()).unwrap();
    }
    ahead.record_final(SHOW, correction).unwrap();
    let [before, longer] = [behind.clone(), ahead.clone()];
    assert_eq!(behind.merge(&ahead), Applied::Whole);
    assert_eq!(ahead.merge(&before), Applied::Whole);
    assert_eq!([&behind, &ahead], [&longer, &longer]);
}
