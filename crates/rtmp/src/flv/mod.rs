//! The syntax of FLV tag bodies, as audio and video messages carry them: legacy ("Video File Format
//! Specification" 10.1, annex E) and Enhanced RTMP v2 ("Enhanced Audio", "Enhanced Video").
//!
//! Only syntax: what a payload means is for [`crate::ingest`]. Payloads are slices of the message.

mod audio;
mod codec;
mod enhanced;
mod tags;
mod video;

pub(crate) use audio::AudioBody;
pub(crate) use codec::{AUDIO_FOUR_CCS, AudioCodec, Refused, VIDEO_FOUR_CCS, VideoCodec};
pub(crate) use tags::Tags;
pub(crate) use video::VideoBody;

use bytes::Bytes;

/// What one track gets from one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet<C> {
    /// Track number; 0 where the message has none.
    pub(crate) track: u8,
    /// The codec it says it is.
    pub(crate) codec: C,
    /// What it is.
    pub(crate) content: Content,
}

/// What a [`Packet`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Decoder record.
    SequenceStart(Bytes),
    /// One picture or audio packet.
    Frame {
        /// Presentation time less decode time, in ms.
        composition_ms: i32,
        /// What the tag header says.
        keyframe: bool,
        /// The coded bytes.
        payload: Bytes,
    },
    /// The track ends.
    SequenceEnd,
    /// AMF0 name and value pairs about the frames that follow.
    Metadata(Bytes),
    /// Nothing for us: channel maps (the codecs carried here describe their channels themselves),
    /// MPEG-2 TS descriptors (the AV1 sequence header is in the key frame too), seek commands.
    Ignored,
}

/// What is wrong with a tag body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlvError {
    #[error("{what} ends too early")]
    Truncated { what: &'static str },
    #[error("unknown {what} {value}")]
    Unknown { what: &'static str, value: u8 },
    #[error("multitrack packet inside a multitrack packet")]
    NestedMultitrack,
    #[error("more than {max} tracks in one message")]
    TooManyTracks { max: usize },
    #[error("more than {max} tags in one aggregate message")]
    TooManyTags { max: usize },
}

/// Takes `count` bytes off the front.
fn take(bytes: &mut Bytes, count: usize, what: &'static str) -> Result<Bytes, FlvError> {
    if bytes.len() < count { Err(FlvError::Truncated { what }) } else { Ok(bytes.split_to(count)) }
}

/// Takes `N` bytes off the front.
fn array<const N: usize>(bytes: &mut Bytes, what: &'static str) -> Result<[u8; N], FlvError> {
    let array = *bytes.first_chunk::<N>().ok_or(FlvError::Truncated { what })?;
    *bytes = bytes.slice(N..);
    Ok(array)
}

/// A 24-bit signed number (SI24).
const fn si24([a, b, c]: [u8; 3]) -> i32 {
    i32::from_be_bytes([a, b, c, 0]) >> 8
}

/// A 24-bit number (UI24).
const fn ui24([a, b, c]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}

#[cfg(test)]
mod tests;
