//! What both kinds of session share: the transport, SRTP over it, and the data channel's queue.

use std::collections::VecDeque;
use std::time::Instant;

use super::{CloseReason, Outbox, PeerEvent, PeerOptions};
use crate::sdp::{Local, Negotiated};
use crate::srtp::{Opener, SealError, Sealer, SrtpKeys};
use crate::transport::{
    Credentials, DataError, Datagram, Path, Transport, TransportError, TransportEvent,
    TransportOptions, classify,
};

/// Name of the data channel, where the peer's offer has one.
const DATA_LABEL: &str = "tally";
/// Messages waiting for the data channel to open or to drain: each is worth less than the next, so
/// the oldest goes.
const MESSAGES_MAX: usize = 32;

/// Candidates of a lite peer that are checked. It asks nothing before we do, so nobody shows that the
/// addresses it names are its own; real ones, which are public servers, have one for each IP version.
const LITE_CANDIDATES_MAX: usize = 2;

/// Keys in use, and where what they seal goes.
pub(super) struct Channel {
    pub(super) path: Path,
    pub(super) sealer: Sealer,
    opener: Opener,
}

/// The way to one peer.
pub(super) struct Peer {
    transport: Transport,
    /// Further candidates that a lite peer may name.
    candidates_left: Option<usize>,
    /// From `Connected` to `Closed`.
    channel: Option<Channel>,
    has_data: bool,
    messages: VecDeque<Vec<u8>>,
    messages_dropped: u64,
    refused: u64,
    events: VecDeque<PeerEvent>,
    /// Why this side closes, where the transport cannot know.
    reason: Option<CloseReason>,
    closed: Option<CloseReason>,
    sealed_rtcp: Vec<u8>,
}

impl Peer {
    pub(super) fn new(
        options: PeerOptions,
        negotiated: &Negotiated,
        local: &Local,
        now: Instant,
    ) -> Result<Self, TransportError> {
        let options = TransportOptions {
            local_candidates: options.local_candidates,
            local_credentials: local.ice.clone(),
            remote_credentials: negotiated.remote_ice.clone(),
            remote_fingerprint: negotiated.remote_fingerprint.clone(),
            role: negotiated.dtls_role,
            controlling: negotiated.controlling,
            certificate: options.certificate,
        };
        // The answering side controls only where the peer is lite.
        let candidates_left = negotiated.controlling.then_some(LITE_CANDIDATES_MAX);
        let mut transport = Transport::new(options, now)?;
        let has_data = negotiated.data_channel.is_some();
        if has_data {
            transport.open_data(DATA_LABEL);
        }
        let mut peer = Self {
            transport,
            candidates_left,
            channel: None,
            has_data,
            messages: VecDeque::new(),
            messages_dropped: 0,
            refused: 0,
            events: VecDeque::new(),
            reason: None,
            closed: None,
            sealed_rtcp: Vec::new(),
        };
        for candidate in &negotiated.remote_candidates {
            peer.add_remote_candidate(&candidate.to_string());
        }
        Ok(peer)
    }

    /// Keys and path, while media may flow.
    pub(super) fn channel(&self) -> Option<&Channel> {
        self.channel.as_ref()
    }

    /// SRTP datagrams that were damaged, forged, repeated or came too early.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Messages given up because too many waited.
    pub(super) fn messages_dropped(&self) -> u64 {
        self.messages_dropped
    }

    pub(super) fn add_remote_candidate(&mut self, candidate: &str) {
        if let Some(left) = &mut self.candidates_left {
            let Some(fewer) = left.checked_sub(1) else { return };
            *left = fewer;
        }
        self.transport.add_remote_candidate(candidate);
    }

    pub(super) fn restart(
        &mut self,
        local: Credentials,
        remote: Credentials,
        now: Instant,
    ) -> Result<(), TransportError> {
        self.transport.restart(now, local, remote)
    }

