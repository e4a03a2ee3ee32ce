//! The JSON API over `watch` and `store`: playback sessions, who is live, watch time.
//!
//! # Owns
//! - [`Sessions`]: the names of playback sessions, which prove themselves; [`Tokens`]: who a viewer is,
//!   and which session a heartbeat may speak for; [`SigningKeys`]: what both are signed with.
//! - [`Books`]: the one owner of the ledger; what it is told is on disk before it counts.
//! - [`Api`]: the routes; [`Playback`]: who may play, and [`Evidence`]: what is known of who does, for
//!   every way of watching.
//! - [`Problem`]: errors as RFC 9457 documents, and [`RateLimit`]: what one address may ask for; both
//!   for every route of the server.
//!
//! # Model
//! A session's name is a path segment: 64 bits that say when it began and what kind it is, the show's
//! number, and 64 bits of a keyed hash over both. So any request can be attributed without a table that grows
//! with viewers, and no name can be made up. Who watches stands in the session's token only, which the
//! player sends with its heartbeats and nobody else sees.
//!
//! # Must never
//! Know the hub or a media protocol ([`LiveShows`] is all it sees of shows), speak SQL, set a cookie,
//! log a token, or read the clock and the system's randomness itself ([`Outside`]).

pub mod books;
mod evidence;
mod identity;
mod keys;
mod leases;
mod live;
mod media_type;
mod outside;
mod playback;
mod problem;
mod rate;
mod routes;
mod sessions;
mod tokens;

pub use books::Books;
pub use evidence::Evidence;
pub use identity::show_id;
pub use keys::{KeysError, SigningKeys};
pub use live::{LiveShow, LiveShows, LiveState};
pub use media_type::media_type;
pub use outside::Outside;
pub use playback::{Playback, PlaybackAuth, PlaybackOptions};
pub use problem::{PROBLEM_JSON, Problem};
pub use rate::{Peer, RateLimit};
pub use routes::{Api, ApiHealth};
pub use sessions::{SessionKind, Sessions, started_at_ms};
pub use tokens::{SESSION_TOKEN_MS, SessionGrant, TokenError, Tokens, Viewer, ViewerKind};
