//! One peer's ICE, DTLS and data channel.
