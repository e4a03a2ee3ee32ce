//! AV1 (RTP Payload Format For AV1, version 1.0).
//!
//! Every payload is an aggregation header and OBU elements without size fields (section 4.4, 4.5). Units
//! short enough for the prefix (a sequence header, metadata) travel there, in front of a longer one.

use bytes::Bytes;
use tally_media::Frame;
use tally_media::obu::{self, TEMPORAL_DELIMITER};

use super::payloads::{Payloads, PrefixBytes};
use super::{PREFIX_BYTES_MAX, Prefix};

/// `OBU_TILE_LIST`: must not be sent (section 5).
const TILE_LIST: u8 = 8;
/// `OBU_PADDING`: bytes for nothing.
const PADDING: u8 = 15;
/// Bytes of `av1C` before its OBUs.
const RECORD_HEAD_BYTES: usize = 4;
/// Aggregation header: the first element continues one of the payload before.
const Z: u8 = 0x80;
/// Aggregation header: the last element continues in the next payload.
const Y: u8 = 0x40;
/// Aggregation header: a new coded video sequence starts.
const N: u8 = 0x08;
/// Most elements that the W field can count.
const COUNTED_MAX: usize = 3;

/// What stands in front of keyframes that lack it.
#[derive(Clone, Debug)]
pub(super) struct Head {
    sequence_header: Option<Bytes>,
}

/// Elements copied into the next prefix, each with its length in front.
struct Waiting {
    bytes: [u8; PREFIX_BYTES_MAX],
    len: usize,
    count: usize,
}

impl Head {
    /// From an `av1C` record.
    pub(super) fn of(record: &Bytes) -> Self {
        let obus = record.get(RECORD_HEAD_BYTES..).unwrap_or_default();
        let header = obu::sequence_header(obus).ok().flatten();
        Self { sequence_header: header.map(|header| record.slice_ref(header)) }
    }

    /// Adds the payloads of a temporal unit. Never disposable: which frames a unit refreshes can only
    /// be read with the whole state of the sequence.
    pub(super) fn packetize(&self, frame: &Frame, out: &mut Payloads) -> Option<bool> {
        let mut writer = Writer {
            out,
            waiting: Waiting::empty(),
            new_sequence: if frame.keyframe { N } else { 0 },
        };
        if frame.keyframe
            && obu::sequence_header(&frame.payload).ok()?.is_none()
            && let Some(header) = &self.sequence_header
        {
            writer.put_unit(header)?;
        }
        let mut has_any = false;
        for unit in obu::walk(&frame.payload) {
            let unit = unit.ok()?;
            if !matches!(unit.kind, TEMPORAL_DELIMITER | TILE_LIST | PADDING) {
                has_any = true;
                writer.put_unit(&frame.payload.slice(unit.range))?;
            }
        }
        writer.flush()?;
        has_any.then_some(false)
    }
}

struct Writer<'a> {
    out: &'a mut Payloads,
    waiting: Waiting,
    /// [`N`] until the first payload has it.
    new_sequence: u8,
}

impl Writer<'_> {
    /// Adds one OBU, given with header and, mostly, size field.
    fn put_unit(&mut self, unit: &Bytes) -> Option<()> {
        const HAS_SIZE: u8 = 0x02;
        const HAS_EXTENSION: u8 = 0x04;
        let parsed = obu::walk(unit).next()?.ok()?;
        let payload = unit.slice_ref(parsed.payload);
        let header = [unit[0] & !HAS_SIZE, unit.get(1).copied().unwrap_or(0)];
        let header = &header[..1 + usize::from(unit[0] & HAS_EXTENSION != 0)];
        if self.waiting.put(header, &payload) {
            return Some(());
        }
        if !self.waiting.leaves_room_for(header) {
            self.flush()?;
            if self.waiting.put(header, &payload) {
                return Some(());
            }
        }
        self.push_cut(header, &payload)
    }

    /// The waiting elements and this one, which is the last of its payload and so has no length.
    fn push_cut(&mut self, header: &[u8], payload: &Bytes) -> Option<()> {
        let in_front = std::mem::replace(&mut self.waiting, Waiting::empty());
        let new_sequence = std::mem::take(&mut self.new_sequence);
        #[expect(clippy::cast_possible_truncation, reason = "below COUNTED_MAX")]
        let counted = (in_front.count as u8 + 1) << 4;
        let first = 1 + in_front.len + header.len();
        self.out.push_cut(payload, PrefixBytes { first, next: 1 }, None, |piece| {
            let continues = if piece.is_last { 0 } else { Y };
            if !piece.is_first {
                return Prefix::new(&[Z | continues | 1 << 4]);
            }
            let mut prefix = [0; PREFIX_BYTES_MAX];
            prefix[0] = continues | counted | new_sequence;
            prefix[1..=in_front.len].copy_from_slice(&in_front.bytes[..in_front.len]);
            prefix[1 + in_front.len..first].copy_from_slice(header);
            Prefix::new(&prefix[..first])
        })
    }

    /// A payload of the waiting elements alone: W is 0, each has its length.
    fn flush(&mut self) -> Option<()> {
        let waiting = std::mem::replace(&mut self.waiting, Waiting::empty());
        if waiting.count == 0 {
            return Some(());
        }
        let mut prefix = [0; PREFIX_BYTES_MAX];
        prefix[0] = std::mem::take(&mut self.new_sequence);
        prefix[1..=waiting.len].copy_from_slice(&waiting.bytes[..waiting.len]);
        self.out.push(&prefix[..=waiting.len], Bytes::new())
    }
}

impl Waiting {
    const fn empty() -> Self {
        Self { bytes: [0; PREFIX_BYTES_MAX], len: 0, count: 0 }
    }

    /// Takes a short element; `false` where it is too long or there is no room.
    fn put(&mut self, header: &[u8], payload: &[u8]) -> bool {
        let bytes = header.len() + payload.len();
        let end = self.len + 1 + bytes;
        // One byte stays for the aggregation header, and one element for what comes after.
        if end >= PREFIX_BYTES_MAX || self.count + 1 >= COUNTED_MAX {
            return false;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "shorter than a prefix: one LEB128 byte"
        )]
        {
            self.bytes[self.len] = bytes as u8;
        }
        let (head, body) = self.bytes[self.len + 1..end].split_at_mut(header.len());
        head.copy_from_slice(header);
        body.copy_from_slice(payload);
        self.len = end;
        self.count += 1;
        true
    }

    /// Whether a prefix can hold what waits and the header of a longer element.
    const fn leaves_room_for(&self, header: &[u8]) -> bool {
        1 + self.len + header.len() <= PREFIX_BYTES_MAX
    }
}
