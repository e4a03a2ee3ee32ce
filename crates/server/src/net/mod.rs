//! Sockets: listeners with errors an operator can act on, the loop that accepts, TLS with
//! certificates that are read again on SIGHUP, and datagrams that leave many at a time.

mod datagram_batch;
mod datagrams;
mod file_limit;
mod inbox;
mod incoming;
mod listener;
mod tls;

pub use datagram_batch::{DatagramBatch, Route};
pub use datagrams::{DatagramSocket, Sent};
pub use file_limit::raise as raise_file_limit;
pub use inbox::{Inbox, Received};
pub use incoming::{Incoming, Places};
pub use listener::{ListenError, listen};
pub use tls::{Certificate, CertificateError, HandshakeError, TlsListener, accept};
