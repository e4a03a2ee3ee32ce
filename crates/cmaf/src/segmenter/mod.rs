//! The segmenter: all renditions of one show, in step.

use std::collections::VecDeque;
use std::sync::Arc;

use tally_media::{Frame, Timestamp, Track, TrackId};

use crate::{Bitrates, Options, Output, RenditionId, Stats};

/// Cuts one show into parts and segments.
#[derive(Debug)]
pub struct Segmenter {
    options: Options,
    outputs: VecDeque<Output>,
    stats: Stats,
}

impl Segmenter {
    /// A segmenter for one show.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, outputs: VecDeque::new(), stats: Stats::default() }
    }

    /// Adds a track, or gives a known one new parameters.
    pub fn set_track(&mut self, track: Arc<Track>) {
        let _ = (track, self.options);
    }

    /// Takes a track away.
    pub fn remove_track(&mut self, id: TrackId) {
        let _ = id;
    }

    /// Takes a frame on the show's timeline, in the track's timescale.
    pub fn push(&mut self, id: TrackId, frame: Frame) {
        let _ = (id, frame);
    }

    /// Says where the server's clock puts the show's timeline.
    pub fn tick(&mut self, position: Timestamp) {
        let _ = position;
    }

    /// The encoder is away.
    pub fn interrupted(&mut self) {}

    /// The encoder is back.
    pub fn resumed(&mut self) {}

    /// The show is over.
    pub fn finish(&mut self) {
        self.outputs.push_back(Output::Ended);
    }

    /// The next thing put out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Measured bit rates of a rendition; `None` before its first segment with media.
    #[must_use]
    pub fn bitrates(&self, rendition: RenditionId) -> Option<Bitrates> {
        let _ = rendition;
        None
    }
}
