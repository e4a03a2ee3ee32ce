//! Codec records: what a decoder must know before the first frame, and how playlists name it.
//!
//! One file per codec. Each parses the record an encoder sends (`avcC`, `hvcC`, `av1C`, `vpcC`,
//! `AudioSpecificConfig`, `OpusHead`, ...) into its dimensions or channel layout, keeps the record's
//! bytes as they came, and gives the RFC 6381 string.

use bytes::Bytes;

mod bits;
mod error;
mod in_band;

pub mod aac;
pub mod ac3;
pub mod av1;
pub mod eac3;
pub mod flac;
pub mod h264;
pub mod h265;
pub mod mp3;
pub mod opus;
pub mod vp8;
pub mod vp9;

pub use error::CodecError;
pub use in_band::changed_parameters;

use crate::Color;
use bits::BitReader;

/// A codec with its parameters. Equality means: the same init segment serves both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264 / AVC; frames are length-prefixed NAL units.
    H264(VideoRecord),
    /// H.265 / HEVC; frames are length-prefixed NAL units.
    H265(VideoRecord),
    /// AV1; frames are temporal units of OBUs.
    Av1(VideoRecord),
    /// VP8.
    Vp8(VideoRecord),
    /// VP9; frames may be superframes.
    Vp9(VideoRecord),
    /// AAC (LC, HE, HEv2); frames are raw access units without ADTS.
    Aac(AudioRecord),
    /// Opus; timescale 48,000.
    Opus(AudioRecord),
    /// FLAC.
    Flac(AudioRecord),
    /// MPEG-1/2 layer III.
    Mp3(AudioRecord),
    /// AC-3.
    Ac3(AudioRecord),
    /// Enhanced AC-3.
    Eac3(AudioRecord),
}

/// Decoder record of a video codec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoRecord {
    /// The payload of the sample entry's `avcC`, `hvcC`, `av1C` or `vpcC` box: the box is its 8-byte
    /// header and these bytes (so `vpcC` starts with its version and flags).
    pub record: Bytes,
    /// Coded width after cropping, in pixels.
    pub width: u16,
    /// Coded height after cropping, in pixels.
    pub height: u16,
    /// RFC 6381 name, e.g. `avc1.64001F`.
    pub rfc6381: String,
    /// Colour description from the bitstream, where it has one.
    pub color: Option<Color>,
}

/// Decoder record of an audio codec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioRecord {
    /// The AudioSpecificConfig for AAC (it goes into the `esds` box); the payload of the `dOps`, `dfLa`,
    /// `dac3` or `dec3` box otherwise, after its 8-byte header (so `dfLa` starts with its version and
    /// flags); empty where the codec has none (MP3).
    pub record: Bytes,
    /// Output sample rate in Hz, after SBR.
    pub sample_rate: u32,
    /// Output channels, after PS.
    pub channels: u8,
    /// Samples of the *track's timescale* in each frame: 1,024 for AAC-LC, 2,048 for HE-AAC counted at
    /// its output rate, 1,152 for MP3, 1,536 for AC-3. `None` where it varies by packet (Opus, FLAC).
    pub frame_samples: Option<u32>,
    /// RFC 6381 name, e.g. `mp4a.40.2`.
    pub rfc6381: String,
}

impl Codec {
    /// The RFC 6381 string for CODECS attributes and MIME types.
    #[must_use]
    pub fn rfc6381(&self) -> &str {
        match (self.video(), self.audio()) {
            (Some(v), _) => &v.rfc6381,
            (_, Some(a)) => &a.rfc6381,
            (None, None) => "",
        }
    }

    /// The video record, for video codecs.
    #[must_use]
    pub const fn video(&self) -> Option<&VideoRecord> {
        match self {
            Self::H264(v) | Self::H265(v) | Self::Av1(v) | Self::Vp8(v) | Self::Vp9(v) => Some(v),
            _ => None,
        }
    }

    /// The audio record, for audio codecs.
    #[must_use]
    pub const fn audio(&self) -> Option<&AudioRecord> {
        match self {
            Self::Aac(a)
            | Self::Opus(a)
            | Self::Flac(a)
            | Self::Mp3(a)
            | Self::Ac3(a)
            | Self::Eac3(a) => Some(a),
            _ => None,
        }
    }
}

/// A width or height that fits the 16 bits of a sample entry.
fn dimension(record: &'static str, field: &'static str, value: u64) -> Result<u16, CodecError> {
    match u16::try_from(value) {
        Ok(pixels) if pixels > 0 => Ok(pixels),
        _ => Err(CodecError::Invalid { record, field, value }),
    }
}

/// Width and height, in pixels, of what is shown of a coded picture of this `size`: reads the cropping
/// rectangle (H.264 7.3.2.1.1, H.265 7.3.2.2: `conformance_window`), whose offsets are in units of
/// the chroma grid; `field_units` is 2 where H.264 counts rows of one field.
fn cropped(
    reader: &mut BitReader<'_>,
    size: (u64, u64),
    chroma: u8,
    field_units: u64,
) -> Result<(u64, u64), CodecError> {
    let (width, height) = size;
    if !reader.flag()? {
        return Ok(size);
    }
    let unit_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
    let unit_y = if chroma == 1 { 2 } else { 1 } * field_units;
    let left = u64::from(reader.unsigned()?);
    let right = u64::from(reader.unsigned()?);
    let top = u64::from(reader.unsigned()?);
    let bottom = u64::from(reader.unsigned()?);
    let shown_width = width.saturating_sub((left + right) * unit_x);
    Ok((shown_width, height.saturating_sub((top + bottom) * unit_y)))
}

/// `aspect_ratio_idc` that is followed by an explicit width and height (H.264 table E-1, H.265 table
/// E.1).
const EXTENDED_SAR: u8 = 255;

/// The head of a VUI up to the colour description, which H.264 E.1.1 and H.265 E.2.1 share.
fn read_vui_color(reader: &mut BitReader<'_>) -> Result<Option<Color>, CodecError> {
    if reader.flag()? && reader.byte(8)? == EXTENDED_SAR {
        reader.skip(32)?;
    }
    if reader.flag()? {
        reader.flag()?; // overscan_appropriate_flag
    }
    if !reader.flag()? {
        return Ok(None);
    }
    reader.skip(3)?; // video_format
    let full_range = reader.flag()?;
    if !reader.flag()? {
        return Ok(None);
    }
    let (primaries, transfer, matrix) = (reader.byte(8)?, reader.byte(8)?, reader.byte(8)?);
    Ok(Some(Color { primaries, transfer, matrix, full_range }))
}
