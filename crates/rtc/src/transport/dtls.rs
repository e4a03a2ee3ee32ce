//! DTLS 1.2 with one peer (RFC 8827 section 6.5), and the SRTP keys of it (RFC 5764).

use core::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_dtls::state::State;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;

use super::records::{self, Repeats};
use super::{Certificate, CloseReason, DtlsRole, Fingerprint, TransportError, crypto};
use crate::srtp::{Profile, SrtpKeys};

/// DTLS runs over whichever path ICE has, so the library is told one address for good.
const PEER: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), 1);
/// A flight is sent again after this. The library neither backs off nor goes beyond 7 times.
const FLIGHT_INTERVAL_MS: u64 = 500;
/// Datagrams of a handshake with a long RSA chain and every flight sent eight times.
const HANDSHAKE_DATAGRAMS_MAX: u32 = 400;
/// A datagram of DTLS fits a link; larger ones are nobody's.
const DATAGRAM_BYTES_MAX: usize = 2_048;
/// Repeats of the peer's last flight that are looked at after the handshake, in datagrams.
const LATE_HANDSHAKE_DATAGRAMS_MAX: u32 = 32;
/// Fits every path (1,280 bytes, IPv6's least) behind its headers.
const MTU_BYTES: usize = 1_200;
/// The label of RFC 5764 section 4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";
/// In the order we prefer.
const PROFILES: [SrtpProtectionProfile; 2] = [
    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
];
/// Replays within so many records are seen (RFC 6347 section 4.1.2.6).
const REPLAY_WINDOW_RECORDS: usize = 64;

pub(super) struct Dtls {
    endpoint: Endpoint,
    config: Arc<HandshakeConfig>,
    /// With the profile we prefer alone.
    best_config: Arc<HandshakeConfig>,
    role: DtlsRole,
    stage: Stage,
    /// Set by the library's call to check the peer's certificate.
    mismatch: Arc<AtomicBool>,
    /// What last went wrong in the handshake, for the log if it never finishes.
    complaint: Option<String>,
    handshake_datagrams: u32,
    late_handshake_datagrams: u32,
    repeats: Repeats,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    Shaking,
    Done,
}

/// What a datagram held.
#[derive(Default)]
pub(super) struct Received {
    pub(super) keys: Option<SrtpKeys>,
    /// Application data: SCTP, if anything.
    pub(super) packets: Vec<BytesMut>,
}

