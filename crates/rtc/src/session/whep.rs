//! A viewer's session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tally_media::TrackId;

use super::peer::{Channel, Peer};
use super::{CloseReason, Numbers, Outbox, PeerEvent, PeerOptions};
use crate::egress::congestion::EstimatorConfig;
use crate::egress::layers::Layer;
use crate::egress::packet::{ExtensionIds, ViewerPacket};
use crate::egress::stream::StreamConfig;
use crate::egress::{OutletConfig, Viewer, ViewerConfig, ViewerEvent};
use crate::packetize::PacketizedFrame;
use crate::rtp::HEADER_BYTES_MAX;
use crate::sdp::{Local, Negotiated, NegotiatedMedia};
use crate::srtp::SealError;
use crate::transport::{Credentials, Datagram, Path, TransportError};

/// What happened to a viewer's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhepEvent {
    /// The viewer is reached: frames written from now on leave, along this path. Once.
    Connected(Path),
    /// Everything after this goes along another path.
    PathChanged(Path),
    /// What the viewer told or its path made of the picture.
    Viewer(ViewerEvent),
    /// The end, after everything else there is to tell. Nothing happens after it.
    Closed(CloseReason),
}

impl From<PeerEvent> for WhepEvent {
    fn from(event: PeerEvent) -> Self {
        match event {
            PeerEvent::Connected(path) => Self::Connected(path),
            PeerEvent::PathChanged(path) => Self::PathChanged(path),
            PeerEvent::Closed(reason) => Self::Closed(reason),
        }
    }
}

/// How a viewer's session does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WhepStats {
    /// The round trip last measured.
    pub round_trip: Option<Duration>,
    /// Bits per second its path carries, as estimated.
    pub estimate_bps: u64,
    /// The layer being sent.
    pub layer: Option<TrackId>,
    /// RTP packets sent, retransmissions included.
    pub packets: u64,
    /// Bytes of them, sealed.
    pub bytes: u64,
    /// Share of packets lost, of 256, as last reported.
    pub loss: u8,
    /// Sequence numbers asked for again, repeats included.
    pub asked: u64,
    /// Retransmissions among the packets, those included that only probe the path.
    pub resent: u64,
    /// Packets asked for again that were no longer there.
    pub resend_misses: u64,
    /// Frames of video left out because the viewer was too slow.
    pub frames_dropped: u64,
    /// SRTP datagrams of the peer that were damaged, forged or repeated.
    pub refused: u64,
    /// Events given up because too many waited for the data channel.
    pub events_dropped: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    packets: u64,
    bytes: u64,
    resent: u64,
}

/// One viewer, from ICE to media.
pub struct WhepSession {
    peer: Peer,
    viewer: Viewer,
    sent: Sent,
}

impl WhepSession {
    /// A session as the answer `local` and `negotiated` belong to has it.
    ///
    /// # Errors
    /// [`TransportError`] if credentials are unusable or the libraries refuse their settings.
    pub fn new(
        options: PeerOptions,
        negotiated: &Negotiated,
        local: &Local,
        numbers: Numbers,
        now: Instant,
    ) -> Result<Self, TransportError> {
        let peer = Peer::new(options, negotiated, local, now)?;
        let viewer = Viewer::new(viewer_config(negotiated, local, numbers), now);
        Ok(Self { peer, viewer, sent: Sent::default() })
    }

    /// Takes a frame of any track of the show. Ignored unless connected.
    pub fn write(&mut self, frame: &Arc<PacketizedFrame>, now: Instant) {
        if self.peer.channel().is_some() {
            self.viewer.write(frame, now);
        }
    }

    /// The layers there are, with their measured rates. Without a call no video is sent.
    pub fn set_layers(&mut self, layers: &[Layer]) {
        self.viewer.set_layers(layers);
    }

    /// The viewer's own choice of layer; `None` leaves it to the estimate.
    pub fn choose_layer(&mut self, track: Option<TrackId>) {
        self.viewer.choose_layer(track);
    }

