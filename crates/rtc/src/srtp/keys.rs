//! The keys DTLS agrees on (RFC 5764 section 4.2).

use std::fmt;

/// How packets are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// AEAD_AES_128_GCM (RFC 7714): chosen first, it costs a sixth of the other.
    AeadAes128Gcm,
    /// AES128_CM_HMAC_SHA1_80 (RFC 3711): what every peer has.
    Aes128CmHmacSha1_80,
}

/// Master key and salt of one direction.
#[derive(Clone, PartialEq, Eq)]
pub struct DirectionKey {
    /// Master key, 16 bytes.
    pub key: [u8; 16],
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
