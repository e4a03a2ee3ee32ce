//! The ledger and its log, and how facts get into both. Nothing here waits.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tally_store::watch_log::{Refused, WatchLog};
use tally_watch::figures::Report;
use tally_watch::log::{Entry, Position};
use tally_watch::{
    Applied, Attested, Basis, Delivered, Evidence, Fact, FinalRecord, Heartbeat, IntervalSet,
    Ledger, PlaybackSession, SessionId, SessionState, ShowId, ShowState, admit, admit_derived,
};

use super::health::{Counters, count};
use super::pending::{About, Pending, TURNS};
use super::presence::Presence;
use crate::{SessionGrant, SessionKind, started_at_ms};

/// Facts that go to the log together, all or none of them.
const FACTS_TOGETHER: usize = 512;

/// Heartbeats of one request that are looked at: all that a player can have kept while it was offline
/// for as long as counts. The rest is not acknowledged, so it comes again.
const HEARTBEATS_TOGETHER: usize = 256;

/// What became of a batch of heartbeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// The highest number among those that were looked at.
    pub(super) acknowledged: u64,
    /// How many were believed.
    pub(super) admitted: u64,
    /// How many were not.
    pub(super) refused: u64,
    /// The record that has to be on disk before they are acknowledged.
    pub(super) sequence: u64,
}

pub(super) struct Core {
    pub(super) ledger: Ledger,
    pub(super) log: WatchLog,
    pub(super) pending: Pending,
    pub(super) presence: Presence,
    pub(super) counters: Arc<Counters>,
    /// What proves delivery to strangers' sessions.
    pub(super) basis: Basis,
    /// Shows that learned something since their totals were stored.
    pub(super) changed: BTreeSet<ShowId>,
    /// Reports by when they were computed.
    pub(super) reports: HashMap<ShowId, (i64, Arc<Report>)>,
}

/// A report is computed again when it is this old: one of a full house takes a tenth of a second, in
/// which heartbeats wait.
const REPORT_MS: i64 = 2_000;

/// The report of a show with no more sessions than this takes less than a millisecond, and is always
/// computed.
const SESSIONS_FRESH: usize = 500;

