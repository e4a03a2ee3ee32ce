//! What others hold of the books.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tally_store::watch_log::{LogOptions, OpenError, Opened, Refused, WatchLog};
use tally_store::{Handle, Store};
use tally_watch::figures::Minute;
use tally_watch::log::{Position, ReplayReport};
use tally_watch::{
    Basis, Delivered, Evidence, Fact, Figures, FinalRecord, Heartbeat, Interval, NodeId,
    PlaybackSession, SessionId, ShowId, ShowState, Verdict,
};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::actor::{
    Actor, COMMANDS_MAX, Command, FINALIZED_MAX, RING_LENGTH, Reported, Seen, Viewers, Work,
};
use super::core::Core;
use super::events::{show_ended, show_started};
use super::health::{BooksHealth, Counters, count};
use super::levels::Levels;
use super::pending::About;
use crate::{Outside, SessionGrant, show_id};

/// How the books are kept.
#[derive(Clone, Debug)]
pub struct BooksOptions {
    /// Where the log's files are.
    pub directory: PathBuf,
    /// Who writes it.
    pub node: NodeId,
    /// Figures become final this long after a show's end, in milliseconds (`watch.final_after_s`).
    pub final_after_ms: i64,
    /// What proves delivery to sessions that nobody asked for (`hls.delivery`).
    pub basis: Basis,
    /// How long records gather before they are synced:
    /// [`SYNC_EVERY`](tally_store::watch_log::SYNC_EVERY).
    pub sync_every: Duration,
    /// The clock.
    pub outside: Outside,
}

/// Why the books cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The log's files.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The database.
    #[error(transparent)]
    Store(#[from] tally_store::Error),
    /// The runtime is ending.
    #[error("the server is ending")]
    Ending,
}

/// The books did not take something; whoever keeps it can come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Too much is being said at once.
    #[error("the books are busy")]
    Busy,
    /// The log's disk fails.
    #[error("the watch log cannot be written at present")]
    Log,
    /// The server is ending.
    #[error("the books are closed")]
    Closed,
    /// The database failed.
    #[error("the store failed")]
    Store,
}

/// What became of heartbeats. They are on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The highest `sn` that was looked at: the player can forget everything up to it. 0 for none.
    pub acknowledged: u64,
    /// How many were believed.
    pub admitted: u64,
    /// How many were not; they are acknowledged too, as they would not be believed later either.
    pub refused: u64,
}

/// A show that goes live.
#[derive(Clone, Copy, Debug)]
pub struct NewShow<'a> {
    /// What URLs call it.
    pub name: &'a str,
    /// Whose it is.
    pub handle: &'a Handle,
    /// When, in Unix milliseconds.
    pub went_live_ms: i64,
}

/// What a show came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchTime {
    /// The figures: of the last final record, or as the evidence stands.
    pub figures: Figures,
    /// Rows of a minute, in order.
    pub minutes: Vec<Minute>,
    /// Whether they can still change.
    pub provisional: bool,
    /// The final record and its corrections, in order.
    pub finals: Vec<FinalRecord>,
}

/// The books. Clones are handles to the same ones.
#[derive(Clone, Debug)]
pub struct Books {
    ring: SyncSender<Seen>,
    commands: mpsc::Sender<Command>,
    log: WatchLog,
    store: Store,
    counters: Arc<Counters>,
    viewers: Viewers,
    levels: Option<Levels>,
    /// Weak, so that listeners see the end of the books.
    finalized: broadcast::WeakSender<ShowId>,
}

