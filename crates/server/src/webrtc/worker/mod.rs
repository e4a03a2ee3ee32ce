//! One worker: the sessions it owns, its socket, its timers, and one loop.
//!
//! Each turn takes a bounded number of one kind of input (items of shows, datagrams, requests, timers),
//! touches the sessions it is for, then *settles* each touched session once: everything that may leave
//! is sealed into one batch, events are acted on, the next timer is set. Kinds that are ready take
//! turns at random, so a flood of datagrams gets its share of turns and no more, and media goes on.

mod command;
mod events;
mod following;
mod session;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tally_rtc::transport::{Path, Protocol};
use tokio::time::{Instant as TokioInstant, sleep, sleep_until};
use tracing::{debug, error, warn};

pub(super) use command::{
    Admission, AdmittedMedia, Command, Forwarded, Inputs, Mailbox, Order, mailbox,
};
use following::Following;
pub use session::SessionStats;
use session::{Media, Publisher, Session, Viewer};

use super::outgoing::Outgoing;
use super::table::{Key, Recipients, Table};
use crate::clock;
use crate::egress::whep_feed::{FeedItem, Sink};
use crate::metrics::WebRtcMetrics;
use crate::net::{DatagramSocket, Inbox};
use crate::shows::Show;
use crate::shutdown::Shutdown;

/// Inputs of one kind taken in a turn: about a millisecond's work.
const TURN_MAX: usize = 64;

/// The shortest sleep: timers are no finer, and whoever wants less is served with the rest.
const TICK: Duration = Duration::from_millis(1);

/// Pause after the socket failed, mostly for want of memory: trying again at once would burn the CPU
/// that could free some.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// TCP connections of one session: a peer opens one for each of its addresses.
const TCP_MAX: usize = 4;

/// What all workers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) table: Table,
    pub(super) mailboxes: Vec<Mailbox>,
    pub(super) metrics: WebRtcMetrics,
}

/// A worker's state; its task owns it.
pub(super) struct Worker {
    number: usize,
    socket: Arc<DatagramSocket>,
    shared: Arc<Shared>,
    sessions: HashMap<Key, Session>,
    /// Sessions to settle before the turn ends.
    touched: Vec<Key>,
    /// When sessions wake, each at most once: ordered, because most are moved before they are due.
    timers: BTreeSet<(Instant, Key)>,
    shows: HashMap<u64, Following>,
    next_show: u64,
    outgoing: Outgoing,
    is_closing: bool,
}

/// What a turn is about.
enum Turn {
    Items(Vec<(u64, FeedItem)>),
    Commands(Vec<Command>),
    Forwarded(Vec<Forwarded>),
    Datagrams,
    Timers,
    Closing,
    /// The socket failed.
    Failed(std::io::Error),
}

impl Worker {
    pub(super) fn new(number: usize, socket: Arc<DatagramSocket>, shared: Arc<Shared>) -> Self {
        let outgoing = Outgoing::new(&socket, shared.metrics.clone());
        Self {
            number,
            socket,
            shared,
            sessions: HashMap::new(),
            touched: Vec::new(),
            timers: BTreeSet::new(),
            shows: HashMap::new(),
            next_show: 0,
            outgoing,
            is_closing: false,
        }
    }

    /// Serves until the server closes; its sessions' peers are told then.
    pub(super) async fn run(mut self, mut inputs: Inputs, shutdown: Shutdown) {
        let mut inbox = Inbox::new();
        let closing = shutdown.closing();
        tokio::pin!(closing);
        while !(self.is_closing && self.sessions.is_empty()) {
            let wake_at = self.timers.first().map(|(at, _)| TokioInstant::from_std(*at));
            let (mut items, mut commands, mut forwarded) = (Vec::new(), Vec::new(), Vec::new());
            let turn = tokio::select! {
                _ = inputs.items.recv_many(&mut items, TURN_MAX) => Turn::Items(items),
                _ = inputs.commands.recv_many(&mut commands, TURN_MAX) => Turn::Commands(commands),
                _ = inputs.forwarded.recv_many(&mut forwarded, TURN_MAX) => Turn::Forwarded(forwarded),
                received = self.socket.receive(&mut inbox) => match received {
                    Ok(()) => Turn::Datagrams,
                    Err(error) => Turn::Failed(error),
                },
                () = sleep_until(wake_at.unwrap_or_else(TokioInstant::now)), if wake_at.is_some() => Turn::Timers,
                () = &mut closing, if !self.is_closing => Turn::Closing,
            };
            let now = TokioInstant::now().into_std();
            match turn {
                Turn::Items(items) => {
                    items.into_iter().for_each(|(show, item)| self.on_item(show, item, now));
                }
                Turn::Commands(commands) => {
                    commands.into_iter().for_each(|command| self.on_command(command, &inputs, now));
                }
                Turn::Forwarded(datagrams) => {
                    datagrams.into_iter().for_each(|datagram| self.on_forwarded(datagram, now));
                }
                Turn::Datagrams => self.on_datagrams(&mut inbox, now),
                Turn::Timers => self.on_timers(now),
                Turn::Closing => self.close_all(now),
                Turn::Failed(error) => self.on_failure(&error).await,
            }
            if let Err(error) = self.settle_touched(now).await {
                self.on_failure(&error).await;
            }
        }
    }

