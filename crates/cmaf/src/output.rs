//! What comes out of the segmenter.

use std::sync::Arc;

use bytes::Bytes;
use tally_media::{Timestamp, Track};

use crate::{Body, Plan, Rendition, RenditionId};

/// One thing put out. Order: [`Output::Plan`], [`Output::RenditionsChanged`], then per rendition an
/// [`Output::Init`] before the first part that needs it, parts in order, and each segment right
/// after its last part. [`Output::Ended`] is the last.
#[derive(Clone, Debug)]
pub enum Output {
    /// The constants of the show. Once, first.
    Plan(Plan),
    /// The renditions that exist from now on, best first; the whole list each time it changes. One
    /// that appears later joins at the current media sequence number; one that is missing gets
    /// nothing more.
    RenditionsChanged(Vec<Rendition>),
    /// An init segment that following parts of this rendition refer to.
    Init {
        /// Whose.
        rendition: RenditionId,
        /// The init segment.
        init: Arc<Init>,
    },
    /// A finished part.
    Part {
        /// Whose.
        rendition: RenditionId,
        /// The part.
        part: Arc<Part>,
    },
    /// A finished segment: exactly its parts, which all have been put out before (P20).
    Segment {
        /// Whose.
        rendition: RenditionId,
        /// The segment.
        segment: Arc<Segment>,
    },
    /// Nothing more follows: playlists get ENDLIST (P19).
    Ended,
}

/// An init segment (`ftyp` + `moov`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Init {
    /// Rises within the rendition, and is not used again when one of the same name comes back.
    pub id: u32,
    /// The bytes.
    pub body: Bytes,
    /// The tracks it describes; the n-th has track_ID n + 1.
    pub tracks: Vec<Arc<Track>>,
}

/// A partial segment: one fragment, or nothing at all when [`Part::gap`] is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Media sequence number of its segment, from 0 at the start of the show.
    pub msn: u64,
    /// Its number within the segment, from 0.
    pub index: u32,
    /// Where it starts on the show's presentation timeline, 90 kHz: the end of the part before.
    pub start: Timestamp,
    /// How long it is, 90 kHz ticks; never more than [`Plan::part_target_ms`].
    pub duration: Timestamp,
    /// Holds a frame a decoder can start at (INDEPENDENT=YES); always true without video.
    pub independent: bool,
    /// There is no media (GAP=YES); [`Part::body`] is empty.
    pub gap: bool,
    /// Its segment begins with a discontinuity. The same on all parts of the segment, because
    /// playlists state it before the first of them (P10).
    pub discontinuity: bool,
    /// Discontinuities in the show up to and including this segment: the same in all renditions
    /// for the same content (P8).
    pub discontinuity_sequence: u64,
    /// [`Init::id`] it needs.
    pub init: u32,
    /// `moof`, `mdat` header, then the frames' payloads as they were received.
    pub body: Body,
}

/// A segment: the concatenation of its parts (P20).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Media sequence number, from 0 at the start of the show, +1 each, the same in all renditions.
    pub msn: u64,
    /// Where it starts on the show's presentation timeline, 90 kHz: the end of the segment before.
    pub start: Timestamp,
    /// Sum of its parts' durations, 90 kHz ticks.
    pub duration: Timestamp,
    /// All of its parts are gaps.
    pub gap: bool,
    /// Its first part with media starts with a keyframe (always, without video).
    pub independent: bool,
    /// A discontinuity comes before it.
    pub discontinuity: bool,
    /// Discontinuities in the show up to and including this segment.
    pub discontinuity_sequence: u64,
    /// [`Init::id`] it needs.
    pub init: u32,
    /// Its parts, at least one.
    pub parts: Vec<Arc<Part>>,
    /// Sum of its parts' bytes.
    pub len_bytes: u64,
}

impl Segment {
    /// The slices of all parts, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &Bytes> {
        self.parts.iter().flat_map(|part| part.body.chunks())
    }

    /// The parts' bodies as one body; slices are shared, nothing is copied.
    #[must_use]
    pub fn body(&self) -> Body {
        self.chunks().cloned().collect()
    }
}
