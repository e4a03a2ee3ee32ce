//! What the caller knows of a track.

use std::collections::VecDeque;

use tally_media::{Track, TrackId};

use crate::Event;

/// A track as the caller knows it, told again when it changes.
#[derive(Debug, Default)]
pub(super) struct Announced {
    /// Compared when `dirty`.
    known: Option<Track>,
    dirty: bool,
}

impl Announced {
    /// Something the track is made of may have changed.
    pub(super) fn touch(&mut self) {
        self.dirty = true;
    }

    /// Tells the track if it is new or changed. `current` is made only if it may have.
    pub(super) fn tell(
        &mut self,
        current: impl FnOnce() -> Option<Track>,
        events: &mut VecDeque<Event>,
    ) {
        let Some(track) = self.dirty.then(current).flatten() else { return };
        self.dirty = false;
        if self.known.as_ref() != Some(&track) {
            events.push_back(Event::Track(track.clone()));
            self.known = Some(track);
        }
    }

    /// The track ended, if the caller knows of it.
    pub(super) fn end(&mut self, id: TrackId, events: &mut VecDeque<Event>) {
        if self.known.take().is_some() {
            events.push_back(Event::TrackEnded(id));
        }
    }
}
