//! ICE and DTLS together, with a deadline for every state.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::data::{Data, DataError};
use super::dtls::Dtls;
use super::ice::Ice;
use super::{
    Certificate, CloseReason, Credentials, Datagram, DtlsRole, Fingerprint, LocalCandidate, Path,
    Transmit, TransportError, TransportEvent, classify,
};
use crate::srtp::SrtpKeys;

/// From the answer until media can flow. A browser far away needs about two seconds.
const CONNECT_MS_MAX: u64 = 30_000;
/// Datagrams waiting to be polled: a few flights and checks. Beyond it they count as lost.
const TRANSMITS_MAX: usize = 512;

/// What a transport is made of.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// Addresses of this host.
    pub local_candidates: Vec<LocalCandidate>,
    /// Of our SDP. To be drawn at random by the caller (RFC 8445 section 5.3).
    pub local_credentials: Credentials,
    /// Of the peer's SDP.
    pub remote_credentials: Credentials,
    /// Of the peer's SDP: a certificate that does not match it ends the session.
    pub remote_fingerprint: Fingerprint,
    /// Our side of DTLS.
    pub role: DtlsRole,
    /// Whether this side nominates (RFC 8445 section 6.1.1): if it made the offer, or if the peer is
    /// lite.
    pub controlling: bool,
    /// Shown to the peer.
    pub certificate: Certificate,
}

/// One peer's ICE and DTLS.
///
/// Its memory is bounded by the named limits of this module, whatever the peer sends.
pub struct Transport {
    ice: Ice,
    dtls: Dtls,
    role: DtlsRole,
    data: Option<Data>,
    /// Where DTLS came from before a path was nominated.
    early: Option<Path>,
    /// The path last told of.
    told: Option<Path>,
    keys: Option<SrtpKeys>,
    is_ready: bool,
    connect_by: Instant,
    is_closed: bool,
    transmits: VecDeque<Transmit>,
    events: VecDeque<TransportEvent>,
}

impl Transport {
    /// Starts looking for the peer.
    ///
    /// # Errors
    /// [`TransportError`] if credentials are unusable or the libraries refuse their settings.
    pub fn new(options: TransportOptions, now: Instant) -> Result<Self, TransportError> {
        let ice = Ice::new(
            options.controlling,
            &options.local_candidates,
            options.local_credentials,
            options.remote_credentials,
            now,
        )?;
        let dtls = Dtls::new(options.role, &options.certificate, options.remote_fingerprint)?;
        Ok(Self {
            ice,
            dtls,
            role: options.role,
            data: None,
            early: None,
            told: None,
            keys: None,
            is_ready: false,
            connect_by: now + Duration::from_millis(CONNECT_MS_MAX),
            is_closed: false,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        })
    }

    /// The path media goes along, once there is one.
    pub fn path(&self) -> Option<Path> {
        self.ice.selected().or(self.early)
    }

    /// Adds a candidate of the peer (the value of `a=candidate`, RFC 8839 section 5.1). That of a
    /// controlling peer is checked once the peer was heard from.
    ///
    /// What cannot be used (mDNS names, TCP, other components, malformed text, more than 16) is
    /// dropped: a peer whose candidates are all unusable may still reach us.
    pub fn add_remote_candidate(&mut self, candidate: &str) {
        if !self.is_closed {
            self.ice.add_remote_candidate(candidate);
        }
    }

    /// Offers the peer a data channel of this name, if its SDP has one. To be called before
    /// [`TransportEvent::Connected`]; repeating it does nothing.
    pub fn open_data(&mut self, label: &str) {
        if !self.is_ready {
            self.data.get_or_insert_with(|| Data::new(self.role, label));
        }
    }

    /// Sends a text message (UTF-8) along the data channel, in order and reliably.
    ///
    /// # Errors
    /// [`DataError`] if the message was not taken; the session goes on.
    pub fn send_data(&mut self, now: Instant, message: &[u8]) -> Result<(), DataError> {
        let data = self.data.as_mut().filter(|_| !self.is_closed).ok_or(DataError::NotOpen)?;
        data.send(now, message)?;
        self.send(now);
        Ok(())
    }

