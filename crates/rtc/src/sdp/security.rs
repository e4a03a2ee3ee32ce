//! What secures and finds the peer: ICE credentials, certificate fingerprint, DTLS set-up.

use super::OfferError;
use crate::transport::{Credentials, Fingerprint};

/// RFC 8839 section 5.4: at least this many characters.
const UFRAG_CHARS_MIN: usize = 4;
/// RFC 8839 section 5.4: at least this many characters.
const PWD_CHARS_MIN: usize = 22;
/// RFC 8839 section 5.4: at most this many characters of each.
const CREDENTIAL_CHARS_MAX: usize = 256;
/// Longest name of a hash function that is repeated in a refusal, in bytes.
const HASH_NAME_BYTES_MAX: usize = 16;
/// Hash functions taken in fingerprints; MD5 and SHA-1 can be forged.
const HASHES: [&str; 3] = ["sha-256", "sha-384", "sha-512"];

/// `ice-ufrag` and `ice-pwd`, where the grammar allows both.
pub(super) fn credentials(ufrag: &str, pwd: &str) -> Option<Credentials> {
    let is_ok = |text: &str, min: usize| {
        (min..=CREDENTIAL_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic())
    };
    let (ufrag, pwd) = (ufrag.trim_end(), pwd.trim_end());
    (is_ok(ufrag, UFRAG_CHARS_MIN) && is_ok(pwd, PWD_CHARS_MIN))
        .then(|| Credentials { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() })
}

/// Who starts DTLS (RFC 4145 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// The sender of the description does.
    Active,
    /// The other side does.
    Passive,
    /// Either: the answer decides.
    ActPass,
    /// Nobody yet.
    HoldConn,
}

impl Setup {
    fn named(name: &str) -> Option<Self> {
        match name {
            "active" => Some(Self::Active),
            "passive" => Some(Self::Passive),
            "actpass" => Some(Self::ActPass),
            "holdconn" => Some(Self::HoldConn),
            _ => None,
        }
    }
}

/// Transport attributes, at the level of the session or of one section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransportAttributes {
    /// ICE credentials, where both are there.
    pub ice: Option<Credentials>,
    /// The first fingerprint of a hash function that is taken.
    pub fingerprint: Option<Fingerprint>,
    /// The name of a hash function that is not taken, where one was used.
    pub unsupported_hash: Option<String>,
    /// Who starts DTLS.
    pub setup: Option<Setup>,
}

impl TransportAttributes {
    /// Reads the attribute `name`, if it is one of these.
    pub(super) fn read(&mut self, name: &str, value: &str) -> Result<(), OfferError> {
        match name {
            "fingerprint" if self.fingerprint.is_none() => {
                self.fingerprint = Fingerprint::parse(value);
                if self.fingerprint.is_none() {
                    let hash = value.split(' ').next().unwrap_or(value);
                    if HASHES.iter().any(|known| known.eq_ignore_ascii_case(hash)) {
                        return Err(OfferError::Attribute("fingerprint"));
                    }
                    let name = hash.chars().take(HASH_NAME_BYTES_MAX).collect();
                    self.unsupported_hash = Some(name);
                }
            }
            "setup" => {
                let setup = Setup::named(value.trim()).ok_or(OfferError::Attribute("setup"))?;
                self.setup = Some(setup);
            }
            _ => {}
        }
        Ok(())
    }

    /// Fills what is missing from the level above.
    pub(super) fn inherit(&mut self, above: &Self) {
        if self.ice.is_none() {
            self.ice.clone_from(&above.ice);
        }
        if self.fingerprint.is_none() && self.unsupported_hash.is_none() {
            self.fingerprint.clone_from(&above.fingerprint);
            self.unsupported_hash.clone_from(&above.unsupported_hash);
        }
        self.setup = self.setup.or(above.setup);
    }
}
