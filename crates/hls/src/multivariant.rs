//! The multivariant playlist: which renditions a show has and what it takes to play them.
//!
//! # Order
//! The publisher's main video comes first, the others after it by falling bandwidth. Players start
//! with the first variant they can play (hls.js without a start level, AVPlayer always), and the
//! main one is what the creator set up to be seen; a viewer whose network cannot carry it is moved
//! down after a segment, while everybody else would begin blurred for a segment.
//!
//! # Audio
//! The main audio travels muxed with each video. Further audio tracks are renditions of their own
//! in one group, in which the main audio is the entry without a URI.
//!
//! A show may come with its sound in two codecs, for players that lack one of them. Those are never in
//! one group: CODECS names every format of a variant's group, so a player would leave the variant for
//! the codec it lacks. Each codec is a group of its own, and every picture a variant with each group
//! ([`Multivariant::or`]). hls.js and AVPlayer drop the variants whose CODECS they cannot play, stay
//! with one audio codec while they adapt, and know that two variants of one URI share their pictures.

use std::fmt;

use tally_cmaf::{Bitrates, FrameRate, Rendition, RenditionId};
use tally_media::{Codec, Medium, Track, TrackId};

use crate::tags::append;

/// The group of audio renditions.
const AUDIO_GROUP: &str = "audio";

/// The group of the sound in its second form.
const OTHER_AUDIO_GROUP: &str = "audio-other";

/// Language of a track that tells none (BCP 47 "undetermined"): A8.10 wants one on every rendition.
const LANGUAGE_UNKNOWN: &str = "und";

/// Longest language tag passed on, in bytes; BCP 47 tags in use are far shorter.
const LANGUAGE_BYTES_MAX: usize = 35;

/// What a multivariant playlist says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multivariant {
    /// Every segment of every rendition can be decoded by itself. Said here for all, so media
    /// playlists do not say it again. // P22
    pub independent_segments: bool,
    /// What a player can choose from, in order.
    pub variants: Vec<Variant>,
    /// Alternatives for the sound; empty when there is one sound only.
    pub audio: Vec<Audio>,
}

/// One EXT-X-STREAM-INF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its media playlist, relative to the multivariant one.
    pub uri: String,
    /// Largest sum of the peaks of what is played together, bits per second. // P22
    pub bandwidth_bps: u64,
    /// The same of averages.
    pub average_bandwidth_bps: u64,
    /// RFC 6381 names of every format in it and in its audio group. // P22
    pub codecs: Vec<String>,
    /// Width and height in pixels; `None` without video.
    pub resolution: Option<(u16, u16)>,
    /// Pictures per second; `None` without video.
    pub frame_rate: Option<FrameRate>,
    /// Its dynamic range; `None` without video.
    pub video_range: Option<VideoRange>,
    /// Its group of audio renditions; `None` when there is one sound only.
    pub audio_group: Option<&'static str>,
}

/// Dynamic range of a video (VIDEO-RANGE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoRange {
    /// Standard.
    Sdr,
    /// Hybrid log-gamma.
    Hlg,
    /// Perceptual quantizer (HDR10).
    Pq,
}

/// One EXT-X-MEDIA of type AUDIO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// The group it belongs to.
    pub group: &'static str,
    /// Its media playlist; `None` for the sound that is muxed into the variants.
    pub uri: Option<String>,
    /// What a player's menu shows; differs within the group.
    pub name: String,
    /// BCP 47 language.
    pub language: String,
    /// Number of channels.
    pub channels: u8,
    /// Played unless the viewer chooses otherwise. One in the group.
    pub default: bool,
}

impl Multivariant {
    /// What a show's renditions amount to. A rendition whose bit rates are not known yet has no
    /// complete segment; it is not listed, because its playlist could only keep a player waiting.
    /// `None` while that is so for all that could lead.
    pub fn new(
        independent_segments: bool,
        renditions: &[(Rendition, Option<Bitrates>)],
        uri: impl Fn(RenditionId) -> String,
    ) -> Option<Self> {
        let listed: Vec<(&Rendition, Bitrates)> = renditions
            .iter()
            .filter_map(|(rendition, bitrates)| Some((rendition, (*bitrates)?)))
            .collect();
        let leads = leading(&listed);
        let first = leads.first()?;
        let others: Vec<_> = listed
            .iter()
            .filter(|(rendition, _)| {
                medium(rendition) == Medium::Audio && rendition.id != first.0.id
            })
            .copied()
            .collect();
        let variants = leads.iter().map(|lead| Variant::new(lead, &others, &uri)).collect();
        let audio = if others.is_empty() { Vec::new() } else { group(first.0, &others, &uri) };
        Some(Self { independent_segments, variants, audio })
    }

    /// The same show with its sound in a second form too: `other` is what it amounts to with that one,
    /// and is offered after this.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.variants.extend(other.variants.into_iter().map(|variant| Variant {
            audio_group: variant.audio_group.map(|_| OTHER_AUDIO_GROUP),
            ..variant
        }));
        let others = other.audio.into_iter();
        self.audio.extend(others.map(|audio| Audio { group: OTHER_AUDIO_GROUP, ..audio }));
        self.independent_segments &= other.independent_segments;
        self
    }

    /// The playlist's text.
    #[must_use]
    pub fn render(&self) -> String {
        // No EXT-X-VERSION: nothing in it needs more than version 1. // P2
        let mut out = String::from("#EXTM3U\n");
        if self.independent_segments {
            out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        }
        for audio in &self.audio {
            audio.render(&mut out);
        }
        let hdr = |variant: &Variant| variant.video_range.is_some_and(|r| r != VideoRange::Sdr);
        let with_range = self.variants.iter().any(hdr); // P22
        for variant in &self.variants {
            variant.render(&mut out, with_range);
        }
        out
    }
}