    /// What was to be sent is lost, as on a bad path; sessions live as long as their peers are heard.
    async fn on_failure(&mut self, error: &std::io::Error) {
        self.shared.metrics.socket_errors.inc();
        warn!(%error, worker = self.number, "a WebRTC socket failed");
        sleep(FAILURE_PAUSE).await;
    }

    fn on_datagrams(&mut self, inbox: &mut Inbox, now: Instant) {
        let shared = Arc::clone(&self.shared);
        let metrics = &shared.metrics;
        for datagram in inbox.datagrams() {
            metrics.received.inc();
            metrics.received_bytes.inc_by(datagram.bytes.len() as u64);
            let Some(recipients) = shared.table.recipients(datagram.remote, datagram.bytes) else {
                metrics.dropped.unknown.inc();
                continue;
            };
            let path =
                Path { local: datagram.local, remote: datagram.remote, protocol: Protocol::Udp };
            self.hand_over(recipients, path, datagram.bytes, now);
        }
    }

    /// Gives a datagram to its session here, or to the worker that has it.
    fn hand_over(&mut self, to: Recipients, path: Path, bytes: &mut [u8], now: Instant) {
        let Recipients { first, second, is_named } = to;
        for owner in [Some(first), second].into_iter().flatten() {
            if owner.worker == self.number {
                self.on_datagram(owner.key, path, bytes, is_named, now);
                continue;
            }
            let datagram = Forwarded {
                key: owner.key,
                path,
                bytes: bytes.to_vec(),
                is_named,
                connection: None,
            };
            let mailbox = self.shared.mailboxes.get(owner.worker);
            match mailbox.map(|mailbox| mailbox.forwarded.try_send(datagram)) {
                Some(Ok(())) => self.shared.metrics.forwarded.inc(),
                _ => self.shared.metrics.dropped.busy.inc(),
            }
        }
    }

    fn on_forwarded(&mut self, datagram: Forwarded, now: Instant) {
        let Forwarded { key, path, mut bytes, is_named, connection } = datagram;
        if let Some(connection) = connection
            && let Some(session) = self.sessions.get_mut(&key)
        {
            session.tcp.push_back(path.remote);
            if session.tcp.len() > TCP_MAX
                && let Some(oldest) = session.tcp.pop_front()
            {
                self.outgoing.remove_tcp(oldest);
            }
            self.outgoing.add_tcp(path.remote, connection);
        }
        self.on_datagram(key, path, &mut bytes, is_named, now);
    }

    fn on_datagram(
        &mut self,
        key: Key,
        path: Path,
        bytes: &mut [u8],
        is_named: bool,
        now: Instant,
    ) {
        let shared = Arc::clone(&self.shared);
        self.touch(key, |session| {
            if is_named && path.protocol == Protocol::Udp {
                session.claim(path.remote, &shared.table);
            }
            session.handle_datagram(path, bytes, now);
        });
    }

    fn on_command(&mut self, command: Command, inputs: &Inputs, now: Instant) {
        match command {
            Command::Admit(admission) => self.admit(*admission, inputs, now),
            Command::To(key, order) => self.on_order(key, order, now),
        }
    }

    fn admit(&mut self, admission: Admission, inputs: &Inputs, now: Instant) {
        let Admission { id, owner, fragment, media, place } = admission;
        let metrics = &self.shared.metrics;
        let media = match media {
            AdmittedMedia::Viewer { session, show, format, playback } => {
                metrics.viewers.inc();
                let show = self.follow(&show, owner.key, inputs);
                let viewer = Viewer { session, show, format, playback, reported: (0, 0) };
                Media::Viewer(viewer)
            }
            AdmittedMedia::Publisher { session, output } => {
                metrics.publishers.inc();
                Media::Publisher(Publisher::new(session, output))
            }
        };
        let mut session = Session::new(id, owner, fragment, media, place);
        let show = session.viewer().and_then(|viewer| self.shows.get(&viewer.show));
        if show.is_some_and(|show| show.is_over) {
            session.close_at = Some(now);
        }
        self.sessions.insert(owner.key, session);
        let is_closing = self.is_closing;
        self.touch(owner.key, |session| {
            if is_closing {
                session.close(now);
            }
        });
    }

