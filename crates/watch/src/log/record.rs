//! Records: what is in a payload.

use super::frame;
use super::positions::Positions;
use super::wire::{Body, put, put_interval, put_signed};
use crate::finals::{FinalRecord, REASON_BYTES_MAX};
use crate::{
    Attention, Attested, Basis, Delivered, DeliveryKind, Evidence, Fact, Figures, NodeId,
    PlaybackSession, SessionId, ShowId, Source, Verdict, ViewerKey,
};

/// Which record of which node's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Who wrote it.
    pub node: NodeId,
    /// Rises with each start of the node.
    pub epoch: u64,
    /// 1 for the first record of an epoch, then one more each.
    pub sequence: u64,
}

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub position: Position,
    /// When it was written, in Unix milliseconds.
    pub at_ms: i64,
    /// What it says.
    pub entry: Entry,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A fact about a show.
    Evidence(Evidence),
    /// Final figures of a show, or a correction.
    Final {
        /// The show.
        show: ShowId,
        /// The figures.
        record: FinalRecord,
    },
    /// A snapshot begins: the entries up to its end say all that the records up to these positions
    /// said.
    SnapshotBegin {
        /// The last record of each node it takes in.
        positions: Positions,
    },
    /// The snapshot is whole.
    SnapshotEnd {
        /// How many entries lie between its begin and this.
        entries: u64,
    },
}

/// Why an intact payload is no record: written by a newer version, or not by this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A kind this version does not know.
    #[error("record kind {0} is not known")]
    Kind(u8),
    /// The payload does not hold what its kind needs, or more.
    #[error("the payload is not a record of its kind")]
    Body,
}

#[repr(u8)]
#[derive(Clone, Copy)]
enum Kind {
    WentLive = 1,
    Published = 2,
    Ended = 3,
    Session = 4,
    Delivered = 5,
    Attested = 6,
    Judged = 7,
    Final = 8,
    SnapshotBegin = 9,
    SnapshotEnd = 10,
}

/// Appends a record in its frame.
pub fn encode(record: &Record, out: &mut Vec<u8>) {
    frame::write(out, |out| {
        out.push(kind(&record.entry) as u8);
        put(out, u64::from(record.position.node.0));
        put(out, record.position.epoch);
        put(out, record.position.sequence);
        put_signed(out, record.at_ms);
        put_entry(out, &record.entry);
    });
}

/// Reads a payload as [`Frames`](super::Frames) gives it.
///
/// # Errors
/// [`Unreadable`]; the frame was intact all the same, so reading can go on behind it.
pub fn decode(payload: &[u8]) -> Result<Record, Unreadable> {
    let mut body = Body(payload);
    let kind = body.byte().ok_or(Unreadable::Body)?;
    let kind = kind_of(kind).ok_or(Unreadable::Kind(kind))?;
    let record = read_record(kind, &mut body).ok_or(Unreadable::Body)?;
    if body.0.is_empty() { Ok(record) } else { Err(Unreadable::Body) }
}

fn kind(entry: &Entry) -> Kind {
    match entry {
        Entry::Evidence(evidence) => match evidence.fact {
            Fact::WentLive { .. } => Kind::WentLive,
            Fact::Published { .. } => Kind::Published,
            Fact::Ended { .. } => Kind::Ended,
            Fact::Session(_) => Kind::Session,
            Fact::Delivered(_) => Kind::Delivered,
            Fact::Attested(_) => Kind::Attested,
            Fact::Judged { .. } => Kind::Judged,
        },
        Entry::Final { .. } => Kind::Final,
        Entry::SnapshotBegin { .. } => Kind::SnapshotBegin,
        Entry::SnapshotEnd { .. } => Kind::SnapshotEnd,
    }
}

fn kind_of(number: u8) -> Option<Kind> {
    Some(match number {
        1 => Kind::WentLive,
        2 => Kind::Published,
        3 => Kind::Ended,
        4 => Kind::Session,
        5 => Kind::Delivered,
        6 => Kind::Attested,
        7 => Kind::Judged,
        8 => Kind::Final,
        9 => Kind::SnapshotBegin,
        10 => Kind::SnapshotEnd,
        _ => return None,
    })
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    match entry {
        Entry::Evidence(Evidence { show, fact }) => {
            put(out, show.0);
            put_fact(out, fact);
        }
        Entry::Final { show, record } => {
            put(out, show.0);
            put(out, u64::from(record.number));
            put_signed(out, record.at_ms);
            for figure in record.figures.to_numbers() {
                put(out, figure);
            }
            let reason = record.reason.as_deref().unwrap_or("");
            put(out, reason.len() as u64);
            out.extend_from_slice(reason.as_bytes());
        }
        Entry::SnapshotBegin { positions } => positions.encode(out),
        Entry::SnapshotEnd { entries } => put(out, *entries),
    }
}

