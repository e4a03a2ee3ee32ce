//! The two ciphers, and the nonces that must never repeat under one key.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use super::derive::SessionKeys;
use super::keys::Profile;

/// Tag of GCM (RFC 7714 section 13.1).
pub(super) const GCM_TAG_BYTES: usize = 16;
/// Tag of HMAC-SHA1-80.
pub(super) const CM_TAG_BYTES: usize = 10;

/// What protects RTP, or RTCP, of one direction.
pub(super) enum Cipher {
    Gcm(Box<Gcm>),
    Cm(Box<Cm>),
}

impl Cipher {
    pub(super) fn new(profile: Profile, keys: &SessionKeys) -> Self {
        match profile {
            Profile::AeadAes128Gcm => {
                let key = UnboundKey::new(&AES_128_GCM, &keys.cipher);
                let key = LessSafeKey::new(key.expect("AES-128 takes any 16 bytes"));
                let mut salt = [0; 12];
                salt.copy_from_slice(&keys.salt[..12]);
                Self::Gcm(Box::new(Gcm { key, salt }))
            }
            Profile::Aes128CmHmacSha1_80 => {
                let key = UnboundCipherKey::new(&AES_128, &keys.cipher);
                let key = key.and_then(EncryptingKey::ctr).expect("AES-128 takes any 16 bytes");
                let auth = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &keys.auth);
                Self::Cm(Box::new(Cm { key, auth, salt: keys.salt }))
            }
        }
    }
}

/// AES-GCM, which encrypts and authenticates in one pass.
pub(super) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    /// Writes ciphertext and tag of `payload` to `out`, which is exactly as long.
    ///
    /// One and two slices are read where they lie. More are copied to `out` and sealed there: the
    /// cipher takes no more than two.
    pub(super) fn seal(
        &self,
        ssrc: u32,
        index: u64,
        aad: &[u8],
        payload: &[&[u8]],
        out: &mut [u8],
    ) -> Result<(), Unspecified> {
        let nonce = Nonce::assume_unique_for_key(gcm_nonce(&self.salt, ssrc, index));
        let (first, second) = match payload {
            [] => (&[][..], &[][..]),
            [first] => (*first, &[][..]),
            [first, second] => (*first, *second),
            _ => {
                let (text, tag) = out.split_at_mut(out.len() - GCM_TAG_BYTES);
                gather(payload, text);
                let made = self.key.seal_in_place_separate_tag(nonce, Aad::from(aad), text)?;
                tag.copy_from_slice(made.as_ref());
                return Ok(());
            }
        };
        let (text, rest) = out.split_at_mut(first.len());
        self.key.seal_out_of_place_scatter(nonce, Aad::from(aad), first, text, second, rest)
    }

    /// Checks and decrypts ciphertext and tag where they lie.
    pub(super) fn open(
        &self,
        ssrc: u32,
        index: u64,
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<(), Unspecified> {
        let nonce = Nonce::assume_unique_for_key(gcm_nonce(&self.salt, ssrc, index));
        self.key.open_in_place(nonce, Aad::from(aad), in_out).map(|_| ())
    }
}

/// AES in counter mode, authenticated by HMAC-SHA1-80.
pub(super) struct Cm {
    key: EncryptingKey,
    auth: hmac::Key,
    salt: [u8; 14],
}

impl Cm {
    /// Encrypts or decrypts, which is the same.
    pub(super) fn crypt(
        &self,
        ssrc: u32,
        index: u64,
        in_out: &mut [u8],
    ) -> Result<(), Unspecified> {
        let block = cm_block(&self.salt, ssrc, index);
        let context = EncryptionContext::Iv128(FixedLength::from(block));
        self.key.less_safe_encrypt(in_out, context).map(|_| ())
    }

    /// The tag of `first` followed by `second`.
    pub(super) fn tag(&self, first: &[u8], second: &[u8]) -> [u8; CM_TAG_BYTES] {
        let mut context = hmac::Context::with_key(&self.auth);
        context.update(first);
        context.update(second);
        let mut tag = [0; CM_TAG_BYTES];
        tag.copy_from_slice(&context.sign().as_ref()[..CM_TAG_BYTES]);
        tag
    }

    /// Whether `tag` is that of `first` followed by `second`.
    pub(super) fn verify(
        &self,
        first: &[u8],
        second: &[u8],
        tag: &[u8],
    ) -> Result<(), Unspecified> {
        verify_slices_are_equal(&self.tag(first, second), tag)
    }
}

/// Copies the slices one behind the other to `out`, which is exactly as long.
pub(super) fn gather(slices: &[&[u8]], out: &mut [u8]) {
    let mut at = 0;
    for slice in slices {
        out[at..at + slice.len()].copy_from_slice(slice);
        at += slice.len();
    }
}

/// RFC 7714 sections 8.1 and 9.1: the 48-bit index is rollover counter and sequence number of RTP,
/// or the SRTCP index.
pub(super) fn gcm_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> [u8; 12] {
    let mut nonce = *salt;
    mix(&mut nonce[2..6], &ssrc.to_be_bytes());
    mix(&mut nonce[6..12], &index.to_be_bytes()[2..]);
    nonce
}

/// RFC 3711 section 4.1.1: the first counter block; its last two bytes count blocks.
pub(super) fn cm_block(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    let mut block = [0; 16];
    block[..14].copy_from_slice(salt);
    mix(&mut block[4..8], &ssrc.to_be_bytes());
    mix(&mut block[8..14], &index.to_be_bytes()[2..]);
    block
}

fn mix(into: &mut [u8], bytes: &[u8]) {
    for (into, byte) in into.iter_mut().zip(bytes) {
        *into ^= byte;
    }
}
