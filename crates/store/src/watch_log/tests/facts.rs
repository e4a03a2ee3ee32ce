//! Facts to log, and the ledgers they come to.

use proptest::prelude::*;
use tally_watch::log::{Entry, Position, Record, encode};
use tally_watch::{
    Applied, Attention, Attested, Basis, Delivered, DeliveryKind, Evidence, Fact, Figures,
    Interval, Ledger, NodeId, PlaybackSession, SessionId, ShowId, Source, ViewerKey,
};

pub(super) const NODE: NodeId = NodeId(1);

/// One fact about one of two shows; small numbers, so that facts overlap, repeat and complete each
/// other.
pub(super) fn fact() -> impl Strategy<Value = Evidence> {
    (0..6_u8, 0..2_u64, 0..3_u64, 0..60_i64, 1..20_i64).prop_map(
        |(kind, show, session, start_s, length_s)| {
            let session_id = SessionId(show * 10 + session);
            let at_ms = start_s * 1_000;
            let media = Interval::new(at_ms, at_ms + length_s * 1_000).unwrap();
            let fact = match kind {
                0 => Fact::WentLive { at_ms },
                1 => Fact::Published { media },
                2 => Fact::Ended { at_ms: at_ms + 60_000 },
                3 => Fact::Session(PlaybackSession {
                    id: session_id,
                    viewer: Some(ViewerKey(u128::from(session) / 2)),
                    started_at_ms: 0,
                    basis: Basis::Direct,
                }),
                4 => Fact::Delivered(Delivered {
                    session: session_id,
                    kind: DeliveryKind::Media,
                    media,
                }),
                _ => Fact::Attested(Attested {
                    session: session_id,
                    source: Source::Player,
                    attention: Attention::Visible,
                    media,
                    wall: media,
                }),
            };
            Evidence { show: ShowId(show), fact }
        },
    )
}

pub(super) fn fold<'a>(facts: impl IntoIterator<Item = &'a Evidence>) -> Ledger {
    let mut ledger = Ledger::default();
    for fact in facts {
        assert_eq!(ledger.apply(fact), Applied::Whole);
    }
    ledger
}

/// Numbers records as [`WatchLog`](super::super::WatchLog) does.
pub(super) struct Numbered {
    pub(super) epoch: u64,
    pub(super) sequence: u64,
}

impl Numbered {
    pub(super) fn encode(&mut self, facts: &[Evidence]) -> Vec<u8> {
        let mut out = Vec::new();
        for &fact in facts {
            self.sequence += 1;
            let (epoch, sequence) = (self.epoch, self.sequence);
            let position = Position { node: NODE, epoch, sequence };
            encode(&Record { position, at_ms: 0, entry: Entry::Evidence(fact) }, &mut out);
        }
        out
    }
}

/// Whether `whole` knows all that `part` knows.
pub(super) fn contains(whole: &Ledger, part: &Ledger) -> bool {
    let mut both = whole.clone();
    both.merge(part) == Applied::Whole && both == *whole
}

/// No figure of `part` is above that of `whole`. Average and assurance split may move either way.
pub(super) fn assert_never_over(part: &Ledger, whole: &Ledger) {
    for (show, state) in part.shows() {
        let [part, whole] = [
            state.figures(),
            whole.show(show).map(tally_watch::ShowState::figures).unwrap_or_default(),
        ];
        let sums = |it: &Figures| [it.live_ms, it.delivered_ms, it.counted_ms, it.valid_ms];
        for (part, whole) in sums(&part).into_iter().zip(sums(&whole)) {
            assert!(part <= whole, "{part} ms of {whole} ms of {show:?}");
        }
    }
}
