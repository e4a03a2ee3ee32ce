//! Stream keys: made, shown once, and known from then on only by their hash.

use std::fmt;

use aws_lc_rs::{digest, rand};
use subtle::ConstantTimeEq;

use crate::{Error, Result};

/// What every key starts with, so that people and secret scanners know it for what it is.
const PREFIX: &str = "tly_";
/// Random bytes in a key: 160 bits, above the 128 that cannot be guessed, and no padding in base 32.
const RANDOM_BYTES: usize = 20;
/// RFC 4648 base 32 in lower case: nothing to confuse when read aloud, one word for a double click.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A creator's secret for publishing. It exists in memory only while it is handed to its owner;
/// `Debug` hides it and there is no `Display`.
pub struct StreamKey(String);

impl StreamKey {
    /// A new random key.
    pub(crate) fn generate() -> Result<Self> {
        let mut random = [0; RANDOM_BYTES];
        rand::fill(&mut random).map_err(|_| Error::NoRandomness)?;
        Ok(Self(format!("{PREFIX}{}", base32(&random))))
    }

    /// The key's text, to be shown to its owner once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(hidden)")
    }
}

/// SHA-256 of a key's text. A plain fast hash is enough: a key is random, so there is no dictionary
/// to try against a stolen database.
pub(crate) struct KeyHash([u8; digest::SHA256_OUTPUT_LEN]);

impl KeyHash {
    pub(crate) fn of(text: &str) -> Self {
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Self(hash)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What is searched for. The search may leak by its time how much of it matched; the remaining 192
    /// bits are compared in constant time.
    pub(crate) fn selector(&self) -> &[u8] {
        &self.0[..8]
    }

    /// Whether `stored` is this hash, in a time that does not depend on where they differ.
    pub(crate) fn matches(&self, stored: &[u8]) -> bool {
        self.0.ct_eq(stored).into()
    }
}

fn base32(bytes: &[u8; RANDOM_BYTES]) -> String {
    let mut text = String::with_capacity(RANDOM_BYTES / 5 * 8);
    for five in bytes.chunks_exact(5) {
        let bits = five.iter().fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
        for place in (0..8).rev() {
            let digit = (bits >> (place * 5)) & 31;
            text.push(char::from(ALPHABET[usize::try_from(digit).unwrap_or_default()]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_key_is_hidden_in_debug_output() {
        let key = StreamKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), "StreamKey(hidden)");
    }

    #[test]
    fn keys_carry_160_random_bits_in_32_characters() {
        let keys: HashSet<_> =
            (0..1_000).map(|_| StreamKey::generate().unwrap().reveal().to_owned()).collect();
        assert_eq!(keys.len(), 1_000);
        let mut seen = HashSet::new();
        for key in keys {
            let digits = key.strip_prefix("tly_").unwrap();
            assert_eq!(digits.len() * 5, 160);
            seen.extend(digits.bytes());
        }
        assert_eq!(seen, ALPHABET.iter().copied().collect());
    }

    #[test]
    fn base32_is_rfc_4648() {
        // RFC 4648 section 10 has "fooba" -> "MZXW6YTB".
        assert_eq!(base32(b"foobafoobafoobafooba"), "mzxw6ytb".repeat(4));
    }

    #[test]
    fn the_hash_is_sha_256() {
        // FIPS 180-2, appendix B.1.
        let hash = KeyHash::of("abc");
        assert_eq!(hash.as_bytes()[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert!(hash.matches(KeyHash::of("abc").as_bytes()));
        assert!(!hash.matches(KeyHash::of("abd").as_bytes()));
        assert!(!hash.matches(&[]));
    }
}
