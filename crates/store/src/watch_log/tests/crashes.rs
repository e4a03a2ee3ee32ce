//! Wherever the machine crashes: what was acknowledged is there, nothing is that was never written, and
//! sending the rest again makes it whole.

use proptest::prelude::*;
use tally_watch::Evidence;
use tally_watch::log::ReplayReport;

use super::super::compact::compact;
use super::super::recover::segment_name;
use super::super::writer::Writer;
use super::super::{Disk, Recovered, read};
use super::facts::{NODE, Numbered, assert_never_over, contains, fact, fold};
use super::memory_disk::{Faults, MemoryDisk};

/// What a node does: facts that are committed together, now and then a compaction afterwards.
#[derive(Clone, Debug)]
struct Step {
    facts: Vec<Evidence>,
    compacts: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (prop::collection::vec(fact(), 1..6), prop::bool::weighted(0.3))
        .prop_map(|(facts, compacts)| Step { facts, compacts });
    prop::collection::vec(step, 1..8)
}

/// Runs the steps; gives back how many were acknowledged and how many begun.
fn run(disk: &MemoryDisk, recovered: &Recovered, steps: &[Step]) -> (usize, usize) {
    // Small segments: several of them, and names that change at their bounds.
    let writer = Writer::new(disk.clone(), recovered.next_segment);
    let mut writer = writer.with_segments_of(300);
    let mut numbered = Numbered { epoch: recovered.next_epoch(NODE), sequence: 0 };
    for (at, step) in steps.iter().enumerate() {
        if writer.commit(&mut numbered.encode(&step.facts)).is_err() {
            return (at, at + 1);
        }
        if step.compacts && compact(disk, writer.rotate(), &[], NODE, 0).is_err() {
            return (at + 1, at + 1);
        }
    }
    (steps.len(), steps.len())
}

fn facts(steps: &[Step]) -> impl Iterator<Item = &Evidence> {
    steps.iter().flat_map(|step| &step.facts)
}

fn crash_at(steps: &[Step], operation: usize, chance: u64) {
    let disk = MemoryDisk::new(chance);
    disk.set(Faults { crash_at: Some(operation), ..Faults::default() });
    let (acknowledged, begun) = run(&disk, &read(&disk).unwrap(), steps);

    let disk = disk.after_crash();
    let recovered = read(&disk).unwrap();
    let written = fold(facts(&steps[..begun]));
    assert!(contains(&written, &recovered.ledger), "something that was never written");
    assert!(contains(&recovered.ledger, &fold(facts(&steps[..acknowledged]))), "lost");
    assert_never_over(&recovered.ledger, &written);
    assert_eq!(recovered.report.missing_records, 0, "only tails go missing");

    // The next start tidies up and is sent what nobody acknowledged; it may do it in any state of
    // the disk, so it does it twice.
    for (name, intact_bytes) in &recovered.torn {
        disk.truncate(name, *intact_bytes).unwrap();
    }
    for name in &recovered.leftovers {
        disk.remove(name).unwrap();
    }
    for _ in 0..2 {
        let recovered = read(&disk).unwrap();
        assert_eq!(recovered.report.torn_bytes, 0, "told once");
        assert_eq!(run(&disk, &recovered, &steps[acknowledged..]).0, steps.len() - acknowledged);
        assert_eq!(read(&disk).unwrap().ledger, fold(facts(steps)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_crash_at_any_operation_loses_only_what_was_not_acknowledged(
        steps in steps(),
        chance in any::<u64>(),
    ) {
        let disk = MemoryDisk::new(chance);
        run(&disk, &read(&disk).unwrap(), &steps);
        prop_assert_eq!(read(&disk).unwrap().ledger, fold(facts(&steps)));
        for operation in 0..disk.operations() {
            crash_at(&steps, operation, chance);
        }
    }

    #[test]
    fn a_log_cut_at_any_byte_is_a_first_part_of_it(
        facts in prop::collection::vec(fact(), 1..12),
    ) {
        let bytes = Numbered { epoch: 1, sequence: 0 }.encode(&facts);
        let ends: Vec<usize> = (0..=facts.len())
            .map(|count| Numbered { epoch: 1, sequence: 0 }.encode(&facts[..count]).len())
            .collect();
        for cut in 0..=bytes.len() {
            let recovered =
                read(&MemoryDisk::holding(&segment_name(1), &bytes[..cut])).unwrap();
            let count = ends.iter().rposition(|&end| end <= cut).unwrap();
            prop_assert_eq!(&recovered.ledger, &fold(&facts[..count]));
            let report = ReplayReport {
                torn_records: recovered.report.torn_records,
                torn_bytes: (cut - ends[count]) as u64,
                records: count as u64,
                ..ReplayReport::default()
            };
            prop_assert_eq!(recovered.report, report);
        }
    }
}
