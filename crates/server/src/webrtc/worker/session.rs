//! One session in its worker: a viewer's or a publisher's, behind one surface.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use tally_media::{Medium, TrackId};
use tally_rtc::sdp::VideoFormat;
use tally_rtc::session::{
    Outbox, Published, WhepEvent, WhepSession, WhepStats, WhipSession, WhipStats,
};
use tally_rtc::transport::{Credentials, Path, Protocol, TransportError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::webrtc::SessionId;
use crate::webrtc::table::{Owner, Table};

/// Addresses a session may have besides the one its media takes. A peer with many interfaces behind
/// changing NATs has some; beyond, the oldest is forgotten.
const ADDRESSES_MAX: usize = 8;

/// Changes of tracks that wait for room in the show's queue: each track has at most its newest
/// parameters and its end to tell, and a publisher has five tracks.
const CHANGES_MAX: usize = 16;

/// How a session does.
#[derive(Clone, Copy, Debug)]
pub enum SessionStats {
    /// A viewer's.
    Viewer(WhepStats),
    /// A publisher's.
    Publisher(WhipStats),
}

/// A viewer's part.
pub(super) struct Viewer {
    pub(super) session: Box<WhepSession>,
    /// The show it watches, by its number in this worker.
    pub(super) show: u64,
    /// The video it agreed to.
    pub(super) format: Option<VideoFormat>,
    /// Whose watching its deliveries count for.
    pub(super) playback: Option<tally_hub::SessionId>,
    /// Bytes and packets reported as delivered.
    pub(super) reported: (u64, u64),
}

/// A publisher's part.
pub(super) struct Publisher {
    session: Box<WhipSession>,
    output: mpsc::Sender<Published>,
    /// Changes of tracks for which there was no room yet.
    changes: VecDeque<Published>,
    /// Tracks of which a frame was dropped: what follows is of no use until a keyframe.
    broken: Vec<TrackId>,
}

pub(super) enum Media {
    Viewer(Viewer),
    Publisher(Publisher),
}

/// What a worker keeps of a session.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) owner: Owner,
    /// The peer's agent names it by these; two after a restart.
    pub(super) fragments: Vec<String>,
    pub(super) media: Media,
    /// Where media goes, once connected.
    pub(super) path: Option<Path>,
    /// UDP addresses of the peer that the table knows.
    addresses: VecDeque<SocketAddr>,
    /// Its TCP connections.
    pub(super) tcp: VecDeque<SocketAddr>,
    /// When its worker's timers wake it.
    pub(super) wake_at: Option<Instant>,
    /// When it is closed: its show is over, and what is under way may still arrive.
    pub(super) close_at: Option<Instant>,
    /// It waits for its worker to settle it.
    pub(super) is_touched: bool,
    /// A panic went through it: it is not to be called again.
    pub(super) is_broken: bool,
    /// Its place among `webrtc.sessions_max`.
    _place: OwnedSemaphorePermit,
}

impl Publisher {
    pub(super) fn new(session: Box<WhipSession>, output: mpsc::Sender<Published>) -> Self {
        Self { session, output, changes: VecDeque::new(), broken: Vec::new() }
    }

    pub(super) fn want_keyframe(&mut self, track: Option<TrackId>) {
        self.session.want_keyframe(track);
    }

    /// Moves what was published to the show; how many frames there was no room for. Ends the session
    /// when nobody takes it any more.
    fn publish(&mut self, now: Instant) -> u64 {
        let mut dropped = 0;
        self.publish_changes();
        while let Some(published) = self.session.poll_published() {
            let Published::Frame(track, frame) = &published else {
                // The newest word on a track is what counts.
                if self.changes.len() == CHANGES_MAX {
                    self.changes.pop_front();
                }
                self.changes.push_back(published);
                self.publish_changes();
                continue;
            };
            let track = *track;
            let starts = frame.keyframe || track.medium() == Medium::Audio;
            let is_usable = starts || !self.broken.contains(&track);
            let has_room = is_usable && self.changes.is_empty();
            if has_room && self.output.try_send(published).is_ok() {
                self.broken.retain(|broken| *broken != track);
                continue;
            }
            dropped += 1;
            if track.medium() == Medium::Video && !self.broken.contains(&track) {
                self.broken.push(track);
                self.session.want_keyframe(Some(track));
            }
        }
        if self.output.is_closed() {
            self.session.close(now);
        }
        dropped
    }

    fn publish_changes(&mut self) {
        while let Some(change) = self.changes.pop_front() {
            if let Err(TrySendError::Full(change)) = self.output.try_send(change) {
                self.changes.push_front(change);
                return;
            }
        }
    }
}

