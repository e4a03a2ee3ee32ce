//! A stream's log: chunks of numbered entries, old ones dropped whole, read without a lock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock, Weak};

use tally_media::{Frame, Medium, Timestamp, TrackId};

use crate::Limits;
use crate::entry::{Entry, State};

/// Entries in a chunk: about a second of a usual stream, so a chunk's allocation and a reader's step to
/// the next one are rare, and dropping the oldest costs a small share of what is kept.
const CHUNK_ENTRIES: usize = 64;

/// How many entries before a keyframe are searched for sound that plays together with it. Encoders
/// interleave within half a second: 256 entries are that much at 500 frames a second.
const ALIGN_ENTRIES: u64 = 256;

/// A run of entries. Slots are filled in order, each once; after `next` is set no more are.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The number of the first entry.
    base: u64,
    /// What was in force before the first entry.
    opening: State,
    slots: [OnceLock<Entry>; CHUNK_ENTRIES],
    next: OnceLock<Weak<Self>>,
}

impl Chunk {
    fn new(base: u64, opening: State) -> Self {
        let slots = [const { OnceLock::new() }; CHUNK_ENTRIES];
        Self { base, opening, slots, next: OnceLock::new() }
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().map_while(OnceLock::get)
    }
}

/// A reader's place. Holds nothing alive: a reader that is not reading keeps no memory of the log.
#[derive(Debug)]
pub(crate) struct Cursor {
    chunk: Weak<Chunk>,
    index: usize,
    /// The number of the entry it stands before.
    pub(crate) sequence: u64,
}

/// What a [`Cursor`] finds.
pub(crate) enum Read {
    Entry(Entry),
    /// It is at the end of the log.
    AtEnd,
    /// The log has dropped this place.
    Overtaken,
}

impl Cursor {
    /// Reads the entry it stands before and steps past it.
    pub(crate) fn read(&mut self) -> Read {
        loop {
            let Some(chunk) = self.chunk.upgrade() else { return Read::Overtaken };
            // `next` is looked at before the slot: once it is set, an empty slot stays empty.
            let next = chunk.next.get();
            if let Some(entry) = chunk.slots.get(self.index).and_then(OnceLock::get) {
                self.index += 1;
                self.sequence += 1;
                return Read::Entry(entry.clone());
            }
            match next {
                Some(next) => (self.chunk, self.index) = (Weak::clone(next), 0),
                None => return Read::AtEnd,
            }
        }
    }
}

/// Where a reader enters the log, and from where on it takes each track.
pub(crate) struct Landing {
    pub(crate) cursor: Cursor,
    /// What is in force there.
    pub(crate) state: State,
    /// Video tracks whose newest group is kept, and the number of its keyframe's entry.
    pub(crate) groups: Vec<(TrackId, u64)>,
    /// Sound that ends before this is of no use: no picture goes with it.
    pub(crate) audio_from: Option<Timestamp>,
}

/// The newest group of a video track.
#[derive(Debug)]
struct Group {
    /// The keyframe's entry.
    sequence: u64,
    /// The entry from which on sound of the same time stands.
    aligned_sequence: u64,
    /// The keyframe's presentation time.
    start: Timestamp,
}

/// A chunk with what is needed to decide when to drop it.
#[derive(Debug)]
struct Kept {
    chunk: Arc<Chunk>,
    entries: usize,
    bytes: usize,
    /// The latest media time in it or before it.
    newest_ms: i64,
}

/// See the module's text. Owned by the stream; only its producer appends.
#[derive(Debug)]
pub(crate) struct Log {
    limits: Limits,
    kept: VecDeque<Kept>,
    entries: usize,
    bytes: usize,
    newest_ms: i64,
    /// The number the next entry will get.
    next_sequence: u64,
    state: State,
    groups: BTreeMap<TrackId, Group>,
    ended: bool,
}

