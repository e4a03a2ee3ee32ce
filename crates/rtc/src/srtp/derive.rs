//! Session keys from master keys (RFC 3711 section 4.3, RFC 7714 section 11).

use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

use super::keys::{DirectionKey, KEY_BYTES, KeyError, Profile};

/// What a derived key is for: the label of its cipher key. Authentication key and salt have the two
/// labels after it (RFC 3711 section 4.3.2).
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// Labels 0 to 2.
    Rtp = 0,
    /// Labels 3 to 5.
    Rtcp = 3,
}

/// Bytes of an authentication key (RFC 3711 section 5.2).
pub(super) const AUTH_KEY_BYTES: usize = 20;

/// Where the label is mixed into the salt with a derivation rate of 0.
const LABEL_AT: usize = 7;

/// What protects RTP, or RTCP, of one direction.
pub(super) struct SessionKeys {
    pub(super) cipher: [u8; KEY_BYTES],
    /// Of no use with GCM.
    pub(super) auth: [u8; AUTH_KEY_BYTES],
    /// With GCM only the first 12 bytes count.
    pub(super) salt: [u8; 14],
}

/// The session keys of one purpose.
pub(super) fn session_keys(
    profile: Profile,
    master: &DirectionKey,
    purpose: Purpose,
) -> Result<SessionKeys, KeyError> {
    let (len, expected) = (master.salt.len(), profile.salt_bytes());
    if len != expected {
        return Err(KeyError { len, expected });
    }
    let key = UnboundCipherKey::new(&AES_128, &master.key).and_then(EncryptingKey::ctr);
    let key = key.expect("AES-128 takes any 16 bytes");
    let first = purpose as u8;
    Ok(SessionKeys {
        cipher: keystream(&key, &master.salt, first),
        auth: keystream(&key, &master.salt, first + 1),
        salt: keystream(&key, &master.salt, first + 2),
    })
}

/// The start of the keystream for `label`; a short salt counts as followed by zeros.
fn keystream<const N: usize>(key: &EncryptingKey, salt: &[u8], label: u8) -> [u8; N] {
    let mut block = [0; 16];
    block[..salt.len()].copy_from_slice(salt);
    block[LABEL_AT] ^= label;
    let mut out = [0; N];
    key.less_safe_encrypt(&mut out, EncryptionContext::Iv128(FixedLength::from(block)))
        .expect("counter mode takes any length");
    out
}
