//! What a session tells its caller.

use std::fmt;

use tally_media::{Frame, Track, TrackId};

/// What a session tells its caller, in the order it happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The peer sent `connect` and was answered.
    Connected(ConnectInfo),
    /// The peer wants to publish: answer with [`crate::Session::accept_publish`] or
    /// [`crate::Session::reject_publish`]. A peer that does not wait for the answer may already
    /// have sent media; its events stand behind this one.
    Publish(PublishRequest),
    /// The publisher described its stream (`onMetaData`). May come never, or again.
    Metadata(Metadata),
    /// A track begins, or goes on with new parameters (same id). Comes before its first frame.
    Track(Track),
    /// The publisher ended a track; its id may come back with a new [`Event::Track`].
    TrackEnded(TrackId),
    /// One picture or audio packet.
    Frame {
        /// The track it belongs to, announced before.
        track: TrackId,
        /// `dts` and `pts` in [`tally_media::Timescale::NANOS`] on the publisher's own clock,
        /// unwrapped at 2^32 ms; `duration_ticks` in the track's timescale.
        frame: Frame,
    },
    /// The publisher sends something this server does not carry. Once per track and codec; its
    /// frames are dropped.
    Unsupported {
        /// The codec or feature by name, for the log and the creator's page.
        what: String,
    },
    /// A media message was damaged and dropped. Only the first few of a session are told (see
    /// [`crate::Session::damaged_bodies`] for the count).
    Damaged {
        /// What was wrong.
        what: String,
    },
    /// The publisher ended the stream on purpose (`FCUnpublish`, `deleteStream`, `closeStream`).
    Unpublish,
}

/// What the peer said in `connect`. Its `Debug` leaves out the application and URL, which may hold
/// a stream key.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectInfo {
    /// Application name, e.g. `live`, without its query. May hold the stream key when the encoder
    /// was given one URL with everything in it.
    pub app: String,
    /// The URL the encoder was given, as far as it tells it.
    pub tc_url: String,
    /// The encoder's name for itself, e.g. `FMLE/3.0 (compatible; FMSc/1.0)`.
    pub flash_version: String,
    /// Enhanced RTMP abilities.
    pub capabilities: Capabilities,
}

impl fmt::Debug for ConnectInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectInfo")
            .field("flash_version", &self.flash_version)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

/// Enhanced RTMP abilities a client told in `connect` (`capsEx`, `fourCcList`,
/// `videoFourCcInfoMap`, `audioFourCcInfoMap`). Never a gate: OBS 32 tells none and still sends
/// multitrack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// It follows a reconnect request.
    pub reconnect: bool,
    /// It knows multitrack messages.
    pub multitrack: bool,
    /// It knows `ModEx` packets.
    pub mod_ex: bool,
    /// It knows nanosecond timestamp offsets.
    pub timestamp_nano_offset: bool,
    /// FourCCs it named, in its order, at most [`Capabilities::FOUR_CCS_MAX`]; `*` means any.
    pub four_ccs: Vec<String>,
}

impl Capabilities {
    /// How many FourCCs are kept. The specification defines twelve.
    pub const FOUR_CCS_MAX: usize = 32;
}

/// What the peer wants to publish. Its `Debug` shows nothing: key and query are secrets, and a
/// wrong setting puts the key into the application name.
#[derive(Clone, PartialEq, Eq)]
pub struct PublishRequest {
    /// Application name, e.g. `live`: no query, no stream key, no slash at either end.
    pub app: String,
    /// Stream key, without query. Taken from the end of the application name when the publish
    /// command has none (encoders that were given one URL with everything in it).
    pub stream_key: String,
    /// What stood behind `?` in the stream name, else in the application name; else empty.
    pub query: String,
}

impl fmt::Debug for PublishRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishRequest").finish_non_exhaustive()
    }
}

/// What the publisher says about its stream. A hint: the tracks themselves are the truth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// Pictures a second, where given and within (0, 1000].
    pub frame_rate: Option<f64>,
    /// Whether it says that video will come.
    pub has_video: bool,
    /// Whether it says that audio will come.
    pub has_audio: bool,
    /// Width in pixels.
    pub width: Option<u16>,
    /// Height in pixels.
    pub height: Option<u16>,
    /// The encoder's name, e.g. `obs-output module (libobs version 32.2.2)`, cut at
    /// [`Metadata::ENCODER_BYTES_MAX`].
    pub encoder: Option<String>,
}

impl Metadata {
    /// Longest encoder name that is kept, in bytes: it goes into logs and pages.
    pub const ENCODER_BYTES_MAX: usize = 128;
}