    /// The show's number here; its feed is subscribed to with its first viewer.
    fn follow(&mut self, show: &Arc<Show>, viewer: Key, inputs: &Inputs) -> u64 {
        let known = self.shows.iter_mut().find(|(_, known)| Arc::ptr_eq(&known.show, show));
        if let Some((number, following)) = known {
            following.viewers.push(viewer);
            return *number;
        }
        let number = self.next_show;
        self.next_show += 1;
        let subscription = show.whep().subscribe(show, Sink::new(number, inputs.feed.clone()));
        let mut following = Following::new(Arc::clone(show), subscription);
        following.viewers.push(viewer);
        self.shows.insert(number, following);
        number
    }

    fn on_order(&mut self, key: Key, order: Order, now: Instant) {
        let shared = Arc::clone(&self.shared);
        self.touch(key, |session| match order {
            Order::AddCandidates(candidates) => {
                candidates.iter().for_each(|candidate| session.add_remote_candidate(candidate));
            }
            Order::Restart { local, remote } => {
                let fragment = local.ufrag.clone();
                match session.restart(local, remote, now) {
                    Ok(()) => session.rename(fragment, &shared.table),
                    Err(error) => {
                        debug!(session = ?session.id, %error, "no ICE restart");
                        shared.table.remove_fragment(&fragment);
                    }
                }
            }
            Order::ChooseLayer(track) => {
                if let Some(viewer) = session.viewer() {
                    viewer.session.choose_layer(track);
                }
            }
            Order::WantKeyframe(track) => {
                if let Media::Publisher(publisher) = &mut session.media {
                    publisher.want_keyframe(Some(track));
                }
            }
            Order::Close(why) => {
                debug!(session = ?session.id, why, "closing");
                session.close(now);
            }
            Order::Stats(reply) => {
                // An error means that who asked does not wait for it any more.
                let _ = reply.send(session.stats(now));
            }
        });
    }

    fn on_timers(&mut self, now: Instant) {
        for _ in 0..TURN_MAX {
            let Some(&(at, key)) = self.timers.first().filter(|(at, _)| *at <= now) else { return };
            self.timers.remove(&(at, key));
            self.touch(key, |session| {
                session.wake_at = None;
                session.handle_timeout(now);
            });
        }
    }

    fn close_all(&mut self, now: Instant) {
        self.is_closing = true;
        let keys: Vec<_> = self.sessions.keys().copied().collect();
        keys.into_iter().for_each(|key| self.touch(key, |session| session.close(now)));
    }

    /// Works on a session, which is settled before the turn ends.
    fn touch(&mut self, key: Key, work: impl FnOnce(&mut Session)) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.guarded(work);
        if !std::mem::replace(&mut session.is_touched, true) {
            self.touched.push(key);
        }
    }

    /// Settles what was touched, and sends it all.
    async fn settle_touched(&mut self, now: Instant) -> std::io::Result<()> {
        let ntp = clock::ntp();
        // An event of one session may touch others: a show's last viewer leaves, for example.
        while let Some(key) = self.touched.pop() {
            self.settle(key, ntp, now);
            if self.outgoing.is_heavy() {
                self.outgoing.flush(&self.socket).await?;
            }
        }
        self.outgoing.flush(&self.socket).await
    }

    fn settle(&mut self, key: Key, ntp: u64, now: Instant) {
        loop {
            let Some(session) = self.sessions.get_mut(&key) else { return };
            let (outgoing, metrics) = (&mut self.outgoing, &self.shared.metrics);
            let event = session.guarded(|session| {
                metrics.dropped_frames.inc_by(session.send(ntp, now, outgoing));
                session.poll_event()
            });
            match event {
                Some(Some(event)) => self.on_event(key, event, ntp, now),
                Some(None) => break,
                None => return self.remove_broken(key),
            }
        }
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.is_touched = false;
        let wake_at = session.guarded(Session::poll_timeout).flatten().map(|at| at.max(now + TICK));
        if session.wake_at != wake_at {
            session.wake_at.take().map(|at| self.timers.remove(&(at, key)));
            session.wake_at = wake_at;
            wake_at.map(|at| self.timers.insert((at, key)));
        }
    }

    fn remove_broken(&mut self, key: Key) {
        self.shared.metrics.panics.inc();
        error!(session = ?self.sessions.get(&key).map(|session| &session.id), "a WebRTC session panicked: a bug");
        self.remove(key);
    }

    /// Forgets a session and everything it holds.
    fn remove(&mut self, key: Key) {
        let Some(session) = self.sessions.remove(&key) else { return };
        session.forget(&self.shared.table);
        session.wake_at.map(|at| self.timers.remove(&(at, key)));
        session.tcp.iter().for_each(|remote| self.outgoing.remove_tcp(*remote));
        match session.media {
            Media::Publisher(_) => self.shared.metrics.publishers.dec(),
            Media::Viewer(viewer) => {
                self.shared.metrics.viewers.dec();
                if let Some(following) = self.shows.get_mut(&viewer.show) {
                    following.viewers.retain(|watching| *watching != key);
                    if following.viewers.is_empty() {
                        self.shows.remove(&viewer.show);
                    }
                }
            }
        }
    }
}
