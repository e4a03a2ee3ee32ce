//! What the rest of the server does with WebRTC: admits sessions, and speaks of them by name.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tally_media::TrackId;
use tally_rtc::sdp::{Local, Negotiated, Playable};
use tally_rtc::session::{Numbers, PeerOptions, Published, WhepSession, WhipSession};
use tally_rtc::transport::{Certificate, Credentials, TransportError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::table::{Owner, Table};
use super::worker::{
    Admission, AdmittedMedia, Command, Mailbox, Order, SessionStats, Shared, Worker, mailbox,
};
use super::{Addresses, SessionId, Sockets, tcp};
use crate::config;
use crate::ingest::PublisherControl;
use crate::metrics::WebRtcMetrics;
use crate::random;
use crate::shows::Show;
use crate::shutdown::{Phase, Shutdown};

/// What WebRTC is started with, beside its sockets and certificate.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where peers are told to send to, and where their datagrams come to.
    pub addresses: Addresses,
    /// Sessions at a time.
    pub sessions_max: usize,
    /// TCP connections at a time; 0 is off.
    pub tcp_connections_max: usize,
    /// Time for a TCP connection to name its session.
    pub tcp_deadline: Duration,
}

impl Options {
    /// Those of the configuration, for sockets that are open at `listen`.
    #[must_use]
    pub fn from_config(config: &config::WebRtc, listen: SocketAddr) -> Self {
        let with_tcp = config.tcp_connections_max > 0;
        Self {
            addresses: Addresses::new(listen, config.public_addresses.clone(), with_tcp),
            sessions_max: config.sessions_max,
            tcp_connections_max: config.tcp_connections_max,
            tcp_deadline: config.tcp_deadline,
        }
    }
}

/// All sessions of the server. Clones are the same ones.
#[derive(Clone)]
pub struct WebRtc {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    certificate: Certificate,
    addresses: Addresses,
    places: Arc<Semaphore>,
    next_key: AtomicU64,
    shutdown: Shutdown,
}

impl fmt::Debug for WebRtc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebRtc").field("addresses", &self.inner.addresses).finish_non_exhaustive()
    }
}

/// A viewer whose offer was answered.
#[derive(Debug)]
pub struct NewViewer {
    /// What it watches.
    pub show: Arc<Show>,
    /// This side of the answer.
    pub local: Local,
    /// What both agreed on.
    pub negotiated: Negotiated,
    /// What of the show it was offered.
    pub playable: Playable,
    /// Whose watching its deliveries count for.
    pub playback_session: Option<tally_hub::SessionId>,
}

/// A publisher whose offer was answered.
#[derive(Debug)]
pub struct NewPublisher {
    /// Whose show it is, for logs.
    pub handle: String,
    /// This side of the answer.
    pub local: Local,
    /// What both agreed on.
    pub negotiated: Negotiated,
    /// Where its media goes. Frames for which there is no room are dropped, and a keyframe is asked
    /// for; the session's end closes it, and closing it ends the session.
    pub output: mpsc::Sender<Published>,
}

/// Why a session was not admitted.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// `webrtc.sessions_max` are open, or the worker is too far behind: later there may be room.
    #[error("no room for another WebRTC session")]
    Full,
    /// The server is going down.
    #[error("the server is shutting down")]
    Draining,
    /// The offer's credentials cannot be used, or this host's libraries fail.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// The session has ended, or its worker is so far behind that it cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is gone")]
pub struct Gone;

/// What a show does with its publisher's session.
#[derive(Debug, Clone)]
pub struct ControlHandle {
    mailbox: Mailbox,
    owner: Owner,
}

impl ControlHandle {
    /// Lost when the worker is far behind: the session ends when its `output` closes, and keyframes
    /// are asked for again.
    fn order(&self, order: Order) {
        let _ = self.mailbox.commands.try_send(Command::To(self.owner.key, order));
    }
}

impl PublisherControl for ControlHandle {
    fn close(&self, reason: &str) {
        self.order(Order::Close(reason.to_owned()));
    }

    fn want_keyframe(&self, track: TrackId) {
        self.order(Order::WantKeyframe(track));
    }
}