impl Variant {
    fn new(
        (rendition, bitrates): &(&Rendition, Bitrates),
        others: &[(&Rendition, Bitrates)],
        uri: impl Fn(RenditionId) -> String,
    ) -> Self {
        let largest = |rate: fn(&Bitrates) -> u64| {
            others.iter().map(|(_, bitrates)| rate(bitrates)).max().unwrap_or(0)
        };
        let tracks = rendition.tracks.iter().chain(others.iter().flat_map(|(r, _)| &r.tracks));
        let mut codecs: Vec<String> = Vec::new();
        for name in tracks.map(|track| track.codec.rfc6381()) {
            if codecs.iter().all(|listed| listed != name) {
                codecs.push(name.to_owned());
            }
        }
        let track = rendition.tracks.iter().find(|track| track.codec.video().is_some());
        let video = track.and_then(|track| track.codec.video());
        Self {
            uri: uri(rendition.id),
            bandwidth_bps: bitrates.peak_bps.saturating_add(largest(|b| b.peak_bps)),
            average_bandwidth_bps: bitrates.average_bps.saturating_add(largest(|b| b.average_bps)),
            codecs,
            resolution: video.map(|video| (video.width, video.height)),
            frame_rate: rendition.frame_rate,
            video_range: track.map(|track| VideoRange::of(track)),
            audio_group: (!others.is_empty()).then_some(AUDIO_GROUP),
        }
    }

    fn render(&self, out: &mut String, with_range: bool) {
        append!(
            out,
            "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"",
            self.bandwidth_bps,
            self.average_bandwidth_bps,
            self.codecs.join(",")
        );
        if let Some((width, height)) = self.resolution {
            append!(out, ",RESOLUTION={width}x{height}");
        }
        if let Some(FrameRate { millihertz }) = self.frame_rate {
            append!(out, ",FRAME-RATE={}.{:03}", millihertz / 1_000, millihertz % 1_000);
        }
        if let Some(range) = self.video_range.filter(|_| with_range) {
            append!(out, ",VIDEO-RANGE={range}");
        }
        if let Some(group) = self.audio_group {
            append!(out, ",AUDIO=\"{group}\"");
        }
        append!(out, "\n{}\n", self.uri);
    }
}

impl Audio {
    fn new(track: &Track, number: usize, uri: Option<String>) -> Self {
        let legal = |tag: &&str| {
            (1..=LANGUAGE_BYTES_MAX).contains(&tag.len())
                && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        // The publisher's own words: anything but a language tag could break the quoting.
        let language = track.language.as_deref().filter(legal);
        let name = match language {
            Some(language) => format!("Audio {number} ({language})"),
            None => format!("Audio {number}"),
        };
        Self {
            group: AUDIO_GROUP,
            uri,
            name,
            language: language.unwrap_or(LANGUAGE_UNKNOWN).to_owned(),
            channels: track.codec.audio().map_or(0, |audio| audio.channels),
            default: number == 1,
        }
    }

    fn render(&self, out: &mut String) {
        append!(
            out,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{}\",NAME=\"{}\",LANGUAGE=\"{}\",\
             DEFAULT={},AUTOSELECT=YES,CHANNELS=\"{}\"",
            self.group,
            self.name,
            self.language,
            if self.default { "YES" } else { "NO" },
            self.channels
        );
        if let Some(uri) = &self.uri {
            append!(out, ",URI=\"{uri}\"");
        }
        out.push('\n');
    }
}

impl VideoRange {
    /// What the container says outweighs the bitstream: encoders set the former on purpose.
    fn of(track: &Track) -> Self {
        let color = track.color.or_else(|| track.codec.video().and_then(|video| video.color));
        match color.map(|color| color.transfer) {
            Some(16) => Self::Pq,
            Some(18) => Self::Hlg,
            _ => Self::Sdr,
        }
    }
}

impl fmt::Display for VideoRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sdr => "SDR",
            Self::Hlg => "HLG",
            Self::Pq => "PQ",
        })
    }
}

const fn medium(rendition: &Rendition) -> Medium {
    rendition.id.0.medium()
}

/// The renditions that are variants: all with video, or the first audio where there is none.
fn leading<'a>(listed: &[(&'a Rendition, Bitrates)]) -> Vec<(&'a Rendition, Bitrates)> {
    let video = |(rendition, _): &&(&Rendition, Bitrates)| medium(rendition) == Medium::Video;
    let mut leads: Vec<_> = listed.iter().filter(video).copied().collect();
    leads.sort_by_key(|(rendition, bitrates)| {
        (rendition.id.0 != TrackId::Video(0), u64::MAX - bitrates.peak_bps)
    });
    if leads.is_empty() {
        leads.extend(listed.iter().min_by_key(|(rendition, _)| rendition.id).copied());
    }
    leads
}

/// The audio group: the muxed sound, then the others.
fn group(
    lead: &Rendition,
    others: &[(&Rendition, Bitrates)],
    uri: impl Fn(RenditionId) -> String,
) -> Vec<Audio> {
    let is_audio = |track: &&std::sync::Arc<Track>| is_audio(&track.codec);
    let muxed = lead.tracks.iter().find(is_audio).map(|track| (track, None));
    let apart = others
        .iter()
        .filter_map(|(rendition, _)| Some((rendition.tracks.first()?, Some(uri(rendition.id)))));
    let all = muxed.into_iter().chain(apart);
    all.zip(1..).map(|((track, uri), number)| Audio::new(track, number, uri)).collect()
}

const fn is_audio(codec: &Codec) -> bool {
    codec.audio().is_some()
}