    /// Sends a text message along the data channel, in order and reliably: now, or when the channel is
    /// open; too many that wait displace the oldest. Without a data channel nothing happens.
    pub fn send_event(&mut self, message: &[u8], now: Instant) {
        self.peer.send_message(message, now);
    }

    /// The RTP timestamp of a picture at an instant on the show's timeline: with one such pair a viewer
    /// knows what moment it sees. `None` without video.
    #[must_use]
    pub fn video_timestamp_at(&self, timeline_ms: i64) -> Option<u32> {
        self.viewer.video_timestamp_at(timeline_ms)
    }

    /// Adds a candidate of the viewer (the value of `a=candidate`); unusable ones are dropped.
    pub fn add_remote_candidate(&mut self, candidate: &str) {
        self.peer.add_remote_candidate(candidate);
    }

    /// Looks for the viewer anew (W9). Media keeps its path until a new one is found.
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
        if let Some((Datagram::Rtcp, compound)) = self.peer.handle_datagram(path, datagram, now) {
            self.viewer.handle_rtcp(compound, now);
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.peer.handle_timeout(now);
    }

    /// When [`Self::handle_timeout`] and [`Self::send`] are next due. `None` once closed.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let media = self.peer.channel().and_then(|_| self.viewer.poll_timeout());
        self.peer.poll_timeout().into_iter().chain(media).min()
    }

    /// Writes everything that may leave at `now`. `ntp` is the wall clock in units of 2^-32 s since
    /// 1900.
    pub fn send(&mut self, ntp: u64, now: Instant, outbox: &mut impl Outbox) {
        self.peer.send(outbox);
        let Some(channel) = self.peer.channel() else { return };
        while let Some(packet) = self.viewer.poll_packet(now) {
            let bytes_max = channel.sealed_bytes(packet.written_bytes());
            outbox.push(channel.path, bytes_max, |out| {
                // Fails only by a bug: then nothing leaves.
                let bytes = seal(channel, &packet, out).unwrap_or(0);
                self.sent.packets += u64::from(bytes > 0);
                self.sent.bytes += bytes as u64;
                bytes
            });
            self.sent.resent += u64::from(packet.packet().original_sequence.is_some());
        }
        if let Some(reports) = self.viewer.poll_reports(ntp, now) {
            self.peer.send_rtcp(&reports, now, outbox);
        }
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<WhepEvent> {
        let event = self.peer.poll_event().map(WhepEvent::from);
        event
            .or_else(|| self.viewer.poll_event().map(WhepEvent::Viewer))
            .or_else(|| self.peer.poll_closed().map(WhepEvent::from))
    }

    /// Tells the viewer and ends; the next [`Self::send`] writes what tells it.
    pub fn close(&mut self, now: Instant) {
        self.viewer.close();
        self.peer.close(now);
    }

    /// How the session does.
    #[must_use]
    pub fn stats(&self, now: Instant) -> WhepStats {
        WhepStats {
            round_trip: self.viewer.round_trip(),
            estimate_bps: self.viewer.estimate_bps(now),
            layer: self.viewer.layer(),
            packets: self.sent.packets,
            bytes: self.sent.bytes,
            loss: self.viewer.loss(),
            asked: self.viewer.asked(),
            resent: self.sent.resent,
            resend_misses: self.viewer.resend_misses(),
            frames_dropped: self.viewer.frames_dropped(),
            refused: self.peer.refused(),
            events_dropped: self.peer.messages_dropped(),
        }
    }
}

/// Seals a packet from where its parts lie.
fn seal(channel: &Channel, packet: &ViewerPacket, out: &mut [u8]) -> Result<usize, SealError> {
    let mut header = [0; HEADER_BYTES_MAX];
    let header_bytes = packet.write_header(&mut header);
    let (head, body) = packet.payload();
    let payload = [head.as_slice(), body];
    channel.seal(&header[..header_bytes], &payload, packet.packet().sequence, out)
}