impl Session {
    pub(super) fn new(
        id: SessionId,
        owner: Owner,
        fragment: String,
        media: Media,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            id,
            owner,
            fragments: vec![fragment],
            media,
            path: None,
            addresses: VecDeque::new(),
            tcp: VecDeque::new(),
            wake_at: None,
            close_at: None,
            is_touched: false,
            is_broken: false,
            _place: place,
        }
    }

    pub(super) fn viewer(&mut self) -> Option<&mut Viewer> {
        match &mut self.media {
            Media::Viewer(viewer) => Some(viewer),
            Media::Publisher(_) => None,
        }
    }

    /// Runs `work` on it; a panic in there costs this session and no other. `None` then, and from
    /// then on.
    pub(super) fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.is_broken {
            return None;
        }
        // What a panic left half done is dropped unseen.
        let done = catch_unwind(AssertUnwindSafe(|| work(self)));
        self.is_broken = done.is_err();
        done.ok()
    }

    pub(super) fn handle_datagram(&mut self, path: Path, datagram: &mut [u8], now: Instant) {
        match &mut self.media {
            Media::Viewer(viewer) => viewer.session.handle_datagram(path, datagram, now),
            Media::Publisher(publisher) => publisher.session.handle_datagram(path, datagram, now),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.close_at.is_some_and(|at| at <= now) {
            self.close_at = None;
            self.close(now);
        }
        match &mut self.media {
            Media::Viewer(viewer) => viewer.session.handle_timeout(now),
            Media::Publisher(publisher) => publisher.session.handle_timeout(now),
        }
    }

    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        let next = match &mut self.media {
            Media::Viewer(viewer) => viewer.session.poll_timeout(),
            Media::Publisher(publisher) => publisher.session.poll_timeout(),
        };
        next.into_iter().chain(self.close_at).min()
    }

    /// Moves media on, and writes everything that may leave; how many frames the show had no room for.
    pub(super) fn send(&mut self, ntp: u64, now: Instant, outbox: &mut impl Outbox) -> u64 {
        match &mut self.media {
            Media::Viewer(viewer) => {
                viewer.session.send(ntp, now, outbox);
                0
            }
            Media::Publisher(publisher) => {
                let dropped = publisher.publish(now);
                publisher.session.send(now, outbox);
                dropped
            }
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<WhepEvent> {
        match &mut self.media {
            Media::Viewer(viewer) => viewer.session.poll_event(),
            Media::Publisher(publisher) => publisher.session.poll_event().map(WhepEvent::from),
        }
    }

    pub(super) fn add_remote_candidate(&mut self, candidate: &str) {
        match &mut self.media {
            Media::Viewer(viewer) => viewer.session.add_remote_candidate(candidate),
            Media::Publisher(publisher) => publisher.session.add_remote_candidate(candidate),
        }
    }

    pub(super) fn restart(
        &mut self,
        local: Credentials,
        remote: Credentials,
        now: Instant,
    ) -> Result<(), TransportError> {
        match &mut self.media {
            Media::Viewer(viewer) => viewer.session.restart(local, remote, now),
            Media::Publisher(publisher) => publisher.session.restart(local, remote, now),
        }
    }

    pub(super) fn close(&mut self, now: Instant) {
        match &mut self.media {
            Media::Viewer(viewer) => viewer.session.close(now),
            Media::Publisher(publisher) => publisher.session.close(now),
        }
    }

    pub(super) fn stats(&self, now: Instant) -> SessionStats {
        match &self.media {
            Media::Viewer(viewer) => SessionStats::Viewer(viewer.session.stats(now)),
            Media::Publisher(publisher) => SessionStats::Publisher(publisher.session.stats()),
        }
    }

    /// A request from `remote` named it.
    pub(super) fn claim(&mut self, remote: SocketAddr, table: &Table) {
        // Said again each time: until the session is connected, somebody else may have said the same.
        table.claim(remote, self.owner);
        if self.addresses.contains(&remote) {
            return;
        }
        let in_use = self.path.map(|path| path.remote);
        if self.addresses.len() == ADDRESSES_MAX
            && let Some(oldest) = self.addresses.iter().position(|known| Some(*known) != in_use)
            && let Some(oldest) = self.addresses.remove(oldest)
        {
            table.release(oldest, self.owner);
        }
        self.addresses.push_back(remote);
    }

    /// After an ICE restart: the peer's agent uses the new name, and until it has heard of it the one
    /// before.
    pub(super) fn rename(&mut self, fragment: String, table: &Table) {
        if self.fragments.len() > 1 {
            table.remove_fragment(&self.fragments.remove(0));
        }
        self.fragments.push(fragment);
    }

    /// Its media takes `path` from now on.
    pub(super) fn follow(&mut self, path: Path, table: &Table) {
        if let Some(before) = self.path.replace(path)
            && before.protocol == Protocol::Udp
            && before.remote != path.remote
        {
            self.addresses.retain(|known| *known != before.remote);
            table.release(before.remote, self.owner);
        }
        if path.protocol == Protocol::Udp {
            self.claim(path.remote, table);
            table.settle(path.remote, self.owner);
        }
    }

    /// Takes everything of it out of the table.
    pub(super) fn forget(&self, table: &Table) {
        table.remove(&self.id);
        self.fragments.iter().for_each(|fragment| table.remove_fragment(fragment));
        self.addresses.iter().for_each(|remote| table.release(*remote, self.owner));
    }
}
