//! Which SSRC is which track.
//!
//! By header extensions (RFC 8843 section 15 for MID, RFC 8852 for RID and repaired RID), by the
//! SSRCs of the offer, and as a last resort by payload type.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tally_media::{Medium, TrackId};

/// Tracks of one publisher: four layers of two pictures. Sections and layers beyond are not taken.
pub const TRACKS_MAX: usize = 8;
/// SSRCs of one publisher: a track has one, and one that repairs it.
pub const SSRCS_MAX: usize = 2 * TRACKS_MAX;
/// How long a track must be silent before its payload type alone gives it to another SSRC.
pub const TAKEOVER_AFTER: Duration = Duration::from_secs(2);

/// A payload type of one media section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadFormat {
    /// The payload type.
    pub payload_type: u8,
    /// RTP clock in Hz.
    pub clock_rate: u32,
    /// The payload type of its retransmissions (`apt` of RFC 4588), where agreed on.
    pub rtx: Option<u8>,
}

/// One media section as agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Sound or pictures.
    pub medium: Medium,
    /// `a=mid`.
    pub mid: Option<String>,
    /// What its packets may hold.
    pub formats: Vec<PayloadFormat>,
    /// Whether lost packets may be asked for (`a=rtcp-fb nack`).
    pub nack: bool,
    /// Whether a keyframe is asked for by FIR (`a=rtcp-fb ccm fir`), PLI not being agreed on.
    pub fir: bool,
    /// Simulcast layers as the offer orders them; empty without simulcast.
    pub rids: Vec<String>,
    /// SSRCs of the offer, one a layer, in the order of the layers; often empty.
    pub ssrcs: Vec<u32>,
    /// SSRC of the retransmissions and the one it repairs (`a=ssrc-group:FID`).
    pub repairs: Vec<(u32, u32)>,
}

impl Section {
    /// How many tracks there are in it: simulcast layers, named by RID or else by SSRC.
    #[must_use]
    pub fn layers(&self) -> usize {
        let named = if self.rids.is_empty() { self.ssrcs.len() } else { self.rids.len() };
        named.max(1)
    }
}

/// Ids of the header extensions agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`.
    pub mid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`.
    pub rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`.
    pub repaired_rid: Option<u8>,
    /// Transport-wide sequence number.
    pub transport_wide: Option<u8>,
}

/// What one packet says about where it belongs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Label<'a> {
    /// SSRC.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
    /// MID extension.
    pub mid: Option<&'a [u8]>,
    /// RID extension.
    pub rid: Option<&'a [u8]>,
    /// Repaired RID extension.
    pub repaired_rid: Option<&'a [u8]>,
}

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Media of a track.
    Media {
        /// Which.
        track: TrackId,
        /// RTP clock in Hz.
        clock_rate: u32,
    },
    /// Retransmissions of a track.
    Repair {
        /// Which.
        track: TrackId,
    },
}

impl Source {
    /// The track.
    #[must_use]
    pub const fn track(self) -> TrackId {
        match self {
            Self::Media { track, .. } | Self::Repair { track } => track,
        }
    }
}

#[derive(Debug)]
struct Known {
    track: TrackId,
    repair: bool,
    heard: Instant,
}

#[derive(Debug)]
struct Layers {
    section: Section,
    /// Track of each layer; of the whole section where it has no layers.
    tracks: Vec<TrackId>,
}

/// The SSRCs of one publisher.
#[derive(Debug)]
pub struct Sources {
    layers: Vec<Layers>,
    known: BTreeMap<u32, Known>,
    unknown: u64,
}

impl Sources {
    /// The tracks of these sections: video layers count `Video(0)`, `Video(1)`, … through all
    /// sections, audio sections `Audio(0)`, …, up to [`TRACKS_MAX`].
    #[must_use]
    pub fn new(sections: Vec<Section>) -> Self {
        let (mut videos, mut audios, mut total) = (0_u8, 0_u8, 0);
        let mut layers = Vec::new();
        for section in sections {
            let count = section.layers().min(TRACKS_MAX - total);
            total += count;
            let tracks = (0..count).map(|_| match section.medium {
                Medium::Video => TrackId::Video(post_increment(&mut videos)),
                Medium::Audio => TrackId::Audio(post_increment(&mut audios)),
            });
            layers.push(Layers { tracks: tracks.collect(), section });
        }
        Self { layers, known: BTreeMap::new(), unknown: 0 }
    }

    /// The tracks there can be.
    pub fn tracks(&self) -> impl Iterator<Item = TrackId> {
        self.layers.iter().flat_map(|layers| layers.tracks.iter().copied())
    }

    /// Whether lost packets of a track may be asked for.
    #[must_use]
    pub fn can_ask(&self, track: TrackId) -> bool {
        self.section(track).is_some_and(|section| section.nack)
    }

