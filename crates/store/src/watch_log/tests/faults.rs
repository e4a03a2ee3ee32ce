//! Disks that are full, read-only or lose pages; damaged files; shows that are forgotten.

use std::time::Duration;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use tally_watch::log::Entry;
use tally_watch::{Evidence, Figures, FinalRecord, ShowId};

use super::super::compact::{CompactError, compact};
use super::super::group::HELD_BYTES_MAX;
use super::super::recover::{segment_name, snapshot_name};
use super::super::writer::Writer;
use super::super::{
    Disk as _, DiskFile as _, DurableError, LogOptions, OpenError, Opened, WatchLog, read,
};
use super::facts::{NODE, Numbered, fact, fold};
use super::memory_disk::{Faults, MemoryDisk};

fn some_facts(count: usize) -> Vec<Evidence> {
    let mut runner = TestRunner::deterministic();
    let facts = proptest::collection::vec(fact(), count);
    facts.new_tree(&mut runner).unwrap().current()
}

fn options() -> LogOptions {
    LogOptions { node: NODE, epoch_before: 0, sync_every: Duration::ZERO }
}

fn open(disk: &MemoryDisk) -> Opened {
    WatchLog::start(disk.clone(), None, options()).unwrap()
}

fn evidence(facts: &[Evidence]) -> impl Iterator<Item = Entry> {
    facts.iter().map(|&fact| Entry::Evidence(fact))
}

#[test]
fn a_full_disk_goes_on_at_a_record_once_there_is_room() {
    let facts = some_facts(30);
    let mut numbered = Numbered { epoch: 1, sequence: 0 };
    let [mut first, mut second, mut third] =
        [&facts[..10], &facts[10..20], &facts[20..]].map(|facts| numbered.encode(facts));
    let disk = MemoryDisk::default();
    let mut writer = Writer::new(disk.clone(), 1);
    writer.commit(&mut first).unwrap();
    let room_bytes = Some(disk.read(&segment_name(1)).unwrap().len() + 5);
    disk.set(Faults { room_bytes, ..Faults::default() });
    for records in [&mut second, &mut Vec::new(), &mut third] {
        writer.commit(records).unwrap_err();
        let report = read(&disk).unwrap().report;
        assert_eq!((report.records, report.torn_bytes), (10, 0), "nothing in part");
    }
    disk.set(Faults::default());
    writer.commit(&mut Vec::new()).unwrap();
    assert_eq!(writer.unsynced_bytes(), 0);
    let recovered = read(&disk).unwrap();
    assert_eq!(recovered.ledger, fold(&facts));
    assert_eq!((recovered.report.records, recovered.report.repeated_records), (30, 0));
    assert_eq!(disk.list().unwrap(), [segment_name(1)]);
}

#[test]
fn a_disk_that_is_full_from_the_start_does_not_fill_with_empty_files() {
    let facts = some_facts(10);
    let mut records = Numbered { epoch: 1, sequence: 0 }.encode(&facts);
    let disk = MemoryDisk::default();
    let mut writer = Writer::new(disk.clone(), 1);
    disk.set(Faults { room_bytes: Some(0), ..Faults::default() });
    for _ in 0..5 {
        writer.commit(&mut records).unwrap_err();
        assert!(disk.list().unwrap().len() <= 1, "{:?}", disk.list());
    }
    disk.set(Faults { syncs_fail: true, ..Faults::default() });
    for _ in 0..5 {
        writer.commit(&mut records).unwrap_err();
        assert!(disk.list().unwrap().len() <= 1, "{:?}", disk.list());
    }
    disk.set(Faults::default());
    writer.commit(&mut records).unwrap();
    assert_eq!(read(&disk).unwrap().ledger, fold(&facts));
}

#[test]
fn after_a_failed_sync_everything_unsynced_is_written_again() {
    let facts = some_facts(20);
    let mut numbered = Numbered { epoch: 1, sequence: 0 };
    let [mut first, mut second] = [&facts[..10], &facts[10..]].map(|facts| numbered.encode(facts));
    let disk = MemoryDisk::default();
    let mut writer = Writer::new(disk.clone(), 1);
    writer.commit(&mut first).unwrap();
    disk.set(Faults { syncs_fail: true, ..Faults::default() });
    writer.commit(&mut second).unwrap_err();
    disk.set(Faults::default());
    writer.commit(&mut Vec::new()).unwrap();
    let recovered = read(&disk.after_crash()).unwrap();
    assert_eq!(recovered.ledger, fold(&facts));
    assert_eq!(recovered.report.missing_records, 0);
}

#[tokio::test]
async fn a_read_only_disk_is_told_and_what_it_was_given_is_written_later() {
    let facts = some_facts(20);
    let disk = MemoryDisk::default();
    disk.set(Faults { read_only: true, ..Faults::default() });
    let log = open(&disk).log;
    let sequence = log.append(evidence(&facts), 1).unwrap();
    assert_eq!(log.durable(sequence).await, Err(DurableError::Degraded));
    let health = log.health();
    assert!(health.degraded && health.failed_commits > 0 && health.held_bytes > 0, "{health:?}");
    assert!(health.problem.is_some());
    disk.set(Faults::default());
    // The end tries once more at once, instead of after a second.
    log.close().await.unwrap();
    assert_eq!(read(&disk).unwrap().ledger, fold(&facts));
}

