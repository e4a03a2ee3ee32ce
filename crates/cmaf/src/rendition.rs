//! Renditions: which tracks travel together.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tally_media::{Track, TrackId};

/// Names a rendition by the track that leads it: `v0`, `v1`, ... with video, `a0`, ... without.
///
/// `Display` gives the name used in URIs, `FromStr` reads it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RenditionId(pub TrackId);

impl fmt::Display for RenditionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            TrackId::Video(n) => write!(f, "v{n}"),
            TrackId::Audio(n) => write!(f, "a{n}"),
        }
    }
}

/// The text is not a rendition's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a rendition name (v or a and a number up to 255)")]
pub struct NotARendition;

impl FromStr for RenditionId {
    type Err = NotARendition;

    /// Accepts exactly what `Display` writes, so that one rendition has one address.
    fn from_str(text: &str) -> Result<Self, NotARendition> {
        let (kind, digits) = text.split_at_checked(1).ok_or(NotARendition)?;
        let number: u8 = digits.parse().map_err(|_| NotARendition)?;
        let id = match kind {
            "v" => Self(TrackId::Video(number)),
            "a" => Self(TrackId::Audio(number)),
            _ => return Err(NotARendition),
        };
        if id.to_string() == text { Ok(id) } else { Err(NotARendition) }
    }
}

/// Pictures per second, in thousandths: 29.97 fps is 29,970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    /// Thousandths of a picture per second.
    pub millihertz: u32,
}

/// Tracks that are played together from one media playlist.
///
/// Each video track travels muxed with audio track 0: one request brings both, so a viewer makes
/// half as many requests, and picture and sound can never be a part apart. Further audio tracks are
/// renditions of their own. A show without video has its audio tracks only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendition {
    /// Its name.
    pub id: RenditionId,
    /// Its tracks, video first.
    pub tracks: Vec<Arc<Track>>,
    /// Pictures per second as measured when the plan was made or the track came; `None` without
    /// video.
    pub frame_rate: Option<FrameRate>,
}

/// Measured bit rates of one rendition, fragment headers included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bitrates {
    /// Largest bit rate of a segment so far, bits per second (BANDWIDTH, A9.13).
    pub peak_bps: u64,
    /// Bits of all segments over their duration, gaps left out (AVERAGE-BANDWIDTH, A9.14).
    pub average_bps: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_nothing_else_is_a_name() {
        for id in [RenditionId(TrackId::Video(0)), RenditionId(TrackId::Audio(255))] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in ["", "v", "v00", "v+1", "x0", "v256", "é0", "v0 "] {
            assert_eq!(text.parse::<RenditionId>(), Err(NotARendition), "{text:?}");
        }
    }
}