    /// Takes a datagram; RTP and RTCP come back as such, opened where they lay.
    pub(super) fn handle_datagram<'a>(
        &mut self,
        path: Path,
        datagram: &'a mut [u8],
        now: Instant,
    ) -> Option<(Datagram, &'a [u8])> {
        let kind = classify(datagram);
        if matches!(kind, Datagram::Stun | Datagram::Dtls) {
            self.transport.handle_datagram(now, path, datagram);
            self.advance(now);
            return None;
        }
        let opener = self.channel.as_mut().map(|channel| &mut channel.opener);
        let opened = match (kind, opener) {
            (Datagram::Rtp, Some(opener)) => opener.open_rtp(datagram).map(|it| it.len_bytes),
            (Datagram::Rtcp, Some(opener)) => opener.open_rtcp(datagram),
            _ => return None,
        };
        let Ok(len) = opened else {
            self.refused += 1;
            return None;
        };
        Some((kind, &datagram[..len]))
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        // Sessions wake for each burst of packets, the transport only every few seconds.
        if self.transport.poll_timeout().is_some_and(|at| at <= now) {
            self.transport.handle_timeout(now);
            self.advance(now);
        }
    }

    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        self.transport.poll_timeout()
    }

    /// Sends a message along the data channel, as soon as that is open.
    pub(super) fn send_message(&mut self, message: &[u8], now: Instant) {
        if !self.has_data {
            return;
        }
        if self.messages.len() == MESSAGES_MAX {
            self.messages.pop_front();
            self.messages_dropped += 1;
        }
        self.messages.push_back(message.to_vec());
        self.advance(now);
    }

    /// Writes what the transport has to send.
    pub(super) fn send(&mut self, outbox: &mut impl Outbox) {
        while let Some(transmit) = self.transport.poll_transmit() {
            push(outbox, transmit.path, &transmit.bytes);
        }
    }

    /// Seals and writes a compound RTCP packet.
    pub(super) fn send_rtcp(&mut self, packet: &[u8], now: Instant, outbox: &mut impl Outbox) {
        let Some(channel) = &mut self.channel else { return };
        self.sealed_rtcp.clear();
        match channel.sealer.seal_rtcp(packet, &mut self.sealed_rtcp) {
            Ok(()) => push(outbox, channel.path, &self.sealed_rtcp),
            Err(error) => self.fail(CloseReason::Seal(error), now),
        }
    }

    /// What happened, but for the end.
    pub(super) fn poll_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    /// The end, once.
    pub(super) fn poll_closed(&mut self) -> Option<PeerEvent> {
        self.closed.take().map(PeerEvent::Closed)
    }

    pub(super) fn close(&mut self, now: Instant) {
        self.transport.close(now);
        self.advance(now);
    }

    /// Ends for a reason of this side's own.
    pub(super) fn fail(&mut self, reason: CloseReason, now: Instant) {
        self.reason.get_or_insert(reason);
        self.close(now);
    }

    fn advance(&mut self, now: Instant) {
        while let Some(event) = self.transport.poll_event() {
            match event {
                TransportEvent::Connected { path, keys } => self.connect(path, &keys, now),
                TransportEvent::PathChanged(path) => {
                    if let Some(channel) = &mut self.channel {
                        channel.path = path;
                        self.events.push_back(PeerEvent::PathChanged(path));
                    }
                }
                TransportEvent::Closed(reason) => {
                    self.channel = None;
                    self.closed = Some(self.reason.take().unwrap_or(reason.into()));
                }
            }
        }
        while let Some(message) = self.messages.front() {
            match self.transport.send_data(now, message) {
                Err(DataError::NotOpen | DataError::Full) => return,
                Ok(()) | Err(DataError::Length) => self.messages.pop_front(),
            };
        }
    }

    fn connect(&mut self, path: Path, keys: &SrtpKeys, now: Instant) {
        let sealer = Sealer::new(keys.profile, &keys.sending);
        let opener = Opener::new(keys.profile, &keys.receiving);
        match sealer.and_then(|sealer| Ok((sealer, opener?))) {
            Ok((sealer, opener)) => {
                self.channel = Some(Channel { path, sealer, opener });
                self.events.push_back(PeerEvent::Connected(path));
            }
            Err(error) => {
                self.reason.get_or_insert(CloseReason::Keys(error));
                self.transport.close(now);
            }
        }
    }
}

impl Channel {
    /// Bytes a packet of `plain_bytes` has once sealed.
    pub(super) fn sealed_bytes(&self, plain_bytes: usize) -> usize {
        plain_bytes + self.sealer.profile().rtp_overhead_bytes()
    }

    /// Seals a packet whose extended sequence number is `sequence`: what is above its low 16 bits is
    /// SRTP's rollover counter.
    pub(super) fn seal(
        &self,
        header: &[u8],
        payload: &[&[u8]],
        sequence: u64,
        out: &mut [u8],
    ) -> Result<usize, SealError> {
        #[expect(clippy::cast_possible_truncation, reason = "2^48 packets are never sent")]
        let roc = (sequence >> 16) as u32;
        self.sealer.seal_rtp(header, payload, roc, out)
    }
}

fn push(outbox: &mut impl Outbox, path: Path, bytes: &[u8]) {
    outbox.push(path, bytes.len(), |out| {
        out[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    });
}
