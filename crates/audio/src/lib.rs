//! AAC and Opus into each other: frames in, frames out, one timeline kept.
//!
//! # Must never
//! Know the hub, a protocol, a task or the clock.
