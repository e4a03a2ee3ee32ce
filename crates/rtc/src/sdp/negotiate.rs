//! What answers to viewers and to publishers have in common.

use super::attribute::CANDIDATES_MAX;
use super::section::{Direction, Kind, Section};
use super::{
    Answer, Candidate, DataChannel, Extensions, Local, Negotiated, NegotiatedMedia, Offer, Refusal,
    Setup, write,
};
use crate::transport::{Credentials, DtlsRole, Fingerprint};

/// SCTP port of data channels where none is written (RFC 8841 section 5.2 has no default; every
/// client uses this one).
const SCTP_PORT: u16 = 5_000;
/// RFC 8841 section 6: what an absent `max-message-size` means, in bytes.
const MESSAGE_BYTES_DEFAULT: u64 = 65_536;

/// What becomes of one section of an offer.
pub(super) enum Plan {
    /// Media flows.
    Media(NegotiatedMedia),
    /// A data channel.
    Data(DataChannel),
    /// Kept, so that its `mid` and the transport stay, with nothing flowing.
    Inactive,
    /// Port 0.
    Rejected,
}

/// The peer's side of the transport, and the section that carries it.
pub(super) struct Remote {
    pub(super) section: usize,
    pub(super) dtls_role: DtlsRole,
    ice: Credentials,
    pub(super) ice_lite: bool,
    fingerprint: Fingerprint,
    candidates: Vec<Candidate>,
    mid: Option<String>,
}

impl Remote {
    /// Checks what every offer and answer must have (W4) and reads the transport of the BUNDLE
    /// group. `flows` tells whether a section is one media would flow in.
    pub(super) fn of(description: &Offer, flows: fn(Direction) -> bool) -> Result<Self, Refusal> {
        let live = || description.sections.iter().filter(|section| is_live(section));
        for kind in [Kind::Audio, Kind::Video] {
            if live().filter(|s| s.kind == kind && flows(s.direction)).count() > 1 {
                return Err(Refusal::TooMany(kind));
            }
        }
        if live().filter(|section| section.kind == Kind::Application).count() > 1 {
            return Err(Refusal::TooMany(Kind::Application));
        }
        let is_bundled =
            |s: &Section| s.mid.as_ref().is_some_and(|mid| description.bundle.contains(mid));
        if live().count() > 1 && !live().all(is_bundled) {
            return Err(Refusal::NotBundled);
        }
        if let Some(section) = live().find(|s| s.kind != Kind::Application && !s.rtcp_mux) {
            return Err(Refusal::NoRtcpMux(section.kind));
        }
        let index = transport_section(description).ok_or(Refusal::NothingInCommon)?;
        let section = &description.sections[index];
        // Bundled sections may leave the transport to the first (RFC 9143 section 7.3.1), and
        // some clients write it into another.
        let transports = || std::iter::once(section).chain(live()).map(|s| &s.transport);
        let ice = transports().find_map(|t| t.ice.clone()).ok_or(Refusal::NoIceCredentials)?;
        let fingerprint = transports().find_map(|t| t.fingerprint.clone()).ok_or_else(|| {
            match transports().find_map(|t| t.unsupported_hash.clone()) {
                Some(name) => Refusal::UnsupportedHash(name),
                None => Refusal::NoFingerprint,
            }
        })?;
        let dtls_role = match section.transport.setup {
            Some(Setup::Passive) => DtlsRole::Client,
            Some(Setup::Active | Setup::ActPass) | None => DtlsRole::Server,
            Some(Setup::HoldConn) => return Err(Refusal::NoDtlsRole),
        };
        let mut candidates: Vec<Candidate> = Vec::new();
        for candidate in live().flat_map(|section| &section.candidates) {
            let is_new = candidates.iter().all(|known| known.address != candidate.address);
            if is_new && candidates.len() < CANDIDATES_MAX {
                candidates.push(candidate.clone());
            }
        }
        let mid = section.mid.clone();
        let ice_lite = description.ice_lite;
        Ok(Self { section: index, dtls_role, ice, ice_lite, fingerprint, candidates, mid })
    }

    /// The whole result, from the plans of all sections.
    pub(super) fn negotiated(
        self,
        offer: &Offer,
        plans: Vec<Plan>,
        controlling: bool,
    ) -> Negotiated {
        let mut negotiated = Negotiated {
            dtls_role: self.dtls_role,
            remote_ice: self.ice,
            controlling,
            remote_fingerprint: self.fingerprint,
            remote_candidates: self.candidates,
            transport_mid: self.mid,
            audio: None,
            video: None,
            data_channel: None,
        };
        for (plan, section) in plans.into_iter().zip(&offer.sections) {
            match plan {
                Plan::Media(media) if section.kind == Kind::Audio => negotiated.audio = Some(media),
                Plan::Media(media) => negotiated.video = Some(media),
                Plan::Data(channel) => negotiated.data_channel = Some(channel),
                Plan::Inactive | Plan::Rejected => {}
            }
        }
        negotiated
    }
}

/// Writes the answer, unless nothing would flow.
pub(super) fn answer(
    offer: &Offer,
    remote: Remote,
    plans: Vec<Plan>,
    direction: Direction,
    local: &Local,
) -> Result<Answer, Refusal> {
    if !plans.iter().any(|plan| matches!(plan, Plan::Media(_))) {
        return Err(Refusal::NothingInCommon);
    }
    let sdp = write::answer(offer, &remote, &plans, direction, local);
    let controlling = remote.ice_lite && !local.ice_lite;
    Ok(Answer { sdp, negotiated: remote.negotiated(offer, plans, controlling) })
}

/// What becomes of a section in which no media can flow.
pub(super) fn plan_without_media(section: &Section) -> Plan {
    if !is_live(section) {
        return Plan::Rejected;
    }
    if section.kind == Kind::Application {
        return Plan::Data(DataChannel {
            remote_port: section.sctp_port.unwrap_or(SCTP_PORT),
            remote_message_bytes_max: section.max_message_bytes.unwrap_or(MESSAGE_BYTES_DEFAULT),
        });
    }
    Plan::Inactive
}

/// The chosen codecs of a section with what else it agrees on. Feedback on arrival times and the
/// sequence numbers it speaks of go together: either alone is of no use.
pub(super) fn media(
    section: &Section,
    codecs: Vec<super::NegotiatedCodec>,
    extensions: Extensions,
) -> NegotiatedMedia {
    let mut media = NegotiatedMedia {
        mid: section.mid.clone(),
        codecs,
        extensions,
        rids: Vec::new(),
        remote_ssrcs: Vec::new(),
    };
    if !media.codecs.iter().any(|codec| codec.feedback.transport_cc) {
        media.extensions.transport_cc = None;
    }
    if media.extensions.transport_cc.is_none() {
        for codec in &mut media.codecs {
            codec.feedback.transport_cc = false;
        }
    }
    media
}

/// Whether a section takes part in the transport.
fn is_live(section: &Section) -> bool {
    let is_known = match section.kind {
        Kind::Audio | Kind::Video => !section.codecs.is_empty(),
        Kind::Application => section.is_data_channel(),
        Kind::Other => false,
    };
    is_known && !section.rejected
}

/// The first live section of the BUNDLE group, in the group's order; without a group the first.
fn transport_section(description: &Offer) -> Option<usize> {
    let sections = &description.sections;
    let by_mid = |mid| sections.iter().position(|s| s.mid.as_ref() == Some(mid) && is_live(s));
    description.bundle.iter().find_map(by_mid).or_else(|| sections.iter().position(is_live))
}
