//! Writing: segments, and what to do when that fails.

use std::io;

use super::recover::segment_name;
use super::{Disk, DiskFile};

/// A segment is closed when it has grown to this. Small enough to be read whole at a start, large
/// enough that there are few of them.
const SEGMENT_BYTES: u64 = 64 * 1_024 * 1_024;

/// Puts bytes on disk. Holds what it could not until it can.
pub(super) struct Writer<D: Disk> {
    disk: D,
    next: u64,
    segment_bytes: u64,
    open: Option<Segment<D::File>>,
    unsynced: Vec<u8>,
}

struct Segment<F> {
    name: String,
    file: F,
    /// Up to here everything is safe.
    synced_bytes: u64,
}

impl<D: Disk> Writer<D> {
    pub(super) fn new(disk: D, next_segment: u64) -> Self {
        let (open, unsynced, segment_bytes) = (None, Vec::new(), SEGMENT_BYTES);
        Self { disk, next: next_segment, segment_bytes, open, unsynced }
    }

    #[cfg(test)]
    pub(super) fn with_segments_of(self, segment_bytes: u64) -> Self {
        Self { segment_bytes, ..self }
    }

    /// Whole records that are not known to be on disk.
    pub(super) fn unsynced_bytes(&self) -> usize {
        self.unsynced.len()
    }

    /// Writes and syncs these records after those that are still unsynced. `records` is empty
    /// afterwards, whatever happens.
    ///
    /// After an error the records are kept; the next call, with or without new ones, tries again.
    pub(super) fn commit(&mut self, records: &mut Vec<u8>) -> io::Result<()> {
        if self.unsynced.is_empty() {
            std::mem::swap(&mut self.unsynced, records);
        } else {
            self.unsynced.append(records);
        }
        if self.unsynced.is_empty() {
            return Ok(());
        }
        let mut segment = self.segment()?;
        if let Err(error) = segment.file.append(&self.unsynced) {
            // Cut back to whole records, and go on there once there is room again.
            match segment.file.truncate(segment.synced_bytes) {
                Ok(()) => self.open = Some(segment),
                Err(_) => self.abandon(segment),
            }
            return Err(error);
        }
        // The name is made to last with the first records in the file.
        let is_new = segment.synced_bytes == 0;
        let synced = segment.file.sync();
        let synced = synced.and_then(|()| if is_new { self.disk.sync_names() } else { Ok(()) });
        if let Err(error) = synced {
            self.abandon(segment);
            return Err(error);
        }
        segment.synced_bytes += self.unsynced.len() as u64;
        // What one bad minute made it grow to need not be kept.
        self.unsynced = Vec::new();
        if segment.synced_bytes < self.segment_bytes {
            self.open = Some(segment);
        }
        Ok(())
    }

    /// Closes the segment. The number given back is above those of all that hold synced records.
    pub(super) fn rotate(&mut self) -> u64 {
        if let Some(segment) = self.open.take() {
            self.remove_if_empty(&segment);
        }
        self.next
    }

    fn segment(&mut self) -> io::Result<Segment<D::File>> {
        if let Some(open) = self.open.take() {
            return Ok(open);
        }
        let name = segment_name(self.next);
        let file = self.disk.create(&name);
        // A name that is taken is not taken twice.
        if file.is_ok() || file.as_ref().is_err_and(|it| it.kind() == io::ErrorKind::AlreadyExists)
        {
            self.next += 1;
        }
        Ok(Segment { name, file: file?, synced_bytes: 0 })
    }

    /// Leaves a segment whose state is unknown behind its last sync. Whatever of it cannot be tidied
    /// up stays as a torn tail, or as records that are written a second time.
    fn abandon(&mut self, mut segment: Segment<D::File>) {
        let _ = segment.file.truncate(segment.synced_bytes);
        self.remove_if_empty(&segment);
    }

    /// So that a full disk does not fill with empty files, one each try.
    fn remove_if_empty(&mut self, segment: &Segment<D::File>) {
        if segment.synced_bytes == 0 {
            let _ = self.disk.remove(&segment.name);
        }
    }
}
