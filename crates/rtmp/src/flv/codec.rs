//! Codecs by the names FLV has for them.

use std::fmt;

/// FourCCs of video that is accepted, as `connect` echoes them.
pub(crate) const VIDEO_FOUR_CCS: [&str; 5] = ["avc1", "hvc1", "av01", "vp09", "vp08"];
/// FourCCs of audio that is accepted, as `connect` echoes them.
pub(crate) const AUDIO_FOUR_CCS: [&str; 6] = ["mp4a", "Opus", "fLaC", "ac-3", "ec-3", ".mp3"];

/// A video codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VideoCodec {
    H264,
    H265,
    Av1,
    Vp8,
    Vp9,
    Refused(Refused),
}

/// An audio codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AudioCodec {
    Aac,
    Opus,
    Flac,
    Ac3,
    Eac3,
    Mp3,
    Refused(Refused),
}

/// A codec this server does not carry. `Display` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A codec with a name.
    Named(&'static str),
    /// A FourCC that no specification we know defines.
    FourCc([u8; 4]),
    /// A legacy codec id that no specification defines.
    Id(u8),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::FourCc(four_cc) => write!(f, "FourCC \"{}\"", four_cc.escape_ascii()),
            Self::Id(id) => write!(f, "FLV codec id {id}"),
        }
    }
}

impl VideoCodec {
    /// By `VideoFourCc`.
    pub(super) const fn from_four_cc(four_cc: [u8; 4]) -> Self {
        match &four_cc {
            b"avc1" => Self::H264,
            b"hvc1" => Self::H265,
            b"av01" => Self::Av1,
            b"vp08" => Self::Vp8,
            b"vp09" => Self::Vp9,
            b"vvc1" => Self::Refused(Refused::Named("H.266/VVC (vvc1)")),
            _ => Self::Refused(Refused::FourCc(four_cc)),
        }
    }

    /// By legacy `CodecID`. 12 is in no specification, but what encoders sent for H.265 before
    /// Enhanced RTMP.
    pub(super) const fn from_legacy_id(id: u8) -> Self {
        match id {
            7 => Self::H264,
            12 => Self::H265,
            2 => Self::Refused(Refused::Named("Sorenson H.263")),
            3 => Self::Refused(Refused::Named("Screen Video")),
            4 => Self::Refused(Refused::Named("On2 VP6")),
            5 => Self::Refused(Refused::Named("On2 VP6 with alpha")),
            6 => Self::Refused(Refused::Named("Screen Video 2")),
            _ => Self::Refused(Refused::Id(id)),
        }
    }

    /// Whether `CodedFrames` has a composition time: codecs of ISO/IEC 14496-15 with B-frames.
    pub(super) const fn has_composition_time(self) -> bool {
        match self {
            Self::H264 | Self::H265 => true,
            Self::Av1 | Self::Vp8 | Self::Vp9 | Self::Refused(_) => false,
        }
    }
}

impl AudioCodec {
    /// By `AudioFourCc`.
    pub(super) const fn from_four_cc(four_cc: [u8; 4]) -> Self {
        match &four_cc {
            b"mp4a" => Self::Aac,
            b"Opus" => Self::Opus,
            b"fLaC" => Self::Flac,
            b"ac-3" => Self::Ac3,
            b"ec-3" => Self::Eac3,
            b".mp3" => Self::Mp3,
            _ => Self::Refused(Refused::FourCc(four_cc)),
        }
    }

    /// By legacy `SoundFormat`.
    pub(super) const fn from_legacy_id(id: u8) -> Self {
        match id {
            10 => Self::Aac,
            // 14 is MP3 at 8 kHz; the frames say their rate themselves.
            2 | 14 => Self::Mp3,
            0 | 3 => Self::Refused(Refused::Named("uncompressed audio (PCM)")),
            1 => Self::Refused(Refused::Named("ADPCM")),
            4..=6 => Self::Refused(Refused::Named("Nellymoser")),
            7 => Self::Refused(Refused::Named("G.711 A-law")),
            8 => Self::Refused(Refused::Named("G.711 mu-law")),
            11 => Self::Refused(Refused::Named("Speex")),
            _ => Self::Refused(Refused::Id(id)),
        }
    }
}
