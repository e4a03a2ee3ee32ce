//! Protecting what this side sends.

use std::fmt;

use aws_lc_rs::error::Unspecified;

use super::cipher::{CM_TAG_BYTES, Cipher, GCM_TAG_BYTES, gather};
use super::derive::{Purpose, session_keys};
use super::keys::{DirectionKey, KeyError, Profile};
use crate::rtp;

/// Longest packet that is sealed, in bytes: what UDP can carry. Counter mode counts 65,536 blocks of
/// 16 bytes, so that no packet's keystream reaches into the next one's.
pub const PACKET_BYTES_MAX: usize = u16::MAX as usize;

/// The fixed part of an RTCP packet, which stays in the clear.
pub(super) const RTCP_HEADER_BYTES: usize = 8;
/// The word behind an SRTCP packet: the index under the flag "encrypted".
pub(super) const RTCP_WORD_BYTES: usize = 4;
/// "Encrypted" in that word.
pub(super) const RTCP_ENCRYPTED: u32 = 1 << 31;

/// Why a packet was not sealed. All but [`SealError::Exhausted`] are bugs of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The header is no RTP header, or not only that; or the packet is no RTCP packet.
    #[error("no RTP or RTCP header")]
    Header,
    /// The packet would be longer than [`PACKET_BYTES_MAX`].
    #[error("a sealed packet of {0} bytes")]
    TooLong(usize),
    /// The buffer is too short.
    #[error("a sealed packet of {needed} bytes into a buffer of {len}")]
    Buffer {
        /// Bytes of the sealed packet.
        needed: usize,
        /// Bytes of the buffer.
        len: usize,
    },
    /// All 2^31 indices of RTCP are used up (RFC 3711 section 3.3.2): the session must end.
    #[error("no SRTCP index is left")]
    Exhausted,
    /// The crypto library failed, which it has no known reason for.
    #[error("the cipher failed")]
    Cipher,
}

impl From<Unspecified> for SealError {
    fn from(_: Unspecified) -> Self {
        Self::Cipher
    }
}

/// Seals the packets of one direction, of any number of sources.
pub struct Sealer {
    profile: Profile,
    rtp: Cipher,
    rtcp: Cipher,
    rtcp_index: u32,
}

impl Sealer {
    /// Derives the session keys.
    ///
    /// # Errors
    /// [`KeyError`] if the salt's length is not the profile's.
    pub fn new(profile: Profile, key: &DirectionKey) -> Result<Self, KeyError> {
        let rtp = Cipher::new(profile, &session_keys(profile, key, Purpose::Rtp)?);
        let rtcp = Cipher::new(profile, &session_keys(profile, key, Purpose::Rtcp)?);
        Ok(Self { profile, rtp, rtcp, rtcp_index: 0 })
    }

    /// How packets are protected.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Writes the sealed packet to the start of `out` and returns its length in bytes, which is
    /// that of header and payload and [`Profile::rtp_overhead_bytes`].
    ///
    /// `header` is a whole RTP header with its extension; source and sequence number are read from
    /// it. `payload` is the slices of the payload in order: with GCM, one or two are encrypted
    /// straight from where they lie; more, and any with CM, are copied to `out` first. `roc` counts
    /// how often the source's sequence number has wrapped, and the caller owns it: **no two packets
    /// of one source may have the same `roc` and sequence number**, or their payloads are as good
    /// as in the clear.
    ///
    /// # Errors
    /// Every [`SealError`] but [`SealError::Exhausted`]; what `out` holds then is not to be sent.
    pub fn seal_rtp(
        &self,
        header: &[u8],
        payload: &[&[u8]],
        roc: u32,
        out: &mut [u8],
    ) -> Result<usize, SealError> {
        if rtp::header_bytes(header) != Ok(header.len()) {
            return Err(SealError::Header);
        }
        let payload_bytes: usize = payload.iter().map(|slice| slice.len()).sum();
        let plain_bytes = header.len() + payload_bytes;
        let needed = plain_bytes + self.profile.rtp_overhead_bytes();
        if needed > PACKET_BYTES_MAX {
            return Err(SealError::TooLong(needed));
        }
        let len = out.len();
        let out = out.get_mut(..needed).ok_or(SealError::Buffer { needed, len })?;
        let (ssrc, index) = (rtp_ssrc(header), rtp_index(header, roc));
        let (head, body) = out.split_at_mut(header.len());
        head.copy_from_slice(header);
        match &self.rtp {
            Cipher::Gcm(gcm) => gcm.seal(ssrc, index, header, payload, body)?,
            Cipher::Cm(cm) => {
                let text = &mut body[..payload_bytes];
                gather(payload, text);
                cm.crypt(ssrc, index, text)?;
                let (sealed, tag) = out.split_at_mut(plain_bytes);
                tag.copy_from_slice(&cm.tag(sealed, &roc.to_be_bytes()));
            }
        }
        Ok(needed)
    }

