//! What a publisher sends: put in order, repaired, timed and told apart, as pictures.
//!
//! [`Receiver`] is the whole of it: packets (opened, not depacketized) and RTCP in; pictures and RTCP
//! out. The order of calls: any `handle_*`, then `poll_picture` and `poll_rtcp` until empty, then
//! sleep until `poll_timeout` and call `handle_timeout`.
//!
//! The parts: [`sources`] tells which SSRC is which track, [`reorder`] makes pictures of packets,
//! [`nack`] asks for lost ones, [`keyframes`] for what cannot be repaired, [`clock`] puts all tracks
//! on one timeline, [`reception`] and [`arrivals`] are what reports say.

pub mod arrivals;
pub mod clock;
pub mod keyframes;
pub mod nack;
mod receiver;
pub mod reception;
pub mod reorder;
pub mod sources;

#[cfg(test)]
mod tests;

pub use receiver::{Config, Picture, Receiver, Stats};
