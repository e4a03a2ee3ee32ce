//! One viewer as a state machine: what a player does short of decoding.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tally_rtc::depacketize::Format;
use tally_rtc::ingest::arrivals::Arrivals;
use tally_rtc::rtcp::{self, Message, Writer};
use tally_rtc::rtp::Packet;
use tally_rtc::sdp::{Candidate, Local, Negotiated};
use tally_rtc::srtp::{Opener, Sealer, SrtpKeys};
use tally_rtc::transport::{
    Certificate, Datagram, LocalCandidate, Path, Transport, TransportError, TransportEvent,
    TransportOptions, classify,
};

use super::stream::{Counts, Stream};

/// Time between receiver reports, as browsers send them.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Time between reports of arrivals, which congestion control is tuned to.
const ARRIVALS_INTERVAL: Duration = Duration::from_millis(100);
/// Round trip assumed where packets are asked for again.
const ROUND_TRIP: Duration = Duration::from_millis(50);
/// SSRCs followed: sound and pictures, and some more where a server begins anew.
const STREAMS_MAX: usize = 8;

/// Moments of a viewer's life, each once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    /// ICE and DTLS were through.
    pub(super) connected: Option<Instant>,
    /// The first RTP packet came.
    pub(super) first_packet: Option<Instant>,
    /// The first keyframe was whole, or with sound alone its first packet.
    pub(super) first_keyframe: Option<Instant>,
    /// The last RTP packet came.
    pub(super) last_packet: Option<Instant>,
}

/// What packets of one payload type are.
#[derive(Clone, Copy)]
struct PayloadType {
    number: u8,
    format: Format,
    clock_hz: u32,
    /// It sends packets of this format again.
    is_repair: bool,
    /// Lost packets of it can be asked for.
    can_ask: bool,
    /// Id of the extension with transport-wide sequence numbers.
    transport_cc: Option<u8>,
}

/// One viewer, from the answer on.
pub(super) struct Player {
    transport: Transport,
    path: Path,
    keys: Option<(Sealer, Opener)>,
    payload_types: Vec<PayloadType>,
    has_video: bool,
    ssrc: u32,
    cname: String,
    streams: Vec<Stream>,
    arrivals: Arrivals,
    twcc_at: Instant,
    reports_at: Instant,
    outgoing: VecDeque<Vec<u8>>,
    moments: Moments,
    bytes: u64,
    refused: u64,
    ended: Option<String>,
}

impl Player {
    /// A viewer whose offer was answered, and who talks along one path.
    pub(super) fn new(
        local: &Local,
        negotiated: &Negotiated,
        certificate: Certificate,
        path: Path,
        now: Instant,
    ) -> Result<Self, TransportError> {
        let mut transport = Transport::new(
            TransportOptions {
                local_candidates: vec![LocalCandidate {
                    address: path.local,
                    protocol: path.protocol,
                }],
                local_credentials: local.ice.clone(),
                remote_credentials: negotiated.remote_ice.clone(),
                remote_fingerprint: negotiated.remote_fingerprint.clone(),
                role: negotiated.dtls_role,
                controlling: negotiated.controlling,
                certificate,
            },
            now,
        )?;
        let remote = Candidate::host(path.protocol, path.remote, 0);
        transport.add_remote_candidate(&remote.to_string());
        let mut player = Self {
            transport,
            path,
            keys: None,
            payload_types: payload_types(negotiated),
            has_video: negotiated.video.is_some(),
            ssrc: local.video_ssrc,
            cname: local.cname.clone(),
            streams: Vec::new(),
            arrivals: Arrivals::new(now),
            twcc_at: now,
            reports_at: now,
            outgoing: VecDeque::new(),
            moments: Moments::default(),
            bytes: 0,
            refused: 0,
            ended: None,
        };
        player.advance(now);
        Ok(player)
    }