impl Core {
    pub(super) fn new(
        ledger: Ledger,
        log: WatchLog,
        basis: Basis,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            ledger,
            log,
            pending: Pending::default(),
            presence: Presence::default(),
            counters,
            basis,
            changed: BTreeSet::new(),
            reports: HashMap::new(),
        }
    }

    /// Takes facts into the log and the ledger: all, or none.
    pub(super) fn know(&mut self, facts: &[Evidence], now_ms: i64) -> Result<u64, Refused> {
        let on_time = |fact: &&Evidence| self.ledger.finals(fact.show).is_empty();
        let facts: Vec<Evidence> = facts.iter().filter(on_time).copied().collect();
        // Appending nothing gives the last record there is: what the facts may be in already.
        let sequence = self.log.append(facts.iter().map(|&it| Entry::Evidence(it)), now_ms)?;
        for fact in &facts {
            let is_whole = self.ledger.apply(fact) == Applied::Whole;
            count(&self.counters.curtailed_facts, u64::from(!is_whole));
            self.changed.insert(fact.show);
        }
        Ok(sequence)
    }

    /// Joins a stretch of published or delivered media to what is pending.
    pub(super) fn add(&mut self, about: About, media: tally_watch::Interval) {
        if !self.pending.add(about, media) {
            count(&self.counters.dropped_evidence, 1);
        }
    }

    /// Logs what is pending for one turn. What the log refuses goes on pending.
    pub(super) fn flush(&mut self, turn: usize, now_ms: i64) -> Result<(), Refused> {
        let taken = self.pending.take(turn);
        let mut result = Ok(());
        for together in taken.chunks(FACTS_TOGETHER) {
            let mut facts = Vec::new();
            for (about, stretches) in together {
                self.facts_of(*about, stretches, &mut facts);
            }
            result = result.and_then(|()| self.know(&facts, now_ms).map(drop));
            for (about, stretches) in together {
                match (result, about.session) {
                    (Err(Refused), _) => self.pending.put_back(*about, stretches),
                    (Ok(()), Some((session, _))) => self.saw(about.show, session, now_ms),
                    (Ok(()), None) => {}
                }
            }
        }
        result
    }

    /// Logs everything that is pending.
    pub(super) fn flush_all(&mut self, now_ms: i64) -> Result<(), Refused> {
        (0..TURNS).try_for_each(|turn| self.flush(turn, now_ms))
    }

    /// Decides on heartbeats whose token was found valid.
    pub(super) fn heartbeats(
        &mut self,
        grant: &SessionGrant,
        batch: &[Heartbeat],
        received_ms: i64,
    ) -> Result<Taken, Refused> {
        let batch = &batch[..batch.len().min(HEARTBEATS_TOGETHER)];
        let (show, credential) = (grant.show, grant.credential());
        let known = self.session(show, grant.session.id).and_then(SessionState::record);
        // A crash may have taken the record; the token has it.
        let record = known.copied().unwrap_or(grant.session);
        let mut facts = Vec::new();
        if known.is_none() {
            facts.push(Evidence { show, fact: Fact::Session(record) });
        }
        let mut taken = Taken::default();
        for heartbeat in batch {
            taken.acknowledged = taken.acknowledged.max(heartbeat.sequence);
            match admit(heartbeat, &credential, show, &record, received_ms) {
                Ok(attested) => {
                    taken.admitted += 1;
                    self.attest(show, attested, &mut facts);
                }
                Err(refusal) => {
                    taken.refused += 1;
                    self.counters.refused_heartbeat(refusal);
                }
            }
        }
        if taken.admitted == 0 {
            // Refused heartbeats change nothing, and make no session either.
            facts.clear();
        }
        taken.sequence = self.know(&facts, received_ms)?;
        count(&self.counters.admitted_heartbeats, taken.admitted);
        if taken.admitted > 0 {
            self.saw(show, record.id, received_ms);
        }
        Ok(taken)
    }

    /// The same for a heartbeat derived here from what a player that is not ours said of itself.
    pub(super) fn derived(
        &mut self,
        show: ShowId,
        session: SessionId,
        heartbeat: &Heartbeat,
        received_ms: i64,
    ) -> Result<(), Refused> {
        let known = self.session(show, session).and_then(SessionState::record).copied();
        let mut facts = Vec::new();
        let Some(record) = known.or_else(|| self.stranger(session)) else { return Ok(()) };
        if known.is_none() {
            facts.push(Evidence { show, fact: Fact::Session(record) });
        }
        match admit_derived(heartbeat, &record, received_ms) {
            Ok(attested) => self.attest(show, attested, &mut facts),
            Err(refusal) => {
                self.counters.refused_heartbeat(refusal);
                return Ok(());
            }
        }
        self.know(&facts, received_ms)?;
        count(&self.counters.admitted_heartbeats, 1);
        self.saw(show, session, received_ms);
        Ok(())
    }

    /// Reports nobody asks for any more take no memory.
    pub(super) fn drop_old_reports(&mut self, now_ms: i64) {
        self.reports.retain(|_, (at_ms, _)| (0..REPORT_MS).contains(&(now_ms - *at_ms)));
    }

    /// What is published of a show as the evidence stands, at most [`REPORT_MS`] ago.
    pub(super) fn report(&mut self, show: ShowId, now_ms: i64) -> Option<Arc<Report>> {
        let state = self.ledger.show(show)?;
        if let Some((at_ms, report)) = self.reports.get(&show)
            && (0..REPORT_MS).contains(&(now_ms - at_ms))
        {
            return Some(Arc::clone(report));
        }
        let report = Arc::new(state.report());
        if state.sessions().len() > SESSIONS_FRESH {
            self.reports.insert(show, (now_ms, Arc::clone(&report)));
        }
        Some(report)
    }

    /// Writes a show's final record into log and ledger.
    pub(super) fn finalize(
        &mut self,
        show: ShowId,
        now_ms: i64,
    ) -> Result<Option<(Position, FinalRecord)>, Refused> {
        let Some(state) = self.ledger.show(show) else { return Ok(None) };
        if !self.ledger.finals(show).is_empty() {
            return Ok(None);
        }
        let record = FinalRecord::first(state.figures(), now_ms);
        self.log.append([Entry::Final { show, record: record.clone() }], now_ms)?;
        let is_whole = self.ledger.record_final(show, record.clone()).is_ok();
        count(&self.counters.curtailed_facts, u64::from(!is_whole));
        self.reports.remove(&show);
        self.changed.remove(&show);
        Ok(Some((self.log.position(), record)))
    }

    /// Drops a show's evidence, which the store has summed up for good.
    pub(super) fn forget(&mut self, show: ShowId) {
        self.ledger.forget(show);
        self.reports.remove(&show);
    }

    fn session(&self, show: ShowId, session: SessionId) -> Option<&SessionState> {
        self.ledger.show(show)?.session(session)
    }

    /// A session of a player that came without one: its number says all there is to know.
    fn stranger(&self, id: SessionId) -> Option<PlaybackSession> {
        let started_at_ms = started_at_ms(id);
        let record = PlaybackSession { id, viewer: None, started_at_ms, basis: self.basis };
        (SessionKind::of(id) == SessionKind::Stranger).then_some(record)
    }

    /// Facts for what the ledger does not know yet. A part fetched again is no news.
    fn facts_of(&self, about: About, stretches: &IntervalSet, facts: &mut Vec<Evidence>) {
        let show = about.show;
        if !self.ledger.finals(show).is_empty() {
            count(&self.counters.late_facts, stretches.ranges().len() as u64);
            return;
        }
        let Some((id, kind)) = about.session else {
            let published = self.ledger.show(show).map(ShowState::published);
            for &media in news(stretches, published) {
                facts.push(Evidence { show, fact: Fact::Published { media } });
            }
            return;
        };
        let session = self.session(show, id);
        if session.and_then(SessionState::record).is_none()
            && let Some(record) = self.stranger(id)
        {
            facts.push(Evidence { show, fact: Fact::Session(record) });
        }
        let known = session.map(|it| match kind {
            tally_watch::DeliveryKind::Media => it.delivered(),
            tally_watch::DeliveryKind::Playlist => it.offered(),
        });
        for &media in news(stretches, known) {
            let delivered = Delivered { session: id, kind, media };
            facts.push(Evidence { show, fact: Fact::Delivered(delivered) });
        }
    }

    /// A heartbeat that came again is no news either.
    fn attest(&self, show: ShowId, attested: Attested, facts: &mut Vec<Evidence>) {
        if !self.ledger.finals(show).is_empty() {
            count(&self.counters.late_facts, 1);
            return;
        }
        let is_known = self.session(show, attested.session).is_some_and(|session| {
            session.attested().iter().any(|it| {
                (it.source, it.attention) == (attested.source, attested.attention)
                    && it.media.covers(attested.media)
                    && it.wall.covers(attested.wall)
            })
        });
        if !is_known {
            facts.push(Evidence { show, fact: Fact::Attested(attested) });
        }
    }

    fn saw(&mut self, show: ShowId, session: SessionId, now_ms: i64) {
        if self.session(show, session).is_some() {
            self.presence.seen(show, session, now_ms);
        }
    }
}

/// The stretches that are not wholly in `known`.
fn news<'a>(
    stretches: &'a IntervalSet,
    known: Option<&'a IntervalSet>,
) -> impl Iterator<Item = &'a tally_watch::Interval> {
    let is_news = move |media: &&tally_watch::Interval| !known.is_some_and(|it| it.covers(**media));
    stretches.ranges().iter().filter(is_news)
}
