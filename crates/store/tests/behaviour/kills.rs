//! A process that writes the watch log is killed, again and again, at whatever it is doing.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tally_store::watch_log::{Directory, LogOptions, WatchLog, read};
use tally_watch::log::Entry;
use tally_watch::{
    Applied, Attention, Attested, Basis, Delivered, DeliveryKind, Evidence, Fact, Interval, Ledger,
    NodeId, PlaybackSession, SessionId, ShowId, Source, ViewerKey,
};

/// As often as the project promises.
const KILLS: u64 = 200;
/// Facts that are appended and acknowledged together.
const BATCH: u64 = 5;
const VIEWERS: u64 = 7;
const SHOW: ShowId = ShowId(1);

/// Tells the process that it is the one to be killed: the folder, and the first fact to write.
const VICTIM: &str = "TALLY_TEST_WATCH_LOG";
const FIRST: &str = "TALLY_TEST_FIRST_FACT";

/// The facts in the order in which they are told: each viewer watches second after second.
fn fact(number: u64) -> Evidence {
    let (kind, at) = (number % 4, number / 4);
    let session = SessionId(at % VIEWERS);
    let second = (at / VIEWERS).cast_signed();
    let media = Interval::new(second * 1_000, (second + 1) * 1_000).unwrap();
    let fact = match kind {
        0 => Fact::Session(PlaybackSession {
            id: session,
            viewer: Some(ViewerKey(u128::from(session.0))),
            started_at_ms: 0,
            basis: Basis::Direct,
        }),
        1 => Fact::Published { media },
        2 => Fact::Delivered(Delivered { session, kind: DeliveryKind::Media, media }),
        _ => Fact::Attested(Attested {
            session,
            source: Source::Player,
            attention: Attention::Visible,
            media,
            wall: media,
        }),
    };
    Evidence { show: SHOW, fact }
}

fn tell(ledger: &mut Ledger, facts: std::ops::Range<u64>) {
    for number in facts {
        assert_eq!(ledger.apply(&fact(number)), Applied::Whole);
    }
}

fn contains(whole: &Ledger, part: &Ledger) -> bool {
    let mut both = whole.clone();
    both.merge(part) == Applied::Whole && both == *whole
}

/// Writes facts and says how many are on disk, until it is killed.
async fn write(directory: &Path, first: u64) {
    let options =
        LogOptions { node: NodeId(1), epoch_before: 0, sync_every: Duration::from_micros(100) };
    let log = WatchLog::open(directory, options).unwrap().log;
    let mut out = std::io::stdout();
    for batch in 0.. {
        let facts = first + batch * BATCH..first + (batch + 1) * BATCH;
        let end = facts.end;
        let sequence = log.append(facts.map(|number| Entry::Evidence(fact(number))), 0).unwrap();
        if batch % 8 == 3 {
            // Does not wait for it: it is killed in the middle of compactions too.
            let log = log.clone();
            tokio::spawn(async move { log.compact(Vec::new(), 0).await });
        }
        log.durable(sequence).await.unwrap();
        writeln!(out, "on disk: {end}").unwrap();
        out.flush().unwrap();
    }
}

fn start(directory: &Path, first: u64) -> Child {
    let name = "kills::a_process_killed_at_any_moment_loses_nothing_it_acknowledged";
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(VICTIM, directory)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills a writer after it has said so many times that something is on disk, and gives back the last
/// thing it said.
fn kill(directory: &Path, first: u64, after: u64) -> u64 {
    let mut victim = start(directory, first);
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let (mut said, mut last) = (0, first);
    for line in lines.map_while(Result::ok) {
        // The test runner's own lines go before.
        let Some(end) = line.split("on disk: ").nth(1) else { continue };
        last = end.parse().unwrap();
        said += 1;
        if said == after {
            victim.kill().unwrap();
        }
    }
    victim.wait().unwrap();
    assert!(said >= after, "it ended by itself after {said} of {after}");
    last
}

#[tokio::test]
async fn a_process_killed_at_any_moment_loses_nothing_it_acknowledged() {
    if let Some(directory) = std::env::var_os(VICTIM) {
        let first = std::env::var(FIRST).unwrap().parse().unwrap();
        return write(Path::new(&directory), first).await;
    }
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("watch");
    let (mut acknowledged, mut truth) = (0, Ledger::default());
    let mut lost = 0;
    for round in 0..KILLS {
        let end = kill(&directory, acknowledged, 1 + round * 7 % 23);
        tell(&mut truth, acknowledged..end);
        acknowledged = end;
        let recovered = read(&Directory::at(&directory)).unwrap();
        assert!(contains(&recovered.ledger, &truth), "round {round}: lost what was acknowledged");
        // One batch may have been on its way; the next round tells it again.
        let mut most = truth.clone();
        tell(&mut most, acknowledged..acknowledged + BATCH);
        assert!(contains(&most, &recovered.ledger), "round {round}: more than was ever told");
        let figures = recovered.ledger.show(SHOW).unwrap().figures();
        assert!(figures.counted_ms <= most.show(SHOW).unwrap().figures().counted_ms);
        assert_eq!(recovered.report.damaged_bytes, 0, "round {round}");
        lost += recovered.report.torn_records;
    }
    let truth = truth.show(SHOW).unwrap().figures();
    // The last second delivered may not be attested yet.
    assert!(truth.counted_ms > 0 && truth.delivered_ms - truth.counted_ms <= 1_000, "{truth:?}");
    eprintln!("{acknowledged} facts, {} ms counted, {lost} records torn", truth.counted_ms);
}
