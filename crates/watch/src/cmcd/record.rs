//! The keys of CMCD that say something about watching, and their types.

use super::parse::Value;

/// Session ids are at most 64 characters (CTA-5004, `sid`).
const SESSION_BYTES_MAX: usize = 64;

/// Content ids are at most 64 characters in version 1 and 128 in version 2 (`cid`).
const CONTENT_BYTES_MAX: usize = 128;

/// One report of a player. A key that is absent, unknown or unreadable leaves its field empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CmcdRecord {
    /// `v`: the version of the key names; 1 where absent.
    pub version: Option<u32>,
    /// `sid`: the player's name for its session.
    pub session_id: Option<String>,
    /// `cid`: the player's name for the content.
    pub content_id: Option<String>,
    /// `sn`: number of the report.
    pub sequence: Option<u64>,
    /// `e`: why an event-mode report was made.
    pub event: Option<EventKind>,
    /// `ts`: the player's wall clock. Kept for people who debug; no rule reads it.
    pub timestamp_ms: Option<i64>,
    /// `sta`: what the player was doing.
    pub state: Option<PlayState>,
    /// `pt`: the playhead, in milliseconds on whatever axis the player uses.
    pub playhead_ms: Option<i64>,
    /// `pr`: playback rate in thousandths; 1,000 where absent.
    pub rate_permille: Option<u32>,
    /// `ot`: what was asked for.
    pub object_type: Option<ObjectType>,
    /// `d`: the object's duration in milliseconds.
    pub duration_ms: Option<u64>,
    /// `bl`: media buffered, in milliseconds; the least where there is a list.
    pub buffer_ms: Option<u64>,
    /// `bg`: all players of the session are out of sight.
    pub background: bool,
    /// `bs`: the buffer ran empty since the last report.
    pub starved: bool,
    /// `su`: the object is needed to start, to seek or to recover.
    pub startup: bool,
    /// `nr`: what is retrieved is not rendered.
    pub not_rendered: bool,
}

/// A record and what did not fit into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// What could be read.
    pub record: CmcdRecord,
    /// Known keys whose value was wrong, and pieces that were no key at all. Each was dropped by
    /// itself.
    pub dropped: u32,
}

/// `sta`: the player's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayState {
    /// `s`.
    Starting,
    /// `p`.
    Playing,
    /// `k`.
    Seeking,
    /// `r`.
    Rebuffering,
    /// `a`.
    Paused,
    /// `w`: waiting, of the first drafts of version 2.
    Waiting,
    /// `e`.
    Ended,
    /// `f`.
    FatalError,
    /// `q`.
    Quit,
    /// `d`.
    Preloading,
}

/// `e`: the event, where it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// `ps`: the play state changed.
    PlayState,
    /// `t`: an interval has passed.
    Interval,
    /// `b`: in or out of sight.
    Background,
    /// `c`: other content.
    Content,
    /// `m`.
    Mute,
    /// `um`.
    Unmute,
    /// `pr`: the rate changed.
    Rate,
    /// `rr`: a response was received.
    Response,
    /// Any other token.
    Other,
}

/// `ot`: what kind of object a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectType {
    /// `m`: playlists and other text.
    Manifest,
    /// `a`.
    Audio,
    /// `v`.
    Video,
    /// `av`.
    Muxed,
    /// `i`.
    Init,
    /// `c` and `tt`.
    Captions,
    /// `k`.
    Key,
    /// `o`.
    Other,
}

impl CmcdRecord {
    /// Takes one key. Nothing if its value is not what the key calls for.
    pub(super) fn set(&mut self, key: &str, value: &Value<'_>) -> Option<()> {
        match key {
            "v" => self.version = Some(value.integer()?),
            "sid" => self.session_id = Some(value.string(SESSION_BYTES_MAX)?),
            "cid" => self.content_id = Some(value.string(CONTENT_BYTES_MAX)?),
            "sn" => self.sequence = Some(value.integer()?),
            "e" => self.event = Some(event(value.token()?)),
            "ts" => self.timestamp_ms = Some(value.integer()?),
            "sta" => self.state = Some(state(value.token()?)?),
            "pt" => self.playhead_ms = Some(value.integer()?),
            "pr" => self.rate_permille = Some(value.permille()?),
            "ot" => self.object_type = Some(object_type(value.token()?)?),
            "d" => self.duration_ms = Some(value.integer()?),
            "bl" => self.buffer_ms = Some(value.least()?),
            "bg" => self.background = value.flag()?,
            "bs" => self.starved = value.flag()?,
            "su" => self.startup = value.flag()?,
            "nr" => self.not_rendered = value.flag()?,
            _ => {}
        }
        Some(())
    }
}

fn state(token: &str) -> Option<PlayState> {
    Some(match token {
        "s" => PlayState::Starting,
        "p" => PlayState::Playing,
        "k" => PlayState::Seeking,
        "r" => PlayState::Rebuffering,
        "a" => PlayState::Paused,
        "w" => PlayState::Waiting,
        "e" => PlayState::Ended,
        "f" => PlayState::FatalError,
        "q" => PlayState::Quit,
        "d" => PlayState::Preloading,
        _ => return None,
    })
}

fn event(token: &str) -> EventKind {
    match token {
        "ps" => EventKind::PlayState,
        "t" => EventKind::Interval,
        "b" => EventKind::Background,
        "c" => EventKind::Content,
        "m" => EventKind::Mute,
        "um" => EventKind::Unmute,
        "pr" => EventKind::Rate,
        "rr" => EventKind::Response,
        _ => EventKind::Other,
    }
}

fn object_type(token: &str) -> Option<ObjectType> {
    Some(match token {
        "m" => ObjectType::Manifest,
        "a" => ObjectType::Audio,
        "v" => ObjectType::Video,
        "av" => ObjectType::Muxed,
        "i" => ObjectType::Init,
        "c" | "tt" => ObjectType::Captions,
        "k" => ObjectType::Key,
        "o" => ObjectType::Other,
        _ => return None,
    })
}
