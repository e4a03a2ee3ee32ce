//! Session descriptions as text (RFC 8866, RFC 8829 section 5.3).

use std::fmt::Write;

use super::negotiate::{Plan, Remote};
use super::section::{Direction, Kind, Section};
use super::{Candidate, ExtensionMap, Local, NegotiatedCodec, NegotiatedMedia, Offer};
use crate::transport::{Credentials, DtlsRole};

/// The port where no address is meant yet (RFC 8829 section 5.2.1).
const DISCARD_PORT: u16 = 9;
/// This side's SCTP port, the one every client uses.
const SCTP_PORT: u16 = 5_000;
/// Longest message taken on the data channel, in bytes: heartbeats and events are far shorter.
const MESSAGE_BYTES_MAX: u32 = 16_384;

/// Lines ended by CRLF.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// Adds a line.
    pub(super) fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(line); // a String takes everything
        self.0.push_str("\r\n");
    }

    /// The lines so far.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// The answer to `offer`, one section for each of its.
pub(super) fn answer(
    offer: &Offer,
    remote: &Remote,
    plans: &[Plan],
    direction: Direction,
    local: &Local,
) -> String {
    let mut text = Text::default();
    let kept = |plan: &Plan| !matches!(plan, Plan::Rejected);
    // RFC 9143 section 7.3: the group keeps the offer's order, so that the first stays first.
    let is_kept = |mid: &&String| {
        let mut both = offer.sections.iter().zip(plans);
        both.any(|(section, plan)| section.mid.as_ref() == Some(*mid) && kept(plan))
    };
    let bundle: Vec<_> = offer.bundle.iter().filter(is_kept).map(String::as_str).collect();
    session(&mut text, &bundle, offer.extmap_allow_mixed, local);
    let setup = match remote.dtls_role {
        DtlsRole::Client => "active",
        DtlsRole::Server => "passive",
    };
    for (index, (section, plan)) in offer.sections.iter().zip(plans).enumerate() {
        match plan {
            Plan::Media(media) => {
                media_head(&mut text, section.kind, &section.protocol, media);
                media_body(&mut text, section.kind, media, direction, local, &section.extensions);
            }
            Plan::Data(_) => data_channel(&mut text, section),
            Plan::Inactive => inactive(&mut text, section),
            Plan::Rejected => {
                rejected(&mut text, section);
                continue;
            }
        }
        transport(&mut text, setup, local);
        if index == remote.section {
            candidates(&mut text, &local.candidates);
        }
    }
    text.finish()
}

/// The session level.
pub(super) fn session(text: &mut Text, bundle: &[&str], allow_mixed: bool, local: &Local) {
    text.line(format_args!("v=0"));
    text.line(format_args!("o=- {} 1 IN IP4 127.0.0.1", local.session_id));
    text.line(format_args!("s=-"));
    text.line(format_args!("t=0 0"));
    if !bundle.is_empty() {
        text.line(format_args!("a=group:BUNDLE {}", bundle.join(" ")));
    }
    if allow_mixed {
        text.line(format_args!("a=extmap-allow-mixed"));
    }
    text.line(format_args!("a=msid-semantic: WMS *"));
    if local.ice_lite {
        text.line(format_args!("a=ice-lite"));
    }
}

/// The `m=` line and what identifies the section.
pub(super) fn media_head(text: &mut Text, kind: Kind, protocol: &str, media: &NegotiatedMedia) {
    let mut types = String::new();
    for codec in &media.codecs {
        for payload_type in std::iter::once(codec.payload_type).chain(codec.rtx_payload_type) {
            let _ = write!(types, " {payload_type}"); // a String takes everything
        }
    }
    text.line(format_args!("m={kind} {DISCARD_PORT} {protocol}{types}"));
    section_head(text, media.mid.as_deref());
}

/// Direction, codecs, extensions, layers and streams of a section with media; `offered` are the
/// extensions it answers, if any.
pub(super) fn media_body(
    text: &mut Text,
    kind: Kind,
    media: &NegotiatedMedia,
    direction: Direction,
    local: &Local,
    offered: &[ExtensionMap],
) {
    let sends = direction.sends();
    text.line(format_args!("a={}", if sends { "sendonly" } else { "recvonly" }));
    rtcp(text);
    for (id, uri) in media.extensions.lines() {
        // RFC 8285 section 7: a line of one direction is answered with the other.
        let limit = offered.iter().find(|map| map.id == id).map(|map| map.direction);
        let direction = match limit {
            Some(Direction::RecvOnly) => "/sendonly",
            Some(Direction::SendOnly) => "/recvonly",
            _ => "",
        };
        text.line(format_args!("a=extmap:{id}{direction} {uri}"));
    }
    for codec in &media.codecs {
        payload_type(text, codec);
    }
    for rid in &media.rids {
        text.line(format_args!("a=rid:{rid} recv"));
    }
    if !media.rids.is_empty() {
        text.line(format_args!("a=simulcast:recv {}", media.rids.join(";"))); // W17
    }
    if sends {
        let has_rtx = media.codecs.iter().any(|codec| codec.rtx_payload_type.is_some());
        streams(text, kind, has_rtx, local);
    }
}

