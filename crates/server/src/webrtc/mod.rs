//! WebRTC: the port, the workers and the sessions of browsers and WHIP encoders.
//!
//! [`WebRtc`] is what the rest of the server sees: it makes this side of an answer ([`WebRtc::local`]),
//! admits sessions whose offer was answered, and speaks of them by [`SessionId`]. Whose show a viewer
//! watches comes from [`crate::egress::whep_feed`]; a publisher's media goes into a channel.
//!
//! # The way of a datagram
//! There is one `worker` for each core, with a UDP socket of its own at the one port (`sockets`). The
//! kernel gives all datagrams of a peer to one of the sockets; the session may live with another worker.
//! `table` finds it: by address, or by the name in a binding request. What is nobody's is counted and
//! dropped there. Over TCP (`tcp`) a connection is bound to its session by its first frame. The session
//! ([`tally_rtc::session`]) is pure; what it wants to send goes into the worker's `outgoing` batch, which
//! leaves in as few calls as the kernel allows.
//!
//! # Why workers are tasks
//! They are tasks of the server's one runtime and not threads of their own: the cores are shared with
//! RTMP, packaging and HTTP anyway, the runtime moves a worker to whichever core is idle, and a turn is
//! bounded, so neither side starves the other. Sessions never wait for each other or for a lock.
//!
//! # Bounds
//! Sessions (`webrtc.sessions_max`), TCP connections, addresses of a session, inputs of a turn and every
//! queue are bounded; `tally_webrtc_*` counts where a bound bites. A session ends by its transport's
//! deadlines at the latest, and takes its names, addresses and timers along. A panic in one ends that
//! one.

mod addresses;
mod certificate;
mod handle;
mod id;
mod outgoing;
mod sockets;
mod table;
mod tcp;
#[cfg(test)]
mod tests;
mod turn;
mod worker;

pub use addresses::Addresses;
pub use certificate::{StoredCertificateError, load_or_make};
pub use handle::{AdmitError, ControlHandle, Gone, NewPublisher, NewViewer, Options, WebRtc};
pub use id::SessionId;
pub use sockets::Sockets;
pub use turn::TurnCredentials;
pub use worker::SessionStats;
