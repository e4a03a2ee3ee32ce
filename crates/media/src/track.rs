//! A track: one encoding of one medium.

use crate::{Codec, Timescale};

/// Names a track within its stream. Stable while the stream lives, also when parameters change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TrackId {
    /// The n-th video track; 0 is the main one.
    Video(u8),
    /// The n-th audio track; 0 is the main one.
    Audio(u8),
}

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Medium {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

impl TrackId {
    /// What the track carries.
    #[must_use]
    pub const fn medium(self) -> Medium {
        match self {
            Self::Video(_) => Medium::Video,
            Self::Audio(_) => Medium::Audio,
        }
    }
}

/// One encoding of one medium in a stream, with the parameters a decoder needs.
///
/// Immutable and shared: new parameters make a new `Track` with the same [`TrackId`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Its name within the stream.
    pub id: TrackId,
    /// The codec and its decoder record.
    pub codec: Codec,
    /// Ticks per second of its frames' times: 90,000 for video, the sample rate for audio.
    pub timescale: Timescale,
    /// BCP 47 language, where the publisher told one.
    pub language: Option<String>,
    /// Colour description from outside the bitstream (Enhanced RTMP `colorInfo`).
    pub color: Option<Color>,
}

/// Colour description by the code points of ISO/IEC 23091-2 (H.273).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Color {
    /// Colour primaries; 1 is BT.709, 9 BT.2020.
    pub primaries: u8,
    /// Transfer characteristics; 1 is BT.709, 16 PQ, 18 HLG.
    pub transfer: u8,
    /// Matrix coefficients; 1 is BT.709, 9 BT.2020 non-constant luminance.
    pub matrix: u8,
    /// Whether samples use the full range.
    pub full_range: bool,
}
