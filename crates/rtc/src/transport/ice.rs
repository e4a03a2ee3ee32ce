//! Which path to the peer works, and whether the peer still wants what is sent along it.
//!
//! RFC 8445 through rtc-ice, with consent (RFC 7675) and moves between paths of our own.

use core::net::IpAddr;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::crypto_provider::RTCCryptoProvider;
use rtc_ice::agent::agent_config::AgentConfig;
use rtc_ice::attributes::control::{AttrControlled, AttrControlling};
use rtc_ice::attributes::priority::PriorityAttr;
use rtc_ice::candidate::candidate_host::CandidateHostConfig;
use rtc_ice::candidate::{Candidate, CandidateConfig, unmarshal_candidate};
use rtc_ice::mdns::MulticastDnsMode;
use rtc_ice::tcp_type::TcpType;
use rtc_ice::{Agent, Event};
use rtc_shared::{TransportContext, TransportMessage, TransportProtocol};
use rtc_stun::attributes::{ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    BINDING_REQUEST, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, METHOD_BINDING, Message, TransactionId,
};
use rtc_stun::textattrs::Username;
use sansio::Protocol as _;

use super::{Credentials, LocalCandidate, Path, Protocol, Transmit, TransportError};
use super::{crypto, stun_local_ufrag};

/// Candidates the peer may name: browsers name fewer than ten, and each is pinged unasked.
const REMOTE_CANDIDATES_MAX: usize = 16;
/// With the peer-reflexive ones: a peer behind a changing NAT appears at a new address each time.
const REMOTE_ADDRESSES_MAX: usize = 48;
/// A candidate line is about 100 bytes.
const CANDIDATE_BYTES_MAX: usize = 512;
/// Requests per pair, 200 ms apart, so 10 s: how late a peer may learn of our answer.
const REQUESTS_PER_PAIR_MAX: u16 = 50;
/// Our requests whose answers are awaited: a second's worth with all candidates.
const CHECKS_MAX: usize = 256;
/// Paths known to work. The oldest gives way.
const VALID_PATHS_MAX: usize = 16;
/// RFC 7675 section 5.1: consent is asked for every 5 s, varied by a fifth.
const CONSENT_INTERVAL_MS: u64 = 4_000;
const CONSENT_VARIATION_MS: u64 = 2_000;
/// RFC 7675 section 5.1: consent lapses after 30 s.
const CONSENT_MS_MAX: u64 = 30_000;
/// Larger STUN messages than a datagram on an ordinary link are nobody's.
const STUN_BYTES_MAX: usize = 1_500;
/// Lengths of RFC 8839 section 5.4.
const UFRAG_CHARACTERS: std::ops::RangeInclusive<usize> = 4..=256;
const PWD_CHARACTERS: std::ops::RangeInclusive<usize> = 22..=256;
/// RTP and RTCP share component 1 (RFC 8843, bundling).
const COMPONENT: u16 = 1;

pub(super) struct Ice {
    agent: Agent,
    provider: Arc<dyn RTCCryptoProvider>,
    controlling: bool,
    local: Credentials,
    remote: Credentials,
    candidates: usize,
    /// Candidates of a controlling peer that has not asked us yet: who names addresses must not have
    /// them pinged by us before it was heard from (RFC 8445 section 19.5.1).
    held: Option<Vec<Candidate>>,
    /// Our requests under way.
    checks: VecDeque<(TransactionId, Path)>,
    /// Paths along which a request of ours was answered, latest last.
    valid: VecDeque<Path>,
    /// What the controlling peer last nominated, valid yet or not.
    nominated: Option<Path>,
    selected: Option<Path>,
    /// Whether the path found is good enough for the library's timer to rest.
    settled: bool,
    consent: Consent,
    transmits: VecDeque<Transmit>,
}

struct Consent {
    answered_at: Instant,
    ask_at: Instant,
}

