//! The window at one moment: what viewers are answered from.

mod decide;
mod lookup;
mod render;

use std::sync::{Arc, OnceLock};

use tally_cmaf::Init;

pub use decide::{Decision, Delivery, Rejection};
pub use lookup::Lookup;

use crate::compress::Rendered;
use crate::options::{Options, PARTS_TARGETS, SKIP_TARGETS};
use crate::seconds::Seconds;
use crate::window::{DateRanges, Entry, Window};
use crate::{Position, RenditionReport};

/// One version of one rendition's window. Immutable, shared by every viewer, and the place where
/// its playlist is rendered and compressed at most once per form.
#[derive(Debug)]
pub struct Snapshot {
    options: Options,
    version: u64,
    /// Complete segments in order, those no longer listed first.
    entries: Vec<Arc<Entry>>,
    /// How many of `entries` are no longer listed.
    retained: usize,
    open: Option<Entry>,
    next: Option<Position>,
    inits: Vec<Arc<Init>>,
    date_ranges: Arc<DateRanges>,
    longest: Seconds,
    end: Seconds,
    ended: bool,
    rendered: [OnceLock<Rendered>; Delivery::COUNT],
}

impl Snapshot {
    pub(crate) fn new(window: &Window) -> Self {
        Self {
            options: *window.options(),
            version: window.version(),
            entries: window.entries().cloned().collect(),
            retained: window.retained_len(),
            open: window.open().cloned(),
            next: window.next(),
            inits: window.inits().to_vec(),
            date_ranges: Arc::clone(window.date_ranges()),
            longest: window.longest(),
            end: window.show_end(),
            ended: window.has_ended(),
            rendered: [const { OnceLock::new() }; Delivery::COUNT],
        }
    }

    /// What the window was made with.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Counts the window's changes; a later snapshot of a changed window has a higher one.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The last part listed: what the other renditions report of this one. // P12
    #[must_use]
    pub fn last(&self) -> Option<Position> {
        self.open.as_ref().or_else(|| self.entries.last().map(Arc::as_ref)).map(Entry::last)
    }

    /// Whether the end was declared (EXT-X-ENDLIST). // P19
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// When the last part ended by the show's clock, Unix milliseconds: Last-Modified, unless the
    /// wall clock is behind it. A playlist older than 3 target durations counts as stale (A8.24).
    #[must_use]
    pub const fn modified_unix_ms(&self) -> i64 {
        self.options.show_start_unix_ms.saturating_add(self.end.as_ms())
    }

    /// The stretch of the show's timeline that a playlist in this form lists, in milliseconds: from its
    /// first segment to its last part. Nothing for an empty one.
    #[must_use]
    pub fn listed_ms(&self, delivery: Delivery) -> Option<(i64, i64)> {
        let skipped = if delivery == Delivery::Full { 0 } else { self.skippable() };
        let first = self.listed().get(skipped).map(Arc::as_ref).or(self.open.as_ref())?;
        let last = self.open.as_ref().or_else(|| self.listed().last().map(Arc::as_ref))?;
        Some((first.start.as_ms(), last.end.as_ms()))
    }

    /// How long everything must stay fetchable after the end, in milliseconds. // P19
    #[must_use]
    pub fn linger_ms(&self) -> u64 {
        let last = self.entries.last().map_or(Seconds::default(), |last| last.duration());
        self.longest.plus(last).max(self.options.targets(PARTS_TARGETS)).length_ms()
    }

    /// The playlist in one form, with how far the other renditions are. Rendered by the first call
    /// for each form; later calls share it, so the reports are those of the first call: one version
    /// has one text, and a report that is a part behind costs a switching player one wait at most.
    /// // P12 P16
    pub fn playlist(&self, delivery: Delivery, reports: &[RenditionReport]) -> &Rendered {
        self.rendered[delivery as usize]
            .get_or_init(|| Rendered::new(self.render(delivery, reports), self.tag(delivery)))
    }

    /// Base of the entity tag: differs between shows at one address, versions and forms.
    fn tag(&self, delivery: Delivery) -> String {
        format!("{:x}-{:x}-{}", self.options.show_start_unix_ms, self.version, delivery as u8)
    }

    fn listed(&self) -> &[Arc<Entry>] {
        &self.entries[self.retained..]
    }

    /// Media Sequence Number of the first listed segment. // P14
    fn media_sequence(&self) -> u64 {
        let first = self.listed().first().map(Arc::as_ref).or(self.open.as_ref());
        first.map_or(0, |first| first.msn)
    }

    /// How many listed segments a delta leaves out: those that lie wholly farther than the Skip
    /// Boundary from the end of the last complete one. // D9
    fn skippable(&self) -> usize {
        let Some(last) = self.listed().last() else { return 0 };
        let boundary = last.end.minus(self.options.targets(SKIP_TARGETS));
        self.listed().partition_point(|entry| entry.end < boundary)
    }
}
