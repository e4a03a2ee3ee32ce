//! What stands in the log, and what a reader gets.

use std::sync::Arc;

use tally_media::{Frame, Track, TrackId};

/// What a [`crate::Consumer`] reads. The end of the stream is `None` instead of an item.
#[derive(Clone, Debug)]
pub enum Item {
    /// A track was added, or has new parameters from its next frame on.
    Track(Arc<Track>),
    /// A track has ended; its id may come back with another [`Item::Track`].
    TrackRemoved(TrackId),
    /// One frame. The first one a reader gets of a video track is a keyframe.
    Frame(TrackId, Frame),
    /// This reader was too slow: `frames` frames of `track` are missing before the next one.
    Skipped {
        /// The track that is not complete.
        track: TrackId,
        /// How many of its frames this reader did not get.
        frames: u64,
    },
    /// The encoder is away; the stream may go on.
    Interrupted,
    /// The encoder is back.
    Resumed,
}

/// One numbered entry of the log.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Frame {
        track: TrackId,
        /// Counts the frames ever written under this id, so that a reader knows how many it missed.
        number: u64,
        frame: Frame,
    },
    Track(Arc<Track>),
    TrackRemoved(TrackId),
    Interrupted,
    Resumed,
    Ended,
}

/// What is in force at one place of the log: what a reader that enters there must be told first.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) tracks: Vec<Arc<Track>>,
    pub(crate) interrupted: bool,
}

impl State {
    /// Moves the state past `entry`.
    pub(crate) fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Track(track) => self.put_track(track),
            Entry::TrackRemoved(id) => self.tracks.retain(|track| track.id != *id),
            Entry::Interrupted => self.interrupted = true,
            Entry::Resumed => self.interrupted = false,
            Entry::Frame { .. } | Entry::Ended => {}
        }
    }

    pub(crate) fn track(&self, id: TrackId) -> Option<&Arc<Track>> {
        self.tracks.iter().find(|track| track.id == id)
    }

    fn put_track(&mut self, new: &Arc<Track>) {
        match self.tracks.iter_mut().find(|track| track.id == new.id) {
            Some(old) => *old = Arc::clone(new),
            None => self.tracks.push(Arc::clone(new)),
        }
    }

    /// The items that lead a reader from `self` to `to`.
    pub(crate) fn changes_to(&self, to: &Self) -> Vec<Item> {
        let mut items = Vec::new();
        let gone = self.tracks.iter().filter(|known| to.track(known.id).is_none());
        items.extend(gone.map(|track| Item::TrackRemoved(track.id)));
        let unknown = to
            .tracks
            .iter()
            .filter(|track| self.track(track.id).is_none_or(|known| !Arc::ptr_eq(known, track)));
        items.extend(unknown.map(|track| Item::Track(Arc::clone(track))));
        match (self.interrupted, to.interrupted) {
            (false, true) => items.push(Item::Interrupted),
            (true, false) => items.push(Item::Resumed),
            _ => {}
        }
        items
    }
}
