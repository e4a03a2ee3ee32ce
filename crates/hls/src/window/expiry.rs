//! What leaves the window, and when.

use std::sync::Arc;

use super::Window;
use crate::options::{PARTS_TARGETS, SEGMENTS_MIN};
use crate::seconds::Seconds;

/// Segments that left earlier than the rules allow because [`crate::Options::window_bytes_max`]
/// was reached. All zero in a sound configuration; worth a metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Segments no longer listed that were dropped before viewers of an older playlist had time to
    /// fetch them. // P15
    pub retained_dropped: u64,
    /// Segments unlisted before the window was as long as configured.
    pub listed_dropped: u64,
}

impl Window {
    /// Applies the rules after the show's end moved.
    pub(super) fn expire(&mut self) {
        let window = self.options.window();
        while self.first_may_go(window) {
            self.unlist_first();
        }
        while self.retained_until.front().is_some_and(|until| *until <= self.end) {
            self.drop_first_retained();
        }
        self.relieve();
        self.expire_inits();
        self.expire_date_ranges();
    }

    /// Whether what stays after the first segment left is as long as it has to be. // P15
    fn first_may_go(&self, window: Seconds) -> bool {
        let Some(first) = self.first_listed() else { return false };
        self.listed_len() > SEGMENTS_MIN && self.listed.minus(first.duration()) >= window
    }

    /// Takes the first segment off the list. It stays fetchable for its own duration and that of
    /// the longest playlist it can have been in, and for what its parts are promised. // P13 P15
    fn unlist_first(&mut self) {
        let Some(first) = self.first_listed() else { return };
        let duration = first.duration();
        let parts = self.options.targets(PARTS_TARGETS);
        let fetchable = duration.plus(self.listed_max).max(parts);
        self.retained_until.push_back(self.end.plus(fetchable));
        self.listed = self.listed.minus(duration);
    }

    fn drop_first_retained(&mut self) {
        self.retained_until.pop_front();
        if let Some(entry) = self.entries.pop_front() {
            self.len_bytes -= entry.len_bytes;
        }
    }

    /// Memory is bounded before any promise is kept: what is fetchable only goes first, then listed
    /// segments in order, down to the last complete one. The segment that grows is bounded by its
    /// longest duration.
    fn relieve(&mut self) {
        while self.len_bytes > self.options.window_bytes_max {
            if self.retained_until.is_empty() {
                if self.listed_len() <= 1 {
                    return;
                }
                self.unlist_first();
                self.pressure.listed_dropped += 1;
            } else {
                self.pressure.retained_dropped += 1;
            }
            self.drop_first_retained();
        }
    }

    /// Keeps the init segments something refers to, and the newest for what comes next.
    fn expire_inits(&mut self) {
        if self.inits.len() < 2 {
            return;
        }
        let newest = self.inits.last().map(|init| init.id);
        let (entries, open) = (&self.entries, &self.open);
        let used = |id: u32| {
            open.as_ref().is_some_and(|open| open.init == id)
                || entries.iter().map(Arc::as_ref).any(|entry| entry.init == id)
        };
        self.inits.retain(|init| Some(init.id) == newest || used(init.id));
    }
}
