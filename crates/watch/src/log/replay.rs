//! From bytes back to a ledger.

use super::positions::Step;
use super::{Entry, Frames, Positions, Record, Tail, decode};
use crate::{Applied, Ledger};

/// Folds pieces of log into a ledger, oldest first: a snapshot, then the files after it.
///
/// The same bytes give the same ledger, bit for bit; so does reading a piece twice.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    ledger: Ledger,
    positions: Positions,
    report: ReplayReport,
}

/// What a replay came across.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Records folded in.
    pub records: u64,
    /// Records seen before; they changed nothing.
    pub repeated_records: u64,
    /// Gaps in the numbering of a node's records, in records.
    pub missing_records: u64,
    /// Intact frames this version cannot read.
    pub unreadable_records: u64,
    /// Records that met a bound: their evidence is missing in part or whole.
    pub curtailed_records: u64,
    /// Final records that contradict what is there; they changed nothing.
    pub contradicting_finals: u64,
    /// Bytes of damage between intact records.
    pub damaged_bytes: u64,
    /// Bytes of torn tails.
    pub torn_bytes: u64,
    /// Records begun in torn tails.
    pub torn_records: u64,
    /// Snapshots that were whole.
    pub whole_snapshots: u64,
    /// Snapshots without a matching end. What was in them is folded in, and true; but the records
    /// they stood for are still needed.
    pub broken_snapshots: u64,
}

struct OpenSnapshot {
    positions: Positions,
    entries: u64,
}

impl Replay {
    /// Reads one piece of log, and says where its intact part ends.
    pub fn read(&mut self, bytes: &[u8]) -> Tail {
        let mut frames = Frames::new(bytes);
        let mut snapshot = None;
        for payload in frames.by_ref() {
            match decode(payload) {
                Ok(record) => self.take(record, &mut snapshot),
                Err(_) => self.report.unreadable_records += 1,
            }
        }
        self.report.broken_snapshots += u64::from(snapshot.is_some());
        let tail = frames.tail();
        self.report.damaged_bytes += tail.damaged_bytes as u64;
        self.report.torn_bytes += tail.torn_bytes as u64;
        self.report.torn_records += tail.torn_records as u64;
        tail
    }

    /// What was found so far.
    #[must_use]
    pub fn report(&self) -> ReplayReport {
        self.report
    }

    /// The ledger so far.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// How far each node's log is in the ledger.
    #[must_use]
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// The ledger, to go on with.
    #[must_use]
    pub fn into_parts(self) -> (Ledger, Positions, ReplayReport) {
        (self.ledger, self.positions, self.report)
    }

    fn take(&mut self, record: Record, snapshot: &mut Option<OpenSnapshot>) {
        match record.entry {
            Entry::SnapshotBegin { positions } => {
                let open = snapshot.replace(OpenSnapshot { positions, entries: 0 });
                self.report.broken_snapshots += u64::from(open.is_some());
                return;
            }
            Entry::SnapshotEnd { entries } => {
                match snapshot.take().filter(|open| open.entries == entries) {
                    Some(whole) => {
                        self.positions.advance(&whole.positions);
                        self.report.whole_snapshots += 1;
                    }
                    None => self.report.broken_snapshots += 1,
                }
                return;
            }
            Entry::Evidence(evidence) => {
                let curtailed = self.ledger.apply(&evidence) != Applied::Whole;
                self.report.curtailed_records += u64::from(curtailed);
            }
            Entry::Final { show, record } => {
                let contradicts = self.ledger.record_final(show, record).is_err();
                self.report.contradicting_finals += u64::from(contradicts);
            }
        }
        self.report.records += 1;
        // A snapshot's entries are numbered among themselves.
        if let Some(open) = snapshot {
            open.entries += 1;
            return;
        }
        match self.positions.step(record.position) {
            Step::Forward { missing } => {
                let sum = &mut self.report.missing_records;
                *sum = sum.saturating_add(missing);
            }
            Step::Repeated => self.report.repeated_records += 1,
            Step::Untracked => {}
        }
    }
}