impl Ice {
    pub(super) fn new(
        controlling: bool,
        candidates: &[LocalCandidate],
        local: Credentials,
        remote: Credentials,
        now: Instant,
    ) -> Result<Self, TransportError> {
        check_credentials(&local)?;
        check_credentials(&remote)?;
        let provider = crypto::provider().map_err(setup)?;
        let config = AgentConfig {
            local_ufrag: local.ufrag.clone(),
            local_pwd: local.pwd.clone(),
            multicast_dns_mode: MulticastDnsMode::Disabled,
            // Deadlines are kept here and in `Transport`, not by the library.
            disconnected_timeout: Some(Duration::ZERO),
            failed_timeout: Some(Duration::ZERO),
            max_binding_requests: Some(REQUESTS_PER_PAIR_MAX),
            is_controlling: controlling,
            ..AgentConfig::default()
        };
        let mut agent = Agent::new(now, Arc::new(config), provider.clone()).map_err(setup)?;
        for candidate in candidates {
            agent.add_local_candidate(host_candidate(candidate)?).map_err(setup)?;
        }
        agent
            .start_connectivity_checks(now, controlling, remote.ufrag.clone(), remote.pwd.clone())
            .map_err(setup)?;
        Ok(Self {
            agent,
            provider,
            controlling,
            local,
            remote,
            candidates: 0,
            held: (!controlling).then(Vec::new),
            checks: VecDeque::new(),
            valid: VecDeque::new(),
            nominated: None,
            selected: None,
            settled: false,
            consent: Consent { answered_at: now, ask_at: now },
            transmits: VecDeque::new(),
        })
    }

    /// The path the controlling side chose.
    pub(super) fn selected(&self) -> Option<Path> {
        self.selected
    }

    /// Whether the peer has answered along this path.
    pub(super) fn is_valid(&self, path: Path) -> bool {
        self.selected == Some(path) || self.valid.contains(&path)
    }

    /// Whether the peer has been silent for too long.
    pub(super) fn has_lapsed(&self, now: Instant) -> bool {
        self.selected.is_some() && now >= self.consent_ends_at()
    }

    pub(super) fn add_remote_candidate(&mut self, text: &str) {
        if self.candidates >= REMOTE_CANDIDATES_MAX || text.len() > CANDIDATE_BYTES_MAX {
            return;
        }
        if let Some(candidate) = usable_candidate(text) {
            self.candidates += 1;
            match &mut self.held {
                Some(held) => held.push(candidate),
                None => self.check(candidate),
            }
        }
    }

    fn check(&mut self, candidate: Candidate) {
        // Refused candidates (of networks we are not on) are no loss.
        let _ = self.agent.add_remote_candidate(candidate);
    }

    pub(super) fn restart(
        &mut self,
        local: Credentials,
        remote: Credentials,
        now: Instant,
    ) -> Result<(), TransportError> {
        check_credentials(&local)?;
        check_credentials(&remote)?;
        self.agent.restart(now, local.ufrag.clone(), local.pwd.clone(), true).map_err(setup)?;
        self.agent
            .start_connectivity_checks(
                now,
                self.controlling,
                remote.ufrag.clone(),
                remote.pwd.clone(),
            )
            .map_err(setup)?;
        (self.local, self.remote) = (local, remote);
        self.candidates = 0;
        self.held = (!self.controlling).then(Vec::new);
        self.checks.clear();
        self.valid.clear();
        self.nominated = None;
        self.settled = false;
        Ok(())
    }

