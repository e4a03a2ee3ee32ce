//! Numbers of watch time: what its books and the API count themselves, read when somebody asks.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts};
use tally_api::books::BooksHealth;
use tally_api::{Api, ApiHealth, Books};
use tally_watch::Refusal;

use super::Metrics;

impl Metrics {
    /// Adds the numbers of `books` and `api`. Called once.
    pub fn add_watch(&self, books: Books, api: Api) {
        let registered = self.registry.register(Box::new(Watch::new(books, api)));
        registered
            .expect("no other collector has names that start with tally_watch_ or tally_api_");
    }
}

/// A number that only rises, and where it is read.
struct Count {
    counter: IntCounter,
    read: fn(&BooksHealth, &ApiHealth) -> u64,
}

/// A number that rises and falls, and where it is read.
struct Level {
    gauge: IntGauge,
    read: fn(&BooksHealth) -> u64,
}

struct Watch {
    books: Books,
    api: Api,
    counts: Vec<Count>,
    levels: Vec<Level>,
    refused: IntCounterVec,
}

impl Watch {
    fn new(books: Books, api: Api) -> Self {
        let refused = Opts::new(
            "tally_watch_heartbeats_refused_total",
            "Heartbeats that were not believed, by reason.",
        );
        let refused = IntCounterVec::new(refused, &["reason"]).expect("the name is valid");
        Self { books, api, counts: counts(), levels: levels(), refused }
    }

    fn all(&self) -> impl Iterator<Item = &dyn Collector> {
        let counts = self.counts.iter().map(|count| &count.counter as &dyn Collector);
        let levels = self.levels.iter().map(|level| &level.gauge as &dyn Collector);
        counts.chain(levels).chain([&self.refused as &dyn Collector])
    }
}

impl Collector for Watch {
    fn desc(&self) -> Vec<&Desc> {
        self.all().flat_map(|one| one.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (books, api) = (self.books.health(), self.api.health());
        for Count { counter, read } in &self.counts {
            counter.reset();
            counter.inc_by(read(&books, &api));
        }
        for Level { gauge, read } in &self.levels {
            gauge.set(i64::try_from(read(&books)).unwrap_or(i64::MAX));
        }
        for (&refusal, &number) in &books.refused_heartbeats {
            let counter = self.refused.with_label_values(&[reason(refusal)]);
            counter.reset();
            counter.inc_by(number);
        }
        self.all().flat_map(Collector::collect).collect()
    }
}

fn counts() -> Vec<Count> {
    let count = |name: &str, help: &str, read| {
        let counter = IntCounter::new(name, help).expect("names in this file are valid");
        Count { counter, read }
    };
    vec![
        count("tally_watch_heartbeats_total", "Heartbeats that were believed.", |books, _| {
            books.admitted_heartbeats
        }),
        count(
            "tally_watch_evidence_dropped_total",
            "Stretches of published or delivered media dropped because they came too fast.",
            |books, _| books.dropped_evidence,
        ),
        count(
            "tally_watch_commands_refused_total",
            "Requests the books had no room for; whoever sent them comes again.",
            |books, _| books.refused_commands,
        ),
        count(
            "tally_watch_late_facts_total",
            "Facts about shows whose figures are final already.",
            |books, _| books.late_facts,
        ),
        count(
            "tally_watch_curtailed_facts_total",
            "Facts that met a bound of the ledger and are missing in part or whole.",
            |books, _| books.curtailed_facts,
        ),
        count(
            "tally_watch_store_failures_total",
            "Writes of figures into the database that failed and are tried again.",
            |books, _| books.failed_store_writes,
        ),
        count(
            "tally_watch_log_failures_total",
            "Writes and syncs of the watch log that failed.",
            |books, _| books.log.failed_commits,
        ),
        count(
            "tally_watch_log_refused_records_total",
            "Records the watch log had no room for while its disk failed.",
            |books, _| books.log.refused_records,
        ),
        count("tally_watch_log_records_total", "Records of the watch log.", |books, _| {
            books.log.appended_records
        }),
        count(
            "tally_watch_log_compaction_failures_total",
            "Compactions of the watch log that failed and are tried again.",
            |books, _| books.failed_compactions,
        ),
        count(
            "tally_api_requests_limited_total",
            "Requests refused because their address asked for too much.",
            |_, api| api.limited_requests,
        ),
        count("tally_api_sessions_total", "Playback sessions that players asked for.", |_, api| {
            api.opened_sessions
        }),
        count(
            "tally_api_leases_lost_total",
            "Playback sessions that stopped earning because their token was used again.",
            |_, api| api.lost_leases,
        ),
    ]
}

fn levels() -> Vec<Level> {
    let level = |name: &str, help: &str, read| {
        let gauge = IntGauge::new(name, help).expect("names in this file are valid");
        Level { gauge, read }
    };
    vec![
        level(
            "tally_watch_log_degraded",
            "1 while the watch log cannot be written: figures fall behind, and nothing is lost yet.",
            |books| books.log.degraded.into(),
        ),
        level(
            "tally_watch_log_held_bytes",
            "Bytes of the watch log that are not known to be on disk.",
            |books| books.log.held_bytes as u64,
        ),
        level(
            "tally_watch_unarchived_shows",
            "Final shows that are not in the database yet.",
            |books| books.unarchived_shows,
        ),
    ]
}

/// The label of a refusal.
const fn reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::SignatureInvalid => "signature_invalid",
        Refusal::ForeignShow => "foreign_show",
        Refusal::ForeignSession => "foreign_session",
        Refusal::TokenExpired => "token_expired",
        Refusal::NotPlaying => "not_playing",
        Refusal::RangeInvalid => "range_invalid",
        Refusal::RangeTooLong => "range_too_long",
        Refusal::InFuture => "in_future",
        Refusal::TooOld => "too_old",
        Refusal::TooFast => "too_fast",
    }
}
