//! WHEP from the player's side: its offer, and the server's answer to it.

use super::negotiate::{self, Plan};
use super::ours::{self, media, opus, video};
use super::publish::remote_ssrcs;
use super::section::{Direction, Kind, Section};
use super::{
    Extensions, Local, Negotiated, NegotiatedCodec, NegotiatedMedia, Offer, Refusal, VideoFormat,
};

/// What players can be expected to take, in the order browsers list it.
const FORMATS: [VideoFormat; 8] = [
    VideoFormat::Vp8,
    VideoFormat::Vp9 { profile: 0 },
    VideoFormat::H264([0x42, 0x00, 0x1F]),
    VideoFormat::H264([0x42, 0xE0, 0x1F]),
    VideoFormat::H264([0x4D, 0x00, 0x1F]),
    VideoFormat::H264([0x64, 0x00, 0x1F]),
    VideoFormat::Av1 { profile: 0 },
    VideoFormat::H265 { profile: 1, tier: 0, level: 153 },
];

/// An offer to receive sound and pictures in every format this crate knows.
///
/// The server's side of it is [`super::answer_play`].
#[derive(Clone, Debug)]
pub struct PlayerOffer {
    sdp: String,
    sections: [(Kind, NegotiatedMedia); 2],
}

impl PlayerOffer {
    /// The offer of a player with these ids; SSRCs are not named, because it sends no media.
    #[must_use]
    pub fn new(local: &Local) -> Self {
        let sections =
            [(Kind::Audio, media("0", vec![opus()])), (Kind::Video, media("1", video(&FORMATS)))];
        Self { sdp: ours::offer(&sections, Direction::RecvOnly, local), sections }
    }

    /// The offer's text, lines ended by CRLF.
    #[must_use]
    pub fn sdp(&self) -> &str {
        &self.sdp
    }

    /// Reads the server's answer.
    ///
    /// # Errors
    /// See [`Refusal`]: what is wrong with the answer, here, or that nothing would be sent.
    pub fn accept(&self, answer: &Offer) -> Result<Negotiated, Refusal> {
        let (remote, plans) = ours::read_answer(&self.sections, answer, Direction::sends, plan)?;
        // The offering side chooses the path, lite peer or not (RFC 8445 section 6.1.1).
        Ok(remote.negotiated(answer, plans, true))
    }
}

/// Payload types of ours that the answer keeps.
fn plan(answered: &Section, offered: &NegotiatedMedia) -> Plan {
    if answered.rejected || !answered.direction.sends() {
        return Plan::Inactive;
    }
    let codecs: Vec<_> = answered
        .codecs
        .iter()
        .filter(|codec| offered.codecs.iter().any(|ours| ours.payload_type == codec.payload_type))
        .map(|codec| NegotiatedCodec::taken(codec, &answered.codecs, codec.fmtp()))
        .collect();
    if codecs.is_empty() {
        return Plan::Inactive;
    }
    let extensions = Extensions::choose(&answered.extensions, Direction::SendOnly, false);
    let mut media = negotiate::media(answered, codecs, extensions);
    media.remote_ssrcs = remote_ssrcs(answered, 0);
    Plan::Media(media)
}