    /// Appends the sealed form of a compound RTCP packet to `out`.
    ///
    /// # Errors
    /// [`SealError::Header`], [`SealError::TooLong`], [`SealError::Exhausted`] and
    /// [`SealError::Cipher`]; `out` is then as before.
    pub fn seal_rtcp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        let Some((header, text)) = packet.split_at_checked(RTCP_HEADER_BYTES) else {
            return Err(SealError::Header);
        };
        if header[0] >> 6 != 2 || !rtp::is_rtcp(header) {
            return Err(SealError::Header);
        }
        let needed = packet.len() + GCM_TAG_BYTES.max(CM_TAG_BYTES) + RTCP_WORD_BYTES;
        if needed > PACKET_BYTES_MAX {
            return Err(SealError::TooLong(needed));
        }
        if self.rtcp_index == RTCP_ENCRYPTED {
            return Err(SealError::Exhausted);
        }
        let index = self.rtcp_index;
        self.rtcp_index += 1;
        let start = out.len();
        let sealed = self.append_rtcp(header, text, index, out);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed.map_err(SealError::from)
    }

    fn append_rtcp(
        &self,
        header: &[u8],
        text: &[u8],
        index: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), Unspecified> {
        let start = out.len();
        let text_at = start + RTCP_HEADER_BYTES;
        let ssrc = rtcp_ssrc(header);
        let word = (index | RTCP_ENCRYPTED).to_be_bytes();
        out.extend_from_slice(header);
        match &self.rtcp {
            Cipher::Gcm(gcm) => {
                out.resize(text_at + text.len() + GCM_TAG_BYTES, 0);
                let aad = rtcp_aad(header, word);
                gcm.seal(ssrc, index.into(), &aad, &[text], &mut out[text_at..])?;
                out.extend_from_slice(&word);
            }
            Cipher::Cm(cm) => {
                out.extend_from_slice(text);
                cm.crypt(ssrc, index.into(), &mut out[text_at..])?;
                out.extend_from_slice(&word);
                let tag = cm.tag(&out[start..], &[]);
                out.extend_from_slice(&tag);
            }
        }
        Ok(())
    }

    /// A sealer whose session keys are given.
    #[cfg(test)]
    pub(super) fn from_ciphers(profile: Profile, rtp: Cipher, rtcp: Cipher, index: u32) -> Self {
        Self { profile, rtp, rtcp, rtcp_index: index }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { profile, rtcp_index, .. } = self;
        write!(f, "Sealer {{ profile: {profile:?}, rtcp_index: {rtcp_index}, .. }}")
    }
}

/// The source of a packet with a whole RTP header.
pub(super) fn rtp_ssrc(header: &[u8]) -> u32 {
    u32::from_be_bytes([header[8], header[9], header[10], header[11]])
}

/// The 48-bit index of a packet with a whole RTP header.
fn rtp_index(header: &[u8], roc: u32) -> u64 {
    u64::from(roc) << 16 | u64::from(u16::from_be_bytes([header[2], header[3]]))
}

/// The source of an RTCP packet of at least [`RTCP_HEADER_BYTES`].
pub(super) fn rtcp_ssrc(header: &[u8]) -> u32 {
    u32::from_be_bytes([header[4], header[5], header[6], header[7]])
}

/// What GCM authenticates of RTCP beside the text (RFC 7714 section 9.2).
pub(super) fn rtcp_aad(header: &[u8], word: [u8; 4]) -> [u8; RTCP_HEADER_BYTES + RTCP_WORD_BYTES] {
    let mut aad = [0; RTCP_HEADER_BYTES + RTCP_WORD_BYTES];
    aad[..RTCP_HEADER_BYTES].copy_from_slice(&header[..RTCP_HEADER_BYTES]);
    aad[RTCP_HEADER_BYTES..].copy_from_slice(&word);
    aad
}
