//! The live window of one rendition: what is listed, what is still fetchable, what went.
//!
//! A window changes only in the ways P16 allows: parts and segments are appended, segments leave in
//! order from the front, date ranges come at the end and go when they are over, and at last the end
//! is declared. Time is the media's own: the show's end moves with the parts (also with GAP parts
//! while the encoder is away), and everything expires against it.

mod date_ranges;
mod entry;
mod expiry;

use std::collections::VecDeque;
use std::sync::Arc;

use tally_cmaf::{Init, Part, Segment};

pub(crate) use date_ranges::DateRanges;
pub(crate) use entry::Entry;
pub use expiry::Pressure;

use crate::Position;
use crate::date_range::{DateRange, DateRangeError};
use crate::options::{Options, SKIP_TARGETS};
use crate::seconds::Seconds;
use crate::snapshot::Snapshot;

/// Most parts of one segment: 10.5 s, the longest segment, in parts of 50 ms is 210; a segment of
/// more is a bug of the segmenter that must not become memory.
pub const SEGMENT_PARTS_MAX: u32 = 1_024;

/// Most init segments kept: one per segment of the longest window in practice. A publisher that
/// changes parameters with every group for a whole window loses the oldest.
pub const INITS_MAX: usize = 128;

/// The window of one rendition. Owned by whoever feeds it; viewers see its [`Snapshot`]s.
#[derive(Debug)]
pub struct Window {
    options: Options,
    /// Counts changes; names snapshots.
    version: u64,
    /// Complete segments in order: first `retained` that are not listed any more, then listed ones.
    entries: VecDeque<Arc<Entry>>,
    /// For each entry not listed any more, the show's end at which it may be dropped. // P15
    retained_until: VecDeque<Seconds>,
    /// The segment that still grows.
    open: Option<Entry>,
    /// What must be pushed next; `None` before the first part.
    next: Option<Position>,
    inits: Vec<Arc<Init>>,
    date_ranges: Arc<DateRanges>,
    /// Sum of the listed complete segments' durations.
    listed: Seconds,
    /// Longest the playlist ever was. // P15
    listed_max: Seconds,
    /// End of the last part.
    end: Seconds,
    len_bytes: u64,
    pressure: Pressure,
    ended: bool,
}

/// Why something does not fit the window: a bug in the order of calls, the window is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// A part or segment that does not follow what is there.
    #[error("segment {} part {} does not follow", .0.msn, .0.part)]
    OutOfOrder(Position),
    /// A part that needs an init segment nobody pushed.
    #[error("init segment {0} is not there")]
    UnknownInit(u32),
    /// The segment has [`SEGMENT_PARTS_MAX`] parts already.
    #[error("a segment of more than {SEGMENT_PARTS_MAX} parts")]
    TooManyParts,
    /// The end was declared.
    #[error("the window has ended")]
    Ended,
}