    /// Whether keyframes of a track are asked for by FIR.
    #[must_use]
    pub fn by_fir(&self, track: TrackId) -> bool {
        self.section(track).is_some_and(|section| section.fir)
    }

    fn section(&self, track: TrackId) -> Option<&Section> {
        let of_track = self.layers.iter().find(|layers| layers.tracks.contains(&track));
        of_track.map(|layers| &layers.section)
    }

    /// SSRCs known, never more than [`SSRCS_MAX`].
    #[must_use]
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// Packets that belong to no track.
    #[must_use]
    pub fn unknown_packets(&self) -> u64 {
        self.unknown
    }

    /// Where a packet belongs. A track has one SSRC of each kind: a new one takes the place of the
    /// old.
    pub fn resolve(&mut self, now: Instant, label: Label<'_>) -> Option<Source> {
        let source = self.find(now, label);
        self.unknown += u64::from(source.is_none());
        source
    }

    fn find(&mut self, now: Instant, label: Label<'_>) -> Option<Source> {
        if let Some(known) = self.known.get_mut(&label.ssrc) {
            let (track, repair) = (known.track, known.repair);
            let layers = self.layers.iter().find(|layers| layers.tracks.contains(&track))?;
            // A payload type that is not the section's, or of the other kind, is none of ours.
            let source = layers.source(track, label.payload_type)?;
            if matches!(source, Source::Repair { .. }) != repair {
                return None;
            }
            known.heard = now;
            return Some(source);
        }
        let is_named = label.mid.is_some() || label.rid.or(label.repaired_rid).is_some();
        let (source, sure) = match self.by_extensions(label).or_else(|| self.by_offer(label)) {
            Some(source) => (source, true),
            // A name nobody agreed on is no reason to guess.
            None if is_named => return None,
            None => (self.by_payload_type(label)?, false),
        };
        let (track, repair) = (source.track(), matches!(source, Source::Repair { .. }));
        let before = self.known.iter().find(|(_, k)| k.track == track && k.repair == repair);
        if let Some((&ssrc, known)) = before {
            if !sure && now.saturating_duration_since(known.heard) < TAKEOVER_AFTER {
                return None;
            }
            self.known.remove(&ssrc);
        }
        if self.known.len() >= SSRCS_MAX {
            return None;
        }
        self.known.insert(label.ssrc, Known { track, repair, heard: now });
        Some(source)
    }

    fn by_extensions(&self, label: Label<'_>) -> Option<Source> {
        let rid = label.repaired_rid.or(label.rid);
        if label.mid.is_none() && rid.is_none() {
            return None;
        }
        let layers = self.layers.iter().find(|layers| layers.matches(label.mid, rid))?;
        let at = match rid {
            Some(rid) if !layers.section.rids.is_empty() => layers.layer(rid)?,
            _ if layers.tracks.len() == 1 => 0,
            _ => return None,
        };
        layers.source(*layers.tracks.get(at)?, label.payload_type)
    }

    fn by_offer(&self, label: Label<'_>) -> Option<Source> {
        self.layers.iter().find_map(|layers| {
            let repaired = layers.section.repairs.iter().find(|(by, _)| *by == label.ssrc);
            let ssrc = repaired.map_or(label.ssrc, |&(_, repaired)| repaired);
            let at = layers.section.ssrcs.iter().position(|&of_offer| of_offer == ssrc)?;
            layers.source(*layers.tracks.get(at)?, label.payload_type)
        })
    }

    /// The only track with this payload type.
    fn by_payload_type(&self, label: Label<'_>) -> Option<Source> {
        let mut fitting = self.layers.iter().filter_map(|layers| match layers.tracks[..] {
            [track] => layers.source(track, label.payload_type),
            _ => None,
        });
        let source = fitting.next()?;
        fitting.next().is_none().then_some(source)
    }
}

impl Layers {
    fn matches(&self, mid: Option<&[u8]>, rid: Option<&[u8]>) -> bool {
        match (mid, &self.section.mid) {
            (Some(said), Some(ours)) => said == ours.as_bytes(),
            _ => rid.is_some_and(|rid| self.layer(rid).is_some()),
        }
    }

    fn layer(&self, rid: &[u8]) -> Option<usize> {
        self.section.rids.iter().position(|ours| ours.as_bytes() == rid)
    }

    fn source(&self, track: TrackId, payload_type: u8) -> Option<Source> {
        self.section.formats.iter().find_map(|format| {
            if format.payload_type == payload_type {
                return Some(Source::Media { track, clock_rate: format.clock_rate });
            }
            (format.rtx == Some(payload_type)).then_some(Source::Repair { track })
        })
    }
}

fn post_increment(count: &mut u8) -> u8 {
    *count += 1;
    *count - 1
}
