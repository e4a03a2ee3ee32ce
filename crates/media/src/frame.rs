//! One encoded picture or audio packet.

use bytes::Bytes;

use crate::Timestamp;

/// One encoded picture or audio packet of a [`crate::Track`].
///
/// Cloning is cheap: the payload is a reference-counted slice of the buffer it was received into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Decode time. In the hub: on the show's timeline, in the track's timescale, rising from
    /// frame to frame.
    pub dts: Timestamp,
    /// Presentation time, same timescale as `dts`. Differs from it only with B-frames.
    pub pts: Timestamp,
    /// How long it lasts, in ticks of the track's timescale. Known for audio (samples per frame);
    /// `None` for video, which lasts until the next frame's `dts`.
    pub duration_ticks: Option<u32>,
    /// Whether a decoder can start here (H.264 IDR, H.265 IRAP, AV1/VP9 key frame). True for audio.
    pub keyframe: bool,
    /// The bytes as ISO-BMFF stores a sample: length-prefixed NAL units for H.264 and H.265, a
    /// temporal unit of OBUs without temporal delimiters for AV1, one raw packet otherwise.
    pub payload: Bytes,
}
