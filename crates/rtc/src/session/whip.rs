//! A publisher's session.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tally_media::{Frame, Medium, Track, TrackId};

use super::assembly::{Assembly, Outcome};
use super::peer::Peer;
use super::{CloseReason, Outbox, PeerEvent, PeerOptions};
use crate::depacketize::Format;
use crate::ingest::sources::{ExtensionIds, PayloadFormat, Section};
use crate::ingest::{self, Config, Picture, Receiver};
use crate::sdp::{CodecName, Extensions, Local, Negotiated, NegotiatedMedia};
use crate::transport::{Credentials, Datagram, Path, TransportError};

/// A connected publisher that sends no media for this long is closed: its connection alone costs
/// as much as a show. As long as a silent peer is waited for (RFC 7675 section 5.1).
const MEDIA_SILENCE: Duration = Duration::from_secs(30);
/// A track that is silent for this long while others go on has ended: a simulcast layer given up,
/// a camera taken away. Encoders that pause for lack of bandwidth come back sooner.
const TRACK_SILENCE: Duration = Duration::from_secs(10);
/// Granted to publishers that wait for the receiver's estimate (REMB) and send no transport-wide
/// numbers one could be made of: loss alone bounds them.
const REMB_BPS: u64 = 20_000_000;

/// What a publisher publishes, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// A track begins, or has new parameters from its next frame on.
    Track(Track),
    /// A frame of a track told of before, in the publisher's time: one timeline for all tracks.
    Frame(TrackId, Frame),
    /// A track has ended; it may begin again.
    TrackEnded(TrackId),
}

/// How a publisher's session does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WhipStats {
    /// The round trip, or what is assumed of it.
    pub round_trip: Duration,
    /// What was received.
    pub received: ingest::Stats,
    /// Frames published.
    pub frames: u64,
    /// Pictures left out because they were broken or depended on one that was.
    pub frames_dropped: u64,
    /// SRTP datagrams that were damaged, forged or repeated.
    pub refused: u64,
}

/// One publisher, from ICE to frames.
pub struct WhipSession {
    peer: Peer,
    receiver: Receiver,
    formats: Vec<(Medium, u8, Format)>,
    tracks: BTreeMap<TrackId, Assembly>,
    published: VecDeque<Published>,
    /// When the last picture came, or media could first flow; `None` before.
    heard: Option<Instant>,
    /// The latest instant told.
    now: Instant,
    frames: u64,
    frames_dropped: u64,
}

impl WhipSession {
    /// A session as the answer `local` and `negotiated` belong to has it.
    ///
    /// # Errors
    /// [`TransportError`] if credentials are unusable or the libraries refuse their settings.
    pub fn new(
        options: PeerOptions,
        negotiated: &Negotiated,
        local: &Local,
        now: Instant,
    ) -> Result<Self, TransportError> {
        let peer = Peer::new(options, negotiated, local, now)?;
        let mut receiver = Receiver::new(now, config(negotiated, local));
        let medias = || [&negotiated.video, &negotiated.audio].into_iter().flatten();
        let feedback = || medias().flat_map(|it| &it.codecs).map(|it| it.feedback);
        if feedback().any(|it| it.remb) && !feedback().any(|it| it.transport_cc) {
            receiver.grant_bit_rate(Some(REMB_BPS));
        }
        Ok(Self {
            peer,
            receiver,
            formats: formats(negotiated),
            tracks: BTreeMap::new(),
            published: VecDeque::new(),
            heard: None,
            now,
            frames: 0,
            frames_dropped: 0,
        })
    }

    /// A keyframe of this track is needed, or of all: asked for until one comes.
    pub fn want_keyframe(&mut self, track: Option<TrackId>) {
        match track {
            Some(track) => self.receiver.want_keyframe(track),
            None => self.tracks.keys().for_each(|track| self.receiver.want_keyframe(*track)),
        }
    }

    /// Adds a candidate of the publisher (the value of `a=candidate`); unusable ones are dropped.
    pub fn add_remote_candidate(&mut self, candidate: &str) {
        self.peer.add_remote_candidate(candidate);
    }

    /// Looks for the publisher anew (W9). Media keeps its path until a new one is found.
    ///
    /// # Errors
    /// [`TransportError::Credentials`] if credentials are unusable; the session goes on as it was.
    pub fn restart(
        &mut self,
        local: Credentials,
        remote: Credentials,
        now: Instant,
    ) -> Result<(), TransportError> {
        self.peer.restart(local, remote, now)
    }

    /// Takes a datagram that arrived along `path`; media in it is opened where it lies.
    pub fn handle_datagram(&mut self, path: Path, datagram: &mut [u8], now: Instant) {
        self.now = now;
        match self.peer.handle_datagram(path, datagram, now) {
            Some((Datagram::Rtp, packet)) => {
                self.receiver.handle_rtp(now, Bytes::copy_from_slice(packet));
                self.collect();
            }
            Some((Datagram::Rtcp, compound)) => {
                self.receiver.handle_rtcp(now, compound);
                self.collect();
            }
            _ => self.start(),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.peer.handle_timeout(now);
        self.start();
        let Some(heard) = self.heard.filter(|_| self.peer.channel().is_some()) else { return };
        if self.receiver.poll_timeout(now) <= now {
            self.receiver.handle_timeout(now);
            self.collect();
            self.end_silent_tracks();
        }
        if now >= heard + MEDIA_SILENCE {
            self.peer.fail(CloseReason::NoMedia, now);
        }
    }

    /// When [`Self::handle_timeout`] is next due. `None` once closed.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let is_open = self.peer.channel().is_some();
        let media = is_open.then(|| self.receiver.poll_timeout(self.now));
        let silence = self.heard.filter(|_| is_open).map(|heard| heard + MEDIA_SILENCE);
        self.peer.poll_timeout().into_iter().chain(media).chain(silence).min()
    }

