//! From files back to a ledger.

use std::io;

use tally_watch::log::{Positions, Replay, ReplayReport};
use tally_watch::{Ledger, NodeId};

use super::Disk;

/// What the files of a log come to.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The ledger.
    pub ledger: Ledger,
    /// How far each node's records are in it.
    pub positions: Positions,
    /// What was found on the way, and what was not.
    pub report: ReplayReport,
    /// Files read.
    pub files: usize,
    /// Bytes of segments read: what a compaction would turn into a snapshot.
    pub segment_bytes: u64,
    /// Torn tails: file and intact length.
    pub(super) torn: Vec<(String, u64)>,
    /// Files nothing depends on any more.
    pub(super) leftovers: Vec<String>,
    /// The number for the next segment.
    pub(super) next_segment: u64,
}

impl Recovered {
    /// The epoch for the next start of `node`.
    pub(super) fn next_epoch(&self, node: NodeId) -> u64 {
        self.positions.last(node).map_or(1, |last| last.epoch.saturating_add(1))
    }
}

/// Reads a log without changing anything: the newest whole snapshot, then the segments after it.
///
/// # Errors
/// What the disk says. Damage is no error: it is skipped and told in the report.
pub fn read(disk: &impl Disk) -> io::Result<Recovered> {
    // The process that writes may compact the log meanwhile, which takes files away. It does so now
    // and then, not twice within one reading.
    match read_below(disk, u64::MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => read_below(disk, u64::MAX),
        read => read,
    }
}

/// The same for the segments below a number.
pub(super) fn read_below(disk: &impl Disk, end: u64) -> io::Result<Recovered> {
    let listing = Listing::of(disk)?;
    let mut replay = Replay::default();
    let (mut files, mut segment_bytes, mut torn, mut base) = (0, 0, Vec::new(), 0);
    for &number in listing.snapshots.iter().rev().filter(|&&number| number <= end) {
        files += 1;
        if is_whole(&mut replay, &disk.read(&snapshot_name(number))?) {
            base = number;
            break;
        }
        // What is in a broken one is true all the same, and its segments may still be there.
    }
    for &number in listing.segments.iter().filter(|&&number| base <= number && number < end) {
        files += 1;
        let name = segment_name(number);
        let bytes = disk.read(&name)?;
        segment_bytes += bytes.len() as u64;
        let tail = replay.read(&bytes);
        if tail.torn_bytes > 0 {
            torn.push((name, tail.intact_bytes as u64));
        }
    }
    let last = listing.segments.last().map_or(1, |last| last.saturating_add(1));
    let leftovers = listing.leftovers(base);
    let (ledger, positions, report) = replay.into_parts();
    let next_segment = last.max(base);
    Ok(Recovered { ledger, positions, report, files, segment_bytes, torn, leftovers, next_segment })
}

fn is_whole(replay: &mut Replay, bytes: &[u8]) -> bool {
    let before = replay.report();
    replay.read(bytes);
    let after = replay.report();
    after.whole_snapshots > before.whole_snapshots
        && (after.damaged_bytes, after.torn_bytes, after.unreadable_records)
            == (before.damaged_bytes, before.torn_bytes, before.unreadable_records)
}

/// Names of a log's files in the order they are read in: each snapshot before the segments after it.
///
/// # Errors
/// What the disk says.
pub fn files(disk: &impl Disk) -> io::Result<Vec<String>> {
    let listing = Listing::of(disk)?;
    let snapshots = listing.snapshots.into_iter().map(|number| (number, snapshot_name(number)));
    let segments = listing.segments.into_iter().map(|number| (number, segment_name(number)));
    let mut files: Vec<_> = snapshots.chain(segments).collect();
    // Stable: of one number the snapshot stays first.
    files.sort_by_key(|&(number, _)| number);
    Ok(files.into_iter().map(|(_, name)| name).collect())
}

/// Files that the snapshot of number `base` makes needless.
pub(super) fn older(disk: &impl Disk, base: u64) -> io::Result<Vec<String>> {
    Ok(Listing::of(disk)?.leftovers(base))
}

/// The log's files by number, rising.
struct Listing {
    snapshots: Vec<u64>,
    segments: Vec<u64>,
    unfinished: Vec<String>,
}

impl Listing {
    fn of(disk: &impl Disk) -> io::Result<Self> {
        let mut names = disk.list()?;
        names.sort_unstable();
        let numbers = |prefix| -> Vec<u64> {
            let mut numbers: Vec<u64> =
                names.iter().filter_map(|name| number(name, prefix)).collect();
            numbers.sort_unstable();
            numbers
        };
        let (snapshots, segments) = (numbers(SNAPSHOT), numbers(SEGMENT));
        names.retain(|name| name.ends_with(UNFINISHED));
        Ok(Self { snapshots, segments, unfinished: names })
    }

    /// What a snapshot of number `base` stands for, and what a crash left half written.
    fn leftovers(self, base: u64) -> Vec<String> {
        let older = |numbers: Vec<u64>| numbers.into_iter().filter(move |&number| number < base);
        let segments = older(self.segments).map(segment_name);
        segments.chain(older(self.snapshots).map(snapshot_name)).chain(self.unfinished).collect()
    }
}

const SNAPSHOT: &str = "snapshot-";
const SEGMENT: &str = "segment-";
const ENDING: &str = ".wtl";
/// Ends the name of a snapshot that is not whole yet.
pub(super) const UNFINISHED: &str = ".tmp";

pub(super) fn snapshot_name(number: u64) -> String {
    format!("{SNAPSHOT}{number:010}{ENDING}")
}

pub(super) fn segment_name(number: u64) -> String {
    format!("{SEGMENT}{number:010}{ENDING}")
}

fn number(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?.strip_suffix(ENDING)?;
    let number = digits.parse().ok()?;
    // One number has one name.
    (format!("{number:010}") == digits).then_some(number)
}
