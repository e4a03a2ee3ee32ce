//! Checking and decrypting what the peer sends.

use std::fmt;

use aws_lc_rs::error::Unspecified;

pub use super::replay::REPLAY_WINDOW_PACKETS;

use super::cipher::{CM_TAG_BYTES, Cipher, GCM_TAG_BYTES};
use super::derive::{Purpose, session_keys};
use super::keys::{DirectionKey, KeyError, Profile};
use super::replay::{Refused, ReplayWindow};
use super::sealer::{
    RTCP_ENCRYPTED, RTCP_HEADER_BYTES, RTCP_WORD_BYTES, rtcp_aad, rtcp_ssrc, rtp_ssrc,
};
use crate::rtp;

/// Sources of RTP, and of RTCP, one peer may have: three layers with repair and error correction
/// and some sound are a dozen; an encoder that restarts takes new ones.
pub const SOURCES_MAX: usize = 64;

/// Why a packet was not opened. It is to be dropped; the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No SRTP or SRTCP packet, or SRTCP that is not encrypted, which no profile here allows.
    #[error("no SRTP packet")]
    Malformed,
    /// It was there already: the network's doing, or an attack.
    #[error("a packet that was received before")]
    Replayed,
    /// It is more than [`REPLAY_WINDOW_PACKETS`] behind.
    #[error("a packet from too long ago")]
    TooOld,
    /// Damaged, forged or sealed with another key.
    #[error("a packet that is not authentic")]
    NotAuthentic,
    /// Authentic, but of one source more than [`SOURCES_MAX`].
    #[error("a packet of more than {SOURCES_MAX} sources")]
    Sources,
}

impl From<Refused> for OpenError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Replayed => Self::Replayed,
            Refused::TooOld => Self::TooOld,
        }
    }
}

impl From<Unspecified> for OpenError {
    fn from(_: Unspecified) -> Self {
        Self::NotAuthentic
    }
}

/// An RTP packet that was opened where it lay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Bytes of the plain packet, from the start of the sealed one.
    pub len_bytes: usize,
    /// Its source's rollover counter and sequence number as one number: the unwrapped sequence.
    pub index: u64,
}

/// Opens the packets of one direction.
pub struct Opener {
    profile: Profile,
    rtp: Cipher,
    rtcp: Cipher,
    rtp_sources: Sources,
    rtcp_sources: Sources,
}

impl Opener {
    /// Derives the session keys.
    ///
    /// # Errors
    /// [`KeyError`] if the salt's length is not the profile's.
    pub fn new(profile: Profile, key: &DirectionKey) -> Result<Self, KeyError> {
        let rtp = Cipher::new(profile, &session_keys(profile, key, Purpose::Rtp)?);
        let rtcp = Cipher::new(profile, &session_keys(profile, key, Purpose::Rtcp)?);
        Ok(Self::from_ciphers(profile, rtp, rtcp))
    }

    /// An opener whose session keys are given.
    pub(super) fn from_ciphers(profile: Profile, rtp: Cipher, rtcp: Cipher) -> Self {
        let (rtp_sources, rtcp_sources) = (Sources::default(), Sources::default());
        Self { profile, rtp, rtcp, rtp_sources, rtcp_sources }
    }

