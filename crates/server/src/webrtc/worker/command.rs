//! What the rest of the server asks of a worker.

use std::sync::Arc;

use tally_media::TrackId;
use tally_rtc::sdp::VideoFormat;
use tally_rtc::session::{Published, WhepSession, WhipSession};
use tally_rtc::transport::{Credentials, Path};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::SessionStats;
use crate::egress::whep_feed::FeedItem;
use crate::shows::Show;
use crate::webrtc::SessionId;
use crate::webrtc::table::{Key, Owner};

/// Requests waiting: a burst of new viewers comes in one PATCH and one POST each.
const COMMANDS_MAX: usize = 2_048;

/// Datagrams waiting that other workers or TCP connections received for this one: 2 MB.
const FORWARDED_MAX: usize = 1_024;

/// Items of all followed shows waiting: references, some [`crate::egress::whep_feed::SINK_ITEMS`] for
/// each of dozens of shows.
const ITEMS_MAX: usize = 8_192;

/// A session to take in.
pub(in crate::webrtc) struct Admission {
    pub(in crate::webrtc) id: SessionId,
    pub(in crate::webrtc) owner: Owner,
    pub(in crate::webrtc) fragment: String,
    pub(in crate::webrtc) media: AdmittedMedia,
    pub(in crate::webrtc) place: OwnedSemaphorePermit,
}

pub(in crate::webrtc) enum AdmittedMedia {
    Viewer {
        session: Box<WhepSession>,
        show: Arc<Show>,
        format: Option<VideoFormat>,
        playback: Option<tally_hub::SessionId>,
    },
    Publisher {
        session: Box<WhipSession>,
        output: mpsc::Sender<Published>,
    },
}

/// One thing asked.
pub(in crate::webrtc) enum Command {
    Admit(Box<Admission>),
    To(Key, Order),
}

/// What is asked of one session.
pub(in crate::webrtc) enum Order {
    AddCandidates(Vec<String>),
    Restart { local: Credentials, remote: Credentials },
    ChooseLayer(Option<TrackId>),
    WantKeyframe(TrackId),
    Stats(oneshot::Sender<SessionStats>),
    Close(String),
}

/// A datagram received elsewhere.
pub(in crate::webrtc) struct Forwarded {
    pub(in crate::webrtc) key: Key,
    pub(in crate::webrtc) path: Path,
    pub(in crate::webrtc) bytes: Vec<u8>,
    /// It is a request that names the session.
    pub(in crate::webrtc) is_named: bool,
    /// The first of a TCP connection: where answers along its path go. They come together, because
    /// over TCP an answer that is lost is not asked for again.
    pub(in crate::webrtc) connection: Option<mpsc::Sender<Vec<u8>>>,
}

/// How a worker is reached.
#[derive(Clone, Debug)]
pub(in crate::webrtc) struct Mailbox {
    pub(in crate::webrtc) commands: mpsc::Sender<Command>,
    pub(in crate::webrtc) forwarded: mpsc::Sender<Forwarded>,
}

/// The worker's end of it, and of its shows' feeds.
pub(in crate::webrtc) struct Inputs {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) forwarded: mpsc::Receiver<Forwarded>,
    pub(super) items: mpsc::Receiver<(u64, FeedItem)>,
    pub(super) feed: mpsc::Sender<(u64, FeedItem)>,
}

/// A mailbox and its other end.
pub(in crate::webrtc) fn mailbox() -> (Mailbox, Inputs) {
    let (commands, commands_out) = mpsc::channel(COMMANDS_MAX);
    let (forwarded, forwarded_out) = mpsc::channel(FORWARDED_MAX);
    let (feed, items) = mpsc::channel(ITEMS_MAX);
    let inputs = Inputs { commands: commands_out, forwarded: forwarded_out, items, feed };
    (Mailbox { commands, forwarded }, inputs)
}
