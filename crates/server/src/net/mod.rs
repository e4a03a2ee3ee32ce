//! Sockets: listeners with errors an operator can act on, the loop that accepts, and TLS with
//! certificates that are read again on SIGHUP.

mod file_limit;
mod incoming;
mod listener;
mod tls;

pub use file_limit::raise as raise_file_limit;
pub use incoming::{Incoming, Places};
pub use listener::{ListenError, listen};
pub use tls::{Certificate, CertificateError, HandshakeError, TlsListener, accept};
