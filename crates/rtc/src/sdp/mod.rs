//! Offers read, answers made.
//!
//! [`Offer::parse`] reads what a client sent; [`answer_play`] (WHEP) and [`answer_publish`] (WHIP)
//! make the [`Answer`]: the text to send and the [`Negotiated`] values a session runs on. A viewer
//! whose offer cannot be answered may get a [`CounterOffer`] (W15). [`Fragment`] is the body of a
//! trickle or restart PATCH (W8, W9). [`PlayerOffer`] is the other side of WHEP, for tests and load
//! tools.
//!
//! Credentials, fingerprints and roles are [`crate::transport`]'s own types; candidates go to it as
//! text.
//!
//! The same [`Local`] and offer always give the same text: ids and secrets are passed in.
//!
//! Own line reader instead of `rtc-sdp`: that one refuses lines out of order, media types and
//! protocols it does not list and fragments without a `v=` line, all of which clients send, and it
//! bounds nothing.

mod attribute;
mod candidate;
mod codec;
mod counter;
mod error;
mod extension;
mod fragment;
mod negotiate;
mod negotiated;
mod offer;
mod ours;
mod play;
mod playable;
mod player;
mod publish;
mod section;
mod security;
mod write;

pub use candidate::{Candidate, CandidateKind};
pub use codec::{CodecName, Feedback, OfferedCodec};
pub use counter::CounterOffer;
pub use error::{FragmentError, OfferError, Refusal};
pub use extension::{ExtensionMap, Extensions};
pub use fragment::Fragment;
pub use negotiated::{
    Answer, DataChannel, Local, Negotiated, NegotiatedCodec, NegotiatedMedia, RemoteSsrc,
};
pub use offer::{Offer, SDP_BYTES_MAX};
pub use play::answer_play;
pub use playable::{Playable, VideoFormat};
pub use player::PlayerOffer;
pub use publish::{SIMULCAST_LAYERS_MAX, answer_publish};
pub use section::{Direction, Kind, Section, SsrcGroup};
pub use security::{Setup, TransportAttributes};

#[cfg(test)]
mod tests;
