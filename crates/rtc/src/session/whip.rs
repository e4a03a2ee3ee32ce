//! A publisher's session.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tally_media::{Frame, Medium, Track, TrackId};

use super::assembly::{Assembly, Outcome};
use super::order::LayerOrder;
use super::peer::Peer;
use super::{CloseReason, Outbox, PeerEvent, PeerOptions};
use crate::depacketize::Format;
use crate::ingest::sources::{ExtensionIds, PayloadFormat, Section};
use crate::ingest::{self, Config, Picture, Receiver};
use crate::sdp::{Extensions, Feedback, Local, Negotiated, NegotiatedMedia};
use crate::transport::{Credentials, Datagram, Path, TransportError};

/// A connected publisher that sends no frame of use for this long is closed: its connection alone costs
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

impl Published {
    /// The track it is of.
    #[must_use]
    pub const fn track_id(&self) -> TrackId {
        match self {
            Self::Track(track) => track.id,
            Self::Frame(id, _) | Self::TrackEnded(id) => *id,
        }
    }
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
    /// With the tracks named as the offer orders them.
    published: VecDeque<Published>,
    order: LayerOrder,
    /// When the last frame came, or media could first flow; `None` before.
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
        let config = config(negotiated, local);
        let videos = config.sections.iter().filter(|it| it.medium == Medium::Video);
        let order = LayerOrder::new(videos.map(Section::layers).sum());
        let mut receiver = Receiver::new(now, config);
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
            order,
            heard: None,
            now,
            frames: 0,
            frames_dropped: 0,
        })
    }

    /// A keyframe of this track is needed, or of all: asked for until one comes.
    pub fn want_keyframe(&mut self, track: Option<TrackId>) {
        match track {
            Some(track) => self.receiver.want_keyframe(self.order.swap(track)),
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
        self.order.handle_timeout(now);
        if now >= heard + MEDIA_SILENCE {
            self.peer.fail(CloseReason::NoMedia, now);
        }
    }

    /// When [`Self::handle_timeout`] is next due. `None` once closed.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let is_open = self.peer.channel().is_some();
        let media = is_open.then(|| self.receiver.poll_timeout(self.now));
        let silence = self.heard.filter(|_| is_open).map(|heard| heard + MEDIA_SILENCE);
        let order = self.order.poll_timeout().filter(|_| is_open);
        self.peer.poll_timeout().into_iter().chain(media).chain(silence).chain(order).min()
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

    /// What the publisher published next. Of simulcast layers, `Video(0)` is the best.
    pub fn poll_published(&mut self) -> Option<Published> {
        let is_named =
            |it: &mut Published| self.order.is_known() || it.track_id().medium() == Medium::Audio;
        let published = self.published.pop_front_if(is_named)?;
        Some(match published {
            Published::Track(track) => {
                Published::Track(Track { id: self.order.swap(track.id), ..track })
            }
            Published::Frame(id, frame) => Published::Frame(self.order.swap(id), frame),
            Published::TrackEnded(id) => Published::TrackEnded(self.order.swap(id)),
        })
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
            let Some(format) = self.format(id, &picture) else { continue };
            let new = || Assembly::new(id, format, picture.arrived);
            let track = self.tracks.entry(id).or_insert_with(new);
            let told = self.published.len();
            let outcome = track.take(format, &picture, &mut self.published);
            if let Some(Published::Track(track)) = self.published.get(told) {
                self.order.saw(track, self.now);
            }
            if outcome == Outcome::Keyframe {
                self.receiver.keyframe_arrived(id);
            }
            match outcome {
                Outcome::Keyframe | Outcome::Frame => {
                    self.frames += 1;
                    self.heard = Some(self.now);
                }
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
        let formats =
            codecs.filter_map(|it| Some((medium, it.payload_type, it.name.payload_format()?)));
        formats.collect::<Vec<_>>()
    };
    medias.into_iter().flat_map(of).collect()
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
    let agreed = |what: fn(&Feedback) -> bool| media.codecs.iter().any(|it| what(&it.feedback));
    Section {
        medium,
        mid: media.mid.clone(),
        formats: media.codecs.iter().map(format).collect(),
        nack: agreed(|it| it.nack),
        fir: agreed(|it| it.fir) && !agreed(|it| it.pli),
        rids: media.rids.clone(),
        ssrcs: ssrcs().map(|it| it.ssrc).collect(),
        repairs: ssrcs().filter_map(|it| Some((it.rtx?, it.ssrc))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::testing::anchor;
    use crate::packetize::Packetizer;
    use crate::rtp::{Header, HeaderWriter};
    use crate::sdp::{Offer, answer_publish};
    use crate::session::tests::{certificate, local, media};

    const CHROMIUM: &str = include_str!("../../tests/offers/chromium-whip.sdp");
    const OBS: &str = include_str!("../../tests/offers/obs-whip.sdp");
    const MILLISECOND: Duration = Duration::from_millis(1);

    fn negotiated(offer: &str) -> Negotiated {
        answer_publish(&Offer::parse(offer).unwrap(), &local(&certificate())).unwrap().negotiated
    }

    fn session(offer: &str) -> WhipSession {
        let certificate = certificate();
        let (local, local_candidates) = (local(&certificate), Vec::new());
        let options = PeerOptions { local_candidates, certificate };
        WhipSession::new(options, &negotiated(offer), &local, anchor()).unwrap()
    }

    #[test]
    fn what_a_browser_offers_is_received_layer_by_layer() {
        let negotiated = negotiated(CHROMIUM);
        let config = config(&negotiated, &local(&certificate()));
        let [video, audio] = &config.sections[..] else { panic!() };
        assert_eq!((video.medium, audio.medium), (Medium::Video, Medium::Audio));
        assert_eq!(video.rids, ["q", "h", "f"]);
        assert!(video.nack && !audio.nack);
        let ids = config.extensions;
        assert_eq!((ids.mid, ids.rid, ids.repaired_rid), (Some(4), Some(10), Some(11)));
        assert_eq!(ids.transport_wide, Some(3));
        let formats = formats(&negotiated);
        for (medium, payload_type, format) in [
            (Medium::Audio, 111, Format::Opus),
            (Medium::Video, 96, Format::Vp8),
            (Medium::Video, 102, Format::H264),
            (Medium::Video, 45, Format::Av1),
            (Medium::Video, 98, Format::Vp9),
        ] {
            assert!(formats.contains(&(medium, payload_type, format)), "{format:?}");
        }
    }

    #[test]
    fn who_knows_no_pli_is_asked_by_fir() {
        for (offer, fir) in
            [(CHROMIUM.to_owned(), false), (CHROMIUM.replace("nack pli", "x"), true)]
        {
            let config = config(&negotiated(&offer), &local(&certificate()));
            assert_eq!((config.sections[0].fir, config.sections[1].fir), (fir, false));
        }
    }

    #[test]
    fn layers_without_names_are_known_by_their_ssrcs() {
        let mut offer = CHROMIUM.replace("a=simulcast:send q;h;f", "a=ssrc-group:SIM 1 2 3");
        for rid in ["q", "h", "f"] {
            let line = format!("a=rid:{rid} send");
            assert!(offer.contains(&line));
            offer = offer.replace(&line, "a=x");
        }
        let config = config(&negotiated(&offer), &local(&certificate()));
        assert_eq!((config.sections[0].layers(), config.sections[1].layers()), (3, 1));
        let mut session = session(&offer);
        let packets = [keyframe("", 3, 1, 1_920), keyframe("", 1, 1, 480)];
        let published = receive(&mut session, &packets, 100 * MILLISECOND);
        assert_eq!(widths(&published), [(TrackId::Video(0), 1_920), (TrackId::Video(2), 480)]);
    }

    #[test]
    fn what_an_encoder_offers_is_known_by_its_ssrcs() {
        let config = config(&negotiated(OBS), &local(&certificate()));
        let video = &config.sections[0];
        assert_eq!(video.ssrcs, [2_200_000_002]);
        assert_eq!(video.repairs, [(2_200_000_003, 2_200_000_002)]);
        assert_eq!(video.formats[0].rtx, Some(97));
    }

    /// A keyframe of this width as one packet of the layer.
    fn keyframe(rid: &str, ssrc: u32, sequence: u16, width: u16) -> Bytes {
        let mut frame = media::frame(Format::Vp8, 0, 0, true, 100);
        let mut bytes = frame.payload.to_vec();
        bytes[6..8].copy_from_slice(&width.to_le_bytes());
        frame.payload = bytes.into();
        packet(rid, ssrc, sequence, &frame)
    }

    fn packet(rid: &str, ssrc: u32, sequence: u16, frame: &Frame) -> Bytes {
        let track = media::track(TrackId::Video(0), Format::Vp8);
        let payload =
            &Packetizer::new(&track, 1_000).unwrap().packetize(frame).unwrap().payloads[0];
        let timestamp = u32::from(sequence) * 3_600;
        let header = Header { marker: true, payload_type: 96, sequence, timestamp, ssrc };
        let mut header = HeaderWriter::new(header).extension(4, b"1");
        if !rid.is_empty() {
            header = header.extension(10, rid.as_bytes());
        }
        let mut packet = vec![0; header.written_bytes()];
        header.write(&mut packet);
        packet.extend([payload.prefix.as_slice(), &payload.body].concat());
        packet.into()
    }

    /// As if opened: what was published of it.
    fn receive(session: &mut WhipSession, packets: &[Bytes], wait: Duration) -> Vec<Published> {
        for packet in packets {
            session.receiver.handle_rtp(session.now, packet.clone());
        }
        session.now += wait;
        session.receiver.handle_timeout(session.now);
        session.collect();
        session.order.handle_timeout(session.now);
        std::iter::from_fn(|| session.poll_published()).collect()
    }

    fn widths(published: &[Published]) -> Vec<(TrackId, u16)> {
        let width = |it: &Published| match it {
            Published::Track(track) => Some((track.id, track.codec.video()?.width)),
            _ => None,
        };
        let mut widths: Vec<_> = published.iter().filter_map(width).collect();
        widths.sort_unstable();
        widths
    }

    #[test]
    fn the_best_layer_is_the_first_track_whichever_way_they_are_listed() {
        let named = [1_920, 960, 480].into_iter().enumerate();
        let named: Vec<_> =
            named.map(|(at, width)| (TrackId::Video(u8::try_from(at).unwrap()), width)).collect();
        for widths_of in [[480, 960, 1_920], [1_920, 960, 480]] {
            let mut session = session(CHROMIUM);
            let packets: Vec<_> = ["q", "h", "f"]
                .into_iter()
                .zip(widths_of)
                .zip(1..)
                .map(|((rid, width), ssrc)| keyframe(rid, ssrc, 1, width))
                .collect();
            let published = receive(&mut session, &packets, 100 * MILLISECOND);
            assert_eq!(widths(&published), named);
            session.want_keyframe(Some(TrackId::Video(0)));
            let best = if widths_of[0] == 1_920 { 1 } else { 3 };
            while session.receiver.poll_rtcp().is_some() {}
            session.receiver.handle_timeout(session.now);
            let asks = session.receiver.poll_rtcp().unwrap();
            assert!(asks.windows(4).any(|word| word == [0, 0, 0, best]), "{asks:?}");
        }
    }

    #[test]
    fn pictures_nobody_can_decode_are_no_media() {
        let mut session = session(CHROMIUM);
        let delta = media::frame(Format::Vp8, 0, 0, false, 100);
        let packets = [1, 2, 3].map(|sequence| packet("q", 1, sequence, &delta));
        receive(&mut session, &packets, 100 * MILLISECOND);
        assert_eq!((session.heard, session.frames_dropped), (None, 3));
        receive(&mut session, &[keyframe("q", 1, 4, 480)], 100 * MILLISECOND);
        assert_eq!(session.frames, 1);
        assert!(session.heard.is_some());
    }

    #[test]
    fn a_layer_that_comes_alone_is_held_back_for_a_second() {
        let mut session = session(CHROMIUM);
        let published = receive(&mut session, &[keyframe("q", 1, 1, 480)], 500 * MILLISECOND);
        assert!(published.is_empty());
        let published = receive(&mut session, &[], 1_000 * MILLISECOND);
        assert_eq!(widths(&published), [(TrackId::Video(2), 480)]);
        let published = receive(&mut session, &[keyframe("f", 3, 1, 1_920)], 100 * MILLISECOND);
        assert_eq!(widths(&published), [(TrackId::Video(0), 1_920)]);
    }
}
