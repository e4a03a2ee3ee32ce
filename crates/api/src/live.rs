//! What the API sees of live shows. The server, which has the hub, implements it.

/// Finds shows.
pub trait LiveShows: Send + Sync + 'static {
    /// The newest show of a creator, live or just ended; `None` when there is nothing to play.
    fn by_handle(&self, handle: &str) -> Option<LiveShow>;
}

/// One show, as far as the API tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveShow {
    /// Its name, unique among all shows ever.
    pub id: String,
    /// The creator's public name.
    pub handle: String,
    /// Where it is in its life.
    pub state: LiveState,
    /// Unix time of the zero of its timeline, in milliseconds.
    pub started_at_unix_ms: i64,
}

/// Where a show is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveState {
    /// A publisher is there; nothing can be played yet.
    Starting,
    /// Playable, the encoder is connected.
    Live,
    /// Playable, the encoder dropped and may come back.
    Away,
    /// Over; what is left can still be played.
    Ended,
}

impl LiveState {
    /// The wire form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Away => "away",
            Self::Ended => "ended",
        }
    }
}