impl Log {
    pub(crate) fn new(limits: Limits) -> Self {
        let mut log = Self {
            limits,
            kept: VecDeque::new(),
            entries: 0,
            bytes: 0,
            newest_ms: i64::MIN,
            next_sequence: 0,
            state: State::default(),
            groups: BTreeMap::new(),
            ended: false,
        };
        log.open_chunk();
        log
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends `entry`. Gives back the number the next one will get, and the chunks that were
    /// dropped for it, which the caller lets go after it has released the lock.
    pub(crate) fn append(&mut self, entry: Entry) -> (u64, Vec<Arc<Chunk>>) {
        let sequence = self.next_sequence;
        self.state.apply(&entry);
        match &entry {
            Entry::Frame { track, frame, .. } => self.note_frame(*track, frame, sequence),
            Entry::TrackRemoved(id) => drop(self.groups.remove(id)),
            Entry::Ended => self.ended = true,
            Entry::Track(_) | Entry::Interrupted | Entry::Resumed => {}
        }
        let tail = self.tail();
        let filled = tail.chunk.slots[tail.entries].set(entry).is_ok();
        debug_assert!(filled, "only the producer appends, each slot once");
        tail.entries += 1;
        self.entries += 1;
        self.next_sequence += 1;
        let full = {
            let chunk_bytes_max = self.limits.chunk_bytes_max();
            let tail = self.tail();
            tail.entries == CHUNK_ENTRIES || tail.bytes >= chunk_bytes_max
        };
        if full {
            self.open_chunk();
        }
        (self.next_sequence, self.drop_oldest())
    }

    /// Where a reader enters that wants the newest groups.
    pub(crate) fn newest_group(&self) -> Landing {
        let kept_from = self.kept.front().map_or(0, |front| front.chunk.base);
        let mut groups = Vec::new();
        let mut audio_from = None;
        let mut enter_at = self.live_sequence();
        for (&id, group) in &self.groups {
            if group.sequence < kept_from {
                continue;
            }
            groups.push((id, group.sequence));
            audio_from = audio_from.or(Some(group.start));
            enter_at = enter_at.min(group.aligned_sequence.max(kept_from));
        }
        let (cursor, state) = self.place(enter_at);
        Landing { cursor, state, groups, audio_from }
    }

    /// Where a reader enters that wants nothing that is already written.
    pub(crate) fn live(&self) -> Landing {
        let (cursor, state) = self.place(self.live_sequence());
        Landing { cursor, state, groups: Vec::new(), audio_from: None }
    }

    /// The end of the log, but before the entry that says so if the stream has ended.
    fn live_sequence(&self) -> u64 {
        self.next_sequence - u64::from(self.ended)
    }

    /// The place before the entry `sequence`, and what is in force there.
    fn place(&self, sequence: u64) -> (Cursor, State) {
        let after = self.kept.partition_point(|kept| kept.chunk.base <= sequence);
        let chunk = &self.kept[after.saturating_sub(1)].chunk;
        let mut state = chunk.opening.clone();
        let index = usize::try_from(sequence - chunk.base).unwrap_or(CHUNK_ENTRIES);
        chunk.entries().take(index).for_each(|entry| state.apply(entry));
        (Cursor { chunk: Arc::downgrade(chunk), index, sequence }, state)
    }

    fn note_frame(&mut self, id: TrackId, frame: &Frame, sequence: u64) {
        self.newest_ms = self.newest_ms.max(frame.dts.as_ms());
        self.bytes += frame.payload.len();
        let newest_ms = self.newest_ms;
        let tail = self.tail();
        tail.bytes += frame.payload.len();
        tail.newest_ms = newest_ms;
        if id.medium() == Medium::Video && frame.keyframe {
            let aligned_sequence = self.first_audio_of(frame.pts).unwrap_or(sequence);
            self.groups.insert(id, Group { sequence, aligned_sequence, start: frame.pts });
        }
    }

    /// The earliest of the last [`ALIGN_ENTRIES`] entries that is sound lasting beyond `start`.
    fn first_audio_of(&self, start: Timestamp) -> Option<u64> {
        let from = self.next_sequence.saturating_sub(ALIGN_ENTRIES);
        let first_chunk = self.kept.partition_point(|kept| kept.chunk.base <= from);
        let chunks = self.kept.range(first_chunk.saturating_sub(1)..);
        let mut numbered = chunks.flat_map(|kept| (kept.chunk.base..).zip(kept.chunk.entries()));
        let found = numbered.find(|(_, entry)| match entry {
            Entry::Frame { track, frame, .. } if track.medium() == Medium::Audio => {
                lasts_beyond(frame, start)
            }
            _ => false,
        });
        found.map(|(sequence, _)| sequence)
    }

    fn tail(&mut self) -> &mut Kept {
        self.kept.back_mut().expect("a log has a chunk from its making on and never drops its last")
    }

    fn open_chunk(&mut self) {
        let chunk = Arc::new(Chunk::new(self.next_sequence, self.state.clone()));
        if let Some(tail) = self.kept.back() {
            let linked = tail.chunk.next.set(Arc::downgrade(&chunk)).is_ok();
            debug_assert!(linked, "a chunk is followed once");
        }
        self.kept.push_back(Kept { chunk, entries: 0, bytes: 0, newest_ms: self.newest_ms });
    }

    fn drop_oldest(&mut self) -> Vec<Arc<Chunk>> {
        let mut dropped = Vec::new();
        while self.kept.len() > 1 && self.is_over_limits() {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.entries -= oldest.entries;
            self.bytes -= oldest.bytes;
            dropped.push(oldest.chunk);
        }
        dropped
    }

    fn is_over_limits(&self) -> bool {
        let oldest_ms = self.kept.front().map_or(self.newest_ms, |oldest| oldest.newest_ms);
        self.bytes > self.limits.bytes_max
            || self.entries > self.limits.entries_max
            || self.newest_ms.saturating_sub(oldest_ms) > self.limits.duration_ms_max
    }
}

/// Whether `frame` still sounds at `start`, or later.
pub(crate) fn lasts_beyond(frame: &Frame, start: Timestamp) -> bool {
    // Without a known duration a frame counts as an instant.
    let ticks = frame.duration_ticks.unwrap_or(1);
    frame.pts.offset(i64::from(ticks)) > start
}
