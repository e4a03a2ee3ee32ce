//! WebRTC: the sockets, and what every session needs of this server.

mod addresses;
mod certificate;
mod id;
mod sockets;
mod turn;

pub use addresses::Addresses;
pub use certificate::{StoredCertificateError, load_or_make};
pub use id::SessionId;
pub use sockets::Sockets;
pub use turn::TurnCredentials;