impl Books {
    /// Reads the log, ends the shows that a crash interrupted, and starts the task that owns the
    /// ledger. Gives back what was found in the log too.
    ///
    /// # Errors
    /// [`BooksError`]. A disk that can be read but not written is none.
    pub async fn open(
        options: BooksOptions,
        store: Store,
    ) -> Result<(Self, ReplayReport), BooksError> {
        let BooksOptions { directory, node, final_after_ms, basis, sync_every, outside } = options;
        let stored = store.watch_totals().position(node).await?;
        let epoch_before = stored.map_or(0, |position| position.epoch);
        let log_options = LogOptions { node, epoch_before, sync_every };
        let open = move || WatchLog::open(&directory, log_options);
        let opened = tokio::task::spawn_blocking(open).await.map_err(|_| BooksError::Ending)??;
        let Opened { log, recovered } = opened;
        warn_of_loss(stored, recovered.positions.last(node), recovered.report);
        let counters = Arc::<Counters>::default();
        let mut core = Core::new(recovered.ledger, log.clone(), basis, Arc::clone(&counters));
        end_interrupted(&mut core, &store, outside.now_ms()).await?;
        // Their evidence waits to be forgotten until the store has them.
        let finals = core.ledger.finalized().map(|(show, _)| show);
        let unarchived: BTreeSet<_> =
            finals.filter(|&show| core.ledger.show(show).is_some()).collect();
        let (ring, seen) = sync_channel(RING_LENGTH);
        let (commands, commanded) = mpsc::channel(COMMANDS_MAX);
        let viewers = Viewers::default();
        let (tell, _) = broadcast::channel(FINALIZED_MAX);
        let (levels, finalized) = (None, tell.downgrade());
        let actor = Actor {
            core,
            ring: seen,
            commands: commanded,
            store: store.clone(),
            outside,
            final_after_ms,
            viewers: Arc::clone(&viewers),
            unarchived,
            work: Work::default(),
            finalized: tell,
        };
        tokio::spawn(actor.run());
        let books = Self { ring, commands, log, store, counters, viewers, levels, finalized };
        Ok((books, recovered.report))
    }

    /// The same books for shows that get the rights of their creator's level. To be called before they
    /// are handed around.
    #[must_use]
    pub fn with_levels(self, levels: Levels) -> Self {
        Self { levels: Some(levels), ..self }
    }

    /// Tells of every show from now on whose final figures are in the store; for [`Levels::run`].
    ///
    /// # Errors
    /// [`Unavailable::Closed`].
    pub fn finalized(&self) -> Result<broadcast::Receiver<ShowId>, Unavailable> {
        let sender = self.finalized.upgrade().ok_or(Unavailable::Closed)?;
        Ok(sender.subscribe())
    }

    /// A stretch of a show's media was published, on the EXT-X-PROGRAM-DATE-TIME axis. Never waits,
    /// locks or allocates.
    pub fn published(&self, show: ShowId, media: Interval) {
        self.see(Seen { about: About { show, session: None }, media });
    }

    /// A stretch of media was completely delivered to a session, or listed by a playlist that was. Never
    /// waits, locks or allocates.
    pub fn delivered(&self, show: ShowId, delivered: Delivered) {
        let Delivered { session, kind, media } = delivered;
        self.see(Seen { about: About { show, session: Some((session, kind)) }, media });
    }

    /// A show goes live. The store knows it and the log has it on disk when this returns.
    ///
    /// # Errors
    /// [`Unavailable`]; to be tried again, as figures of an unknown show cannot be stored.
    pub async fn went_live(&self, show: NewShow<'_>) -> Result<(), Unavailable> {
        let NewShow { name, handle, went_live_ms } = show;
        let id = show_id(name);
        self.know(vec![Evidence { show: id, fact: Fact::WentLive { at_ms: went_live_ms } }])
            .await?;
        let begun = async {
            let creator = self.store.ensure_creator(handle).await?.id;
            let rights = match &self.levels {
                Some(levels) => Some(levels.rights(creator).await?),
                None => None,
            };
            let (rights, went_live_at_ms) = (rights.as_ref(), went_live_ms);
            let show = tally_store::NewShow { id, name, creator, went_live_at_ms, rights };
            let event = show_started(name, handle, went_live_ms);
            self.store.shows().begin(&show, Some(&event)).await
        };
        self.stored(begun.await)
    }

    /// A show has ended, at this Unix millisecond.
    ///
    /// # Errors
    /// [`Unavailable`]; to be tried again.
    pub async fn ended(&self, show: ShowId, at_ms: i64) -> Result<(), Unavailable> {
        self.know(vec![Evidence { show, fact: Fact::Ended { at_ms } }]).await?;
        self.stored(end(&self.store, show, at_ms).await)
    }

