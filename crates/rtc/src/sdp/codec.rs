//! Codecs as descriptions name them: `rtpmap`, `fmtp`, `rtcp-fb`.

use std::fmt;

use crate::depacketize::Format;

/// Longest name of a codec this side does not know that is kept, in bytes: it is only echoed.
const NAME_BYTES_MAX: usize = 32;
/// Most `fmtp` parameters kept of one codec; H.265 has the most, about 20.
const PARAMETERS_MAX: usize = 32;

/// A codec by its name in `rtpmap`, in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodecName {
    /// H.264 (RFC 6184).
    H264,
    /// H.265 (RFC 7798).
    H265,
    /// AV1 (AV1 RTP payload format 1.0).
    Av1,
    /// VP8 (RFC 7741).
    Vp8,
    /// VP9 (RFC 9628).
    Vp9,
    /// Opus (RFC 7587).
    Opus,
    /// Retransmission of another payload type (RFC 4588).
    Rtx,
    /// Any other, as it was written.
    Other(String),
}

impl CodecName {
    /// Names this side knows, as they are written.
    const KNOWN: [(Self, &str); 7] = [
        (Self::H264, "H264"),
        (Self::H265, "H265"),
        (Self::Av1, "AV1"),
        (Self::Vp8, "VP8"),
        (Self::Vp9, "VP9"),
        (Self::Opus, "opus"),
        (Self::Rtx, "rtx"),
    ];

    /// How its payloads are read and written, where this crate can.
    #[must_use]
    pub const fn payload_format(&self) -> Option<Format> {
        match self {
            Self::H264 => Some(Format::H264),
            Self::H265 => Some(Format::H265),
            Self::Av1 => Some(Format::Av1),
            Self::Vp8 => Some(Format::Vp8),
            Self::Vp9 => Some(Format::Vp9),
            Self::Opus => Some(Format::Opus),
            Self::Rtx | Self::Other(_) => None,
        }
    }

    fn named(name: &str) -> Option<Self> {
        let known = Self::KNOWN.into_iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
        match known {
            Some((codec, _)) => Some(codec),
            None if name.is_empty() || name.len() > NAME_BYTES_MAX => None,
            None => Some(Self::Other(name.to_owned())),
        }
    }
}

impl fmt::Display for CodecName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(name) => f.write_str(name),
            known => f.write_str(
                Self::KNOWN.iter().find(|(codec, _)| codec == known).map_or("", |(_, name)| name),
            ),
        }
    }
}

/// Which feedback messages both sides use (RFC 4585, RFC 5104).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// `nack`: lost packets are named.
    pub nack: bool,
    /// `nack pli`: a key frame is asked for.
    pub pli: bool,
    /// `ccm fir`: a key frame is demanded.
    pub fir: bool,
    /// `transport-cc`: arrival times of all packets.
    pub transport_cc: bool,
    /// `goog-remb`: the receiver's bandwidth estimate.
    pub remb: bool,
}

impl Feedback {
    /// Sets the flag of one `rtcp-fb` value; others are ignored.
    pub(super) fn add(&mut self, value: &str) {
        match value {
            "nack" => self.nack = true,
            "nack pli" => self.pli = true,
            "ccm fir" => self.fir = true,
            "transport-cc" => self.transport_cc = true,
            "goog-remb" => self.remb = true,
            _ => {}
        }
    }

    /// Either's flags.
    pub(super) const fn or(self, other: Self) -> Self {
        Self {
            nack: self.nack || other.nack,
            pli: self.pli || other.pli,
            fir: self.fir || other.fir,
            transport_cc: self.transport_cc || other.transport_cc,
            remb: self.remb || other.remb,
        }
    }

    /// The values of `rtcp-fb` that are set.
    pub(super) fn values(self) -> impl Iterator<Item = &'static str> {
        [
            (self.remb, "goog-remb"),
            (self.transport_cc, "transport-cc"),
            (self.fir, "ccm fir"),
            (self.nack, "nack"),
            (self.pli, "nack pli"),
        ]
        .into_iter()
        .filter_map(|(is_set, value)| is_set.then_some(value))
    }
}

/// One payload type of a section, with all that was said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedCodec {
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// The codec.
    pub name: CodecName,
    /// RTP clock in Hz.
    pub clock_hz: u32,
    /// Channels of audio; 1 where nothing is said.
    pub channels: u8,
    /// `fmtp` parameters: names in lower case, values as written.
    pub parameters: Vec<(String, String)>,
    /// Feedback offered for it.
    pub feedback: Feedback,
}

impl OfferedCodec {
    /// A payload type of the `m=` line of which nothing else is known yet, but for the static types
    /// of RFC 3551 that clients list without `rtpmap`.
    pub(super) fn of_payload_type(payload_type: u8) -> Self {
        let (name, clock_hz) = match payload_type {
            0 => ("PCMU", 8_000),
            8 => ("PCMA", 8_000),
            9 => ("G722", 8_000),
            _ => ("", 0),
        };
        Self {
            payload_type,
            name: CodecName::Other(name.to_owned()),
            clock_hz,
            channels: 1,
            parameters: Vec::new(),
            feedback: Feedback::default(),
        }
    }

    /// Reads `H264/90000` or `opus/48000/2`; malformed ones leave the codec unknown.
    pub(super) fn read_rtpmap(&mut self, value: &str) {
        let mut parts = value.trim().split('/');
        let name = parts.next().and_then(CodecName::named);
        let clock_hz = parts.next().and_then(|hz| hz.parse().ok());
        let channels = parts.next().map_or(Some(1), |count| count.parse().ok());
        if let (Some(name), Some(clock_hz), Some(channels)) = (name, clock_hz, channels) {
            (self.name, self.clock_hz, self.channels) = (name, clock_hz, channels);
        }
    }

    /// Reads `key=value;key=value`.
    pub(super) fn read_fmtp(&mut self, value: &str) {
        for parameter in value.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            if self.parameters.len() == PARAMETERS_MAX {
                break;
            }
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            self.parameters.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// Whether anything is known of it.
    pub(super) const fn is_described(&self) -> bool {
        self.clock_hz > 0
    }

    /// One `fmtp` parameter; `name` in lower case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A numeric `fmtp` parameter, or what its absence means.
    pub(super) fn number(&self, name: &str, absent: u32) -> Option<u32> {
        self.parameter(name).map_or(Some(absent), |value| value.parse().ok())
    }

    /// The parameters as `fmtp` writes them.
    #[must_use]
    pub fn fmtp(&self) -> String {
        let pairs = self.parameters.iter().map(|(key, value)| {
            if value.is_empty() { key.clone() } else { format!("{key}={value}") }
        });
        pairs.collect::<Vec<_>>().join(";")
    }
}
