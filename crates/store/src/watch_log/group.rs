//! Group commit: many append, one thread writes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tally_watch::log::{Entry, Position, Record, encode};
use tally_watch::{NodeId, ShowId};
use tokio::sync::{oneshot, watch};

use super::compact::{CompactError, compact};
use super::writer::Writer;
use super::{Directory, Disk, Recovered, read};

/// How long records gather before they are written and synced together. A heartbeat's answer waits for
/// it, and a crash costs the deliveries of this time; five syncs a second are little to any disk.
pub const SYNC_EVERY: Duration = Duration::from_millis(200);

/// With this many bytes gathered the sync comes at once.
pub const SYNC_BYTES: usize = 1_024 * 1_024;

/// Bytes of records that may wait for a disk that fails: some minutes of a busy node, some seconds of
/// a full one. Beyond it appends are refused.
pub const HELD_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// Between two tries to write what could not be written.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// How a log is opened.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// Who writes.
    pub node: NodeId,
    /// The epoch is above this one even if the log's files are gone: what the store says was the last.
    pub epoch_before: u64,
    /// [`SYNC_EVERY`], or less for tests.
    pub sync_every: Duration,
}

/// A log, and what was in it.
#[derive(Debug)]
pub struct Opened {
    /// To go on with.
    pub log: WatchLog,
    /// What the files came to.
    pub recovered: Recovered,
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes it.
    #[error("the watch log {} is in use by another process", path.display())]
    InUse {
        /// Its directory.
        path: PathBuf,
    },
    /// The disk failed.
    #[error("cannot open the watch log {}: {reason}", path.display())]
    Io {
        /// Its directory.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

/// An append came while [`HELD_BYTES_MAX`] bytes waited for a disk that fails, or after the end. Nothing
/// of it is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the watch log takes no more records: its disk fails")]
pub struct Refused;

/// Why a record is not known to be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurableError {
    /// The last write failed. The record is kept and tried again.
    #[error("the watch log cannot be written at present")]
    Degraded,
    /// The log ended before it could be written.
    #[error("the watch log is closed")]
    Closed,
}

/// How a log is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogHealth {
    /// Whether the last write failed, or an append was refused since.
    pub degraded: bool,
    /// What the system said then.
    pub problem: Option<String>,
    /// Records appended since the start.
    pub appended_records: u64,
    /// Records refused since the start.
    pub refused_records: u64,
    /// Syncs that succeeded.
    pub commits: u64,
    /// Writes or syncs that failed.
    pub failed_commits: u64,
    /// Bytes that are not known to be on disk.
    pub held_bytes: usize,
    /// Bytes on disk that the last snapshot does not stand for: when to compact next.
    pub bytes_since_compaction: u64,
}

/// The log of this node. Clones are handles to the same one; it is closed with [`WatchLog::close`] or
/// when the last is dropped.
#[derive(Clone, Debug)]
pub struct WatchLog {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    durable: watch::Receiver<Durable>,
}

#[derive(Debug)]
struct Shared {
    node: NodeId,
    epoch: u64,
    state: Mutex<State>,
    /// Wakes the writing thread.
    work: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pending: Vec<u8>,
    /// Bytes the writing thread holds.
    writing_bytes: usize,
    sequence: u64,
    stop: bool,
    compaction: Option<Compaction>,
    health: LogHealth,
}

#[derive(Clone, Copy, Debug, Default)]
struct Durable {
    sequence: u64,
    degraded: bool,
}

#[derive(Debug)]
struct Compaction {
    forgotten: Vec<ShowId>,
    at_ms: i64,
    done: oneshot::Sender<Result<(), CompactError>>,
}

impl WatchLog {
    /// Opens the log in a directory, which is made if it is not there, and reads it. Blocks.
    ///
    /// # Errors
    /// [`OpenError`]. A disk that can be read but not written is none: the log begins degraded.
    pub fn open(path: &Path, options: LogOptions) -> Result<Opened, OpenError> {
        let failed = |reason: io::Error| {
            let path = path.to_owned();
            match reason.kind() {
                io::ErrorKind::WouldBlock => OpenError::InUse { path },
                _ => OpenError::Io { path, reason },
            }
        };
        let directory = Directory::make(path).map_err(failed)?;
        let lock = directory.lock().map_err(failed)?;
        Self::start(directory, lock, options).map_err(failed)
    }