    /// A session was minted. Does not wait for the disk: should a crash take the record, the session's
    /// heartbeats bring it back, as its token says the same.
    ///
    /// # Errors
    /// [`Unavailable`]; the session may be given out all the same, for the same reason.
    pub async fn minted(&self, show: ShowId, session: PlaybackSession) -> Result<(), Unavailable> {
        self.append(vec![Evidence { show, fact: Fact::Session(session) }]).await.map(drop)
    }

    /// The invalid-traffic stage judged a session.
    ///
    /// # Errors
    /// [`Unavailable`]; to be tried again.
    pub async fn judged(
        &self,
        show: ShowId,
        session: SessionId,
        verdict: Verdict,
    ) -> Result<(), Unavailable> {
        self.know(vec![Evidence { show, fact: Fact::Judged { session, verdict } }]).await
    }

    /// Heartbeats came in at `received_ms` with a token that says `grant`. Returns when they are on
    /// disk.
    ///
    /// # Errors
    /// [`Unavailable`]; the player must keep them and send them again.
    pub async fn heartbeats(
        &self,
        grant: SessionGrant,
        batch: Vec<Heartbeat>,
        received_ms: i64,
    ) -> Result<Receipt, Unavailable> {
        let (done, answer) = oneshot::channel();
        let taken =
            self.ask(Command::Heartbeats { grant, batch, received_ms, done }, answer).await?;
        let taken = taken.map_err(|Refused| Unavailable::Log)?;
        self.durable(taken.sequence).await?;
        let (acknowledged, admitted, refused) = (taken.acknowledged, taken.admitted, taken.refused);
        Ok(Receipt { acknowledged, admitted, refused })
    }

    /// A heartbeat was derived here from what a player that is not ours said of itself (CMCD). Never
    /// waits; where the books are busy it is dropped and counted.
    pub fn derived(
        &self,
        show: ShowId,
        session: SessionId,
        heartbeat: Heartbeat,
        received_ms: i64,
    ) {
        // Counted where it is refused.
        let _ = self.command(Command::Derived { show, session, heartbeat, received_ms });
    }

    /// How many people watch a show now, as of the last second.
    #[must_use]
    pub fn viewers(&self, show: ShowId) -> u64 {
        let viewers = self.viewers.lock().unwrap_or_else(PoisonError::into_inner);
        viewers.get(&show).copied().unwrap_or(0)
    }

