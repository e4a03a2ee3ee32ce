//! The one writer of a stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use tally_media::{Frame, Medium, Timescale, Timestamp, Track, TrackId};

use crate::entry::Entry;
use crate::stats::TrackCounters;
use crate::stream::Shared;
use crate::{Hub, Stream};

/// The one writer of a stream: adds tracks and writes their frames. Dropping it ends the stream.
///
/// It never waits for a reader, and what a write costs does not depend on how many there are.
#[derive(Debug)]
pub struct Producer {
    hub: Hub,
    shared: Arc<Shared>,
    /// One per id ever used, so that a track that comes back goes on counting.
    tracks: BTreeMap<TrackId, WrittenTrack>,
}

/// Why a frame was not taken. The stream goes on; whoever feeds the producer broke the rule named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The stream has no such track.
    #[error("the stream has no track {0:?}")]
    UnknownTrack(TrackId),
    /// The frame's times are not in its track's timescale.
    #[error("track {track:?} counts in {expected:?}, but the frame in {found:?}")]
    WrongTimescale {
        /// The frame's track.
        track: TrackId,
        /// The track's timescale.
        expected: Timescale,
        /// The frame's.
        found: Timescale,
    },
    /// The frame's decode time does not come after its predecessor's.
    #[error("a frame of {track:?} at {dts:?} does not come after the one at {previous:?}")]
    NotRising {
        /// The frame's track.
        track: TrackId,
        /// The frame's decode time.
        dts: Timestamp,
        /// The decode time of the frame before it.
        previous: Timestamp,
    },
    /// The frame is larger than [`crate::Limits::frame_bytes_max`].
    #[error("a frame of {len_bytes} bytes on {track:?}; at most {frame_bytes_max} are taken")]
    TooLarge {
        /// The frame's track.
        track: TrackId,
        /// Its payload's length.
        len_bytes: usize,
        /// What would have been taken.
        frame_bytes_max: usize,
    },
}

/// What the producer remembers of a track.
#[derive(Debug)]
struct WrittenTrack {
    /// The parameters in force; `None` after it was removed.
    track: Option<Arc<Track>>,
    /// Frames written under this id so far.
    frames: u64,
    previous_dts: Option<Timestamp>,
    in_group: bool,
    counters: Arc<TrackCounters>,
}

impl Producer {
    pub(crate) fn new(hub: Hub, shared: Arc<Shared>) -> Self {
        Self { hub, shared, tracks: BTreeMap::new() }
    }

    /// Adds a track, or gives a track new parameters that take effect with its next frame. The same
    /// parameters again change nothing: encoders repeat them.
    pub fn track(&mut self, track: Track) -> Arc<Track> {
        let id = track.id;
        let written = self.tracks.entry(id).or_insert_with(|| WrittenTrack {
            track: None,
            frames: 0,
            previous_dts: None,
            in_group: false,
            counters: self.shared.track_counters(id),
        });
        if let Some(current) = written.track.as_ref().filter(|current| ***current == track) {
            return Arc::clone(current);
        }
        let track = Arc::new(track);
        written.track = Some(Arc::clone(&track));
        self.shared.append(Entry::Track(Arc::clone(&track)));
        track
    }

    /// Ends a track. Does nothing where there is none of this id.
    pub fn remove_track(&mut self, id: TrackId) {
        let Some(written) = self.tracks.get_mut(&id) else { return };
        if written.track.take().is_some() {
            written.in_group = false;
            written.previous_dts = None;
            self.shared.append(Entry::TrackRemoved(id));
        }
    }

    /// Writes one frame. On video tracks a keyframe starts a new group.
    ///
    /// A video track starts, and goes on after an interruption, with a keyframe. Frames before it cannot
    /// be decoded by anybody: they are dropped and counted ([`crate::TrackStats::undecodable_frames`]).
    ///
    /// # Errors
    /// See [`WriteError`]; the frame is not in the stream then, and the next one may be.
    pub fn write(&mut self, id: TrackId, frame: Frame) -> Result<(), WriteError> {
        if let Some(number) = self.admit(id, &frame)? {
            self.shared.append(Entry::Frame { track: id, number, frame });
        }
        Ok(())
    }

    /// The encoder went away, and may come back. Video goes on with a keyframe.
    pub fn interrupted(&mut self) {
        if self.is_interrupted() {
            return;
        }
        for written in self.tracks.values_mut() {
            written.in_group = false;
        }
        self.shared.append(Entry::Interrupted);
    }

    /// The encoder is back. Does nothing unless it was away.
    pub fn resumed(&mut self) {
        if self.is_interrupted() {
            self.shared.append(Entry::Resumed);
        }
    }

    /// A handle on the stream.
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream(Arc::clone(&self.shared))
    }

    fn is_interrupted(&self) -> bool {
        self.shared.log().state().interrupted
    }

    /// Checks `frame` and counts it; gives back how many came before it on its track, or nothing if it
    /// is of no use.
    fn admit(&mut self, id: TrackId, frame: &Frame) -> Result<Option<u64>, WriteError> {
        let written = self.tracks.get_mut(&id);
        let Some((written, track)) = written.and_then(|written| {
            let track = written.track.clone()?;
            Some((written, track))
        }) else {
            return Err(WriteError::UnknownTrack(id));
        };
        for found in [frame.dts.timescale, frame.pts.timescale] {
            if found != track.timescale {
                let expected = track.timescale;
                return Err(WriteError::WrongTimescale { track: id, expected, found });
            }
        }
        let (len_bytes, frame_bytes_max) =
            (frame.payload.len(), self.shared.limits.frame_bytes_max());
        if len_bytes > frame_bytes_max {
            return Err(WriteError::TooLarge { track: id, len_bytes, frame_bytes_max });
        }
        if let Some(previous) = written.previous_dts.filter(|previous| frame.dts <= *previous) {
            return Err(WriteError::NotRising { track: id, dts: frame.dts, previous });
        }
        written.previous_dts = Some(frame.dts);
        if id.medium() == Medium::Video && !frame.keyframe && !written.in_group {
            written.counters.add_undecodable();
            return Ok(None);
        }
        written.in_group = true;
        written.counters.add_frame(len_bytes, frame.keyframe);
        written.frames += 1;
        Ok(Some(written.frames - 1))
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // The name is free before readers learn of the end, so that one of them can take it over.
        self.hub.remove(&self.shared.name);
        self.shared.append(Entry::Ended);
    }
}
