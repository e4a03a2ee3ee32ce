//! Holding the first group until the plan can be made.

use std::collections::{BTreeMap, VecDeque};

use tally_media::{Medium, TrackId};

use super::intake::Pending;
use super::plan::Rhythm;
use crate::Options;
use crate::limits::{AUDIO_PROBE_MS, HELD_FRAMES_MAX, SEGMENT_BYTES_MAX, ticks};

/// Frames in the order they came, and what they tell.
#[derive(Debug, Default)]
pub(super) struct Probe {
    pub(super) held: VecDeque<(TrackId, Pending)>,
    pub(super) rhythms: BTreeMap<TrackId, Rhythm>,
    bytes: u64,
    /// Where the clock was when the first frame was held.
    since: Option<i64>,
    /// How long the clock says frames have been held.
    waited: i64,
}

impl Probe {
    pub(super) fn hold(&mut self, id: TrackId, frame: Pending) {
        self.rhythms.entry(id).or_default().see(&frame);
        self.bytes += frame.payload.len() as u64;
        self.held.push_back((id, frame));
    }

    pub(super) fn tick(&mut self, position: i64) {
        if !self.held.is_empty() {
            self.waited = position - *self.since.get_or_insert(position);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Where the show starts: at the leading track's first frame.
    pub(super) fn start(&self) -> i64 {
        // Video sorts before audio.
        self.rhythms.values().find_map(Rhythm::first).unwrap_or(0)
    }

    /// Whether enough is known, or may be held.
    pub(super) fn is_done(&self, options: Options, tracks: &[TrackId]) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let longest = self.rhythms.values().map(Rhythm::span).max().unwrap_or(0);
        let limit = ticks(2 * options.segment_ms + 500);
        let is_full = self.held.len() >= HELD_FRAMES_MAX || self.bytes >= SEGMENT_BYTES_MAX / 2;
        if longest.max(self.waited) >= limit || is_full {
            return true;
        }
        let has = |medium| tracks.iter().any(|id| id.medium() == medium);
        let heard = |id: &TrackId| self.rhythms.contains_key(id);
        let is_complete = tracks.iter().all(heard)
            && (has(Medium::Audio) || !options.expects_audio)
            && (has(Medium::Video) || !options.expects_video);
        let video = tracks.iter().find(|id| id.medium() == Medium::Video);
        let is_clear = match video.and_then(|id| self.rhythms.get(id)) {
            Some(rhythm) => rhythm.group().is_some(),
            None => longest >= ticks(AUDIO_PROBE_MS),
        };
        is_complete && is_clear
    }
}