    /// Reads the log on `disk` and starts the thread that writes it.
    pub(super) fn start<D: Disk>(
        disk: D,
        lock: Option<File>,
        options: LogOptions,
    ) -> io::Result<Opened> {
        let recovered = read(&disk)?;
        // Untidy files change nothing but the next start's report; a disk that cannot be written
        // shows with the first record.
        for (name, intact_bytes) in &recovered.torn {
            let _ = disk.truncate(name, *intact_bytes);
        }
        for name in &recovered.leftovers {
            let _ = disk.remove(name);
        }
        let epoch = recovered.next_epoch(options.node).max(options.epoch_before.saturating_add(1));
        let bytes_since_compaction = recovered.segment_bytes;
        let health = LogHealth { bytes_since_compaction, ..LogHealth::default() };
        let state = Mutex::new(State { health, ..State::default() });
        let shared = Arc::new(Shared { node: options.node, epoch, state, work: Condvar::new() });
        let (published, durable) = watch::channel(Durable::default());
        let writer = Writer::new(disk.clone(), recovered.next_segment);
        let sync_every = options.sync_every;
        let lock = lock.map(Arc::new);
        let shared_too = Arc::clone(&shared);
        let worker = Worker { lock, shared: shared_too, disk, writer, published, sync_every };
        std::thread::Builder::new().name("watch-log".to_owned()).spawn(move || worker.run())?;
        Ok(Opened { log: Self { handle: Arc::new(Handle { shared, durable }) }, recovered })
    }

    /// Which start of the node this is.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.handle.shared.epoch
    }

    /// The last record appended; sequence 0 before the first.
    #[must_use]
    pub fn position(&self) -> Position {
        let Shared { node, epoch, .. } = *self.handle.shared;
        Position { node, epoch, sequence: self.handle.shared.lock().sequence }
    }

    /// Appends records, all or none, and gives back the sequence of the last one. Never waits for the
    /// disk. `at_ms` is now, in Unix milliseconds.
    ///
    /// # Errors
    /// [`Refused`], and then nothing of `entries` may be taken for known.
    pub fn append(
        &self,
        entries: impl IntoIterator<Item = Entry>,
        at_ms: i64,
    ) -> Result<u64, Refused> {
        let shared = &*self.handle.shared;
        let state = &mut *shared.lock();
        let (before_bytes, before) = (state.pending.len(), state.sequence);
        for entry in entries {
            state.sequence += 1;
            let (node, epoch, sequence) = (shared.node, shared.epoch, state.sequence);
            let position = Position { node, epoch, sequence };
            encode(&Record { position, at_ms, entry }, &mut state.pending);
        }
        let records = state.sequence - before;
        if state.stop || state.pending.len() + state.writing_bytes > HELD_BYTES_MAX {
            state.pending.truncate(before_bytes);
            state.sequence = before;
            state.health.refused_records += records;
            state.health.degraded = true;
            return Err(Refused);
        }
        state.health.appended_records += records;
        // The thread sleeps until there is something, and is woken early for much.
        if before_bytes == 0 || state.pending.len() >= SYNC_BYTES {
            shared.work.notify_one();
        }
        Ok(state.sequence)
    }

    /// Waits until the record of this sequence is on disk.
    ///
    /// # Errors
    /// [`DurableError`]: at once if the disk fails, because that can last.
    pub async fn durable(&self, sequence: u64) -> Result<(), DurableError> {
        let mut durable = self.handle.durable.clone();
        let reached = durable.wait_for(|it| it.sequence >= sequence || it.degraded).await;
        match reached {
            Ok(durable) if durable.sequence >= sequence => Ok(()),
            Ok(_) => Err(DurableError::Degraded),
            Err(_) => Err(DurableError::Closed),
        }
    }

    /// Replaces everything that is on disk by one snapshot, without the evidence of `forgotten` shows.
    /// Runs on a thread of its own; appends go on meanwhile.
    ///
    /// # Errors
    /// [`CompactError`]; a disk that fails is tried again with the next compaction. Of two at a time
    /// the first may end as closed.
    pub async fn compact(&self, forgotten: Vec<ShowId>, at_ms: i64) -> Result<(), CompactError> {
        let (done, result) = oneshot::channel();
        {
            let mut state = self.handle.shared.lock();
            state.compaction = Some(Compaction { forgotten, at_ms, done });
            self.handle.shared.work.notify_one();
        }
        result.await.unwrap_or(Err(CompactError::Closed))
    }

    /// How it is doing.
    #[must_use]
    pub fn health(&self) -> LogHealth {
        let state = self.handle.shared.lock();
        let held_bytes = state.pending.len() + state.writing_bytes;
        LogHealth { held_bytes, ..state.health.clone() }
    }

    /// Writes what is left and ends the log for all handles.
    ///
    /// # Errors
    /// [`DurableError::Closed`] if something could not be written.
    pub async fn close(self) -> Result<(), DurableError> {
        let sequence = self.handle.shared.stop();
        let mut durable = self.handle.durable.clone();
        // The writing thread takes the other end with it.
        while durable.changed().await.is_ok() {}
        let written = durable.borrow().sequence;
        if written >= sequence { Ok(()) } else { Err(DurableError::Closed) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) -> u64 {
        let mut state = self.lock();
        state.stop = true;
        self.work.notify_one();
        state.sequence
    }
}

