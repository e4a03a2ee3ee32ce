//! What a heartbeat costs, how fast a log is replayed, what figures of a full house take, and how much
//! memory a viewer is.
//!
//! `cargo bench -p tally-watch`; the memory is printed first.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use tally_watch::log::{Entry, Position, Positions, Record, Replay, encode, snapshot};
use tally_watch::{
    Applied, Basis, Credential, Delivered, DeliveryKind, Evidence, Fact, Heartbeat, Interval,
    Ledger, NodeId, PlaybackSession, PlayerState, SessionId, ShowId, ViewerKey, admit, cmcd,
};

const SHOW: ShowId = ShowId(1);
const GO_LIVE: i64 = 1_700_000_000_000;
const VIEWERS: u64 = 100_000;
const HEARTBEAT_MS: i64 = 10_000;

fn main() {
    for (said, ranges) in [("whole show", 1), ("with 4 breaks", 5), ("with 50 breaks", 51)] {
        let viewers = 1_000;
        let ledger = watched(viewers, ranges);
        let bytes = ledger.memory_bytes() as u64 / viewers;
        eprintln!("memory per viewer, {said}: {bytes} bytes");
    }
    divan::main();
}

fn session(viewer: u64) -> PlaybackSession {
    PlaybackSession {
        id: SessionId(viewer),
        viewer: Some(ViewerKey(u128::from(viewer) << 64)),
        started_at_ms: GO_LIVE,
        basis: Basis::Direct,
    }
}

fn heartbeat(start_ms: i64) -> Heartbeat {
    Heartbeat {
        sequence: 1,
        media_ms: [GO_LIVE + start_ms, GO_LIVE + start_ms + HEARTBEAT_MS],
        clock_ms: [start_ms, start_ms + HEARTBEAT_MS],
        state: PlayerState::Playing,
        rate_permille: 1_000,
        visible: true,
        picture_in_picture: false,
        audible: true,
    }
}

fn attested(viewer: u64, start_ms: i64) -> Evidence {
    let session = session(viewer);
    let credential = Credential {
        signature_valid: true,
        show: SHOW,
        session: session.id,
        expires_at_ms: i64::MAX,
    };
    let received_ms = GO_LIVE + start_ms + HEARTBEAT_MS + 50;
    let attested = admit(&heartbeat(start_ms), &credential, SHOW, &session, received_ms);
    Evidence { show: SHOW, fact: Fact::Attested(attested.expect("an honest heartbeat")) }
}

fn delivered(viewer: u64, start_ms: i64) -> Evidence {
    let media = Interval::new(GO_LIVE + start_ms, GO_LIVE + start_ms + HEARTBEAT_MS);
    let media = media.expect("a whole interval");
    let kind = DeliveryKind::Media;
    let delivered = Delivered { session: SessionId(viewer), kind, media };
    Evidence { show: SHOW, fact: Fact::Delivered(delivered) }
}

fn know(ledger: &mut Ledger, evidence: &Evidence) {
    assert_eq!(ledger.apply(evidence), Applied::Whole);
}

/// Viewers that watched in `ranges` stretches of one heartbeat each.
fn watched(viewers: u64, ranges: i64) -> Ledger {
    let mut ledger = Ledger::default();
    let whole = Interval::new(GO_LIVE, GO_LIVE + ranges * 2 * HEARTBEAT_MS);
    let media = whole.expect("a whole interval");
    know(&mut ledger, &Evidence { show: SHOW, fact: Fact::Published { media } });
    for viewer in 0..viewers {
        let fact = Fact::Session(session(viewer));
        know(&mut ledger, &Evidence { show: SHOW, fact });
        for range in 0..ranges {
            know(&mut ledger, &delivered(viewer, range * 2 * HEARTBEAT_MS));
            know(&mut ledger, &attested(viewer, range * 2 * HEARTBEAT_MS));
        }
    }
    ledger
}

fn record(sequence: u64, evidence: Evidence) -> Record {
    let position = Position { node: NodeId(1), epoch: 1, sequence };
    Record { position, at_ms: GO_LIVE, entry: Entry::Evidence(evidence) }
}

/// Admission, folding and the log record of one heartbeat, among 100,000 viewers.
#[divan::bench(sample_count = 50, sample_size = 20_000)]
fn heartbeats(bencher: Bencher<'_, '_>) {
    let mut ledger = watched(VIEWERS, 1);
    let mut log = Vec::with_capacity(1 << 20);
    let mut sequence = 0;
    bencher.counter(ItemsCount::new(1_u64)).bench_local(|| {
        let viewer = sequence * 7_919 % VIEWERS;
        let start_ms = HEARTBEAT_MS * (1 + (sequence / VIEWERS) as i64);
        sequence += 1;
        let evidence = attested(black_box(viewer), start_ms);
        know(&mut ledger, &evidence);
        if log.len() > 1 << 20 {
            log.clear();
        }
        encode(&record(sequence, evidence), &mut log);
    });
}

/// Reading, checking and folding: 100,000 viewers with a delivery and a heartbeat each, five times.
#[divan::bench(sample_count = 5)]
fn replay(bencher: Bencher<'_, '_>) {
    let mut log = Vec::new();
    let mut sequence = 0;
    let mut write = |evidence| {
        sequence += 1;
        encode(&record(sequence, evidence), &mut log);
    };
    for viewer in 0..VIEWERS {
        write(Evidence { show: SHOW, fact: Fact::Session(session(viewer)) });
    }
    for round in 0..5 {
        for viewer in 0..VIEWERS {
            write(delivered(viewer, round * HEARTBEAT_MS));
            write(attested(viewer, round * HEARTBEAT_MS));
        }
    }
    bencher.counter(ItemsCount::new(sequence)).counter(BytesCount::new(log.len())).bench(|| {
        let mut replay = Replay::default();
        replay.read(black_box(&log));
        replay
    });
}

/// All figures and minutes of a show with 100,000 viewers, in the stretches given.
#[divan::bench(args = [1, 5], sample_count = 5)]
fn report(bencher: Bencher<'_, '_>, ranges: i64) {
    let ledger = watched(VIEWERS, ranges);
    let show = ledger.show(SHOW).expect("a show");
    bencher.counter(ItemsCount::new(VIEWERS)).bench(|| black_box(show).report());
}

/// A snapshot of 100,000 viewers.
#[divan::bench(sample_count = 5)]
fn write_snapshot(bencher: Bencher<'_, '_>) {
    let ledger = watched(VIEWERS, 1);
    bencher.counter(ItemsCount::new(VIEWERS)).bench(|| {
        let mut out = Vec::new();
        snapshot(black_box(&ledger), &Positions::default(), NodeId(1), GO_LIVE, &mut out);
        out
    });
}

/// A CMCD record as hls.js sends it.
#[divan::bench]
fn parse_cmcd(bencher: Bencher<'_, '_>) {
    let text = "bl=2300,br=3200,cid=\"alice\",d=2000,dl=2300,mtp=48100,ot=av,pr=1.08,sf=h,\
                sid=\"6e2fb550-c457-11e9-bb97-0800200c9a66\",st=l,su,tb=6000";
    bencher.counter(ItemsCount::new(1_u64)).bench(|| cmcd::parse(black_box(text)));
}