    /// Takes what the server sent.
    pub(super) fn handle_datagram(&mut self, datagram: &mut [u8], now: Instant) {
        match classify(datagram) {
            Datagram::Stun | Datagram::Dtls => {
                self.transport.handle_datagram(now, self.path, datagram);
                self.advance(now);
            }
            Datagram::Rtp => self.handle_rtp(datagram, now),
            Datagram::Rtcp => self.handle_rtcp(datagram, now),
            Datagram::Other => self.refused += 1,
        }
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.transport.poll_timeout().is_some_and(|at| at <= now) {
            self.transport.handle_timeout(now);
            self.advance(now);
        }
        if self.keys.is_none() {
            return;
        }
        if now >= self.reports_at {
            self.reports_at = now + REPORT_INTERVAL;
            self.report(now);
        }
        if now >= self.twcc_at && self.arrivals.is_due() {
            self.twcc_at = now + ARRIVALS_INTERVAL;
            let media = self.streams.first().map_or(0, |stream| stream.ssrc);
            while self.arrivals.is_due() {
                let mut writer = Writer::reduced(self.ssrc);
                self.arrivals.write(&mut writer, media);
                self.send_rtcp(writer);
            }
        }
        for at in 0..self.streams.len() {
            let asks = self.streams[at].take_asks(now, ROUND_TRIP);
            if !asks.is_empty() {
                let mut writer = Writer::reduced(self.ssrc);
                writer.nack(self.streams[at].ssrc, &asks);
                self.send_rtcp(writer);
            }
        }
    }

