//! RTP payloads into frames.
//!
//! A [`Depacketizer`] belongs to one track. It is given all payloads of one picture at once, in order
//! and without holes (reordering and repair come before it), and copies their media once, into the form
//! [`tally_media::Frame::payload`] documents. Decoder records come from what the payloads carry.

mod av1;
mod nal;
mod start;
#[cfg(test)]
pub(crate) mod tests;
mod vpx;

use bytes::Bytes;
use tally_media::Codec;
use tally_media::codec::{CodecError, opus};

pub use start::{is_keyframe_start, starts_picture};

/// Longest frame, in bytes, as in the other way in: a 4K keyframe at 100 Mbit/s stays below 4 MiB.
pub const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;
/// NAL units or OBUs in one frame. A 4K picture with a slice for each row of macroblocks has 135; with
/// more than this the lengths alone would be an attack on our time.
pub const UNITS_MAX: usize = 4_096;

/// The payload formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// RFC 6184, packetization modes 0 and 1.
    H264,
    /// RFC 7798, without decoding order numbers.
    H265,
    /// RTP Payload Format For AV1, version 1.0.
    Av1,
    /// RFC 7741.
    Vp8,
    /// RFC 9628, flexible and not.
    Vp9,
    /// RFC 7587.
    Opus,
}

/// Why payloads are not a frame. All but [`Self::Codec`] are lost or broken packets: the next keyframe
/// heals them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DepacketizeError {
    /// A payload ends before what it announces.
    #[error("an RTP payload ends too early")]
    Truncated,
    /// A fragment whose beginning or end is not among the payloads.
    #[error("an RTP payload does not follow from the one before")]
    Incomplete,
    /// A packet type that was not negotiated, by the number its payload format gives it.
    #[error("RTP payload type {kind} of this format is not supported")]
    Unsupported {
        /// `nal_unit_type` of the payload.
        kind: u8,
    },
    /// More than [`FRAME_BYTES_MAX`] or [`UNITS_MAX`], or an Opus packet in several payloads.
    #[error("the frame is too large")]
    TooLarge,
    /// Nothing for a decoder in it.
    #[error("the frame is empty")]
    Empty,
    /// The bitstream inside is not what its codec says.
    #[error("the frame's units cannot be walked")]
    Bitstream,
    /// Parameters of a keyframe that no decoder record can be made of: the publisher's fault.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// One frame made of payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembled {
    /// As [`tally_media::Frame::payload`] documents it; lengths of NAL units have four bytes.
    pub payload: Bytes,
    /// Whether a decoder can start here. True for audio.
    pub keyframe: bool,
    /// The codec with its record, where this frame is the first to tell it or changes it: then the
    /// track is a new one from this frame on.
    pub codec: Option<Codec>,
}

/// Makes frames of one track's payloads.
#[derive(Clone, Debug)]
pub struct Depacketizer {
    format: Format,
    codec: Option<Codec>,
    sets: nal::Sets,
    sequence_header: Bytes,
}

impl Depacketizer {
    /// A depacketizer that knows no parameters yet.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let sequence_header = Bytes::new();
        Self { format, codec: None, sets: nal::Sets::default(), sequence_header }
    }

    /// The payload format.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The codec, once a keyframe has told its parameters. Frames before cannot be decoded.
    #[must_use]
    pub const fn codec(&self) -> Option<&Codec> {
        self.codec.as_ref()
    }

    /// The frame that `payloads` are: all of one picture, in order of their sequence numbers. `None`
    /// where they carry parameter sets alone, which are kept for the keyframe that follows.
    ///
    /// # Errors
    /// When they are not one whole picture, or its parameters are bad. The depacketizer can go on with
    /// the next picture.
    pub fn assemble(&mut self, payloads: &[Bytes]) -> Result<Option<Assembled>, DepacketizeError> {
        let bytes: usize = payloads.iter().map(Bytes::len).sum();
        if bytes > FRAME_BYTES_MAX {
            return Err(DepacketizeError::TooLarge);
        }
        if payloads.iter().any(Bytes::is_empty) {
            // Padding alone: senders probe a path with such packets, numbered among the others.
            let filled = payloads.iter().filter(|payload| !payload.is_empty()).cloned();
            return self.assemble(&filled.collect::<Vec<_>>());
        }
        match self.format {
            Format::H264 | Format::H265 => self.assemble_nal_units(payloads, bytes),
            Format::Av1 => self.assemble_obus(payloads, bytes).map(Some),
            Format::Vp8 => self.assemble_vp8(payloads, bytes).map(Some),
            Format::Vp9 => self.assemble_vp9(payloads, bytes).map(Some),
            Format::Opus => self.assemble_opus(payloads).map(Some),
        }
    }

    /// RFC 7587 4.2: the payload is the packet, and costs no copy.
    fn assemble_opus(&mut self, payloads: &[Bytes]) -> Result<Assembled, DepacketizeError> {
        let payload = match payloads {
            [] => return Err(DepacketizeError::Empty),
            [packet] => packet.clone(),
            _ => return Err(DepacketizeError::TooLarge),
        };
        opus::packet_samples(&payload)?;
        let codec = self.codec.is_none().then(opus::stereo);
        Ok(self.assembled(payload, true, codec))
    }

    /// The result, with `codec` only where it is news.
    fn assembled(&mut self, payload: Bytes, keyframe: bool, codec: Option<Codec>) -> Assembled {
        let codec = codec.filter(|codec| self.codec.as_ref() != Some(codec));
        if codec.is_some() {
            self.codec.clone_from(&codec);
        }
        Assembled { payload, keyframe, codec }
    }
}