impl WebRtc {
    /// Starts a worker for each UDP socket, and what serves TCP; `tasks` get their tasks, which end
    /// when the server closes.
    pub fn start(
        sockets: Sockets,
        certificate: Certificate,
        options: Options,
        metrics: WebRtcMetrics,
        shutdown: Shutdown,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (mailboxes, inputs): (Vec<_>, Vec<_>) = sockets.udp.iter().map(|_| mailbox()).unzip();
        let shared = Arc::new(Shared { table: Table::new(), mailboxes, metrics });
        for (number, (socket, inputs)) in sockets.udp.into_iter().zip(inputs).enumerate() {
            let worker = Worker::new(number, socket, Arc::clone(&shared));
            tasks.spawn(worker.run(inputs, shutdown.clone()));
        }
        if options.tcp_connections_max > 0 {
            let server = tcp::Server::new(&options, Arc::clone(&shared));
            tasks.spawn(server.run(sockets.tcp, shutdown.clone()));
        }
        let places = Arc::new(Semaphore::new(options.sessions_max));
        let addresses = options.addresses;
        let next_key = AtomicU64::new(0);
        Self {
            inner: Arc::new(Inner { shared, certificate, addresses, places, next_key, shutdown }),
        }
    }

    /// This side of a new session: fresh ids and credentials, and the server's candidates.
    #[must_use]
    pub fn local(&self) -> Local {
        let ssrcs = random::bytes::<12>();
        let ssrc = |at: usize| {
            let bytes = [ssrcs[at], ssrcs[at + 1], ssrcs[at + 2], ssrcs[at + 3]];
            // Apart from each other and from zero, which some receivers take for "none".
            u32::from_be_bytes(bytes) & !3 | u32::try_from(at / 4 + 1).unwrap_or(1)
        };
        Local {
            session_id: u64::from_be_bytes(random::bytes()) >> 1,
            ice: Credentials { ufrag: random::name(), pwd: random::name() + &random::name() },
            fingerprint: self.inner.certificate.fingerprint().clone(),
            candidates: self.inner.addresses.candidates(),
            ice_lite: false,
            cname: random::name(),
            stream_id: random::name(),
            audio_ssrc: ssrc(0),
            video_ssrc: ssrc(4),
            video_rtx_ssrc: ssrc(8),
        }
    }

    /// Takes in a viewer. Its peer is waited for from now on.
    ///
    /// # Errors
    /// See [`AdmitError`].
    pub fn admit_viewer(&self, viewer: NewViewer) -> Result<SessionId, AdmitError> {
        let NewViewer { show, local, negotiated, playable, playback_session } = viewer;
        let place = self.place()?;
        let numbers = Numbers::from_random(random::bytes());
        let now = Instant::now().into_std();
        let session = WhepSession::new(self.options(), &negotiated, &local, numbers, now)?;
        let media = AdmittedMedia::Viewer {
            session: Box::new(session),
            show,
            format: playable.video,
            playback: playback_session,
        };
        self.admit(local.ice.ufrag, media, place).map(|(id, _)| id)
    }

    /// Takes in a publisher. Its peer is waited for from now on.
    ///
    /// # Errors
    /// See [`AdmitError`].
    pub fn admit_publisher(
        &self,
        publisher: NewPublisher,
    ) -> Result<(SessionId, ControlHandle), AdmitError> {
        let NewPublisher { handle, local, negotiated, output } = publisher;
        let place = self.place()?;
        let now = Instant::now().into_std();
        let session = WhipSession::new(self.options(), &negotiated, &local, now)?;
        let media = AdmittedMedia::Publisher { session: Box::new(session), output };
        let (id, owner) = self.admit(local.ice.ufrag, media, place)?;
        tracing::debug!(session = ?id, handle, "a publisher over WebRTC");
        let mailbox = self.inner.shared.mailboxes[owner.worker].clone();
        Ok((id, ControlHandle { mailbox, owner }))
    }

    /// Adds candidates of the peer (values of `a=candidate`).
    ///
    /// # Errors
    /// [`Gone`] when there is no such session.
    pub fn add_candidates(&self, id: &SessionId, candidates: Vec<String>) -> Result<(), Gone> {
        self.order(id, Order::AddCandidates(candidates))
    }

