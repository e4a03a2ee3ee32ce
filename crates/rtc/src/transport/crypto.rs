//! The one source of cryptography under ICE and DTLS.

use std::sync::Arc;

use rtc_dtls::crypto_provider::{CryptoError, RTCCryptoProvider, default_provider};

/// aws-lc-rs, which the whole server uses.
pub(super) fn provider() -> Result<Arc<dyn RTCCryptoProvider>, CryptoError> {
    default_provider()
}
