//! Credentials for TURN servers that share a secret with this one.
//!
//! "A REST API For Access To TURN Services" (draft-uberti-behave-turn-rest), as coturn's
//! `use-auth-secret` checks it: the name says until when it is good, the password proves that whoever
//! knows the secret wrote the name.

use aws_lc_rs::hmac;

/// What a client logs in with.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnCredentials {
    /// The last second it is good for, and for whom it was made.
    pub username: String,
    /// Base64 of HMAC-SHA1 of it.
    pub password: String,
}

impl std::fmt::Debug for TurnCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TurnCredentials({}, ..)", self.username)
    }
}

impl TurnCredentials {
    /// Credentials that are good until `expires_s`, in seconds of Unix time. `name` shows in the TURN
    /// server's log.
    #[must_use]
    pub fn new(secret: &str, name: &str, expires_s: i64) -> Self {
        let username = format!("{expires_s}:{name}");
        // SHA-1 is what the servers check; as a MAC it is not broken.
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
        let password = base64(hmac::sign(&key, username.as_bytes()).as_ref());
        Self { username, password }
    }
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for index in 0..4_usize {
            let sextet = (bits >> (18 - 6 * index) & 0x3F) as usize;
            text.push(if index <= group.len() { char::from(ALPHABET[sextet]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_one_the_server_computes() {
        // printf '1433895918:mwilliams' | openssl dgst -sha1 -hmac logen -binary | base64
        let made = TurnCredentials::new("logen", "mwilliams", 1_433_895_918);
        assert_eq!(made.username, "1433895918:mwilliams");
        assert_eq!(made.password, "NX7tbMSkR3aJ/odsDIOCXBWsSQs=");
        assert!(!format!("{made:?}").contains(&made.password));
    }

    #[test]
    fn base64_is_that_of_its_rfc() {
        let examples = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in examples {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
