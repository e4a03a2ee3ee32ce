//! The server's own offer, where a viewer's cannot be answered (W15).

use super::negotiate::{self, Plan};
use super::ours::{self, fmtp, media, opus, video};
use super::play::choose;
use super::section::{Direction, Kind};
use super::{
    Extensions, Local, Negotiated, NegotiatedCodec, NegotiatedMedia, Offer, Playable, Refusal,
    VideoFormat,
};

/// What every H.264 decoder in a browser lists: Constrained Baseline, level 3.1.
const H264_COMMON: [u8; 3] = [0x42, 0xE0, 0x1F];

/// An offer of what a stream has, which is sent with 406 and answered by PATCH. // W15
#[derive(Clone, Debug)]
pub struct CounterOffer {
    sdp: String,
    playable: Playable,
    ice_lite: bool,
    sections: Vec<(Kind, NegotiatedMedia)>,
}

impl CounterOffer {
    /// An offer of what a stream has; `None` where it has nothing for WebRTC viewers.
    #[must_use]
    pub fn new(playable: &Playable, local: &Local) -> Option<Self> {
        let mut sections = Vec::new();
        if playable.opus {
            sections.push((Kind::Audio, media("0", vec![opus()])));
        }
        if let Some(format) = playable.video {
            let mid = if sections.is_empty() { "0" } else { "1" };
            sections.push((Kind::Video, media(mid, video_codecs(format))));
        }
        if sections.is_empty() {
            return None;
        }
        let sdp = ours::offer(&sections, Direction::SendOnly, local);
        Some(Self { sdp, playable: *playable, ice_lite: local.ice_lite, sections })
    }

    /// The offer's text, lines ended by CRLF.
    #[must_use]
    pub fn sdp(&self) -> &str {
        &self.sdp
    }

    /// Reads the viewer's answer.
    ///
    /// # Errors
    /// See [`Refusal`]: besides what refuses offers, sections other than the offer's, or an answer
    /// that leaves the DTLS role open.
    pub fn accept(&self, answer: &Offer) -> Result<Negotiated, Refusal> {
        let (remote, plans) =
            ours::read_answer(&self.sections, answer, Direction::receives, |section, offered| {
                self.plan(section, offered)
            })?;
        let controlling = !self.ice_lite || remote.ice_lite;
        Ok(remote.negotiated(answer, plans, controlling))
    }

    fn plan(&self, answered: &super::Section, offered: &NegotiatedMedia) -> Plan {
        if answered.rejected || !answered.direction.receives() {
            return Plan::Inactive;
        }
        let codec = choose(answered.kind, &answered.codecs, &self.playable).and_then(|codec| {
            let known = offered.codecs.iter().find(|c| c.payload_type == codec.payload_type)?;
            Some(NegotiatedCodec::taken(codec, &answered.codecs, known.fmtp.clone()))
        });
        let Some(codec) = codec else { return Plan::Inactive };
        let extensions = Extensions::choose(&answered.extensions, Direction::RecvOnly, false);
        Plan::Media(negotiate::media(answered, vec![codec], extensions))
    }
}

/// The stream's format; for H.264 of another profile also what all browsers list, because they
/// decode more than they list.
fn video_codecs(format: VideoFormat) -> Vec<NegotiatedCodec> {
    let common = VideoFormat::H264(H264_COMMON);
    let is_other = matches!(format, VideoFormat::H264(_)) && fmtp(format) != fmtp(common);
    video(&[format, common][..1 + usize::from(is_other)])
}
