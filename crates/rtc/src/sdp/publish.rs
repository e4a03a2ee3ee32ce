//! WHIP: answers to publishers.

use super::negotiate::{self, Plan, Remote, plan_without_media};
use super::play::is_opus;
use super::section::{Direction, Kind, Section};
use super::{
    Answer, CodecName, Extensions, Local, NegotiatedCodec, Offer, OfferedCodec, Refusal, RemoteSsrc,
};

/// Most simulcast layers taken: browsers and OBS send 3, and each costs a receiver. Further ones
/// are left out of the answer, so that they are not sent (RFC 8853 section 5.3.2).
pub const SIMULCAST_LAYERS_MAX: usize = 4;

/// Stereo is wanted: browsers send mono otherwise (RFC 7587 section 6.1).
const OPUS_FMTP: &str = "minptime=10;stereo=1;useinbandfec=1";
/// Level 5.2: nothing is decoded here, so a publisher need not stay below the level it offers.
const H264_LEVEL: &str = "34";

/// Answers a publisher's offer: `recvonly`, with all codecs that are taken, the one wanted first.
/// // W4, W5, W17
///
/// # Errors
/// See [`Refusal`]; a section that would send codecs of which none is taken refuses the offer as a
/// whole, as WHIP wants it. // W4
pub fn answer_publish(offer: &Offer, local: &Local) -> Result<Answer, Refusal> {
    let remote = Remote::of(offer, Direction::sends)?;
    let plans: Result<_, _> = offer.sections.iter().map(plan).collect();
    negotiate::answer(offer, remote, plans?, Direction::RecvOnly, local)
}

fn plan(section: &Section) -> Result<Plan, Refusal> {
    let without = plan_without_media(section);
    if !matches!(without, Plan::Inactive) || !section.direction.sends() {
        return Ok(without);
    }
    let ranked = section.codecs.iter().map(|codec| (rank(codec, section.simulcast), codec));
    let mut taken: Vec<_> = ranked.filter_map(|(rank, codec)| Some((rank?, codec))).collect();
    if taken.is_empty() {
        return Err(Refusal::NoCommonCodec(section.kind));
    }
    taken.sort_by_key(|(rank, _)| *rank); // stable: the client's order between equals
    let codecs = taken
        .into_iter()
        .map(|(_, codec)| NegotiatedCodec::taken(codec, &section.codecs, fmtp(codec)))
        .collect();
    let extensions = Extensions::choose(&section.extensions, Direction::SendOnly, true);
    let mut media = negotiate::media(section, codecs, extensions);
    if section.simulcast && section.kind == Kind::Video && media.extensions.rid.is_some() {
        media.rids = section.send_rids.iter().take(SIMULCAST_LAYERS_MAX).cloned().collect();
    }
    media.remote_ssrcs = remote_ssrcs(section, media.rids.len());
    Ok(Plan::Media(media))
}

/// Place in the order of preference: what most viewers play without transcoding comes first. VP8 comes
/// after what browsers play over HLS too, since in fMP4 none takes it; but with simulcast before them:
/// of VP9 browsers make layers within one stream instead. `None` for what is not taken.
fn rank(codec: &OfferedCodec, is_simulcast: bool) -> Option<u8> {
    match codec.name {
        CodecName::H264 => match codec.number("packetization-mode", 0)? {
            1 => Some(0),
            0 => Some(1),
            _ => None,
        },
        CodecName::Vp8 if is_simulcast => Some(2),
        CodecName::Vp9 => Some(3),
        CodecName::Av1 => Some(4),
        CodecName::Vp8 => Some(5),
        CodecName::H265 => Some(6),
        CodecName::Opus => is_opus(codec).then_some(0),
        CodecName::Rtx | CodecName::Other(_) => None,
    }
}

/// The answer's format parameters: the offered ones without what describes the sender's own stream.
fn fmtp(codec: &OfferedCodec) -> String {
    if codec.name == CodecName::Opus {
        return OPUS_FMTP.to_owned();
    }
    let mut answered = codec.clone();
    answered.parameters.retain(|(key, _)| !key.starts_with("sprop-"));
    if codec.name == CodecName::H264 && codec.parameter("level-asymmetry-allowed") == Some("1") {
        for (key, value) in &mut answered.parameters {
            if key == "profile-level-id" && value.len() == 6 && value.is_ascii() {
                value.replace_range(4.., H264_LEVEL);
            }
        }
    }
    answered.fmtp()
}

/// The SSRC of media, or those of simulcast layers in their order, each with that of its
/// retransmissions.
pub(super) fn remote_ssrcs(section: &Section, rids: usize) -> Vec<RemoteSsrc> {
    let groups = |semantics: &'static str| {
        section.ssrc_groups.iter().filter(move |group| group.semantics == semantics)
    };
    let rtx_of = |ssrc: u32| {
        groups("FID").find(|group| group.ssrcs.first() == Some(&ssrc))?.ssrcs.get(1).copied()
    };
    let is_repair = |ssrc: u32| {
        groups("FID").chain(groups("FEC-FR")).any(|g| g.ssrcs.iter().skip(1).any(|s| *s == ssrc))
    };
    let (media, layers_max) = match groups("SIM").next() {
        Some(layers) => (&layers.ssrcs, SIMULCAST_LAYERS_MAX),
        None => (&section.ssrcs, rids.max(1)),
    };
    let media = media.iter().copied().filter(|ssrc| !is_repair(*ssrc)).take(layers_max);
    media.map(|ssrc| RemoteSsrc { ssrc, rtx: rtx_of(ssrc) }).collect()
}
