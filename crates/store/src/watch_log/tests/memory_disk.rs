//! A disk in memory whose machine can crash at any operation, and that can fail in other ways.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use super::super::{Disk, DiskFile};

#[derive(Clone, Default)]
pub(super) struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Default)]
struct State {
    /// Contents by inode.
    inodes: Vec<Inode>,
    /// What programs see.
    names: BTreeMap<String, usize>,
    /// What a crash leaves for certain.
    synced_names: BTreeMap<String, usize>,
    /// Changes of names since; a crash leaves any of them, as no file system promises their order.
    changes: Vec<Change>,
    faults: Faults,
    operations: usize,
    chance: u64,
}

#[derive(Clone, Default)]
struct Inode {
    bytes: Vec<u8>,
    synced_bytes: usize,
}

/// A name that goes, a name that comes.
#[derive(Clone, Default)]
struct Change {
    from: Option<String>,
    to: Option<(String, usize)>,
}

impl Change {
    fn make(&self, names: &mut BTreeMap<String, usize>) {
        if let Some(from) = &self.from {
            names.remove(from);
        }
        if let Some((to, inode)) = &self.to {
            names.insert(to.clone(), *inode);
        }
    }
}

/// What fails, until it is changed.
#[derive(Clone, Default)]
pub(super) struct Faults {
    /// The machine crashes at this operation: it is done in part, and nothing after it.
    pub(super) crash_at: Option<usize>,
    /// Bytes all files can hold together.
    pub(super) room_bytes: Option<usize>,
    /// Nothing can be made or written.
    pub(super) read_only: bool,
    /// Syncs fail, and drop what was appended since the last.
    pub(super) syncs_fail: bool,
}

impl MemoryDisk {
    pub(super) fn new(chance: u64) -> Self {
        let disk = Self::default();
        disk.state.lock().unwrap().chance = chance;
        disk
    }

    pub(super) fn set(&self, faults: Faults) {
        self.state.lock().unwrap().faults = faults;
    }

    /// Operations that changed something, or tried to.
    pub(super) fn operations(&self) -> usize {
        self.state.lock().unwrap().operations
    }

    /// The disk as the next start of a crashed machine finds it.
    pub(super) fn after_crash(&self) -> Self {
        let mut state = self.state.lock().unwrap().clone();
        for change in std::mem::take(&mut state.changes) {
            if state.below(2) == 0 {
                change.make(&mut state.synced_names);
            }
        }
        state.names = state.synced_names.clone();
        for at in 0..state.inodes.len() {
            let inode = &state.inodes[at];
            let (length, synced) = (inode.bytes.len(), inode.synced_bytes);
            let kept = synced + state.below(length - synced + 1);
            let zeroed = kept - state.below(kept - synced + 1);
            let inode = &mut state.inodes[at];
            inode.bytes.truncate(kept);
            // A file may have grown before its bytes arrived.
            inode.bytes[zeroed..].fill(0);
            inode.synced_bytes = kept;
        }
        state.faults = Faults::default();
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// A disk with one file.
    pub(super) fn holding(name: &str, bytes: &[u8]) -> Self {
        let disk = Self::default();
        let mut file = disk.create(name).unwrap();
        file.append(bytes).unwrap();
        file.sync().unwrap();
        disk.sync_names().unwrap();
        disk
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state.lock().unwrap();
        let at = state.operations;
        state.operations += 1;
        if state.faults.crash_at.is_some_and(|crash_at| at >= crash_at) {
            return Err(io::Error::other("crashed"));
        }
        if state.faults.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        change(&mut state)
    }

    fn change_names(&self, change: Change) -> io::Result<()> {
        self.change(|state| {
            if change.from.as_ref().is_some_and(|from| !state.names.contains_key(from)) {
                return Err(missing());
            }
            state.rename(change);
            Ok(())
        })
    }
}

impl State {
    fn rename(&mut self, change: Change) {
        change.make(&mut self.names);
        self.changes.push(change);
    }

    /// A number below `end`: a linear congruential sequence is chance enough here.
    fn below(&mut self, end: usize) -> usize {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        (self.chance >> 33) as usize % end
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for MemoryDisk {
    type File = MemoryFile;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state.lock().unwrap().names.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.state.lock().unwrap();
        let inode = *state.names.get(name).ok_or_else(missing)?;
        Ok(state.inodes[inode].bytes.clone())
    }

    fn create(&self, name: &str) -> io::Result<MemoryFile> {
        let inode = self.change(|state| {
            if state.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.inodes.push(Inode::default());
            let inode = state.inodes.len() - 1;
            state.rename(Change { from: None, to: Some((name.to_owned(), inode)) });
            Ok(inode)
        })?;
        Ok(MemoryFile { disk: self.clone(), inode })
    }

    fn truncate(&self, name: &str, length_bytes: u64) -> io::Result<()> {
        self.change(|state| {
            let inode = *state.names.get(name).ok_or_else(missing)?;
            state.inodes[inode].bytes.truncate(length_bytes as usize);
            state.inodes[inode].synced_bytes = length_bytes as usize;
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let inode = self.state.lock().unwrap().names.get(from).copied();
        let to = inode.map(|inode| (to.to_owned(), inode));
        self.change_names(Change { from: Some(from.to_owned()), to })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change_names(Change { from: Some(name.to_owned()), to: None })
    }

    fn sync_names(&self) -> io::Result<()> {
        self.change(|state| {
            state.synced_names = state.names.clone();
            state.changes.clear();
            Ok(())
        })
    }
}

pub(super) struct MemoryFile {
    disk: MemoryDisk,
    inode: usize,
}

impl DiskFile for MemoryFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state.lock().unwrap();
        let crashes = state.faults.crash_at.is_some_and(|crash_at| state.operations == crash_at);
        if crashes {
            // The write that the machine dies in is there in part.
            let written = state.below(bytes.len() + 1);
            state.inodes[self.inode].bytes.extend_from_slice(&bytes[..written]);
        }
        drop(state);
        self.disk.change(|state| {
            let used: usize = state.inodes.iter().map(|inode| inode.bytes.len()).sum();
            let room = state.faults.room_bytes.map_or(usize::MAX, |room| room.saturating_sub(used));
            let written = bytes.len().min(room);
            state.inodes[self.inode].bytes.extend_from_slice(&bytes[..written]);
            if written < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.change(|state| {
            let fails = state.faults.syncs_fail;
            let inode = &mut state.inodes[self.inode];
            if fails {
                inode.bytes.truncate(inode.synced_bytes);
                return Err(io::Error::other("lost pages"));
            }
            inode.synced_bytes = inode.bytes.len();
            Ok(())
        })
    }

    fn truncate(&mut self, length_bytes: u64) -> io::Result<()> {
        self.disk.change(|state| {
            let inode = &mut state.inodes[self.inode];
            inode.bytes.truncate(length_bytes as usize);
            inode.synced_bytes = inode.synced_bytes.min(inode.bytes.len());
            Ok(())
        })
    }
}