impl Dtls {
    pub(super) fn new(
        role: DtlsRole,
        certificate: &Certificate,
        expected: Fingerprint,
    ) -> Result<Self, TransportError> {
        let failed = |error: String| TransportError::Setup(error);
        let mismatch = Arc::new(AtomicBool::new(false));
        let flag = mismatch.clone();
        let builder = ConfigBuilder::default()
            .with_crypto_provider(crypto::provider().map_err(|error| failed(error.to_string()))?)
            .with_certificates(vec![certificate.for_dtls()])
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            // No authority vouches for peers: the fingerprint of the SDP does (RFC 8827 section 6.5).
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(Arc::new(move |chain, _| {
                let matches = chain.first().is_some_and(|der| expected.matches(der));
                flag.store(!matches, Ordering::Relaxed);
                matches.then_some(()).ok_or(Error::ErrNoMatchingCertificateFingerprint)
            })))
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_flight_interval(Duration::from_millis(FLIGHT_INTERVAL_MS))
            .with_replay_protection_window(REPLAY_WINDOW_RECORDS)
            .with_mtu(MTU_BYTES);
        let build = |profiles: &[SrtpProtectionProfile]| {
            let builder = builder.clone().with_srtp_protection_profiles(profiles.to_vec());
            let config = builder.build(role == DtlsRole::Client, None);
            config.map(Arc::new).map_err(|error| failed(error.to_string()))
        };
        let config = build(&PROFILES)?;
        let best_config = build(&PROFILES[..1])?;
        let server_config = (role == DtlsRole::Server).then(|| config.clone());
        Ok(Self {
            endpoint: Endpoint::new(PEER, TransportProtocol::UDP, server_config),
            config,
            best_config,
            role,
            stage: Stage::Idle,
            mismatch,
            complaint: None,
            handshake_datagrams: 0,
            late_handshake_datagrams: 0,
            repeats: Repeats::default(),
        })
    }

    /// What the handshake last stumbled over.
    pub(super) fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }

    /// There is a path to the peer: as client, says hello. Repeating it does nothing.
    pub(super) fn start(&mut self, now: Instant) -> Result<(), CloseReason> {
        if self.role == DtlsRole::Client && self.stage == Stage::Idle {
            self.stage = Stage::Shaking;
            self.endpoint.connect(now, PEER, self.config.clone(), None).map_err(handshake)?;
        }
        Ok(())
    }

    /// The keys, if this datagram was the last of the handshake, and what else was in it.
    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
    ) -> Result<Received, CloseReason> {
        if !self.admit(datagram) {
            return Ok(Received::default());
        }
        if self.handshake_datagrams == 1 && self.role == DtlsRole::Server {
            self.prefer(datagram);
        }
        let was_done = self.stage == Stage::Done;
        let events = match self.endpoint.read(now, PEER, None, BytesMut::from(datagram)) {
            Ok(events) => events,
            Err(_) if self.mismatch.load(Ordering::Relaxed) => {
                return Err(CloseReason::FingerprintMismatch);
            }
            Err(Error::ErrAlertFatalOrClose) if was_done => return Err(CloseReason::PeerClosed),
            Err(error @ Error::ErrAlertFatalOrClose) => return Err(handshake(error)),
            // Out of order, or forged: the peer sends it again, or the deadline ends it.
            Err(error) => {
                self.complaint = Some(error.to_string());
                return Ok(Received::default());
            }
        };
        let mut received = Received::default();
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => {
                    let state = self.endpoint.get_connection_state(PEER);
                    received.keys = Some(state.and_then(export).ok_or_else(|| {
                        CloseReason::Handshake("the peer agreed on no SRTP profile".to_owned())
                    })?);
                    self.stage = Stage::Done;
                }
                EndpointEvent::ApplicationData(packet) => received.packets.push(packet),
                EndpointEvent::PeerClosed => return Err(CloseReason::PeerClosed),
                _ => {}
            }
        }
        Ok(received)
    }

    /// Encrypts a packet for the peer. Dropped if the handshake is not over.
    pub(super) fn send(&mut self, now: Instant, packet: &[u8]) {
        if self.stage == Stage::Done {
            // Fails only without a connection, and then nobody is there to send to.
            let _ = self.endpoint.write(now, PEER, packet);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), CloseReason> {
        if self.stage != Stage::Shaking {
            return Ok(());
        }
        if self.endpoint.handle_timeout(PEER, now).is_ok() {
            return Ok(());
        }
        if self.role == DtlsRole::Client && self.handshake_datagrams == 0 {
            // The peer has not heard us yet: it may still be reading our answer.
            self.endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
            self.stage = Stage::Idle;
            return self.start(now);
        }
        Err(CloseReason::HandshakeTimeout)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        (self.stage == Stage::Shaking).then(|| self.endpoint.poll_timeout(&PEER)).flatten()
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.endpoint.poll_transmit().map(|transmit| transmit.message.to_vec())
    }

    /// Queues close_notify, if there is anyone to tell.
    pub(super) fn close(&mut self, now: Instant) {
        // Fails for no reason a closing side could act on.
        let _ = self.endpoint.close(now);
        self.stage = Stage::Idle;
    }

    /// As server, takes the profile we prefer if this hello offers it: the library takes the one the
    /// client prefers.
    fn prefer(&mut self, hello: &[u8]) {
        if records::hello_offers(hello, PROFILES[0] as u16) {
            self.endpoint.set_server_config(Some(self.best_config.clone()));
        }
    }

    /// Whether the library is to see this datagram: well formed, not surely forged, within bounds,
    /// and not a repeat that would stop it from repeating its own flight.
    fn admit(&mut self, datagram: &[u8]) -> bool {
        if datagram.len() > DATAGRAM_BYTES_MAX {
            return false;
        }
        let Some(records) = records::read(datagram) else { return false };
        let (count, limit) = match self.stage {
            Stage::Done if !records.has_plaintext => return true,
            Stage::Done => (&mut self.late_handshake_datagrams, LATE_HANDSHAKE_DATAGRAMS_MAX),
            // A client that has said nothing yet is owed nothing.
            Stage::Idle if self.role == DtlsRole::Client => return false,
            Stage::Idle | Stage::Shaking => {
                self.stage = Stage::Shaking;
                if self.repeats.is_repeat(&records) {
                    return false;
                }
                (&mut self.handshake_datagrams, HANDSHAKE_DATAGRAMS_MAX)
            }
        };
        *count = count.saturating_add(1);
        *count <= limit
    }
}

