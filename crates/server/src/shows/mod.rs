//! Shows: who is live, who publishes, who takes over, when a show ends.
//!
//! A [`Show`] outlives its encoder's connections: a publisher that drops may come back within the
//! grace and goes on with the same show. [`Shows`] finds shows by handle and by id; a
//! [`Publication`] is one publisher's right to write into a show, lost to whoever publishes next
//! with the right key (newest wins).

mod evidence;
mod keyframe_wishes;
mod picture_order;
mod publication;
mod registry;
mod show;
#[cfg(test)]
pub(crate) mod testing;

pub use evidence::ShowEvidence;
pub use keyframe_wishes::{KEYFRAME_WISH_INTERVAL, KeyframeWishes};
pub use publication::{Expected, Publication, PublishEnded};
pub use registry::{PublishRefused, Shows, ShowsOptions};
pub use show::{Show, ShowState};