    /// Takes STUN or DTLS that arrived along `path`. Anything else, and anything forged or
    /// malformed, is ignored.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &[u8]) {
        if self.is_closed {
            return;
        }
        match classify(datagram) {
            Datagram::Stun => self.ice.handle_datagram(now, path, datagram),
            Datagram::Dtls if self.ice.is_valid(path) || self.early == Some(path) => {
                self.early.get_or_insert(path);
                self.handle_dtls(now, datagram);
            }
            _ => return,
        }
        self.advance(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_closed {
            return;
        }
        self.ice.handle_timeout(now);
        if let Some(data) = &mut self.data {
            data.handle_timeout(now);
        }
        if let Err(reason) = self.dtls.handle_timeout(now) {
            self.end(reason);
        } else if self.ice.has_lapsed(now) {
            self.end(CloseReason::ConsentLapsed);
        } else if !self.is_connected() && now >= self.connect_by {
            self.end(match (self.ice.selected(), self.dtls.complaint()) {
                (None, _) => CloseReason::NoPath,
                (Some(_), None) => CloseReason::HandshakeTimeout,
                (Some(_), Some(complaint)) => CloseReason::Handshake(complaint.to_owned()),
            });
        }
        self.advance(now);
    }

    /// When [`Transport::handle_timeout`] is next due. `None` once closed.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        if self.is_closed {
            return None;
        }
        let deadline = (!self.is_connected()).then_some(self.connect_by);
        let data = self.data.as_ref().and_then(Data::poll_timeout);
        let times = [deadline, self.ice.poll_timeout(), self.dtls.poll_timeout(), data];
        times.into_iter().flatten().min()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<TransportEvent> {
        self.events.pop_front()
    }

    /// Looks for the peer anew (RFC 8445 section 9, RFC 8863). Media keeps its path and its keys
    /// until a new path is nominated; if none is in 30 s, consent lapses.
    ///
    /// # Errors
    /// [`TransportError::Credentials`] if credentials are unusable; the session goes on as it was.
    pub fn restart(
        &mut self,
        now: Instant,
        local: Credentials,
        remote: Credentials,
    ) -> Result<(), TransportError> {
        self.ice.restart(local, remote, now)
    }

    /// Tells the peer (DTLS close_notify) and ends.
    pub fn close(&mut self, now: Instant) {
        if !self.is_closed {
            self.dtls.close(now);
            self.send(now);
            self.end(CloseReason::Closed);
        }
    }

    #[cfg(test)]
    pub(super) fn transmits_waiting(&self) -> usize {
        self.transmits.len()
    }

    fn handle_dtls(&mut self, now: Instant, datagram: &[u8]) {
        let received = match self.dtls.handle_datagram(now, datagram) {
            Ok(received) => received,
            Err(reason) => return self.end(reason),
        };
        if let Some(data) = &mut self.data {
            if received.keys.is_some() {
                data.start(now);
            }
            for packet in received.packets {
                data.handle_packet(now, packet);
            }
        }
        self.keys = received.keys.or(self.keys.take());
    }

    fn is_connected(&self) -> bool {
        self.is_ready && self.ice.selected().is_some()
    }

    /// After every input: starts DTLS when there is a path, and tells of what has changed.
    fn advance(&mut self, now: Instant) {
        if !self.is_closed
            && self.path().is_some()
            && let Err(reason) = self.dtls.start(now)
        {
            self.end(reason);
        }
        self.send(now);
        let Some(path) = self.path().filter(|_| !self.is_closed) else { return };
        if let Some(keys) = self.keys.take() {
            self.is_ready = true;
            self.told = Some(path);
            self.events.push_back(TransportEvent::Connected { path, keys });
        } else if self.is_ready && self.told != Some(path) {
            self.told = Some(path);
            self.events.push_back(TransportEvent::PathChanged(path));
        }
    }

    fn send(&mut self, now: Instant) {
        while let Some(transmit) = self.ice.poll_transmit() {
            self.transmits.push_back(transmit);
        }
        let packets =
            self.data.iter_mut().flat_map(|data| std::iter::from_fn(|| data.poll_transmit(now)));
        for packet in packets.flatten() {
            self.dtls.send(now, &packet);
        }
        let path = self.path();
        while let Some(bytes) = self.dtls.poll_transmit() {
            if let Some(path) = path {
                self.transmits.push_back(Transmit { path, bytes });
            }
        }
        let excess = self.transmits.len().saturating_sub(TRANSMITS_MAX);
        self.transmits.drain(..excess);
    }

    fn end(&mut self, reason: CloseReason) {
        if !self.is_closed {
            self.is_closed = true;
            self.events.push_back(TransportEvent::Closed(reason));
        }
    }
}