/// The writing thread.
struct Worker<D: Disk> {
    /// Keeps other processes out. Let go before `published`, by which others see the end.
    lock: Option<Arc<File>>,
    shared: Arc<Shared>,
    disk: D,
    writer: Writer<D>,
    published: watch::Sender<Durable>,
    sync_every: Duration,
}

struct Work {
    records: Vec<u8>,
    sequence: u64,
    stop: bool,
    compaction: Option<Compaction>,
}

impl<D: Disk> Worker<D> {
    fn run(mut self) {
        loop {
            let mut work = self.next();
            let bytes = self.writer.unsynced_bytes() + work.records.len();
            let committed = self.writer.commit(&mut work.records);
            self.tell(work.sequence, bytes as u64, committed);
            if let Some(compaction) = work.compaction {
                self.compact(compaction);
            }
            if work.stop {
                return;
            }
        }
    }

    /// Waits for something to do: records that have gathered for a while, or those that failed.
    fn next(&self) -> Work {
        let urgent = |state: &State| state.stop || state.compaction.is_some();
        let mut state = self.shared.lock();
        let waited = if self.writer.unsynced_bytes() > 0 {
            let idle = |state: &mut State| !urgent(state);
            self.shared.work.wait_timeout_while(state, RETRY_EVERY, idle)
        } else {
            let idle = |state: &mut State| state.pending.is_empty() && !urgent(state);
            state =
                self.shared.work.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
            let gathers = |state: &mut State| state.pending.len() < SYNC_BYTES && !urgent(state);
            self.shared.work.wait_timeout_while(state, self.sync_every, gathers)
        };
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.writing_bytes += state.pending.len();
        Work {
            records: std::mem::take(&mut state.pending),
            sequence: state.sequence,
            stop: state.stop,
            compaction: state.compaction.take(),
        }
    }

    fn tell(&self, sequence: u64, bytes: u64, committed: io::Result<()>) {
        let mut state = self.shared.lock();
        state.writing_bytes = self.writer.unsynced_bytes();
        let health = &mut state.health;
        match committed {
            Ok(()) => {
                health.commits += u64::from(bytes > 0);
                health.bytes_since_compaction += bytes;
                (health.degraded, health.problem) = (false, None);
                drop(state);
                self.published.send_replace(Durable { sequence, degraded: false });
            }
            Err(error) => {
                health.failed_commits += 1;
                (health.degraded, health.problem) = (true, Some(error.to_string()));
                drop(state);
                self.published.send_modify(|durable| durable.degraded = true);
            }
        }
    }

    /// On another thread, because reading and writing a large snapshot takes seconds.
    fn compact(&mut self, compaction: Compaction) {
        let Compaction { forgotten, at_ms, done } = compaction;
        let (end, disk, node) = (self.writer.rotate(), self.disk.clone(), self.shared.node);
        self.shared.lock().health.bytes_since_compaction = 0;
        let lock = self.lock.clone();
        let compact = move || {
            let _lock = lock;
            // Whoever asked may be gone.
            let _ = done.send(compact(&disk, end, &forgotten, node, at_ms));
        };
        // Without a thread `done` is dropped, which tells whoever waits.
        let _ = std::thread::Builder::new().name("watch-log-compact".to_owned()).spawn(compact);
    }
}
