//! Snapshots: a ledger written as the fewest facts that say the same.

use super::{Entry, Position, Positions, Record, Replay, ReplayReport, encode};
use crate::{
    Attested, Delivered, DeliveryKind, Evidence, Fact, IntervalSet, Ledger, NodeId, SessionId,
    SessionState,
};

/// Appends a snapshot of `ledger`, which takes in the records up to `positions`. `node` writes it at
/// `at_ms`.
///
/// A snapshot is made of ordinary facts between two marks. Folding it into a ledger that holds part
/// of it already is therefore harmless, and a broken one can be told from a whole one.
pub fn snapshot(
    ledger: &Ledger,
    positions: &Positions,
    node: NodeId,
    at_ms: i64,
    out: &mut Vec<u8>,
) {
    let mut writer = Writer { node, at_ms, entries: 0, out };
    writer.write(Entry::SnapshotBegin { positions: positions.clone() });
    for (show, state) in ledger.shows() {
        let mut fact = |fact| writer.write(Entry::Evidence(Evidence { show, fact }));
        state.recorded_live_ms().into_iter().for_each(|at_ms| fact(Fact::WentLive { at_ms }));
        state.ended_ms().into_iter().for_each(|at_ms| fact(Fact::Ended { at_ms }));
        for &media in state.published().ranges() {
            fact(Fact::Published { media });
        }
        for (session, evidence) in state.sessions() {
            session_facts(session, evidence, &mut fact);
        }
    }
    for (show, records) in ledger.finalized() {
        for record in records {
            writer.write(Entry::Final { show, record: record.clone() });
        }
    }
    // The marks themselves are not entries.
    let entries = writer.entries - 1;
    writer.write(Entry::SnapshotEnd { entries });
}

/// Makes one snapshot of pieces of log, oldest first. Keep them until the snapshot is safe on disk.
#[must_use]
pub fn compact(pieces: &[&[u8]], node: NodeId, at_ms: i64) -> (Vec<u8>, ReplayReport) {
    let mut replay = Replay::default();
    for piece in pieces {
        replay.read(piece);
    }
    let (ledger, positions, report) = replay.into_parts();
    let mut out = Vec::new();
    snapshot(&ledger, &positions, node, at_ms, &mut out);
    (out, report)
}

struct Writer<'a> {
    node: NodeId,
    at_ms: i64,
    entries: u64,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn write(&mut self, entry: Entry) {
        let position = Position { node: self.node, epoch: 0, sequence: self.entries };
        self.entries += 1;
        encode(&Record { position, at_ms: self.at_ms, entry }, self.out);
    }
}

fn session_facts(session: SessionId, state: &SessionState, fact: &mut impl FnMut(Fact)) {
    state.record().into_iter().for_each(|record| fact(Fact::Session(*record)));
    let delivered =
        [(DeliveryKind::Media, state.delivered()), (DeliveryKind::Playlist, state.offered())];
    for (kind, set) in delivered {
        for &media in set.ranges() {
            fact(Fact::Delivered(Delivered { session, kind, media }));
        }
    }
    for sets in state.attested() {
        let (source, attention) = (sets.source, sets.attention);
        for (media, wall) in pairs(&sets.media, &sets.wall) {
            fact(Fact::Attested(Attested { session, source, attention, media, wall }));
        }
    }
    state.verdict().into_iter().for_each(|&verdict| fact(Fact::Judged { session, verdict }));
}

/// Every interval of both sets at least once. Which media goes with which wall-clock span is not
/// kept, because no figure asks; the shorter list says its last interval again.
fn pairs(
    media: &IntervalSet,
    wall: &IntervalSet,
) -> impl Iterator<Item = (crate::Interval, crate::Interval)> {
    let (media, wall) = (media.ranges(), wall.ranges());
    (0..media.len().max(wall.len())).filter_map(move |at| {
        let nth = |ranges: &[crate::Interval]| ranges.get(at).or(ranges.last()).copied();
        Some((nth(media)?, nth(wall)?))
    })
}