/// The one stream's track, and its SSRCs.
fn streams(text: &mut Text, kind: Kind, has_rtx: bool, local: &Local) {
    let (stream, cname) = (&local.stream_id, &local.cname);
    text.line(format_args!("a=msid:{stream} {stream}-{kind}"));
    let ssrc = if kind == Kind::Audio { local.audio_ssrc } else { local.video_ssrc };
    let rtx = (kind == Kind::Video && has_rtx).then_some(local.video_rtx_ssrc);
    if let Some(rtx) = rtx {
        text.line(format_args!("a=ssrc-group:FID {ssrc} {rtx}"));
    }
    for ssrc in std::iter::once(ssrc).chain(rtx) {
        text.line(format_args!("a=ssrc:{ssrc} cname:{cname}"));
    }
}

fn payload_type(text: &mut Text, codec: &NegotiatedCodec) {
    let NegotiatedCodec { name, payload_type: pt, clock_hz, .. } = codec;
    if codec.channels > 1 {
        text.line(format_args!("a=rtpmap:{pt} {name}/{clock_hz}/{}", codec.channels));
    } else {
        text.line(format_args!("a=rtpmap:{pt} {name}/{clock_hz}"));
    }
    for value in codec.feedback.values() {
        text.line(format_args!("a=rtcp-fb:{pt} {value}"));
    }
    if !codec.fmtp.is_empty() {
        text.line(format_args!("a=fmtp:{pt} {}", codec.fmtp));
    }
    if let Some(rtx) = codec.rtx_payload_type {
        text.line(format_args!("a=rtpmap:{rtx} rtx/{clock_hz}"));
        text.line(format_args!("a=fmtp:{rtx} apt={pt}"));
    }
}

/// A section that is kept with nothing flowing; it needs a codec all the same.
fn inactive(text: &mut Text, section: &Section) {
    let Some(codec) = section.codecs.first() else { return rejected(text, section) };
    let codec = NegotiatedCodec {
        rtx_payload_type: None,
        feedback: super::Feedback::default(),
        ..NegotiatedCodec::taken(codec, &[], codec.fmtp())
    };
    let (kind, protocol) = (section.kind, &section.protocol);
    text.line(format_args!("m={kind} {DISCARD_PORT} {protocol} {}", codec.payload_type));
    section_head(text, section.mid.as_deref());
    text.line(format_args!("a=inactive"));
    rtcp(text);
    payload_type(text, &codec);
}

fn rejected(text: &mut Text, section: &Section) {
    text.line(format_args!("m={} 0 {} {}", section.media, section.protocol, section.formats));
    section_head(text, section.mid.as_deref());
    text.line(format_args!("a=inactive"));
}

fn data_channel(text: &mut Text, section: &Section) {
    let protocol = &section.protocol;
    text.line(format_args!("m=application {DISCARD_PORT} {protocol} webrtc-datachannel"));
    section_head(text, section.mid.as_deref());
    text.line(format_args!("a=sctp-port:{SCTP_PORT}"));
    text.line(format_args!("a=max-message-size:{MESSAGE_BYTES_MAX}"));
}

fn section_head(text: &mut Text, mid: Option<&str>) {
    text.line(format_args!("c=IN IP4 0.0.0.0"));
    if let Some(mid) = mid {
        text.line(format_args!("a=mid:{mid}"));
    }
}

/// RTCP shares the port. WHIP and WHEP want `rtcp-mux-only` here too (W4), although RFC 8858 keeps
/// it to offers; clients that do not expect it skip it.
fn rtcp(text: &mut Text) {
    text.line(format_args!("a=rtcp-mux"));
    text.line(format_args!("a=rtcp-mux-only"));
    text.line(format_args!("a=rtcp-rsize"));
}

/// ICE and DTLS attributes. They stand in every section, as browsers write them: clients exist that
/// read them only from the section they look at.
pub(super) fn transport(text: &mut Text, setup: &str, local: &Local) {
    credentials(text, &local.ice);
    text.line(format_args!("a=fingerprint:{}", local.fingerprint));
    text.line(format_args!("a=setup:{setup}"));
}

/// ICE credentials and options, alike in answers and fragments. // W9
pub(super) fn credentials(text: &mut Text, ice: &Credentials) {
    text.line(format_args!("a=ice-ufrag:{}", ice.ufrag));
    text.line(format_args!("a=ice-pwd:{}", ice.pwd));
    text.line(format_args!("a=ice-options:trickle"));
}

/// All candidates, and that there are no more. // W5
pub(super) fn candidates(text: &mut Text, candidates: &[Candidate]) {
    for candidate in candidates {
        text.line(format_args!("a={candidate}"));
    }
    text.line(format_args!("a=end-of-candidates"));
}
