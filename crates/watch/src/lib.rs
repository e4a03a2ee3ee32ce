//! Watch time (WT-1): evidence, interval sets, the rule, the figures and the log format.
//!
//! > **Counted watch time** of a viewer on a show is the smaller of two lengths: (1) the union, over all
//! > of the viewer's playback sessions, of the stretches of the show's *published media timeline* that
//! > were both *completely delivered* to that session and *attested as rendered* by it in an eligible
//! > attention state; (2) the union of the *server-anchored wall-clock* spans over which those sessions
//! > attested that rendering.
//!
//! # Owns
//! - [`Interval`] and [`IntervalSet`]: half-open stretches of integer milliseconds.
//! - [`Evidence`]: the facts; [`Fetches`], [`Acknowledgements`] and [`cmcd`]: how HTTP responses, RTCP
//!   reports and stock players' words become facts; [`admit`]: which heartbeats are believed.
//! - [`Ledger`]: facts folded into sets; [`ShowState::report`]: figures computed from the sets.
//! - [`FinalRecord`]: figures that never change, and corrections of them.
//! - [`log`]: the bytes all of it is kept in.
//!
//! # Model
//! All state is sets that only grow, and every figure is computed from sets, never by adding
//! increments. So facts can be repeated, reordered, split over nodes and merged again, and a replay of
//! the log gives the same figures. Evidence can get lost (a crash, a bound), and then a figure falls
//! short; nothing that is lost, late or doubled makes one exceed.
//!
//! ```text
//! P     published media                 holes where the encoder was away
//! D(p)  delivered to session p          whole parts, acknowledged RTP
//! A(p)  attested by session p           admitted heartbeats: a media range and a wall-clock range
//!
//! M(v) = union over v's sessions of D(p) ∩ A(p), ∩ P
//! W(v) = union over v's sessions of their wall-clock ranges, ∩ [go-live, end + 60 s)
//! counted(v) = min(|M(v)|, |W(v)|)
//! ```
//!
//! A viewer with two tabs on a show of one minute, the second opened after 20 s; each tab lives 30 s:
//!
//! ```text
//! media        0        10        20        30        40        50        60 s
//! P            ████████████████████████████████████████████████████████████
//! tab 1 D ∩ A  ██████████████████████████████
//! tab 2 D ∩ A                      ██████████████████████████████
//! M            ██████████████████████████████████████████████████            50 s, not 60
//! W            the same 50 s of the clock                                    counted = 50 s
//! ```
//! ```
//! use tally_watch::{
//!     Attention, Attested, Basis, Delivered, DeliveryKind, Evidence, Fact, Interval, Ledger,
//!     PlaybackSession, SessionId, ShowId, Source, ViewerKey,
//! };
//!
//! let show = ShowId(1);
//! let mut ledger = Ledger::default();
//! let mut know = |fact| {
//!     let applied = ledger.apply(&Evidence { show, fact });
//!     assert_eq!(applied, tally_watch::Applied::Whole);
//! };
//! know(Fact::Published { media: Interval::new(0, 60_000).unwrap() });
//! for (tab, start_ms) in [(1, 0), (2, 20_000)] {
//!     let (session, viewer) = (SessionId(tab), Some(ViewerKey(7)));
//!     let media = Interval::new(start_ms, start_ms + 30_000).unwrap();
//!     know(Fact::Session(PlaybackSession {
//!         id: session, viewer, started_at_ms: start_ms, basis: Basis::Direct,
//!     }));
//!     know(Fact::Delivered(Delivered { session, kind: DeliveryKind::Media, media }));
//!     know(Fact::Attested(Attested {
//!         session, source: Source::Player, attention: Attention::Visible, media, wall: media,
//!     }));
//! }
//! assert_eq!(ledger.show(show).unwrap().figures().counted_ms, 50_000);
//! ```
//!
//! # Assurance
//! What counts is A and B; C makes gross time of it, D is delivery nobody vouched for.
//!
//! | | delivery | attestation |
//! |---|---|---|
//! | A | media, to the session | our player |
//! | B | the session's playlists; media from a cache | our player |
//! | C | none needed | our player, or CMCD; or a session without a viewer key |
//! | D | media, to the session | none |
//!
//! # Must never
//! Read a clock, use a float, open a file or socket, check a signature, know a protocol's transport or
//! anything of media but intervals; believe a player's wall clock; add up increments; panic on bytes
//! from outside or grow without a bound.

mod admission;
pub mod cmcd;
mod evidence;
mod fetch;
pub mod figures;
mod finals;
mod heartbeat;
mod identity;
mod interval;
pub mod log;
mod rtcp;
mod set;
mod state;

pub use admission::{
    AGE_MS_MAX, Credential, FUTURE_SLACK_MS, RANGE_MS_MAX, Refusal, admit, admit_derived,
};
pub use evidence::{
    Attention, Attested, Basis, Delivered, DeliveryKind, Evidence, Fact, PlaybackSession, Source,
    Verdict,
};
pub use fetch::{Content, Fetch, Fetches, PARTIAL_OBJECTS_MAX};
pub use figures::Figures;
pub use finals::{CORRECTIONS_MAX, FinalError, FinalRecord, REASON_BYTES_MAX};
pub use heartbeat::{Heartbeat, PlayerState, parse_permille};
pub use identity::{NodeId, SessionId, ShowId, ViewerKey};
pub use interval::{INSTANT_MS_MAX, Interval};
pub use rtcp::{Acknowledgements, FRAMES_MAX, HOLE_MS_MIN};
pub use set::{IntervalSet, RANGES_MAX};
pub use state::{
    Applied, AttestedSets, FINALS_MAX, Ledger, SESSIONS_MAX, SHOWS_MAX, SessionState, ShowState,
    Statement,
};
