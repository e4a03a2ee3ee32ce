//! The task that owns the books.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tally_store::Store;
use tally_store::watch_log::Refused;
use tally_watch::figures::Report;
use tally_watch::{Evidence, FinalRecord, Heartbeat, Interval, SessionId, ShowId};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use super::archive::{FinalShow, store_final, store_totals};
use super::core::{Core, Taken};
use super::health::count;
use super::pending::{About, TURNS};
use crate::{Outside, SessionGrant};

/// Stretches that can wait in the ring: a full house of 100,000 viewers fetches some 40,000 parts
/// between two times that the ring is emptied. 3.5 MB.
pub(super) const RING_LENGTH: usize = 65_536;

/// Commands that can wait: a tenth of a second of a full house, four times over.
pub(super) const COMMANDS_MAX: usize = 4_096;

/// Shows whose figures became final that a slow listener can fall behind by.
pub(super) const FINALIZED_MAX: usize = 256;

/// The ring is emptied, and one turn of what is pending logged, this often.
const TURN: Duration = Duration::from_millis(100);

/// Turns in a second; everything that is pending is logged once in that time.
pub(super) const SECOND: u64 = TURNS as u64;

/// Totals are stored, and shows looked for whose figures become final, every so many turns.
pub(super) const TOTALS: u64 = 10 * SECOND;

/// What failed is tried again, and the log compacted if need be, every so many turns.
pub(super) const UPKEEP: u64 = 60 * SECOND;

/// Old events are forgotten every so many turns.
const HOUR: u64 = 3_600 * SECOND;

/// Events are kept this long, told or not: time to repair a receiver, and to see what it missed.
const EVENTS_KEPT_MS: i64 = 30 * 24 * 3_600 * 1_000;

/// The log is compacted when this much has been written that no snapshot stands for.
const COMPACT_BYTES: u64 = 256 * 1_024 * 1_024;

/// A stretch of media that was published or delivered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) about: About,
    pub(super) media: Interval,
}

