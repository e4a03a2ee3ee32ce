//! Finding parts, segments and init segments.

use std::sync::Arc;

use tally_cmaf::{Init, Part, Segment};

use super::Snapshot;
use crate::Position;

/// What a request for a media resource finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// Here it is.
    Found(T),
    /// Its hint is listed: hold the request until it is there, then send it whole. // D10
    Hinted,
    /// It is a GAP: it keeps its place but has no bytes, 404. // P18
    Gap,
    /// It was there and its time is over: 404 or 410. // P15
    Gone,
    /// Neither there nor hinted: 404, not to be cached, since it may come. // D11
    NotFound,
}

impl Snapshot {
    /// Part `index` of segment `msn`.
    #[must_use]
    pub fn part(&self, msn: u64, index: u32) -> Lookup<Arc<Part>> {
        let wanted = Position { msn, part: index };
        let growing = self.open.as_ref().filter(|open| open.msn == msn);
        let Some(entry) = growing.or_else(|| self.whole(msn).map(Arc::as_ref)) else {
            return self.missing(wanted);
        };
        match usize::try_from(index).ok().and_then(|index| entry.parts.get(index)) {
            Some(part) if part.gap => Lookup::Gap,
            Some(part) => Lookup::Found(Arc::clone(part)),
            None => self.missing(wanted),
        }
    }

    /// Segment `msn`, once complete. Segments are never hinted: players that ask for parts never
    /// ask early for a segment.
    #[must_use]
    pub fn segment(&self, msn: u64) -> Lookup<Arc<Segment>> {
        match self.whole(msn).and_then(|entry| entry.segment.as_ref()) {
            Some(segment) if segment.gap => Lookup::Gap,
            Some(segment) => Lookup::Found(Arc::clone(segment)),
            None if self.is_past(msn) => Lookup::Gone,
            None => Lookup::NotFound,
        }
    }

    /// Init segment `id`. It is there before any playlist names it.
    #[must_use]
    pub fn init(&self, id: u32) -> Lookup<Arc<Init>> {
        match self.inits.iter().find(|init| init.id == id) {
            Some(init) => Lookup::Found(Arc::clone(init)),
            None if self.inits.first().is_some_and(|first| id < first.id) => Lookup::Gone,
            None => Lookup::NotFound,
        }
    }

    fn missing(&self, wanted: Position) -> Lookup<Arc<Part>> {
        if !self.ended && self.next == Some(wanted) {
            Lookup::Hinted
        } else if self.is_past(wanted.msn) {
            Lookup::Gone
        } else {
            Lookup::NotFound
        }
    }

    fn is_past(&self, msn: u64) -> bool {
        let first = self.entries.first().map(Arc::as_ref).or(self.open.as_ref());
        first.is_some_and(|first| msn < first.msn)
    }
}
