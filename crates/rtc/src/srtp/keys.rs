//! The keys DTLS agrees on (RFC 5764 section 4.2).

use std::fmt;

/// Bytes of a master key in both profiles.
pub(super) const KEY_BYTES: usize = 16;

/// How packets are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// AEAD_AES_128_GCM (RFC 7714): chosen first, it costs a fifth of the other.
    AeadAes128Gcm,
    /// AES128_CM_HMAC_SHA1_80 (RFC 3711): what every peer has.
    Aes128CmHmacSha1_80,
}

impl Profile {
    /// Bytes of a master salt.
    #[must_use]
    pub fn salt_bytes(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 12,
            Self::Aes128CmHmacSha1_80 => 14,
        }
    }

    /// Bytes to take from the DTLS exporter: key and salt of both directions.
    #[must_use]
    pub fn exporter_bytes(self) -> usize {
        2 * (KEY_BYTES + self.salt_bytes())
    }

    /// Bytes a sealed RTP packet is longer than the plain one.
    #[must_use]
    pub fn rtp_overhead_bytes(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 16,
            Self::Aes128CmHmacSha1_80 => 10,
        }
    }
}

/// Key material that does not fit its profile: a bug of whoever exported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes of SRTP key material, expected {expected}")]
pub struct KeyError {
    /// Bytes given.
    pub len: usize,
    /// Bytes the profile takes.
    pub expected: usize,
}

/// Master key and salt of one direction.
#[derive(Clone, PartialEq, Eq)]
pub struct DirectionKey {
    /// Master key, 16 bytes.
    pub key: [u8; KEY_BYTES],
    /// Master salt: 12 bytes with GCM, 14 with CM.
    pub salt: Vec<u8>,
}

impl fmt::Debug for DirectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectionKey(..)")
    }
}

/// Both directions, as this side uses them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// How packets are protected.
    pub profile: Profile,
    /// For what this side sends.
    pub sending: DirectionKey,
    /// For what the peer sends.
    pub receiving: DirectionKey,
}

impl SrtpKeys {
    /// Splits what the DTLS exporter gives for the label `EXTRACTOR-dtls_srtp`: client's key,
    /// server's key, client's salt, server's salt. `is_client` is this side's part in DTLS.
    ///
    /// # Errors
    /// [`KeyError`] if `material` is not [`Profile::exporter_bytes`] long.
    pub fn from_exporter(
        profile: Profile,
        material: &[u8],
        is_client: bool,
    ) -> Result<Self, KeyError> {
        let wrong = KeyError { len: material.len(), expected: profile.exporter_bytes() };
        let (client_key, rest) = material.split_first_chunk().ok_or(wrong)?;
        let (server_key, salts) = rest.split_first_chunk().ok_or(wrong)?;
        if salts.len() != 2 * profile.salt_bytes() {
            return Err(wrong);
        }
        let (client_salt, server_salt) = salts.split_at(profile.salt_bytes());
        let client = DirectionKey { key: *client_key, salt: client_salt.to_vec() };
        let server = DirectionKey { key: *server_key, salt: server_salt.to_vec() };
        let (sending, receiving) = if is_client { (client, server) } else { (server, client) };
        Ok(Self { profile, sending, receiving })
    }
}
