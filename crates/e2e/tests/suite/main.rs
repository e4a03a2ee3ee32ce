//! The end-to-end suite, one binary so that it links once: see the crate's documentation.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod ageing;
mod delivery;
mod faults;
mod hls_of_whip;
mod operations;
mod players;
mod playlists;
mod publishers;
mod shows;
mod signalling;
mod watch_time;
mod webrtc_floods;
mod webrtc_links;
mod webrtc_paths;
mod webrtc_play;
mod webrtc_publish;
mod whep_crowd;
