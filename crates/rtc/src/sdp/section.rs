//! One media section of a description.

use std::fmt;

use super::{Candidate, ExtensionMap, OfferedCodec, TransportAttributes};

/// What a section carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// A data channel.
    Application,
    /// Anything else; never accepted.
    Other,
}

impl Kind {
    pub(super) fn named(name: &str) -> Self {
        match name {
            "audio" => Self::Audio,
            "video" => Self::Video,
            "application" => Self::Application,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Application => "application",
            Self::Other => "other",
        })
    }
}

/// Which way media flows, as the description's sender sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways: what no attribute means (RFC 8866 section 6.7).
    #[default]
    SendRecv,
    /// From the description's sender.
    SendOnly,
    /// To the description's sender.
    RecvOnly,
    /// Not at all.
    Inactive,
}

impl Direction {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "sendrecv" => Some(Self::SendRecv),
            "sendonly" => Some(Self::SendOnly),
            "recvonly" => Some(Self::RecvOnly),
            "inactive" => Some(Self::Inactive),
            _ => None,
        }
    }

    /// Whether the description's sender sends.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the description's sender receives.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}

/// SSRCs that belong together (RFC 5576 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsrcGroup {
    /// `FID` pairs media and its retransmissions, `SIM` lists simulcast layers.
    pub semantics: String,
    /// The SSRCs, in the order that has the meaning.
    pub ssrcs: Vec<u32>,
}

/// One media section, with what the session level says for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What it carries.
    pub kind: Kind,
    /// The first word of its `m=` line, as written.
    pub media: String,
    /// The transport protocol, as written.
    pub protocol: String,
    /// The formats of the `m=` line, as written.
    pub formats: String,
    /// Port 0 without `bundle-only`: the client does not use it.
    pub rejected: bool,
    /// `mid`, which BUNDLE needs.
    pub mid: Option<String>,
    /// Which way media flows.
    pub direction: Direction,
    /// Its own transport attributes, else the session's.
    pub transport: TransportAttributes,
    /// Candidates this side can use.
    pub candidates: Vec<Candidate>,
    /// Whether there will be no more.
    pub end_of_candidates: bool,
    /// `rtcp-mux` or `rtcp-mux-only`.
    pub rtcp_mux: bool,
    /// Its codecs, the client's favourite first.
    pub codecs: Vec<OfferedCodec>,
    /// Its header extensions.
    pub extensions: Vec<ExtensionMap>,
    /// Layers of simulcast the client sends, the order as in `simulcast:send`; else the rids it
    /// declares with `send`.
    pub send_rids: Vec<String>,
    /// Whether the layers come from `simulcast` (RFC 8853).
    pub simulcast: bool,
    /// SSRCs it names, in order, each once.
    pub ssrcs: Vec<u32>,
    /// Groups of them.
    pub ssrc_groups: Vec<SsrcGroup>,
    /// Stream and track, as written.
    pub msid: Option<String>,
    /// `sctp-port` of a data channel.
    pub sctp_port: Option<u16>,
    /// `max-message-size` of a data channel, in bytes; 0 is "any".
    pub max_message_bytes: Option<u64>,
}

impl Section {
    /// The codec of a payload type.
    #[must_use]
    pub fn codec(&self, payload_type: u8) -> Option<&OfferedCodec> {
        self.codecs.iter().find(|codec| codec.payload_type == payload_type)
    }

    /// Whether it is a data channel of RFC 8841; the older form is not taken.
    #[must_use]
    pub fn is_data_channel(&self) -> bool {
        self.kind == Kind::Application
            && self.formats.split(' ').any(|format| format == "webrtc-datachannel")
    }
}
