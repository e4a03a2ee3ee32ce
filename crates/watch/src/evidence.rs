//! Evidence: the facts the figures are computed from. Each only ever adds to a set.

use crate::{Interval, SessionId, ShowId, ViewerKey};

/// A fact about one show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Evidence {
    /// The show it is about.
    pub show: ShowId,
    /// What is known now.
    pub fact: Fact,
}

/// What can be known about a show. Only admitted heartbeats get this far: see
/// [`admit`](crate::admit).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// The show went live, on the origin's clock.
    WentLive {
        /// Unix milliseconds.
        at_ms: i64,
    },
    /// Media was published: `P` grows. What the encoder left out stays a hole.
    Published {
        /// On the EXT-X-PROGRAM-DATE-TIME axis.
        media: Interval,
    },
    /// The show ended, on the origin's clock.
    Ended {
        /// Unix milliseconds.
        at_ms: i64,
    },
    /// The server minted a playback session.
    Session(PlaybackSession),
    /// Media reached a session: `D` grows.
    Delivered(Delivered),
    /// A session attested that it rendered media: `A` grows.
    Attested(Attested),
    /// The invalid-traffic stage judged a session.
    Judged {
        /// Whom.
        session: SessionId,
        /// How.
        verdict: Verdict,
    },
}

/// What the server wrote down when it minted a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaybackSession {
    /// Its name.
    pub id: SessionId,
    /// Who watches; without one the session's time is gross only.
    pub viewer: Option<ViewerKey>,
    /// `t0`: the server's clock when it was minted, in Unix milliseconds. A session's wall-clock spans
    /// are offsets from here; the player's own idea of the time is never used.
    pub started_at_ms: i64,
    /// What can prove delivery to it.
    pub basis: Basis,
}

/// What can prove that media reached a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// Media requests carry the session, or RTCP acknowledges it: completed deliveries are the
    /// evidence (assurance A).
    Direct,
    /// Media comes from a cache; only playlist requests carry the session. What its playlists offered
    /// stands for delivery (assurance B).
    Cached,
}

/// Media that reached a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delivered {
    /// Whom it reached.
    pub session: SessionId,
    /// Media itself, or a playlist that offered it.
    pub kind: DeliveryKind,
    /// Which stretch, on the EXT-X-PROGRAM-DATE-TIME axis.
    pub media: Interval,
}

/// What a [`Delivered`] stretch stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeliveryKind {
    /// Every byte of its parts or segments was written, or every RTP packet of it acknowledged.
    Media,
    /// A playlist that listed it was completely written. Counts for [`Basis::Cached`] sessions only.
    Playlist,
}

/// A stretch a session rendered, by its own word, after [`admit`](crate::admit) took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attested {
    /// Who says so.
    pub session: SessionId,
    /// How.
    pub source: Source,
    /// How much attention it had.
    pub attention: Attention,
    /// What was rendered, on the EXT-X-PROGRAM-DATE-TIME axis.
    pub media: Interval,
    /// When, on the server's clock: `[t0 + o0, t0 + o1)`.
    pub wall: Interval,
}

/// Who made an attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Our player's heartbeats.
    Player,
    /// Derived from CMCD of a player that is not ours: never better than assurance C.
    Cmcd,
}

/// How much attention a rendered stretch had (policy `attn-1`), best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attention {
    /// The page was visible, muted or not.
    Visible,
    /// Picture-in-picture, muted or not.
    PictureInPicture,
    /// Out of sight, but to be heard.
    Audible,
    /// Out of sight and silent: kept as idle time, never counted.
    Hidden,
}

impl Attention {
    /// Every class, best first.
    pub const ALL: [Self; 4] = [Self::Visible, Self::PictureInPicture, Self::Audible, Self::Hidden];

    /// Whether time with this much attention counts.
    #[must_use]
    pub const fn is_eligible(self) -> bool {
        !matches!(self, Self::Hidden)
    }
}

/// A judgement of the invalid-traffic stage. The one with the highest `revision` holds; of equal
/// revisions the one that is invalid, then the higher reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verdict {
    /// Rises with every change of mind about the session.
    pub revision: u32,
    /// Whether its time is not valid.
    pub invalid: bool,
    /// The rule that said so, by the number the server keeps for it.
    pub reason: u16,
}