    /// When something is next due.
    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        let transport = self.transport.poll_timeout();
        let feedback = self.keys.as_ref().map(|_| {
            let arrivals = self.arrivals.is_due().then_some(self.twcc_at);
            let asks = self.streams.iter().filter_map(Stream::poll_timeout);
            asks.chain(arrivals).fold(self.reports_at, Instant::min)
        });
        transport.into_iter().chain(feedback).min()
    }

    /// The next datagram for the server.
    pub(super) fn poll_datagram(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    /// Tells the server that this viewer leaves.
    pub(super) fn close(&mut self, now: Instant) {
        self.transport.close(now);
        self.advance(now);
    }

    /// Why it ended, once it has.
    pub(super) fn ended(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    pub(super) fn moments(&self) -> Moments {
        self.moments
    }

    /// Bytes of RTP that came, opened.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Datagrams that were damaged, forged, repeated or of no use.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// What came of all streams.
    pub(super) fn counts(&self) -> Counts {
        self.streams.iter().map(Stream::counts).fold(Counts::default(), |sum, it| Counts {
            packets: sum.packets + it.packets,
            late: sum.late + it.late,
            repaired: sum.repaired + it.repaired,
            lost: sum.lost + it.lost,
        })
    }

    fn advance(&mut self, now: Instant) {
        while let Some(event) = self.transport.poll_event() {
            match event {
                TransportEvent::Connected { keys, .. } => self.connect(&keys, now),
                TransportEvent::PathChanged(_) => {}
                TransportEvent::Closed(reason) => {
                    self.ended.get_or_insert_with(|| reason.to_string());
                }
            }
        }
        while let Some(transmit) = self.transport.poll_transmit() {
            self.outgoing.push_back(transmit.bytes);
        }
    }

    fn connect(&mut self, keys: &SrtpKeys, now: Instant) {
        let sealer = Sealer::new(keys.profile, &keys.sending);
        let opener = Opener::new(keys.profile, &keys.receiving);
        match sealer.and_then(|sealer| Ok((sealer, opener?))) {
            Ok(keys) => {
                self.keys = Some(keys);
                self.moments.connected = Some(now);
                self.reports_at = now + REPORT_INTERVAL;
            }
            Err(error) => self.ended = Some(error.to_string()),
        }
    }

    fn handle_rtp(&mut self, datagram: &mut [u8], now: Instant) {
        let opened = self.keys.as_mut().and_then(|(_, opener)| opener.open_rtp(datagram).ok());
        let packet = opened.and_then(|opened| Packet::parse(&datagram[..opened.len_bytes]).ok());
        let Some(packet) = packet else {
            self.refused += 1;
            return;
        };
        let header = packet.header();
        let is_its = |it: &&PayloadType| it.number == header.payload_type;
        let Some(&payload_type) = self.payload_types.iter().find(is_its) else {
            self.refused += 1;
            return;
        };
        let payload = &datagram[packet.payload_range()];
        self.bytes += datagram.len() as u64;
        self.moments.first_packet.get_or_insert(now);
        self.moments.last_packet = Some(now);
        let number = payload_type.transport_cc.and_then(|id| packet.extension(id)?.first_chunk());
        if let Some(number) = number {
            self.arrivals.handle_packet(now, u16::from_be_bytes(*number));
        }
        if payload_type.is_repair {
            let of_format = self.streams.iter_mut().rfind(|it| it.format == payload_type.format);
            if let (Some(stream), Some(sequence)) = (of_format, payload.first_chunk()) {
                stream.handle_repair(u16::from_be_bytes(*sequence), now);
            }
            return;
        }
        let PayloadType { format, clock_hz, can_ask, .. } = payload_type;
        let at = self.streams.iter().position(|it| it.ssrc == header.ssrc);
        if at.is_none() {
            if self.streams.len() == STREAMS_MAX {
                self.refused += 1;
                return;
            }
            self.streams.push(Stream::new(&header, format, clock_hz, can_ask));
        }
        let at = at.unwrap_or(self.streams.len() - 1);
        self.streams[at].handle_packet(&header, payload, now);
        let is_keyframe = !self.has_video || self.streams[at].has_keyframe();
        if self.moments.first_keyframe.is_none() && is_keyframe {
            self.moments.first_keyframe = Some(now);
        }
    }

    fn handle_rtcp(&mut self, datagram: &mut [u8], now: Instant) {
        let opened = self.keys.as_mut().and_then(|(_, opener)| opener.open_rtcp(datagram).ok());
        let Some(len) = opened else {
            self.refused += 1;
            return;
        };
        for said in rtcp::read(&datagram[..len]) {
            if let Message::SenderReport { ssrc, ntp, .. } = said
                && let Some(stream) = self.streams.iter_mut().find(|it| it.ssrc == ssrc)
            {
                stream.handle_sender_report(ntp, now);
            }
        }
    }

    fn report(&mut self, now: Instant) {
        let blocks: Vec<_> = self.streams.iter_mut().map(|it| it.take_report(now)).collect();
        let mut writer = Writer::compound(self.ssrc, &blocks, &self.cname);
        let is_dark = |it: &&Stream| it.format != Format::Opus && !it.has_keyframe();
        self.streams.iter().filter(is_dark).for_each(|it| writer.picture_loss(it.ssrc));
        self.send_rtcp(writer);
    }

    fn send_rtcp(&mut self, writer: Writer) {
        let Some((sealer, _)) = &mut self.keys else { return };
        let mut sealed = Vec::new();
        // Fails after 2^31 reports alone.
        if sealer.seal_rtcp(&writer.finish(), &mut sealed).is_ok() {
            self.outgoing.push_back(sealed);
        }
    }
}

/// All payload types of both media.
fn payload_types(negotiated: &Negotiated) -> Vec<PayloadType> {
    let mut payload_types = Vec::new();
    for media in [&negotiated.audio, &negotiated.video].into_iter().flatten() {
        for codec in &media.codecs {
            let Some(format) = codec.name.payload_format() else { continue };
            let payload_type = PayloadType {
                number: codec.payload_type,
                format,
                clock_hz: codec.clock_hz,
                is_repair: false,
                can_ask: codec.feedback.nack && codec.rtx_payload_type.is_some(),
                transport_cc: media.extensions.transport_cc,
            };
            payload_types.push(payload_type);
            let repair = |number| PayloadType { number, is_repair: true, ..payload_type };
            payload_types.extend(codec.rtx_payload_type.map(repair));
        }
    }
    payload_types
}
