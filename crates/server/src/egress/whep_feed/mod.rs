//! One feed for each show with WebRTC viewers: its frames as RTP payloads, made once for all of them.
//!
//! [`WhepOrigin`] is what a show has for WebRTC viewers. Its feed starts with the first
//! [`WhepOrigin::subscribe`] and is gone some seconds after the last [`Subscription`]. It follows the hub
//! from the newest group on, makes the main sound Opus where it is not (`sound`), packetizes each frame
//! (`pictures`, `sound`), keeps the newest group (`group`) and gives everything to each subscriber's
//! [`Sink`] (`sinks`). Subscribers are workers, not viewers: one for each worker and show.
//!
//! # What a subscriber gets
//! `State`, `Layers`, `Cached`, and from then on `Frame`s of all tracks in decode order, with `Layers` and
//! `State` where they change, and `Ended` as the last. Frames of a track are numbered without holes. A
//! subscriber that did not take its items in time misses frames, and gets those three again as soon as
//! there is room: frames in `Cached` that it has already are known by their numbers.
//!
//! # B-frames
//! WebRTC has no place for them. Chromium's decoder gives out pictures in decode order and refuses one that
//! belongs before the last: of x264's default stream it showed the keyframes, 9 of 240 pictures. Without the
//! pictures nothing refers to, 103 of 240 were shown with two plain B-frames, 13 with a B-pyramid. So a show
//! whose pictures are out of order is LL-HLS only until its encoder sends them in order: viewers who ask are
//! refused with the reason, those who watch get [`FeedItem::BFrames`], and the creator is told in the log.

mod formats;
mod group;
mod origin;
mod pictures;
mod pump;
mod rate;
mod sinks;
mod sound;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tally_rtc::packetize::PacketizedFrame;

use crate::shows::ShowState;

pub use formats::{FeedLayer, layers_of};
pub(crate) use group::Group;
pub use origin::WhepOrigin;
pub use sinks::{SINK_ITEMS, Sink, Subscription};

/// What a subscriber gets of a show.
#[derive(Clone, Debug)]
pub enum FeedItem {
    /// Where the show is in its life.
    State(ShowState),
    /// Its layers of all formats, with measured rates. Sent again when one came, went or changed its
    /// rate by more than a tenth.
    Layers(Arc<[FeedLayer]>),
    /// The newest group of each video track with the sound since then, in the order it was made.
    /// Empty where there is no picture yet.
    Cached(Arc<[Arc<PacketizedFrame>]>),
    /// The next frame of any track.
    Frame(Arc<PacketizedFrame>),
    /// The pictures are out of order, as WebRTC viewers cannot have them: no more come of them.
    BFrames,
    /// The show is over. Nothing comes after.
    Ended,
}