#[tokio::test]
async fn what_waits_for_a_bad_disk_is_bounded_and_refusals_leave_no_gap() {
    let facts = some_facts(1_000);
    let disk = MemoryDisk::default();
    disk.set(Faults { read_only: true, ..Faults::default() });
    let log = open(&disk).log;
    while log.append(evidence(&facts), 1).is_ok() {
        assert!(log.health().held_bytes <= HELD_BYTES_MAX);
    }
    let health = log.health();
    assert_eq!((health.refused_records, health.degraded), (1_000, true));
    disk.set(Faults::default());
    log.close().await.unwrap();
    let recovered = read(&disk).unwrap();
    assert_eq!(recovered.report.records, health.appended_records);
    assert_eq!(recovered.report.missing_records, 0);
}

#[tokio::test]
async fn a_log_goes_on_where_it_was_in_a_new_epoch() {
    let facts = some_facts(30);
    let disk = MemoryDisk::default();
    for (epoch, facts) in (1..).zip([&facts[..10], &facts[10..20], &facts[20..]]) {
        let Opened { log, recovered } = open(&disk);
        assert_eq!(log.epoch(), epoch);
        assert_eq!(recovered.report.records, (epoch - 1) * 10);
        let sequence = log.append(evidence(facts), 1).unwrap();
        assert_eq!((sequence, log.position().sequence), (10, 10));
        log.durable(sequence).await.unwrap();
        log.close().await.unwrap();
    }
    assert_eq!(read(&disk).unwrap().ledger, fold(&facts));
    let options = LogOptions { epoch_before: 7, ..options() };
    assert_eq!(WatchLog::start(disk, None, options).unwrap().log.epoch(), 8);
}

#[tokio::test]
async fn a_forgotten_show_keeps_its_final_figures() {
    let facts = some_facts(200);
    let disk = MemoryDisk::default();
    let log = open(&disk).log;
    log.append(evidence(&facts), 1).unwrap();
    let figures = Figures { counted_ms: 5, ..Figures::default() };
    let [gone, kept] = [ShowId(0), ShowId(1)];
    let record = FinalRecord::first(figures, 9);
    log.append([Entry::Final { show: gone, record: record.clone() }], 9).unwrap();
    log.compact(vec![gone], 10).await.unwrap();
    assert_eq!(log.health().bytes_since_compaction, 0);
    log.close().await.unwrap();
    assert_eq!(disk.list().unwrap(), [snapshot_name(2)]);
    let ledger = read(&disk).unwrap().ledger;
    assert!(ledger.show(gone).is_none());
    assert_eq!(ledger.finals(gone), [record]);
    assert_eq!(ledger.show(kept), fold(&facts).show(kept));
}

#[test]
fn a_damaged_snapshot_does_not_hide_what_is_still_there() {
    let facts = some_facts(20);
    let mut numbered = Numbered { epoch: 1, sequence: 0 };
    let disk = MemoryDisk::default();
    let mut writer = Writer::new(disk.clone(), 1);
    writer.commit(&mut numbered.encode(&facts)).unwrap();
    // A copy that was half restored, say.
    let mut file = disk.create(&snapshot_name(2)).unwrap();
    file.append(&numbered.encode(&facts[..3])).unwrap();
    assert_eq!(read(&disk).unwrap().ledger, fold(&facts));
    assert_eq!(super::super::files(&disk).unwrap(), [segment_name(1), snapshot_name(2)]);
}

#[test]
fn records_of_a_newer_version_are_not_compacted_away() {
    // A record of kind 200, in a frame with its checksum.
    let mut bytes = Numbered { epoch: 1, sequence: 0 }.encode(&some_facts(1));
    let known = bytes.len();
    bytes.extend_from_slice(b"WTL1\x01\x00\x00\x00");
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    bytes.extend_from_slice(&crc.checksum(&[1, 0, 0, 0, 200]).to_le_bytes());
    bytes.push(200);
    assert!(known < bytes.len());
    let disk = MemoryDisk::holding(&segment_name(1), &bytes);
    let refused = compact(&disk, 2, &[], NODE, 0).unwrap_err();
    assert!(matches!(refused, CompactError::Unreadable { records: 1 }), "{refused}");
    assert_eq!(disk.read(&segment_name(1)).unwrap(), bytes);
}

#[tokio::test]
async fn a_directory_has_one_writer_and_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("watch");
    let facts = some_facts(50);
    let Opened { log, .. } = WatchLog::open(&path, options()).unwrap();
    let second = WatchLog::open(&path, options()).unwrap_err();
    assert!(matches!(second, OpenError::InUse { .. }), "{second}");
    log.append(evidence(&facts), 1).unwrap();
    log.compact(Vec::new(), 2).await.unwrap();
    let sequence = log.append(evidence(&facts[..1]), 3).unwrap();
    log.durable(sequence).await.unwrap();
    for entry in std::fs::read_dir(&path).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
    log.close().await.unwrap();
    let recovered = read(&super::super::Directory::at(&path)).unwrap();
    assert_eq!((recovered.ledger, recovered.files), (fold(&facts), 2));
}
