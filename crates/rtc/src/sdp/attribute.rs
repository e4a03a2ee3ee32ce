//! The attributes of a media section.

use super::codec::Feedback;
use super::section::{Direction, Kind, Section, SsrcGroup};
use super::security::credentials;
use super::{Candidate, ExtensionMap, OfferError, OfferedCodec, TransportAttributes};

/// Most candidates kept of a section: more than any host's interfaces and relays make.
pub(super) const CANDIDATES_MAX: usize = 64;
/// Most header extensions kept: a browser's longest list has about 20.
const EXTENSIONS_MAX: usize = 64;
/// Most SSRCs and groups kept: media, retransmissions and repair of every layer.
const SSRCS_MAX: usize = 64;
/// Most rids kept; a browser sends 3 layers.
const RIDS_MAX: usize = 16;
/// Longest mid or rid, in bytes; RFC 9143 wants 16, some clients write a UUID.
const ID_BYTES_MAX: usize = 64;
/// Longest msid kept, in bytes: two identifiers of 64 characters (RFC 8830) and a space.
const MSID_BYTES_MAX: usize = 129;
/// Payload types there are (RFC 3550 section 5.1).
const PAYLOAD_TYPE_MAX: u8 = 127;

/// A section while its lines come in.
pub(super) struct SectionReader {
    section: Section,
    ufrag: Option<String>,
    pwd: Option<String>,
    bundle_only: bool,
    direction: Option<Direction>,
    feedback_of_all: Feedback,
    /// Rids declared with `send`, in order.
    rids: Vec<String>,
}

impl SectionReader {
    /// Starts from the value of the n-th `m=` line.
    pub(super) fn new(value: &str, number: usize) -> Result<Self, OfferError> {
        let malformed = OfferError::MediaLine { number };
        let mut words = value.split_ascii_whitespace();
        let (Some(media), Some(port), Some(protocol)) = (words.next(), words.next(), words.next())
        else {
            return Err(malformed);
        };
        let formats: Vec<_> = words.collect();
        let port: u16 =
            port.split('/').next().unwrap_or(port).parse().map_err(|_| malformed.clone())?;
        if formats.is_empty() {
            return Err(malformed);
        }
        let kind = Kind::named(media);
        let codecs = match kind {
            Kind::Audio | Kind::Video => payload_types(&formats),
            Kind::Application | Kind::Other => Vec::new(),
        };
        let section = Section {
            kind,
            media: media.to_owned(),
            protocol: protocol.to_owned(),
            formats: formats.join(" "),
            rejected: port == 0,
            mid: None,
            direction: Direction::default(),
            transport: TransportAttributes::default(),
            candidates: Vec::new(),
            end_of_candidates: false,
            rtcp_mux: false,
            codecs,
            extensions: Vec::new(),
            send_rids: Vec::new(),
            simulcast: false,
            ssrcs: Vec::new(),
            ssrc_groups: Vec::new(),
            msid: None,
            sctp_port: None,
            max_message_bytes: None,
        };
        Ok(Self {
            section,
            ufrag: None,
            pwd: None,
            bundle_only: false,
            direction: None,
            feedback_of_all: Feedback::default(),
            rids: Vec::new(),
        })
    }

    /// Reads what stands after `a=`.
    pub(super) fn read(&mut self, attribute: &str) -> Result<(), OfferError> {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        let section = &mut self.section;
        match name.trim_end() {
            "mid" => {
                section.mid = Some(id(value).ok_or(OfferError::Attribute("mid"))?);
            }
            "rtcp-mux" | "rtcp-mux-only" => section.rtcp_mux = true,
            "bundle-only" => self.bundle_only = true,
            "ice-ufrag" => self.ufrag = Some(value.to_owned()),
            "ice-pwd" => self.pwd = Some(value.to_owned()),
            "candidate" if section.candidates.len() < CANDIDATES_MAX => {
                section.candidates.extend(Candidate::parse(value));
            }
            "end-of-candidates" => section.end_of_candidates = true,
            "extmap" if section.extensions.len() < EXTENSIONS_MAX => {
                section.extensions.extend(ExtensionMap::parse(value));
            }
            "msid" if value.len() <= MSID_BYTES_MAX => section.msid = Some(value.to_owned()),
            "sctp-port" => section.sctp_port = value.trim().parse().ok(),
            "max-message-size" => section.max_message_bytes = value.trim().parse().ok(),
            "rtpmap" | "fmtp" | "rtcp-fb" => self.read_codec(name, value),
            "rid" | "simulcast" => self.read_layers(name, value),
            "ssrc" | "ssrc-group" => self.read_ssrc(name, value),
            name => match Direction::named(name) {
                Some(direction) => self.direction = Some(direction),
                None => section.transport.read(name, value)?,
            },
        }
        Ok(())
    }