    pub(super) fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &[u8]) {
        let Some(message) = self.authentic(path, datagram) else { return };
        let is_new = !self.agent.get_remote_candidates().iter().any(|c| c.addr() == path.remote);
        if is_new && self.agent.get_remote_candidates().len() >= REMOTE_ADDRESSES_MAX {
            return;
        }
        // What the library makes of it shows in its candidates and transmits alone.
        let _ = self.agent.handle_read(TransportMessage {
            now,
            transport: TransportContext {
                local_addr: path.local,
                peer_addr: path.remote,
                transport_protocol: match path.protocol {
                    Protocol::Udp => TransportProtocol::UDP,
                    Protocol::Tcp => TransportProtocol::TCP,
                },
                ecn: None,
            },
            message: BytesMut::from(datagram),
        });
        if message.typ.class == CLASS_REQUEST {
            self.held.take().into_iter().flatten().for_each(|candidate| self.check(candidate));
            if !self.controlling && message.contains(ATTR_USE_CANDIDATE) {
                self.nominated = Some(path);
            }
        } else {
            self.answered(now, path, message.transaction_id);
        }
        self.follow_nomination(now);
        self.drain(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if !self.settled {
            // Fails only for mDNS, which is off.
            let _ = self.agent.handle_timeout(now);
        } else if let Some(path) = self.selected.filter(|_| now >= self.consent.ask_at) {
            self.ask_for_consent(now, path);
        }
        self.drain(now);
    }

    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        let next = if self.settled { Some(self.consent.ask_at) } else { self.agent.poll_timeout() };
        let lapses = self.selected.map(|_| self.consent_ends_at());
        next.into_iter().chain(lapses).min()
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    fn consent_ends_at(&self) -> Instant {
        self.consent.answered_at + Duration::from_millis(CONSENT_MS_MAX)
    }

    /// The message, if whoever sent it knows the password, and asked us or answers us.
    fn authentic(&self, path: Path, datagram: &[u8]) -> Option<Message> {
        if datagram.len() > STUN_BYTES_MAX {
            return None;
        }
        let mut message = Message { raw: datagram.to_vec(), ..Message::default() };
        message.decode().ok()?;
        if message.typ.method != METHOD_BINDING {
            return None;
        }
        let password = if message.typ.class == CLASS_REQUEST {
            (stun_local_ufrag(datagram)? == self.local.ufrag).then_some(&self.local.pwd)?
        } else if message.typ.class == CLASS_SUCCESS_RESPONSE {
            let check = (message.transaction_id, path);
            self.checks.contains(&check).then_some(&self.remote.pwd)?
        } else {
            return None;
        };
        let crypto = self.provider.crypto();
        MessageIntegrity::check(&mut message, password.as_bytes(), crypto).ok()?;
        Some(message)
    }

    fn answered(&mut self, now: Instant, path: Path, transaction: TransactionId) {
        self.checks.retain(|(other, _)| *other != transaction);
        if self.selected == Some(path) {
            self.consent.answered_at = now;
        }
        self.valid.retain(|other| *other != path);
        if self.valid.len() == VALID_PATHS_MAX {
            self.valid.pop_front();
        }
        self.valid.push_back(path);
    }

    fn follow_nomination(&mut self, now: Instant) {
        while let Some(tagged) = self.agent.poll_event() {
            if let Event::SelectedCandidatePairChange(local, remote) = tagged.event
                && self.controlling
            {
                self.nominated = Some(Path {
                    local: local.base_addr(),
                    remote: remote.addr(),
                    protocol: protocol_of(local.network_type().to_protocol()),
                });
            }
        }
        let Some(path) = self.nominated.filter(|path| self.valid.contains(path)) else { return };
        if !self.settled || self.selected != Some(path) {
            self.selected = Some(path);
            self.settled = true;
            self.consent = Consent { answered_at: now, ask_at: now + self.consent_interval() };
        }
    }

    fn ask_for_consent(&mut self, now: Instant, path: Path) {
        self.consent.ask_at = now + self.consent_interval();
        if let Some(request) = self.consent_request() {
            self.await_answer(request.transaction_id, path);
            self.transmits.push_back(Transmit { path, bytes: request.raw });
        }
    }

    /// Varied by what is random already, so that peers are not asked in step.
    fn consent_interval(&self) -> Duration {
        let random = self.checks.back().map_or(0, |(id, _)| u64::from(id.0[0]));
        Duration::from_millis(CONSENT_INTERVAL_MS + random * CONSENT_VARIATION_MS / 255)
    }

    fn consent_request(&self) -> Option<Message> {
        let crypto = self.provider.crypto();
        let username = format!("{}:{}", self.remote.ufrag, self.local.ufrag);
        let priority = self.agent.get_local_candidates().first()?.priority();
        let mut message = Message::new();
        message
            .build(&[
                Box::new(BINDING_REQUEST),
                Box::new(TransactionId::new()),
                Box::new(Username::new(ATTR_USERNAME, username)),
                // The tie breaker matters to a peer of the same role alone, and none is by now.
                if self.controlling {
                    Box::new(AttrControlling(0))
                } else {
                    Box::new(AttrControlled(0))
                },
                Box::new(PriorityAttr(priority)),
                Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                    self.remote.pwd.clone(),
                    crypto,
                )),
                Box::new(FINGERPRINT),
            ])
            .ok()?;
        Some(message)
    }

    fn drain(&mut self, now: Instant) {
        self.follow_nomination(now);
        while let Some(sent) = self.agent.poll_write() {
            let path = Path {
                local: sent.transport.local_addr,
                remote: sent.transport.peer_addr,
                protocol: protocol_of(sent.transport.transport_protocol),
            };
            let bytes = sent.message.to_vec();
            if bytes.starts_with(&[0, 1])
                && let Some(id) = bytes.get(8..20).and_then(|id| id.try_into().ok())
            {
                self.await_answer(TransactionId(id), path);
            }
            self.transmits.push_back(Transmit { path, bytes });
        }
    }

    fn await_answer(&mut self, transaction: TransactionId, path: Path) {
        if self.checks.len() == CHECKS_MAX {
            self.checks.pop_front();
        }
        self.checks.push_back((transaction, path));
    }
}