    /// What a show came to so far, or for good; nothing for a show nobody knows. Figures of a show whose
    /// evidence still comes in are at most some seconds old.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn report(&self, show: ShowId) -> Result<Option<WatchTime>, Unavailable> {
        let (done, answer) = oneshot::channel();
        let Reported { mut finals, report } =
            self.ask(Command::Report { show, done }, answer).await?;
        if let Some(report) = report {
            let (provisional, minutes) = (finals.is_empty(), report.minutes.clone());
            let figures = finals.last().map_or(report.figures, |last| last.figures);
            return Ok(Some(WatchTime { figures, minutes, provisional, finals }));
        }
        let totals = self.store.watch_totals();
        if finals.is_empty() {
            finals = self.stored(totals.finals(show).await)?;
        }
        let Some(figures) = finals.last().map(|last| last.figures) else { return Ok(None) };
        let minutes = self.stored(totals.minutes(show).await)?;
        Ok(Some(WatchTime { figures, minutes, provisional: false, finals }))
    }

    /// Makes a show's figures final now, instead of a day after its end. Gives back the record, which is
    /// on disk; nothing if they were final already or there is no evidence.
    ///
    /// # Errors
    /// [`Unavailable`]; to be tried again.
    pub async fn finalize(&self, show: ShowId) -> Result<Option<FinalRecord>, Unavailable> {
        self.settle().await?;
        let (done, answer) = oneshot::channel();
        let record = self.ask(Command::Finalize { show, done }, answer).await?;
        let record = record.map_err(|Refused| Unavailable::Log)?;
        self.durable(self.log.position().sequence).await?;
        Ok(record)
    }

    /// Waits until everything said before is in the ledger and on disk.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn settle(&self) -> Result<(), Unavailable> {
        let (done, answer) = oneshot::channel();
        let sequence = self.ask(Command::Settle { done }, answer).await?;
        self.durable(sequence.map_err(|Refused| Unavailable::Log)?).await
    }

    /// How they are doing.
    #[must_use]
    pub fn health(&self) -> BooksHealth {
        self.counters.health(self.log.health())
    }

    /// Writes everything that was said and closes the books for all handles.
    pub async fn close(self) {
        let (done, closed) = oneshot::channel();
        // Whether it sends or not: it is closed then.
        if self.commands.send(Command::Close { done }).await.is_ok() {
            let _ = closed.await;
        }
    }

    fn see(&self, seen: Seen) {
        if self.ring.try_send(seen).is_err() {
            count(&self.counters.dropped_evidence, 1);
        }
    }

    async fn know(&self, facts: Vec<Evidence>) -> Result<(), Unavailable> {
        let sequence = self.append(facts).await?;
        self.durable(sequence).await
    }

    async fn append(&self, facts: Vec<Evidence>) -> Result<u64, Unavailable> {
        let (done, answer) = oneshot::channel();
        let known = self.ask(Command::Know { facts, done }, answer).await?;
        known.map_err(|Refused| Unavailable::Log)
    }

    async fn ask<T>(
        &self,
        command: Command,
        answer: oneshot::Receiver<T>,
    ) -> Result<T, Unavailable> {
        self.command(command)?;
        answer.await.map_err(|_| Unavailable::Closed)
    }

    fn command(&self, command: Command) -> Result<(), Unavailable> {
        self.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => {
                count(&self.counters.refused_commands, 1);
                Unavailable::Busy
            }
            TrySendError::Closed(_) => Unavailable::Closed,
        })
    }

    async fn durable(&self, sequence: u64) -> Result<(), Unavailable> {
        self.log.durable(sequence).await.map_err(|_| Unavailable::Log)
    }

    fn stored<T>(&self, result: tally_store::Result<T>) -> Result<T, Unavailable> {
        result.map_err(|error| {
            count(&self.counters.failed_store_writes, 1);
            tracing::warn!(%error, "the store failed the books");
            Unavailable::Store
        })
    }
}

/// Ends the shows that were live when the process died: with the last of their media, and their record
/// if there is none.
async fn end_interrupted(
    core: &mut Core,
    store: &Store,
    now_ms: i64,
) -> Result<(), tally_store::Error> {
    let last = |state: &ShowState| {
        let media = state.published().hull().map(Interval::end_ms);
        media.or(state.went_live_ms()).unwrap_or(now_ms)
    };
    let open = core
        .ledger
        .shows()
        .filter(|(show, state)| state.ended_ms().is_none() && core.ledger.finals(*show).is_empty());
    let facts: Vec<_> = open
        .map(|(show, state)| Evidence { show, fact: Fact::Ended { at_ms: last(state) } })
        .collect();
    // A log that refuses has them end with the next start, and not become final before.
    let _ = core.know(&facts, now_ms);
    for show in store.shows().not_final().await? {
        let ended_ms = core.ledger.show(show.id).and_then(ShowState::ended_ms);
        if show.ended_at_ms.is_none() {
            end(store, show.id, ended_ms.unwrap_or(show.went_live_at_ms)).await?;
        }
    }
    Ok(())
}

async fn end(store: &Store, id: ShowId, at_ms: i64) -> tally_store::Result<()> {
    let show = store.shows().get(id).await?;
    let event = show.map(|show| show_ended(&show.name, &show.handle, at_ms));
    store.shows().end(id, at_ms, event.as_ref()).await
}

fn warn_of_loss(stored: Option<Position>, found: Option<Position>, report: ReplayReport) {
    if stored > found {
        tracing::warn!(?stored, ?found, "the watch log ends before the totals in the store do");
    }
    if report.torn_bytes > 0 {
        let (records, bytes) = (report.torn_records, report.torn_bytes);
        tracing::warn!(records, bytes, "the watch log had a torn tail, as after a crash");
    }
    if report.damaged_bytes > 0 || report.unreadable_records > 0 {
        tracing::error!(?report, "the watch log is damaged: figures may fall short");
    }
}