    /// Opens an RTP packet in place. Header and extension stay as they are.
    ///
    /// A source's rollover counter starts at 0 and follows its sequence numbers. So one whose first
    /// packets wrap and get lost is never understood: senders start in the lower half (RFC 3711
    /// section 3.3.1).
    ///
    /// # Errors
    /// [`OpenError`]; what `packet` holds then is of no use.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let header_bytes = rtp::header_bytes(packet).map_err(|_| OpenError::Malformed)?;
        let end = packet.len().checked_sub(self.profile.rtp_overhead_bytes());
        let end = end.filter(|end| *end >= header_bytes).ok_or(OpenError::Malformed)?;
        let ssrc = rtp_ssrc(packet);
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let index = self.rtp_sources.estimate(ssrc, sequence).ok_or(OpenError::TooOld)?;
        self.rtp_sources.check(ssrc, index)?;
        match &self.rtp {
            Cipher::Gcm(gcm) => {
                let (header, sealed) = packet.split_at_mut(header_bytes);
                gcm.open(ssrc, index, header, sealed)?;
            }
            Cipher::Cm(cm) => {
                let (sealed, tag) = packet.split_at_mut(end);
                let roc = &index.to_be_bytes()[2..6];
                cm.verify(sealed, roc, tag)?;
                cm.crypt(ssrc, index, &mut sealed[header_bytes..])?;
            }
        }
        self.rtp_sources.accept(ssrc, index)?;
        Ok(Opened { len_bytes: end, index })
    }

    /// Opens a compound RTCP packet in place and returns the plain one's length in bytes, from the
    /// start of the sealed one.
    ///
    /// # Errors
    /// [`OpenError`]; what `packet` holds then is of no use.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let tag_bytes = match &self.rtcp {
            Cipher::Gcm(_) => GCM_TAG_BYTES,
            Cipher::Cm(_) => CM_TAG_BYTES,
        };
        let end = packet.len().checked_sub(tag_bytes + RTCP_WORD_BYTES);
        let end = end.filter(|end| *end >= RTCP_HEADER_BYTES).ok_or(OpenError::Malformed)?;
        if packet[0] >> 6 != 2 || !rtp::is_rtcp(packet) {
            return Err(OpenError::Malformed);
        }
        let word_at = match &self.rtcp {
            Cipher::Gcm(_) => end + tag_bytes,
            Cipher::Cm(_) => end,
        };
        let mut word = [0; RTCP_WORD_BYTES];
        word.copy_from_slice(&packet[word_at..word_at + RTCP_WORD_BYTES]);
        let index = u32::from_be_bytes(word);
        if index & RTCP_ENCRYPTED == 0 {
            return Err(OpenError::Malformed);
        }
        let index = u64::from(index & !RTCP_ENCRYPTED);
        let ssrc = rtcp_ssrc(packet);
        self.rtcp_sources.check(ssrc, index)?;
        match &self.rtcp {
            Cipher::Gcm(gcm) => {
                let (header, sealed) = packet[..word_at].split_at_mut(RTCP_HEADER_BYTES);
                gcm.open(ssrc, index, &rtcp_aad(header, word), sealed)?;
            }
            Cipher::Cm(cm) => {
                let (sealed, tag) = packet.split_at_mut(end + RTCP_WORD_BYTES);
                cm.verify(sealed, &[], tag)?;
                cm.crypt(ssrc, index, &mut sealed[RTCP_HEADER_BYTES..end])?;
            }
        }
        self.rtcp_sources.accept(ssrc, index)?;
        Ok(end)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.rtp_sources.0.len();
        write!(f, "Opener {{ profile: {:?}, sources: {sources}, .. }}", self.profile)
    }
}

/// What was received, by source. Only authentic packets add one, and none is forgotten: a forgotten
/// source's packets could be replayed.
#[derive(Default)]
struct Sources(Vec<(u32, ReplayWindow)>);

impl Sources {
    fn window(&self, ssrc: u32) -> Option<&ReplayWindow> {
        self.0.iter().find(|(known, _)| *known == ssrc).map(|(_, window)| window)
    }

    fn estimate(&self, ssrc: u32, sequence: u16) -> Option<u64> {
        self.window(ssrc).map_or(Some(sequence.into()), |window| window.estimate(sequence))
    }

    fn check(&self, ssrc: u32, index: u64) -> Result<(), OpenError> {
        Ok(self.window(ssrc).map_or(Ok(()), |window| window.check(index))?)
    }

    fn accept(&mut self, ssrc: u32, index: u64) -> Result<(), OpenError> {
        let known = self.0.iter().position(|(known, _)| *known == ssrc);
        let at = match known {
            Some(at) => at,
            None if self.0.len() == SOURCES_MAX => return Err(OpenError::Sources),
            None => {
                self.0.push((ssrc, ReplayWindow::default()));
                self.0.len() - 1
            }
        };
        self.0[at].1.accept(index);
        Ok(())
    }
}
