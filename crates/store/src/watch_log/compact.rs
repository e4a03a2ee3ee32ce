//! Compaction: one snapshot in place of many segments.

use std::io;

use tally_watch::log::snapshot;
use tally_watch::{NodeId, ShowId};

use super::recover::{UNFINISHED, older, read_below, snapshot_name};
use super::{Disk, DiskFile as _};

/// Why the log was not compacted; nothing was removed then.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// A file holds records of a newer version of this program, which a snapshot would lose.
    #[error("the watch log holds {records} records this version cannot read")]
    Unreadable {
        /// How many.
        records: u64,
    },
    /// The disk failed.
    #[error("the watch log cannot be compacted: {0}")]
    Io(#[from] io::Error),
    /// The log was closed meanwhile.
    #[error("the watch log is closed")]
    Closed,
}

/// Makes a snapshot of all segments below `end`, without the evidence of `forgotten` shows, whose
/// finals stay; then removes what it stands for. All those segments must be closed.
///
/// Reads the files and not the ledger in memory: it can take its time on a thread of its own, and
/// what it writes is what a replay gives, by construction.
pub(super) fn compact(
    disk: &impl Disk,
    end: u64,
    forgotten: &[ShowId],
    node: NodeId,
    at_ms: i64,
) -> Result<(), CompactError> {
    let mut recovered = read_below(disk, end)?;
    let records = recovered.report.unreadable_records;
    if records > 0 {
        return Err(CompactError::Unreadable { records });
    }
    for &show in forgotten {
        recovered.ledger.forget(show);
    }
    let mut bytes = Vec::new();
    snapshot(&recovered.ledger, &recovered.positions, node, at_ms, &mut bytes);
    drop(recovered);
    let name = snapshot_name(end);
    let unfinished = format!("{name}{UNFINISHED}");
    // One that was left half written by a failure is in the way.
    if disk.list()?.contains(&unfinished) {
        disk.remove(&unfinished)?;
    }
    let mut file = disk.create(&unfinished)?;
    let written = file.append(&bytes).and_then(|()| file.sync());
    if let Err(error) = written.and_then(|()| disk.rename(&unfinished, &name)) {
        // It takes room that the log may need.
        let _ = disk.remove(&unfinished);
        return Err(error.into());
    }
    // Before anything is removed the snapshot has its name for good.
    disk.sync_names()?;
    for name in older(disk, end)? {
        disk.remove(&name)?;
    }
    Ok(())
}