fn handshake(error: Error) -> CloseReason {
    CloseReason::Handshake(error.to_string())
}

/// The keys of RFC 5764 section 4.2. `None` if no profile was agreed on.
fn export(state: &State) -> Option<SrtpKeys> {
    let profile = match state.srtp_protection_profile() {
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Profile::AeadAes128Gcm,
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Profile::Aes128CmHmacSha1_80,
        _ => return None,
    };
    let material =
        state.export_keying_material(EXPORTER_LABEL, &[], profile.exporter_bytes()).ok()?;
    SrtpKeys::from_exporter(profile, material.as_ref(), state.is_client()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an anchor for virtual time")]
    fn anchor() -> Instant {
        Instant::now()
    }

    /// What we make of the library itself as a client that offers these profiles.
    fn shake(
        profiles: Vec<SrtpProtectionProfile>,
    ) -> (Result<Option<SrtpKeys>, CloseReason>, bool) {
        let now = anchor();
        let (ours, theirs) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
        let mut server = Dtls::new(DtlsRole::Server, &ours, theirs.fingerprint().clone()).unwrap();
        let config = ConfigBuilder::default()
            .with_crypto_provider(crypto::provider().unwrap())
            .with_certificates(vec![theirs.for_dtls()])
            .with_srtp_protection_profiles(profiles)
            .with_insecure_skip_verify(true)
            .build(true, None)
            .unwrap();
        let mut client = Endpoint::new(PEER, TransportProtocol::UDP, None);
        client.connect(now, PEER, Arc::new(config), None).unwrap();
        let mut keys = None;
        let mut agrees = false;
        for _ in 0..20 {
            while let Some(sent) = client.poll_transmit() {
                match server.handle_datagram(now, &sent.message) {
                    Ok(received) => keys = keys.or(received.keys),
                    Err(reason) => return (Err(reason), agrees),
                }
            }
            while let Some(sent) = server.poll_transmit() {
                // Refusals show at the server.
                let _ = client.read(now, PEER, None, BytesMut::from(&sent[..]));
            }
        }
        let theirs = client.get_connection_state(PEER).and_then(export);
        if let (Some(keys), Some(theirs)) = (&keys, theirs) {
            agrees = keys.sending == theirs.receiving && keys.receiving == theirs.sending;
        }
        (Ok(keys), agrees)
    }

    #[test]
    fn peers_without_gcm_get_the_older_profile() {
        let (gcm, cm) = (
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
        );
        for (offered, expected) in [
            (vec![cm], Profile::Aes128CmHmacSha1_80),
            (vec![gcm], Profile::AeadAes128Gcm),
            (vec![cm, gcm], Profile::AeadAes128Gcm),
        ] {
            let (keys, agrees) = shake(offered.clone());
            let keys = keys.unwrap().unwrap();
            assert_eq!(keys.profile, expected, "{offered:?}");
            assert!(agrees, "{offered:?}");
        }
    }

    #[test]
    fn peers_without_a_common_profile_get_no_keys() {
        let foreign = SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm;
        for offered in [vec![], vec![foreign]] {
            let (keys, _) = shake(offered.clone());
            assert!(!matches!(keys, Ok(Some(_))), "{offered:?}: {keys:?}");
        }
    }
}
