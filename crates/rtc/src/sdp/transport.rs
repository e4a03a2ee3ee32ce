//! What secures and finds the peer: ICE credentials, certificate fingerprint, DTLS set-up.

use std::fmt;

use aws_lc_rs::digest;

/// RFC 8839 section 5.4: at least this many characters.
const UFRAG_CHARS_MIN: usize = 4;
/// RFC 8839 section 5.4: at least this many characters.
const PWD_CHARS_MIN: usize = 22;
/// RFC 8839 section 5.4: at most this many characters of each.
const CREDENTIAL_CHARS_MAX: usize = 256;

/// ICE credentials of one side (RFC 8839 section 5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// `ice-ufrag`.
    pub ufrag: String,
    /// `ice-pwd`.
    pub pwd: String,
}

impl IceCredentials {
    /// Both values, where the grammar allows them.
    #[must_use]
    pub fn new(ufrag: &str, pwd: &str) -> Option<Self> {
        let is_ok = |text: &str, min: usize| {
            (min..=CREDENTIAL_CHARS_MAX).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_graphic())
        };
        (is_ok(ufrag, UFRAG_CHARS_MIN) && is_ok(pwd, PWD_CHARS_MIN))
            .then(|| Self { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() })
    }
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceCredentials({}, ..)", self.ufrag)
    }
}

/// Hash functions taken in fingerprints (RFC 8122 section 5); MD5 and SHA-1 are broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// `sha-256`, what every client sends.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl Hash {
    fn named(name: &str) -> Option<Self> {
        [(Self::Sha256, "sha-256"), (Self::Sha384, "sha-384"), (Self::Sha512, "sha-512")]
            .into_iter()
            .find_map(|(hash, known)| name.eq_ignore_ascii_case(known).then_some(hash))
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// The hash of the peer's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The hash function.
    pub hash: Hash,
    /// The hash, as long as the function makes it.
    pub bytes: Vec<u8>,
}

impl Fingerprint {
    /// Whether this is the fingerprint of a certificate, given in DER.
    #[must_use]
    pub fn matches(&self, certificate_der: &[u8]) -> bool {
        digest::digest(self.hash.algorithm(), certificate_der).as_ref() == self.bytes
    }

    /// Reads `sha-256 AB:CD:...`. `Ok(Err(name))` names a hash function that is not taken.
    pub(super) fn parse(value: &str) -> Option<Result<Self, String>> {
        let (name, hex) = value.split_once(' ')?;
        let Some(hash) = Hash::named(name) else { return Some(Err(name.to_owned())) };
        let bytes = hex
            .trim()
            .split(':')
            .map(|pair| (pair.len() == 2).then(|| u8::from_str_radix(pair, 16).ok())?)
            .collect::<Option<Vec<u8>>>()?;
        (bytes.len() == hash.algorithm().output_len()).then_some(Ok(Self { hash, bytes }))
    }
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
    pub(super) fn named(name: &str) -> Option<Self> {
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
pub struct Transport {
    /// ICE credentials, where both are there.
    pub ice: Option<IceCredentials>,
    /// The first fingerprint of a hash function that is taken.
    pub fingerprint: Option<Fingerprint>,
    /// The name of a hash function that is not taken, where one was used.
    pub unsupported_hash: Option<String>,
    /// Who starts DTLS.
    pub setup: Option<Setup>,
}

impl Transport {
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
