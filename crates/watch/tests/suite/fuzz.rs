//! No bytes from outside or from a broken disk panic, hang or grow.
//! `cargo bolero test -p tally-watch fuzz_...` runs one of these guided by coverage.

use tally_watch::log::{Frames, MAGIC, Replay, compact, decode, encode};
use tally_watch::{NodeId, cmcd, parse_permille};

use crate::invariants::write;
use crate::scenario::Scenario;
use crate::subject::{Variant, facts};

/// Inputs tried when run as a plain test: a second or two.
const ITERATIONS: usize = 20_000;

#[test]
fn fuzz_log_bytes() {
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        let mut replay = Replay::default();
        let tail = replay.read(input);
        assert_eq!(tail.intact_bytes + tail.torn_bytes, input.len());
        let _ = decode(input);
    });
}

/// Whatever payload is read as a record is written again as the same bytes.
#[test]
fn fuzz_log_records() {
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        for kind in 1..=10 {
            let mut payload = vec![kind];
            payload.extend_from_slice(input);
            let Ok(record) = decode(&payload) else { continue };
            let mut framed = Vec::new();
            encode(&record, &mut framed);
            assert_eq!(Frames::new(&framed).next(), Some(payload.as_slice()));
            let mut replay = Replay::default();
            replay.read(&framed);
            for (_, show) in replay.ledger().shows() {
                let _ = show.report();
            }
        }
    });
}

/// A log with bytes changed still gives no figure that the whole log does not reach.
#[test]
fn fuzz_log_damage() {
    let log = write(&facts(Variant::Right, &Scenario::random(4)), 1);
    let counted = |bytes: &[u8]| {
        let mut replay = Replay::default();
        replay.read(bytes);
        replay.ledger().shows().map(|(_, show)| show.figures().counted_ms).sum::<u64>()
    };
    let truth_ms = counted(&log);
    bolero::check!().with_iterations(300).for_each(|changes: &[u8]| {
        let mut bytes = log.clone();
        for change in changes.chunks_exact(4) {
            let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
            bytes[at] = change[2];
            if change[3] == 0 {
                bytes.splice(at..at, MAGIC);
            }
        }
        assert!(counted(&bytes) <= truth_ms);
        let (snapshot, _) = compact(&[&bytes], NodeId(2), 0);
        assert_eq!(counted(&snapshot), counted(&bytes));
    });
}

#[test]
fn fuzz_cmcd() {
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        let text = String::from_utf8_lossy(input);
        let parsed = cmcd::parse(&text);
        assert!(parsed.record.session_id.is_none_or(|id| id.len() <= 64));
        let _ = cmcd::parse_query(&format!("CMCD={text}"));
        let _ = cmcd::parse_headers([&*text, &*text]);
        let mut observer = cmcd::Observer::default();
        for (number, event) in cmcd::parse_events(&text).enumerate() {
            let clock_ms = number as i64 * 1_000;
            observer.observe(cmcd::Observation::new(&event.record, None, clock_ms));
        }
        let _ = parse_permille(&text);
    });
}