impl Window {
    /// An empty window. Its first part may have any Media Sequence Number: a rendition that comes
    /// later joins where the others are.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            version: 0,
            entries: VecDeque::new(),
            retained_until: VecDeque::new(),
            open: None,
            next: None,
            inits: Vec::new(),
            date_ranges: Arc::default(),
            listed: Seconds::default(),
            listed_max: Seconds::default(),
            end: Seconds::default(),
            len_bytes: 0,
            pressure: Pressure::default(),
            ended: false,
        }
    }

    /// Adds an init segment. Until a part uses it, playlists hint at it. // P11
    pub fn push_init(&mut self, init: Arc<Init>) {
        self.version += 1;
        self.inits.retain(|known| known.id != init.id);
        self.inits.push(init);
        if self.inits.len() > INITS_MAX {
            self.inits.remove(0);
        }
    }

    /// Adds the next part, with which a segment may begin.
    ///
    /// # Errors
    /// See [`PushError`].
    pub fn push_part(&mut self, part: Arc<Part>) -> Result<(), PushError> {
        let position = Position { msn: part.msn, part: part.index };
        if self.ended {
            return Err(PushError::Ended);
        }
        let follows = self.next.map_or(position.part == 0, |next| position == next);
        if !follows {
            return Err(PushError::OutOfOrder(position));
        }
        if position.part >= SEGMENT_PARTS_MAX {
            return Err(PushError::TooManyParts);
        }
        if self.inits.iter().all(|init| init.id != part.init) {
            return Err(PushError::UnknownInit(part.init));
        }
        self.version += 1;
        self.len_bytes += part.body.len_bytes();
        match &mut self.open {
            Some(open) => open.push(part),
            None => self.open = Some(Entry::begin(part, self.options.show_start_unix_ms)),
        }
        if let Some(open) = &self.open {
            self.end = open.end;
            self.next = Some(open.next());
        }
        self.expire();
        Ok(())
    }

    /// Completes the segment whose parts were pushed. Publish no snapshot between a segment's last
    /// part and this: it would hint at a part that never comes.
    ///
    /// # Errors
    /// See [`PushError`].
    pub fn push_segment(&mut self, segment: Arc<Segment>) -> Result<(), PushError> {
        if self.ended {
            return Err(PushError::Ended);
        }
        let same = |open: &Entry| open.msn == segment.msn && open.parts == segment.parts;
        let Some(mut entry) = self.open.take_if(|open| same(open)) else {
            return Err(PushError::OutOfOrder(Position::first_of(segment.msn)));
        };
        self.version += 1;
        entry.complete(segment);
        self.next = Some(Position::first_of(entry.msn + 1));
        self.listed = self.listed.plus(entry.duration());
        self.listed_max = self.listed_max.max(self.listed);
        self.entries.push_back(Arc::new(entry));
        self.expire();
        Ok(())
    }

    /// Lists a date range from the next playlist on; with a known id, adds attributes to it.
    ///
    /// # Errors
    /// See [`DateRangeError`].
    pub fn date_range(&mut self, range: DateRange) -> Result<(), DateRangeError> {
        let before = self.next.unwrap_or(Position::first_of(0));
        Arc::make_mut(&mut self.date_ranges).add(range, before)?;
        self.version += 1;
        Ok(())
    }

    /// Declares the end: nothing follows, playlists get EXT-X-ENDLIST. // P19
    pub fn end(&mut self) {
        if !self.ended {
            self.ended = true;
            self.version += 1;
        }
    }

    /// What had to go early because memory is bounded.
    #[must_use]
    pub const fn pressure(&self) -> Pressure {
        self.pressure
    }

    /// Media bytes kept, listed or only fetchable.
    #[must_use]
    pub const fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// The window as it is now, for any number of viewers. Costs one reference count per segment.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::new(Snapshot::new(self))
    }

    /// Complete segments that are listed.
    fn listed_len(&self) -> usize {
        self.entries.len() - self.retained_until.len()
    }

    fn first_listed(&self) -> Option<&Arc<Entry>> {
        self.entries.get(self.retained_until.len())
    }

    fn expire_date_ranges(&mut self) {
        if self.date_ranges.is_empty() {
            return;
        }
        let first = self.first_listed().map(Arc::as_ref).or(self.open.as_ref());
        let Some(first) = first else { return };
        let first_unix_ms = self.options.show_start_unix_ms.saturating_add(first.start.as_ms());
        let skip = self.options.targets(SKIP_TARGETS);
        Arc::make_mut(&mut self.date_ranges).expire(first_unix_ms, self.end, skip);
    }
}

/// What a snapshot is made of.
impl Window {
    pub(crate) const fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter()
    }

    pub(crate) fn retained_len(&self) -> usize {
        self.retained_until.len()
    }

    pub(crate) const fn open(&self) -> Option<&Entry> {
        self.open.as_ref()
    }

    pub(crate) const fn next(&self) -> Option<Position> {
        self.next
    }

    pub(crate) fn inits(&self) -> &[Arc<Init>] {
        &self.inits
    }

    pub(crate) const fn date_ranges(&self) -> &Arc<DateRanges> {
        &self.date_ranges
    }

    pub(crate) const fn longest(&self) -> Seconds {
        self.listed_max
    }

    pub(crate) const fn show_end(&self) -> Seconds {
        self.end
    }

    pub(crate) const fn has_ended(&self) -> bool {
        self.ended
    }
}
