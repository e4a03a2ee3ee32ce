//! Sockets: listeners with errors an operator can act on, and TLS with certificates that are read
//! again on SIGHUP.

mod file_limit;
mod listener;
mod tls;

pub use file_limit::raise as raise_file_limit;
pub use listener::{ListenError, listen};
pub use tls::{Certificate, CertificateError, HandshakeError, TlsListener, accept};