    fn read_codec(&mut self, name: &str, value: &str) {
        let Some((payload_type, value)) = value.trim_start().split_once(' ') else { return };
        let value = value.trim();
        if payload_type == "*" && name == "rtcp-fb" {
            return self.feedback_of_all.add(value);
        }
        let Ok(payload_type) = payload_type.parse::<u8>() else { return };
        let mut codecs = self.section.codecs.iter_mut();
        let Some(codec) = codecs.find(|codec| codec.payload_type == payload_type) else { return };
        match name {
            "rtpmap" => codec.read_rtpmap(value),
            "fmtp" => codec.read_fmtp(value),
            _ => codec.feedback.add(value),
        }
    }

    /// `rid` (RFC 8851) and `simulcast` (RFC 8853). Of alternatives the first is taken, and a layer
    /// that starts paused (`~`) is a layer.
    fn read_layers(&mut self, name: &str, value: &str) {
        let mut words = value.split_ascii_whitespace();
        if name == "rid" {
            let (rid, direction) = (words.next().and_then(id), words.next());
            if let (Some(rid), Some("send")) = (rid, direction)
                && self.rids.len() < RIDS_MAX
                && !self.rids.contains(&rid)
            {
                self.rids.push(rid);
            }
            return;
        }
        while let (Some(direction), Some(list)) = (words.next(), words.next()) {
            if direction == "send" {
                let first = |layer: &str| id(layer.split(',').next()?.trim_start_matches('~'));
                self.section.simulcast = true;
                self.section.send_rids = list.split(';').filter_map(first).take(RIDS_MAX).collect();
            }
        }
    }

    fn read_ssrc(&mut self, name: &str, value: &str) {
        let section = &mut self.section;
        let mut words = value.split_ascii_whitespace();
        if name == "ssrc" {
            if let Some(Ok(ssrc)) = words.next().map(str::parse)
                && section.ssrcs.len() < SSRCS_MAX
                && !section.ssrcs.contains(&ssrc)
            {
                section.ssrcs.push(ssrc);
            }
        } else if let Some(semantics) = words.next().and_then(id)
            && section.ssrc_groups.len() < SSRCS_MAX
        {
            let ssrcs = words.filter_map(|ssrc| ssrc.parse().ok()).take(SSRCS_MAX).collect();
            section.ssrc_groups.push(SsrcGroup { semantics, ssrcs });
        }
    }

    /// The section, once its last line is read; `direction` is the session's.
    pub(super) fn finish(self, direction: Direction) -> Result<Section, OfferError> {
        let mut section = self.section;
        section.rejected &= !self.bundle_only;
        section.direction = self.direction.unwrap_or(direction);
        section.transport.ice = match (self.ufrag, self.pwd) {
            (None, None) => None,
            (ufrag, pwd) => {
                let (ufrag, pwd) = (ufrag.unwrap_or_default(), pwd.unwrap_or_default());
                let ice = credentials(&ufrag, &pwd);
                Some(ice.ok_or(OfferError::Attribute("ice-ufrag or ice-pwd"))?)
            }
        };
        section.codecs.retain(OfferedCodec::is_described);
        for codec in &mut section.codecs {
            codec.feedback = codec.feedback.or(self.feedback_of_all);
        }
        if section.simulcast {
            section.send_rids.retain(|rid| self.rids.contains(rid));
        } else {
            section.send_rids = self.rids;
        }
        Ok(section)
    }
}

/// Each payload type once, in the order of the `m=` line.
fn payload_types(formats: &[&str]) -> Vec<OfferedCodec> {
    let mut codecs: Vec<OfferedCodec> = Vec::new();
    for payload_type in formats.iter().filter_map(|format| format.parse::<u8>().ok()) {
        let is_new = codecs.iter().all(|codec| codec.payload_type != payload_type);
        if payload_type <= PAYLOAD_TYPE_MAX && is_new {
            codecs.push(OfferedCodec::of_payload_type(payload_type));
        }
    }
    codecs
}

/// A mid, rid or other token that may stand in an answer.
fn id(text: &str) -> Option<String> {
    let text = text.trim();
    let is_ok = (1..=ID_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic() && !b";,".contains(&b));
    is_ok.then(|| text.to_owned())
}
