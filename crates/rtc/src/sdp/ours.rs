//! Offers this side makes, and answers to them: what counter-offers and a player's offers have in common.

use super::negotiate::{Plan, Remote};
use super::play::OPUS_FMTP;
use super::section::{Direction, Kind, Section};
use super::write::{self, Text};
use super::{
    CodecName, Extensions, Feedback, Local, NegotiatedCodec, NegotiatedMedia, Offer, Refusal,
    Setup, VideoFormat,
};

const PROTOCOL: &str = "UDP/TLS/RTP/SAVPF";
const OPUS_PAYLOAD_TYPE: u8 = 111;
const VIDEO_PAYLOAD_TYPE: u8 = 96;

/// An offer of these sections, all in one BUNDLE group.
pub(super) fn offer(
    sections: &[(Kind, NegotiatedMedia)],
    direction: Direction,
    local: &Local,
) -> String {
    let mut text = Text::default();
    let mids: Vec<_> = sections.iter().filter_map(|(_, media)| media.mid.as_deref()).collect();
    write::session(&mut text, &mids, true, local);
    for (index, (kind, media)) in sections.iter().enumerate() {
        write::media_head(&mut text, *kind, PROTOCOL, media);
        write::media_body(&mut text, *kind, media, direction, local, &[]);
        write::transport(&mut text, "actpass", local);
        if index == 0 {
            write::candidates(&mut text, &local.candidates);
        }
    }
    text.finish()
}

/// What an answer to an offer of `sections` makes of each, by `plan`, and the peer's transport. `flows`
/// tells whether a section is one media would flow in.
///
/// # Errors
/// See [`Refusal`]: besides what refuses offers, sections other than the offer's, an answer that
/// leaves the DTLS role open, and one by which nothing flows.
pub(super) fn read_answer(
    sections: &[(Kind, NegotiatedMedia)],
    answer: &Offer,
    flows: fn(Direction) -> bool,
    plan: impl Fn(&Section, &NegotiatedMedia) -> Plan,
) -> Result<(Remote, Vec<Plan>), Refusal> {
    let kinds = answer.sections.iter().map(|section| section.kind);
    if !kinds.eq(sections.iter().map(|(kind, _)| *kind)) {
        return Err(Refusal::SectionsDiffer);
    }
    let remote = Remote::of(answer, flows)?;
    let setup = answer.sections[remote.section].transport.setup;
    if !matches!(setup, Some(Setup::Active | Setup::Passive)) {
        return Err(Refusal::NoDtlsRole);
    }
    let both = answer.sections.iter().zip(sections);
    let plans: Vec<_> = both.map(|(section, (_, offered))| plan(section, offered)).collect();
    match plans.iter().any(|plan| matches!(plan, Plan::Media(_))) {
        true => Ok((remote, plans)),
        false => Err(Refusal::NothingInCommon),
    }
}

/// A section of these codecs.
pub(super) fn media(mid: &str, codecs: Vec<NegotiatedCodec>) -> NegotiatedMedia {
    NegotiatedMedia {
        mid: Some(mid.to_owned()),
        codecs,
        extensions: Extensions::OURS,
        rids: Vec::new(),
        remote_ssrcs: Vec::new(),
    }
}

/// Opus in stereo.
pub(super) fn opus() -> NegotiatedCodec {
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

/// These formats in order, each with retransmissions, under payload types of our own.
pub(super) fn video(formats: &[VideoFormat]) -> Vec<NegotiatedCodec> {
    let types = (VIDEO_PAYLOAD_TYPE..).step_by(2);
    let codec = |(format, payload_type): (&VideoFormat, u8)| NegotiatedCodec {
        name: format.name(),
        payload_type,
        rtx_payload_type: Some(payload_type + 1),
        clock_hz: 90_000,
        channels: 1,
        fmtp: fmtp(*format),
        feedback: Feedback { nack: true, pli: true, fir: true, transport_cc: true, remb: true },
    };
    formats.iter().zip(types).map(codec).collect()
}

/// The format parameters that tell the format.
pub(super) fn fmtp(format: VideoFormat) -> String {
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