    /// Looks for the peer anew, with these credentials; media keeps its path meanwhile.
    ///
    /// # Errors
    /// [`Gone`] when there is no such session.
    pub fn restart(
        &self,
        id: &SessionId,
        local: Credentials,
        remote: Credentials,
    ) -> Result<(), Gone> {
        let owner = self.inner.shared.table.find(id).ok_or(Gone)?;
        // Before the peer hears of the name, so that its first check finds the session.
        let fragment = local.ufrag.clone();
        self.inner.shared.table.add_fragment(fragment.clone(), owner);
        let asked = self.order(id, Order::Restart { local, remote });
        if asked.is_err() {
            self.inner.shared.table.remove_fragment(&fragment);
        }
        asked
    }

    /// The viewer's own choice of layer; `None` leaves it to the server.
    ///
    /// # Errors
    /// [`Gone`] when there is no such session.
    pub fn choose_layer(&self, id: &SessionId, track: Option<TrackId>) -> Result<(), Gone> {
        self.order(id, Order::ChooseLayer(track))
    }

    /// Ends a session; its peer is told.
    ///
    /// # Errors
    /// [`Gone`] when there is no such session.
    pub fn close(&self, id: &SessionId) -> Result<(), Gone> {
        self.order(id, Order::Close("asked to by its client".into()))
    }

    /// How a session does.
    ///
    /// # Errors
    /// [`Gone`] when there is no such session.
    pub async fn stats(&self, id: &SessionId) -> Result<SessionStats, Gone> {
        let (reply, answer) = oneshot::channel();
        self.order(id, Order::Stats(reply))?;
        answer.await.map_err(|_| Gone)
    }

    /// Whether there is such a session.
    #[must_use]
    pub fn contains(&self, id: &SessionId) -> bool {
        self.inner.shared.table.find(id).is_some()
    }

    /// Sessions, fragments and addresses that the table holds.
    #[cfg(test)]
    pub(super) fn table_sizes(&self) -> (usize, usize, usize) {
        self.inner.shared.table.sizes()
    }

    fn options(&self) -> PeerOptions {
        PeerOptions {
            local_candidates: self.inner.addresses.local_candidates(),
            certificate: self.inner.certificate.clone(),
        }
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, AdmitError> {
        let metrics = &self.inner.shared.metrics;
        if self.inner.shutdown.phase() != Phase::Running {
            metrics.refused.inc();
            return Err(AdmitError::Draining);
        }
        Arc::clone(&self.inner.places).try_acquire_owned().map_err(|_| {
            metrics.refused.inc();
            AdmitError::Full
        })
    }

    /// Gives the session to the next worker.
    fn admit(
        &self,
        fragment: String,
        media: AdmittedMedia,
        place: OwnedSemaphorePermit,
    ) -> Result<(SessionId, Owner), AdmitError> {
        let Shared { table, mailboxes, metrics } = &*self.inner.shared;
        let key = self.inner.next_key.fetch_add(1, Relaxed);
        let worker = usize::try_from(key).unwrap_or(0) % mailboxes.len();
        let (id, owner) = (SessionId::random(), Owner { worker, key });
        table.add(id.clone(), fragment.clone(), owner);
        let admission =
            Admission { id: id.clone(), owner, fragment: fragment.clone(), media, place };
        let command = Command::Admit(Box::new(admission));
        if mailboxes[worker].commands.try_send(command).is_err() {
            table.remove(&id);
            table.remove_fragment(&fragment);
            metrics.refused.inc();
            return Err(AdmitError::Full);
        }
        metrics.sessions_total.inc();
        Ok((id, owner))
    }

    fn order(&self, id: &SessionId, order: Order) -> Result<(), Gone> {
        let owner = self.inner.shared.table.find(id).ok_or(Gone)?;
        let mailbox = self.inner.shared.mailboxes.get(owner.worker).ok_or(Gone)?;
        mailbox.commands.try_send(Command::To(owner.key, order)).map_err(|_| Gone)
    }
}