fn put_fact(out: &mut Vec<u8>, fact: &Fact) {
    match fact {
        Fact::WentLive { at_ms } | Fact::Ended { at_ms } => put_signed(out, *at_ms),
        Fact::Published { media } => put_interval(out, *media),
        Fact::Session(session) => {
            put(out, session.id.0);
            put_signed(out, session.started_at_ms);
            out.push(u8::from(session.basis == Basis::Cached));
            out.push(u8::from(session.viewer.is_some()));
            if let Some(ViewerKey(key)) = session.viewer {
                out.extend_from_slice(&key.to_le_bytes());
            }
        }
        Fact::Delivered(delivered) => {
            put(out, delivered.session.0);
            out.push(u8::from(delivered.kind == DeliveryKind::Playlist));
            put_interval(out, delivered.media);
        }
        Fact::Attested(attested) => {
            put(out, attested.session.0);
            out.push(u8::from(attested.source == Source::Cmcd));
            out.push(attested.attention as u8);
            put_interval(out, attested.media);
            // Both axes are milliseconds since 1970, and live: their difference is short.
            put_signed(out, attested.wall.start_ms() - attested.media.start_ms());
            put(out, attested.wall.length_ms());
        }
        Fact::Judged { session, verdict } => {
            put(out, session.0);
            put(out, u64::from(verdict.revision));
            out.push(u8::from(verdict.invalid));
            put(out, u64::from(verdict.reason));
        }
    }
}

fn read_record(kind: Kind, body: &mut Body<'_>) -> Option<Record> {
    let node = NodeId(body.small()?);
    let position = Position { node, epoch: body.unsigned()?, sequence: body.unsigned()? };
    let at_ms = body.signed()?;
    let entry = match kind {
        Kind::Final => {
            let show = ShowId(body.unsigned()?);
            Entry::Final { show, record: read_final(body)? }
        }
        Kind::SnapshotBegin => Entry::SnapshotBegin { positions: Positions::decode(body)? },
        Kind::SnapshotEnd => Entry::SnapshotEnd { entries: body.unsigned()? },
        _ => {
            let show = ShowId(body.unsigned()?);
            Entry::Evidence(Evidence { show, fact: read_fact(kind, body)? })
        }
    };
    Some(Record { position, at_ms, entry })
}

fn read_fact(kind: Kind, body: &mut Body<'_>) -> Option<Fact> {
    Some(match kind {
        Kind::WentLive => Fact::WentLive { at_ms: body.signed()? },
        Kind::Ended => Fact::Ended { at_ms: body.signed()? },
        Kind::Published => Fact::Published { media: body.interval()? },
        Kind::Session => {
            let (id, started_at_ms) = (SessionId(body.unsigned()?), body.signed()?);
            let basis = if body.flag()? { Basis::Cached } else { Basis::Direct };
            let viewer = if body.flag()? {
                Some(ViewerKey(u128::from_le_bytes(body.take(16)?.try_into().ok()?)))
            } else {
                None
            };
            Fact::Session(PlaybackSession { id, viewer, started_at_ms, basis })
        }
        Kind::Delivered => {
            let session = SessionId(body.unsigned()?);
            let kind = if body.flag()? { DeliveryKind::Playlist } else { DeliveryKind::Media };
            Fact::Delivered(Delivered { session, kind, media: body.interval()? })
        }
        Kind::Attested => {
            let session = SessionId(body.unsigned()?);
            let source = if body.flag()? { Source::Cmcd } else { Source::Player };
            let attention = *Attention::ALL.get(usize::from(body.byte()?))?;
            let media = body.interval()?;
            let start_ms = media.start_ms().checked_add(body.signed()?)?;
            let end_ms = start_ms.checked_add_unsigned(body.unsigned()?)?;
            let wall = crate::Interval::new(start_ms, end_ms)?;
            Fact::Attested(Attested { session, source, attention, media, wall })
        }
        Kind::Judged => {
            let session = SessionId(body.unsigned()?);
            let (revision, invalid, reason) = (body.small()?, body.flag()?, body.small()?);
            Fact::Judged { session, verdict: Verdict { revision, invalid, reason } }
        }
        Kind::Final | Kind::SnapshotBegin | Kind::SnapshotEnd => return None,
    })
}

fn read_final(body: &mut Body<'_>) -> Option<FinalRecord> {
    let (number, at_ms) = (body.small()?, body.signed()?);
    let mut numbers = [0; Figures::COUNT];
    for figure in &mut numbers {
        *figure = body.unsigned()?;
    }
    let length = body.small().filter(|&length| length <= REASON_BYTES_MAX)?;
    let reason = std::str::from_utf8(body.take(length)?).ok()?;
    let reason = (!reason.is_empty()).then(|| reason.into());
    Some(FinalRecord { number, at_ms, figures: Figures::from_numbers(numbers), reason })
}