/// What is asked of the books.
pub(super) enum Command {
    /// Take facts; the answer is the record that makes them last.
    Know {
        facts: Vec<Evidence>,
        done: oneshot::Sender<Result<u64, Refused>>,
    },
    Heartbeats {
        grant: SessionGrant,
        batch: Vec<Heartbeat>,
        received_ms: i64,
        done: oneshot::Sender<Result<Taken, Refused>>,
    },
    Derived {
        show: ShowId,
        session: SessionId,
        heartbeat: Heartbeat,
        received_ms: i64,
    },
    Report {
        show: ShowId,
        done: oneshot::Sender<Reported>,
    },
    /// Take up everything said so far.
    Settle {
        done: oneshot::Sender<Result<u64, Refused>>,
    },
    Finalize {
        show: ShowId,
        done: oneshot::Sender<Result<Option<FinalRecord>, Refused>>,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

/// What the books have of a show.
#[derive(Default)]
pub(super) struct Reported {
    pub(super) finals: Vec<FinalRecord>,
    /// Nothing once the evidence is forgotten.
    pub(super) report: Option<Arc<Report>>,
}

/// What a task of the actor has done.
enum Done {
    Totals { shows: Vec<ShowId>, stored: bool },
    Final { show: ShowId, stored: bool },
    Compacted { forgotten: Vec<ShowId>, compacted: bool },
    Tidied { tidied: bool },
}

/// How many people watch each show, for who asks often.
pub(super) type Viewers = Arc<Mutex<HashMap<ShowId, u64>>>;

pub(super) struct Actor {
    pub(super) core: Core,
    pub(super) ring: Receiver<Seen>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) store: Store,
    pub(super) outside: Outside,
    pub(super) final_after_ms: i64,
    pub(super) viewers: Viewers,
    /// Final shows that are not in the store yet.
    pub(super) unarchived: BTreeSet<ShowId>,
    pub(super) work: Work,
    /// Tells of shows whose final figures are in the store.
    pub(super) finalized: broadcast::Sender<ShowId>,
}

/// What is being done for the actor meanwhile; one of each kind at a time.
#[derive(Default)]
pub(super) struct Work {
    tasks: JoinSet<Done>,
    archiving: bool,
    storing_totals: bool,
    compacting: bool,
    /// Shows that failed to be archived since the last upkeep.
    failed: BTreeSet<ShowId>,
    /// Archived shows whose evidence is still in the log.
    forgotten: BTreeSet<ShowId>,
}

impl Actor {
    /// Runs until it is told to close, or nobody is left who could say anything.
    pub(super) async fn run(mut self) {
        let mut ticks = interval(TURN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut turn = 0;
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Close { done }) => {
                        self.close().await;
                        // Whoever waited may be gone.
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => self.obey(command),
                    None => return self.close().await,
                },
                Some(done) = self.work.tasks.join_next() => {
                    match done {
                        Ok(done) => self.learn(done),
                        Err(error) => self.lose(&error),
                    }
                }
                _ = ticks.tick() => {
                    turn += 1;
                    self.turn(turn);
                }
            }
        }
    }

    fn obey(&mut self, command: Command) {
        // Whoever asked may be gone; what was asked for is done all the same.
        match command {
            Command::Know { facts, done } => {
                let known = self.core.know(&facts, self.outside.now_ms());
                let _ = done.send(known);
            }
            Command::Heartbeats { grant, batch, received_ms, done } => {
                let taken = self.core.heartbeats(&grant, &batch, received_ms);
                let _ = done.send(taken);
            }
            Command::Derived { show, session, heartbeat, received_ms } => {
                // Refused by the log, it is lost: nobody keeps it, and it is weak evidence.
                let _ = self.core.derived(show, session, &heartbeat, received_ms);
            }
            Command::Report { show, done } => {
                let finals = self.core.ledger.finals(show).to_vec();
                let report = self.core.report(show, self.outside.now_ms());
                let _ = done.send(Reported { finals, report });
            }
            Command::Settle { done } => {
                let _ = done.send(self.settle());
            }
            Command::Finalize { show, done } => {
                let _ = done.send(self.finalize(show));
            }
            Command::Close { .. } => {}
        }
    }

    pub(super) fn turn(&mut self, turn: u64) {
        let now_ms = self.outside.now_ms();
        self.empty_ring();
        // What the log refuses is counted there, and stays pending here.
        let _ = self.core.flush((turn % SECOND) as usize, now_ms);
        if turn.is_multiple_of(SECOND) {
            let count = self.core.presence.count(&self.core.ledger, now_ms);
            *self.viewers.lock().unwrap_or_else(PoisonError::into_inner) = count;
            self.archive_next();
        }
        if turn.is_multiple_of(TOTALS) {
            for show in self.due(now_ms) {
                let _ = self.finalize(show);
            }
            self.store_totals(now_ms);
            self.core.drop_old_reports(now_ms);
        }
        if turn.is_multiple_of(UPKEEP) {
            self.unarchived.append(&mut self.work.failed);
            if self.core.log.health().bytes_since_compaction >= COMPACT_BYTES {
                self.compact(now_ms);
            }
        }
        if turn.is_multiple_of(HOUR) {
            self.tidy(now_ms);
        }
    }

    fn empty_ring(&mut self) {
        // At most one ring full, so that a flood cannot keep everything else waiting.
        for _ in 0..RING_LENGTH {
            let Ok(Seen { about, media }) = self.ring.try_recv() else { return };
            self.core.add(about, media);
        }
    }

    fn settle(&mut self) -> Result<u64, Refused> {
        self.empty_ring();
        self.core.flush_all(self.outside.now_ms())?;
        Ok(self.core.log.position().sequence)
    }

    /// Shows that ended long enough ago.
    fn due(&self, now_ms: i64) -> Vec<ShowId> {
        let ledger = &self.core.ledger;
        let ended = ledger.shows().filter_map(|(show, state)| Some((show, state.ended_ms()?)));
        let due = ended.filter(|(show, ended_ms)| {
            ended_ms.saturating_add(self.final_after_ms) <= now_ms
                && ledger.finals(*show).is_empty()
        });
        due.map(|(show, _)| show).collect()
    }

    fn finalize(&mut self, show: ShowId) -> Result<Option<FinalRecord>, Refused> {
        let made = self.core.finalize(show, self.outside.now_ms())?;
        Ok(made.map(|(_, record)| {
            self.unarchived.insert(show);
            self.archive_next();
            self.count_unarchived();
            record
        }))
    }

    fn archive_next(&mut self) {
        if self.work.archiving {
            return;
        }
        let Some(show) = self.unarchived.pop_first() else { return };
        let now_ms = self.outside.now_ms();
        let record = self.core.ledger.finals(show).first().cloned();
        let (Some(record), Some(report)) = (record, self.core.report(show, now_ms)) else { return };
        let (log, store) = (self.core.log.clone(), self.store.clone());
        let is = FinalShow { show, record, report, position: log.position() };
        self.work.archiving = true;
        self.work
            .tasks
            .spawn(async move { Done::Final { show, stored: store_final(log, store, is).await } });
    }

    fn store_totals(&mut self, now_ms: i64) {
        if self.work.storing_totals || self.core.changed.is_empty() {
            return;
        }
        let shows: Vec<ShowId> = std::mem::take(&mut self.core.changed).into_iter().collect();
        let (totals, position) = (self.totals(&shows, now_ms), self.core.log.position());
        let (log, store) = (self.core.log.clone(), self.store.clone());
        self.work.storing_totals = true;
        self.work.tasks.spawn(async move {
            let stored = store_totals(log, store, position, now_ms, totals).await;
            Done::Totals { shows, stored }
        });
    }

    fn totals(&mut self, shows: &[ShowId], now_ms: i64) -> Vec<(ShowId, tally_watch::Figures)> {
        let core = &mut self.core;
        let of = |&show: &ShowId| Some((show, core.report(show, now_ms)?.figures));
        shows.iter().filter_map(of).collect()
    }

    pub(super) fn compact(&mut self, now_ms: i64) {
        if std::mem::replace(&mut self.work.compacting, true) {
            return;
        }
        let (log, forgotten) = (self.core.log.clone(), &self.work.forgotten);
        let forgotten: Vec<ShowId> = forgotten.iter().copied().collect();
        self.work.tasks.spawn(async move {
            let compacted = log.compact(forgotten.clone(), now_ms).await;
            let compacted = compacted
                .inspect_err(|error| tracing::warn!(%error, "the watch log was not compacted"));
            Done::Compacted { forgotten, compacted: compacted.is_ok() }
        });
    }

    fn tidy(&mut self, now_ms: i64) {
        let store = self.store.clone();
        self.work.tasks.spawn(async move {
            let forgotten = store.events().forget_before(now_ms - EVENTS_KEPT_MS).await;
            Done::Tidied { tidied: forgotten.is_ok() }
        });
    }

    fn learn(&mut self, done: Done) {
        let counters = Arc::clone(&self.core.counters);
        match done {
            Done::Totals { shows, stored } => {
                self.work.storing_totals = false;
                count(&counters.failed_store_writes, u64::from(!stored));
                if !stored {
                    self.core.changed.extend(shows);
                }
            }
            Done::Final { show, stored } => {
                self.work.archiving = false;
                count(&counters.failed_store_writes, u64::from(!stored));
                if stored {
                    self.core.forget(show);
                    self.work.forgotten.insert(show);
                    // Nobody need listen.
                    let _ = self.finalized.send(show);
                } else {
                    self.work.failed.insert(show);
                }
                self.count_unarchived();
            }
            Done::Tidied { tidied } => {
                count(&counters.failed_store_writes, u64::from(!tidied));
            }
            Done::Compacted { forgotten, compacted } => {
                self.work.compacting = false;
                count(&counters.failed_compactions, u64::from(!compacted));
                if compacted {
                    self.work.forgotten.retain(|show| !forgotten.contains(show));
                }
            }
        }
    }

    /// Waits for one of the actor's tasks, as its loop does.
    #[cfg(test)]
    pub(super) async fn finish_task(&mut self) {
        let done = self.work.tasks.join_next().await.unwrap().unwrap();
        self.learn(done);
    }

    /// A task broke off. Which one is not known, so all may be begun again; doing one twice is harmless.
    fn lose(&mut self, error: &JoinError) {
        tracing::error!(%error, "a task of the books failed");
        let work = &mut self.work;
        (work.archiving, work.storing_totals, work.compacting) = (false, false, false);
        let finals = self.core.ledger.finalized().map(|(show, _)| show);
        self.unarchived = finals.filter(|&show| self.core.ledger.show(show).is_some()).collect();
        self.core.changed.extend(self.core.ledger.shows().map(|(show, _)| show));
    }

    fn count_unarchived(&self) {
        let shows = self.unarchived.len() + self.work.failed.len();
        let shows = shows + usize::from(self.work.archiving);
        self.core.counters.unarchived_shows.store(shows as u64, Ordering::Relaxed);
    }

    /// Takes up what was said, stores it, and ends the log.
    async fn close(&mut self) {
        let settled = self.settle();
        let now_ms = self.outside.now_ms();
        self.work.tasks.shutdown().await;
        let shows: Vec<ShowId> = std::mem::take(&mut self.core.changed).into_iter().collect();
        let (totals, position) = (self.totals(&shows, now_ms), self.core.log.position());
        let (log, store) = (self.core.log.clone(), self.store.clone());
        let stored = store_totals(log.clone(), store, position, now_ms, totals).await;
        let closed = log.close().await;
        if settled.is_err() || closed.is_err() || !stored {
            let health = self.core.log.health();
            tracing::warn!(?health, "the watch log could not be written to its end");
        }
    }
}