fn viewer_config(negotiated: &Negotiated, local: &Local, numbers: Numbers) -> ViewerConfig {
    let audio = negotiated.audio.as_ref().and_then(|media| {
        let stream = StreamConfig {
            ssrc: local.audio_ssrc,
            first_sequence: numbers.audio_sequence,
            timestamp_offset: numbers.audio_timestamp,
            ..stream_config(media, numbers)?
        };
        Some(outlet_config(media, stream))
    });
    let video = negotiated.video.as_ref().and_then(|media| {
        let rtx = media.codecs.first()?.rtx_payload_type;
        let stream = StreamConfig {
            ssrc: local.video_ssrc,
            rtx: rtx.map(|payload_type| (local.video_rtx_ssrc, payload_type)),
            first_sequence: numbers.video_sequence,
            timestamp_offset: numbers.video_timestamp,
            ..stream_config(media, numbers)?
        };
        Some(outlet_config(media, stream))
    });
    ViewerConfig { audio, video, estimator: EstimatorConfig::default() }
}

/// A stream of the one codec agreed on, but for what tells audio from video.
fn stream_config(media: &NegotiatedMedia, numbers: Numbers) -> Option<StreamConfig> {
    let codec = media.codecs.first()?;
    Some(StreamConfig {
        ssrc: 0,
        payload_type: codec.payload_type,
        rtx: None,
        clock_hz: codec.clock_hz,
        first_sequence: 0,
        rtx_first_sequence: numbers.rtx_sequence,
        timestamp_offset: 0,
        first_picture_id: numbers.picture_id,
    })
}

fn outlet_config(media: &NegotiatedMedia, stream: StreamConfig) -> OutletConfig {
    let extensions = ExtensionIds {
        transport_sequence: media.extensions.transport_cc,
        send_time: media.extensions.abs_send_time,
        mid: media.mid.as_ref().and(media.extensions.mid),
    };
    OutletConfig { stream, mid: media.mid.clone().unwrap_or_default(), extensions }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::{Offer, Playable, VideoFormat, answer_play};
    use crate::session::tests::{certificate, local};

    const FIREFOX: &str = include_str!("../../tests/offers/firefox-whep.sdp");

    fn config(offer: &str) -> ViewerConfig {
        let local = local(&certificate());
        let playable = Playable { video: Some(VideoFormat::Vp8), opus: true };
        let answer = answer_play(&Offer::parse(offer).unwrap(), &playable, &local).unwrap();
        let numbers = Numbers::from_random(core::array::from_fn(|index| index as u8));
        viewer_config(&answer.negotiated, &local, numbers)
    }

    #[test]
    fn streams_are_as_the_answer_has_them() {
        let ViewerConfig { audio: Some(audio), video: Some(video), .. } = config(FIREFOX) else {
            panic!()
        };
        let numbers = |it: &OutletConfig| (it.stream.ssrc, it.stream.payload_type, it.stream.rtx);
        assert_eq!(numbers(&audio), (1_001, 109, None));
        assert_eq!(numbers(&video), (1_002, 120, Some((1_003, 124))));
        assert_eq!((audio.stream.clock_hz, video.stream.clock_hz), (48_000, 90_000));
        assert_eq!((audio.stream.first_sequence, video.stream.first_sequence), (0x0001, 0x0203));
        assert_eq!(video.extensions.mid, Some(3));
        assert_ne!(audio.mid, video.mid);
    }

    #[test]
    fn a_medium_carries_no_extension_that_only_the_other_has() {
        let (of_video, of_audio) = FIREFOX.split_once("m=audio").unwrap();
        let line = "a=extmap:7 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc";
        assert!(of_audio.contains(line));
        let offer = format!("{of_video}m=audio{}", of_audio.replace(line, "a=x:"));
        let ViewerConfig { audio: Some(audio), video: Some(video), .. } = config(&offer) else {
            panic!()
        };
        assert_eq!(audio.extensions.transport_sequence, None);
        assert_eq!(video.extensions.transport_sequence, Some(7));
    }
}