fn setup(error: impl std::fmt::Display) -> TransportError {
    TransportError::Setup(error.to_string())
}

fn check_credentials(credentials: &Credentials) -> Result<(), TransportError> {
    let fits = UFRAG_CHARACTERS.contains(&credentials.ufrag.len())
        && PWD_CHARACTERS.contains(&credentials.pwd.len());
    fits.then_some(()).ok_or(TransportError::Credentials)
}

fn protocol_of(protocol: TransportProtocol) -> Protocol {
    match protocol {
        TransportProtocol::TCP => Protocol::Tcp,
        _ => Protocol::Udp,
    }
}

fn host_candidate(candidate: &LocalCandidate) -> Result<Candidate, TransportError> {
    let (network, tcp_type) = match candidate.protocol {
        Protocol::Udp => ("udp", TcpType::Unspecified),
        Protocol::Tcp => ("tcp", TcpType::Passive),
    };
    let base_config = CandidateConfig {
        network: network.to_owned(),
        address: candidate.address.ip().to_string(),
        port: candidate.address.port(),
        component: COMPONENT,
        ..CandidateConfig::default()
    };
    CandidateHostConfig { base_config, tcp_type }.new_candidate_host().map_err(setup)
}

/// A candidate we can send to: UDP (TCP is for the peer to open), by address, not by mDNS name.
fn usable_candidate(text: &str) -> Option<Candidate> {
    let text = text.trim().trim_start_matches("a=").trim_start_matches("candidate:");
    let candidate = unmarshal_candidate(text).ok()?;
    let address: IpAddr = candidate.address().parse().ok()?;
    let is_unicast = !(address.is_unspecified()
        || address.is_multicast()
        || matches!(address, IpAddr::V4(v4) if v4.is_broadcast()));
    let is_udp = candidate.network_type().to_protocol() == TransportProtocol::UDP;
    let is_ours = is_unicast && is_udp && candidate.port() != 0;
    (is_ours && candidate.component() == COMPONENT).then_some(candidate)
}
