//! What a session runs on once offer and answer are exchanged.

use super::{Candidate, CodecName, Extensions, Feedback, OfferedCodec};
use crate::transport::{Credentials, DtlsRole, Fingerprint};

/// This side's ids and secrets, chosen by the caller.
#[derive(Clone, Debug)]
pub struct Local {
    /// Of the `o=` line: random, below 2^63 (RFC 8829 section 5.2.1).
    pub session_id: u64,
    /// ICE credentials, fresh for each session.
    pub ice: Credentials,
    /// Of the certificate.
    pub fingerprint: Fingerprint,
    /// All of the server's candidates, the best UDP one first: FFmpeg looks at no other. // W5
    pub candidates: Vec<Candidate>,
    /// Whether this side only answers connectivity checks.
    pub ice_lite: bool,
    /// RTCP canonical name of what is sent (RFC 7022).
    pub cname: String,
    /// The one media stream's id. // W4
    pub stream_id: String,
    /// SSRC of sent audio.
    pub audio_ssrc: u32,
    /// SSRC of sent video.
    pub video_ssrc: u32,
    /// SSRC of retransmitted video.
    pub video_rtx_ssrc: u32,
}

/// Text to send, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The session description, lines ended by CRLF.
    pub sdp: String,
    /// What both sides agree on by it.
    pub negotiated: Negotiated,
}

/// What both sides agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Which side of the DTLS handshake this side is.
    pub dtls_role: DtlsRole,
    /// The peer's ICE credentials.
    pub remote_ice: Credentials,
    /// Whether this side chooses the path (RFC 8445 section 6.1.1): the offering side does, unless
    /// it alone is lite.
    pub controlling: bool,
    /// What the peer's certificate must hash to.
    pub remote_fingerprint: Fingerprint,
    /// The peer's candidates known so far; often none.
    pub remote_candidates: Vec<Candidate>,
    /// The `mid` of the section that carries the transport: restart answers name it. // W9
    pub transport_mid: Option<String>,
    /// Audio, where it flows.
    pub audio: Option<NegotiatedMedia>,
    /// Video, where it flows.
    pub video: Option<NegotiatedMedia>,
    /// The data channel, where the client offers one.
    pub data_channel: Option<DataChannel>,
}

/// SCTP over DTLS (RFC 8841).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataChannel {
    /// The peer's SCTP port.
    pub remote_port: u16,
    /// The longest message the peer takes, in bytes; 0 is "any".
    pub remote_message_bytes_max: u64,
}

/// One section with media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedMedia {
    /// `mid`, for its header extension.
    pub mid: Option<String>,
    /// What is sent (always one) or may come, the preferred first.
    pub codecs: Vec<NegotiatedCodec>,
    /// Header extension ids.
    pub extensions: Extensions,
    /// Simulcast layers a publisher sends, in its order; empty without simulcast. // W17
    pub rids: Vec<String>,
    /// SSRCs a publisher names, more than one only of simulcast layers; empty where it leaves them
    /// to be seen.
    pub remote_ssrcs: Vec<RemoteSsrc>,
}

impl NegotiatedMedia {
    /// The codec of a payload type that came in; `true` with it for a retransmission.
    #[must_use]
    pub fn codec(&self, payload_type: u8) -> Option<(&NegotiatedCodec, bool)> {
        self.codecs.iter().find_map(|codec| {
            let is_rtx = codec.rtx_payload_type == Some(payload_type);
            (is_rtx || codec.payload_type == payload_type).then_some((codec, is_rtx))
        })
    }
}

/// One codec of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedCodec {
    /// The codec; never [`CodecName::Rtx`].
    pub name: CodecName,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of its retransmissions.
    pub rtx_payload_type: Option<u8>,
    /// RTP clock in Hz.
    pub clock_hz: u32,
    /// Channels of audio; 1 for video.
    pub channels: u8,
    /// Format parameters as the answer has them.
    pub fmtp: String,
    /// Feedback both sides use.
    pub feedback: Feedback,
}

impl NegotiatedCodec {
    /// An offered codec, with its retransmissions found among its section's.
    pub(super) fn taken(codec: &OfferedCodec, all: &[OfferedCodec], fmtp: String) -> Self {
        let repairs = |rtx: &&OfferedCodec| {
            rtx.name == CodecName::Rtx
                && rtx.number("apt", u32::MAX) == Some(codec.payload_type.into())
        };
        Self {
            name: codec.name.clone(),
            payload_type: codec.payload_type,
            rtx_payload_type: all.iter().find(repairs).map(|rtx| rtx.payload_type),
            clock_hz: codec.clock_hz,
            channels: codec.channels,
            fmtp,
            feedback: codec.feedback,
        }
    }
}

/// One SSRC a publisher names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteSsrc {
    /// Of the media.
    pub ssrc: u32,
    /// Of its retransmissions (`FID`).
    pub rtx: Option<u32>,
}
