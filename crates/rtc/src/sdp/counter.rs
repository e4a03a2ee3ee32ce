//! The server's own offer, where a viewer's cannot be answered (W15).

use super::negotiate::{self, Plan, Remote};
use super::play::{OPUS_FMTP, choose};
use super::section::{Direction, Kind};
use super::write::{self, Text};
use super::{
    CodecName, Extensions, Feedback, Local, Negotiated, NegotiatedCodec, NegotiatedMedia, Offer,
    Playable, Refusal, Setup, VideoFormat,
};

const PROTOCOL: &str = "UDP/TLS/RTP/SAVPF";
const OPUS_PAYLOAD_TYPE: u8 = 111;
const VIDEO_PAYLOAD_TYPE: u8 = 96;
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
        let mut text = Text::default();
        write::session(&mut text, &["0", "1"][..sections.len()], true, local);
        for (index, (kind, media)) in sections.iter().enumerate() {
            write::media_head(&mut text, *kind, PROTOCOL, media);
            write::media_body(&mut text, *kind, media, Direction::SendOnly, local, &[]);
            write::transport(&mut text, "actpass", local);
            if index == 0 {
                write::candidates(&mut text, &local.candidates);
            }
        }
        Some(Self { sdp: text.finish(), playable: *playable, ice_lite: local.ice_lite, sections })
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
        let kinds = answer.sections.iter().map(|section| section.kind);
        if !kinds.eq(self.sections.iter().map(|(kind, _)| *kind)) {
            return Err(Refusal::SectionsDiffer);
        }
        let remote = Remote::of(answer, Direction::receives)?;
        let setup = answer.sections[remote.section].transport.setup;
        if !matches!(setup, Some(Setup::Active | Setup::Passive)) {
            return Err(Refusal::NoDtlsRole);
        }
        let both = answer.sections.iter().zip(&self.sections);
        let plans: Vec<_> =
            both.map(|(section, (_, offered))| self.plan(section, offered)).collect();
        match plans.iter().any(|plan| matches!(plan, Plan::Media(_))) {
            true => {
                let controlling = !self.ice_lite || remote.ice_lite;
                Ok(remote.negotiated(answer, plans, controlling))
            }
            false => Err(Refusal::NothingInCommon),
        }
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

fn media(mid: &str, codecs: Vec<NegotiatedCodec>) -> NegotiatedMedia {
    NegotiatedMedia {
        mid: Some(mid.to_owned()),
        codecs,
        extensions: Extensions::OURS,
        rids: Vec::new(),
        remote_ssrcs: Vec::new(),
    }
}

fn opus() -> NegotiatedCodec {
    NegotiatedCodec {
        name: CodecName::Opus,
        payload_type: OPUS_PAYLOAD_TYPE,
        rtx_payload_type: None,
        clock_hz: 48_000,
        channels: 2,
        fmtp: OPUS_FMTP.to_owned(),
        feedback: Feedback { transport_cc: true, ..Feedback::default() },
    }
}

/// The stream's format; for H.264 of another profile also what all browsers list, because they
/// decode more than they list.
fn video_codecs(format: VideoFormat) -> Vec<NegotiatedCodec> {
    let mut fmtps = vec![fmtp(format)];
    let common = fmtp(VideoFormat::H264(H264_COMMON));
    if matches!(format, VideoFormat::H264(_)) && fmtps[0] != common {
        fmtps.push(common);
    }
    let types = (VIDEO_PAYLOAD_TYPE..).step_by(2);
    fmtps
        .into_iter()
        .zip(types)
        .map(|(fmtp, payload_type)| NegotiatedCodec {
            name: format.name(),
            payload_type,
            rtx_payload_type: Some(payload_type + 1),
            clock_hz: 90_000,
            channels: 1,
            fmtp,
            feedback: Feedback { nack: true, pli: true, fir: true, transport_cc: true, remb: true },
        })
        .collect()
}

fn fmtp(format: VideoFormat) -> String {
    match format {
        VideoFormat::H264([profile, constraints, level]) => format!(
            "level-asymmetry-allowed=1;packetization-mode=1;\
             profile-level-id={profile:02x}{constraints:02x}{level:02x}"
        ),
        VideoFormat::H265 { profile, tier, level } => {
            format!("level-id={level};profile-id={profile};tier-flag={tier};tx-mode=SRST")
        }
        VideoFormat::Av1 { profile } => format!("profile={profile}"),
        VideoFormat::Vp9 { profile } => format!("profile-id={profile}"),
        VideoFormat::Vp8 => String::new(),
    }
}
