//! WHEP: answers to viewers.

use super::negotiate::{self, Plan, Remote, plan_without_media};
use super::section::{Direction, Kind, Section};
use super::{
    Answer, CodecName, Extensions, Local, NegotiatedCodec, Offer, OfferedCodec, Playable, Refusal,
};

/// What is sent is stereo, and so is to be decoded (RFC 7587 section 6.1).
pub(super) const OPUS_FMTP: &str = "minptime=10;sprop-stereo=1;stereo=1;useinbandfec=1";

/// Answers a viewer's offer: `sendonly` for what the stream has and the viewer's codecs take,
/// `inactive` for the rest. // W4, W5
///
/// # Errors
/// See [`Refusal`]. With [`Refusal::NothingInCommon`] a [`super::CounterOffer`] may help. // W15
pub fn answer_play(offer: &Offer, playable: &Playable, local: &Local) -> Result<Answer, Refusal> {
    let remote = Remote::of(offer, Direction::receives)?;
    let plans = offer.sections.iter().map(|section| plan(section, playable)).collect();
    negotiate::answer(offer, remote, plans, Direction::SendOnly, local)
}

fn plan(section: &Section, playable: &Playable) -> Plan {
    let without = plan_without_media(section);
    if !matches!(without, Plan::Inactive) || !section.direction.receives() {
        return without;
    }
    let Some(codec) = choose(section.kind, &section.codecs, playable) else { return without };
    let fmtp = if codec.name == CodecName::Opus { OPUS_FMTP.to_owned() } else { codec.fmtp() };
    let codec = NegotiatedCodec::taken(codec, &section.codecs, fmtp);
    let extensions = Extensions::choose(&section.extensions, Direction::RecvOnly, false);
    Plan::Media(negotiate::media(section, vec![codec], extensions))
}

/// The payload type of a section that the stream is sent under.
pub(super) fn choose<'a>(
    kind: Kind,
    codecs: &'a [OfferedCodec],
    playable: &Playable,
) -> Option<&'a OfferedCodec> {
    match kind {
        Kind::Video => playable.video?.choose(codecs),
        Kind::Audio if playable.opus => codecs.iter().find(|codec| is_opus(codec)),
        _ => None,
    }
}

/// Opus is always written as 48,000 Hz and two channels (RFC 7587 section 7).
pub(super) fn is_opus(codec: &OfferedCodec) -> bool {
    codec.name == CodecName::Opus && codec.clock_hz == 48_000 && codec.channels == 2
}
