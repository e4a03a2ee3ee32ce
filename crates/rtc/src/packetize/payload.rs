//! What packetizing makes: payloads without RTP headers, shared by every viewer of a stream.

use bytes::Bytes;
use tally_media::TrackId;

/// Longest run of bytes a packetizer puts in front of a slice: the largest VP9 descriptor, or an
/// aggregation header with lengths.
pub const PREFIX_BYTES_MAX: usize = 23;

/// The few bytes a payload format puts in front of a slice of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    bytes: [u8; PREFIX_BYTES_MAX],
    len: u8,
}

impl Prefix {
    /// A copy of `bytes`.
    ///
    /// # Panics
    /// Beyond [`PREFIX_BYTES_MAX`]: no payload format here needs more, so that is a bug.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let mut prefix = Self { bytes: [0; PREFIX_BYTES_MAX], len: 0 };
        prefix.bytes[..bytes.len()].copy_from_slice(bytes);
        #[expect(clippy::cast_possible_truncation, reason = "at most PREFIX_BYTES_MAX")]
        {
            prefix.len = bytes.len() as u8;
        }
        prefix
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Where a payload's 15-bit picture id lies (VP8, VP9), for viewers whose layer switch renumbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureIdAt {
    /// Offset of its two bytes in the prefix.
    pub offset: u8,
}

/// One RTP payload: `prefix` then `body`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// What the payload format puts in front.
    pub prefix: Prefix,
    /// A slice of the frame, or parameter sets in front of it. Empty where the prefix holds all there
    /// is: an AV1 unit of a few bytes.
    pub body: Bytes,
    /// The RTP marker bit: the last packet of a picture.
    pub marker: bool,
    /// Where the picture id is, for codecs that have one.
    pub picture_id: Option<PictureIdAt>,
}

impl Payload {
    /// Bytes of the payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.prefix.as_slice().len() + self.body.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One frame as RTP payloads, made once and shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketizedFrame {
    /// The frame's track: a layer, where a stream has several of one picture.
    pub track: TrackId,
    /// Counts the track's frames from 0 without holes, as the packetizer was given them.
    pub number: u64,
    /// Presentation time on the show's timeline in ticks of the RTP clock (90,000 for video, 48,000
    /// for Opus), not wrapped.
    pub rtp_ticks: i64,
    /// Start on the show's timeline, in milliseconds.
    pub start_ms: i64,
    /// End on the show's timeline, in milliseconds: the next frame's start as far as known when this
    /// frame was made, else start plus the usual distance.
    pub end_ms: i64,
    /// Whether a decoder can start here. True for audio.
    pub keyframe: bool,
    /// Whether no other frame needs this one: it may be left out.
    pub disposable: bool,
    /// The payloads in order. Fragments of one unit (of the whole frame, for VP8 and VP9) have equal
    /// size, as GSO wants it; only the last of them may be shorter.
    pub payloads: Vec<Payload>,
    /// Bytes of the frame's media.
    pub media_bytes: u32,
}
