//! The certificate this side shows in DTLS, and the fingerprint by which a peer's is recognised.

use std::fmt;

use aws_lc_rs::digest;
use rtc_dtls::crypto as dtls;

use super::crypto;

/// RFC 7468 section 10 says "PRIVATE KEY"; rtc-dtls writes and reads this instead.
const LIBRARY_KEY_LABEL: &str = "PRIVATE_KEY-----";
const KEY_LABEL: &str = "PRIVATE KEY-----";
/// The longest digest understood, SHA-512.
const DIGEST_BYTES_MAX: usize = 64;

/// Why a certificate could not be made or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The cryptographic library made no key or certificate: this host's fault.
    #[error("no certificate could be made: {0}")]
    Generate(String),
    /// The text is not a private key and certificate this build can use.
    #[error("not a private key and a certificate: {0}")]
    Pem(String),
}

/// A self-signed certificate and its private key (RFC 8826 section 5.6: ECDSA on P-256).
#[derive(Clone)]
pub struct Certificate {
    inner: dtls::Certificate,
    fingerprint: Fingerprint,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.fingerprint)
    }
}

impl Certificate {
    /// Makes a key and a certificate that signs itself, with the library's own random numbers.
    ///
    /// # Errors
    /// [`CertificateError::Generate`] if the library refuses.
    pub fn generate() -> Result<Self, CertificateError> {
        let failed = |error: &dyn fmt::Display| CertificateError::Generate(error.to_string());
        let provider = crypto::provider().map_err(|error| failed(&error))?;
        let names = vec!["webrtc".to_owned()];
        let inner = dtls::Certificate::generate_self_signed(names, provider.crypto())
            .map_err(|error| failed(&error))?;
        Self::new(inner).ok_or_else(|| failed(&"empty chain"))
    }

    /// Reads what [`Certificate::to_pem`] wrote.
    ///
    /// # Errors
    /// [`CertificateError::Pem`] if the text is anything else.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let failed = |error: &dyn fmt::Display| CertificateError::Pem(error.to_string());
        let provider = crypto::provider().map_err(|error| failed(&error))?;
        let pem = pem.replace(KEY_LABEL, LIBRARY_KEY_LABEL);
        let inner =
            dtls::Certificate::from_pem(&pem, provider.crypto()).map_err(|error| failed(&error))?;
        Self::new(inner).ok_or_else(|| failed(&"no certificate"))
    }

    /// Private key and certificate as PEM text, to be kept where only the server reads.
    ///
    /// # Errors
    /// [`CertificateError::Pem`] if the library does not give the key out.
    pub fn to_pem(&self) -> Result<String, CertificateError> {
        let pem = self.inner.serialize_pem();
        let pem = pem.map_err(|error| CertificateError::Pem(error.to_string()))?;
        Ok(pem.replace(LIBRARY_KEY_LABEL, KEY_LABEL))
    }

    /// What the SDP says of it (RFC 8122 section 5): displays as `sha-256 AA:BB:..`.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    pub(super) fn new(inner: dtls::Certificate) -> Option<Self> {
        let der = inner.certificate.first()?;
        let fingerprint = Fingerprint::of(Algorithm::Sha256, der);
        Some(Self { inner, fingerprint })
    }

    pub(super) fn for_dtls(&self) -> dtls::Certificate {
        self.inner.clone()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// The hash of a certificate, as `a=fingerprint` carries it (RFC 8122 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    algorithm: Algorithm,
    digest: Vec<u8>,
}

impl Fingerprint {
    /// Reads the value of `a=fingerprint`, such as `sha-256 AA:BB:..`, in either case.
    ///
    /// `None` if it is malformed, or of a hash other than SHA-256, SHA-384 and SHA-512: MD5 and
    /// SHA-1 can be forged.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, value) = text.trim().split_once(' ')?;
        let algorithm =
            Algorithm::ALL.into_iter().find(|known| name.eq_ignore_ascii_case(known.name()))?;
        let digest = value
            .trim()
            .split(':')
            .take(DIGEST_BYTES_MAX + 1)
            .map(|byte| (byte.len() == 2).then(|| u8::from_str_radix(byte, 16).ok()).flatten())
            .collect::<Option<Vec<u8>>>()?;
        (digest.len() == algorithm.digest().output_len()).then_some(Self { algorithm, digest })
    }

    /// Whether this is the fingerprint of a certificate in DER.
    pub(super) fn matches(&self, der: &[u8]) -> bool {
        Self::of(self.algorithm, der) == *self
    }

    fn of(algorithm: Algorithm, der: &[u8]) -> Self {
        let digest = digest::digest(algorithm.digest(), der).as_ref().to_vec();
        Self { algorithm, digest }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        for (index, byte) in self.digest.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_certificate_survives_a_restart() {
        let made = Certificate::generate().unwrap();
        let pem = made.to_pem().unwrap();
        assert!(pem.contains("-----BEGIN PRIVATE KEY-----"), "{pem}");
        let read = Certificate::from_pem(&pem).unwrap();
        assert_eq!(read.fingerprint(), made.fingerprint());
        assert!(read.for_dtls() == made.for_dtls());
        let other = Certificate::generate().unwrap();
        assert_ne!(other.fingerprint(), made.fingerprint());
        assert!(matches!(Certificate::from_pem("nothing"), Err(CertificateError::Pem(_))));
    }

    #[test]
    fn fingerprints_are_read_as_they_are_written() {
        let made = Certificate::generate().unwrap();
        let text = made.fingerprint().to_string();
        assert_eq!(text.len(), "sha-256 ".len() + 32 * 3 - 1);
        assert_eq!(Fingerprint::parse(&text).as_ref(), Some(made.fingerprint()));
        assert_eq!(Fingerprint::parse(&text.to_lowercase()).as_ref(), Some(made.fingerprint()));
        let sha512 = Fingerprint::of(Algorithm::Sha512, b"der");
        assert_eq!(Fingerprint::parse(&sha512.to_string()), Some(sha512));
        let sha1 = "sha-1 ".to_owned() + &["AA"; 20].join(":");
        for wrong in ["", "sha-256", "sha-256 AA:BB", &sha1, &text.replace("sha-256", "sha-384")] {
            assert_eq!(Fingerprint::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "(sha-(256|384|512) )?[0-9a-fA-F:+é ]{0,200}") {
            if let Some(read) = Fingerprint::parse(&text) {
                prop_assert_eq!(Fingerprint::parse(&read.to_string()), Some(read));
            }
        }
    }
}