    /// Writes everything that may leave at `now`.
    pub fn send(&mut self, now: Instant, outbox: &mut impl Outbox) {
        self.peer.send(outbox);
        while let Some(packet) = self.receiver.poll_rtcp() {
            self.peer.send_rtcp(&packet, now, outbox);
        }
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        self.peer.poll_event().or_else(|| self.peer.poll_closed())
    }

    /// What the publisher published next.
    pub fn poll_published(&mut self) -> Option<Published> {
        self.published.pop_front()
    }

    /// Tells the publisher and ends; the next [`Self::send`] writes what tells it.
    pub fn close(&mut self, now: Instant) {
        self.peer.close(now);
    }

    /// How the session does.
    #[must_use]
    pub fn stats(&self) -> WhipStats {
        WhipStats {
            round_trip: self.receiver.rtt(),
            received: self.receiver.stats(),
            frames: self.frames,
            frames_dropped: self.frames_dropped,
            refused: self.peer.refused(),
        }
    }

    /// Once connected, media is waited for.
    fn start(&mut self) {
        if self.peer.channel().is_some() {
            self.heard.get_or_insert(self.now);
        }
    }

    /// Makes frames of the pictures that are whole.
    fn collect(&mut self) {
        while let Some((id, picture)) = self.receiver.poll_picture() {
            self.heard = Some(self.now);
            let Some(format) = self.format(id, &picture) else { continue };
            let new = || Assembly::new(id, format, picture.arrived);
            let track = self.tracks.entry(id).or_insert_with(new);
            match track.take(format, &picture, &mut self.published) {
                Outcome::Keyframe => {
                    self.receiver.keyframe_arrived(id);
                    self.frames += 1;
                }
                Outcome::Frame => self.frames += 1,
                Outcome::Parameters => {}
                Outcome::Dropped => {
                    self.receiver.want_keyframe(id);
                    self.frames_dropped += 1;
                }
            }
        }
    }

    fn format(&self, id: TrackId, picture: &Picture) -> Option<Format> {
        let is_its =
            |it: &&(Medium, u8, Format)| (it.0, it.1) == (id.medium(), picture.payload_type);
        self.formats.iter().find(is_its).map(|it| it.2)
    }

    fn end_silent_tracks(&mut self) {
        let Some(newest) = self.tracks.values().map(|track| track.heard).max() else { return };
        for track in self.tracks.values_mut() {
            if newest.saturating_duration_since(track.heard) >= TRACK_SILENCE {
                track.end(&mut self.published);
            }
        }
    }
}

/// The payload formats of all sections.
fn formats(negotiated: &Negotiated) -> Vec<(Medium, u8, Format)> {
    let medias = [(Medium::Audio, &negotiated.audio), (Medium::Video, &negotiated.video)];
    let of = |(medium, media): (Medium, &'_ Option<NegotiatedMedia>)| {
        let codecs = media.iter().flat_map(|media| &media.codecs);
        let formats = codecs.filter_map(|it| Some((medium, it.payload_type, format(&it.name)?)));
        formats.collect::<Vec<_>>()
    };
    medias.into_iter().flat_map(of).collect()
}

fn format(name: &CodecName) -> Option<Format> {
    match name {
        CodecName::H264 => Some(Format::H264),
        CodecName::H265 => Some(Format::H265),
        CodecName::Av1 => Some(Format::Av1),
        CodecName::Vp8 => Some(Format::Vp8),
        CodecName::Vp9 => Some(Format::Vp9),
        CodecName::Opus => Some(Format::Opus),
        CodecName::Rtx | CodecName::Other(_) => None,
    }
}

fn config(negotiated: &Negotiated, local: &Local) -> Config {
    let video = negotiated.video.iter().map(|media| section(Medium::Video, media));
    let audio = negotiated.audio.iter().map(|media| section(Medium::Audio, media));
    // Sections of one transport use one id for one extension (RFC 8843 section 9.3).
    let extension = |id: fn(&Extensions) -> Option<u8>| {
        let medias = [&negotiated.video, &negotiated.audio].into_iter().flatten();
        medias.filter_map(|media| id(&media.extensions)).next()
    };
    Config {
        ssrc: local.video_ssrc,
        cname: local.cname.clone(),
        sections: video.chain(audio).collect(),
        extensions: ExtensionIds {
            mid: extension(|it| it.mid),
            rid: extension(|it| it.rid),
            repaired_rid: extension(|it| it.repaired_rid),
            transport_wide: extension(|it| it.transport_cc),
        },
        // Not every publisher takes what our answer allows itself, and all take whole compounds.
        reduced_size: false,
        reference_times: false,
    }
}

fn section(medium: Medium, media: &NegotiatedMedia) -> Section {
    let format = |it: &crate::sdp::NegotiatedCodec| PayloadFormat {
        payload_type: it.payload_type,
        clock_rate: it.clock_hz,
        rtx: it.rtx_payload_type,
    };
    let ssrcs = || media.remote_ssrcs.iter();
    Section {
        medium,
        mid: media.mid.clone(),
        formats: media.codecs.iter().map(format).collect(),
        nack: media.codecs.iter().any(|it| it.feedback.nack),
        rids: media.rids.clone(),
        ssrcs: ssrcs().map(|it| it.ssrc).collect(),
        repairs: ssrcs().filter_map(|it| Some((it.rtx?, it.ssrc))).collect(),
    }
}
