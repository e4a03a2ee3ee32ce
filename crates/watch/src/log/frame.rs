//! Framing: where records begin and end, and what is damaged.

use crc::{CRC_32_ISCSI, Crc, Table};

/// The first bytes of every record.
pub const MAGIC: [u8; 4] = *b"WTL1";

/// Payload bytes of a record. The largest is a snapshot's head with [`NODES_MAX`](super::NODES_MAX)
/// positions of at most 25 bytes each.
pub const RECORD_BYTES_MAX: usize = 32 * 1_024;

const HEADER_BYTES: usize = 12;

/// CRC-32C finds all burst errors of up to 32 bits and has no blind spot for a page of zeros, which is
/// what file systems leave behind after a power cut.
const CHECKSUM: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Appends one frame around what `payload` writes.
pub(super) fn write(out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0; 8]);
    payload(out);
    let length = u32::try_from(out.len() - start - HEADER_BYTES).unwrap_or(u32::MAX).to_le_bytes();
    let checksum = checksum(length, &out[start + HEADER_BYTES..]);
    out[start + 4..start + 8].copy_from_slice(&length);
    out[start + 8..start + 12].copy_from_slice(&checksum.to_le_bytes());
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut digest = CHECKSUM.digest();
    digest.update(&length);
    digest.update(payload);
    digest.finalize()
}

/// The payload of an intact frame at the start of `bytes`, and the frame's length.
fn intact(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    let (magic, rest) = header.split_first_chunk::<4>()?;
    let (length_bytes, checksum_bytes) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length_bytes)).ok()?;
    if *magic != MAGIC || length > RECORD_BYTES_MAX {
        return None;
    }
    let payload = bytes.get(HEADER_BYTES..HEADER_BYTES + length)?;
    let expected = u32::from_le_bytes(checksum_bytes.try_into().ok()?);
    (checksum(*length_bytes, payload) == expected).then_some((payload, HEADER_BYTES + length))
}

/// Payloads of the intact records of a piece of log, in order. Never panics; skips damage.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
    tail: Tail,
}

/// What a reader found beside intact records, so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// Up to here the input ends with an intact record: where to truncate and append.
    pub intact_bytes: usize,
    /// Bytes after that which are no intact record: a write a crash cut short.
    pub torn_bytes: usize,
    /// Records begun in them.
    pub torn_records: usize,
    /// Stretches of damage that intact records follow: not a crash but a faulty disk or hand.
    pub damages: usize,
    /// The bytes of those.
    pub damaged_bytes: usize,
}

impl<'a> Frames<'a> {
    /// Reads a piece of log from its first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, tail: Tail::default() }
    }

    /// What was found beside records; complete once the iterator has ended.
    #[must_use]
    pub fn tail(&self) -> Tail {
        self.tail
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let found = match intact(rest) {
            Some(found) => Some((0, found)),
            None => magics(rest).find_map(|at| Some((at, intact(&rest[at..])?))),
        };
        let Some((skipped, (payload, length))) = found else {
            self.tail.torn_bytes = rest.len();
            self.tail.torn_records = magics(rest).count();
            self.at = self.bytes.len();
            return None;
        };
        self.tail.damages += usize::from(skipped > 0);
        self.tail.damaged_bytes += skipped;
        self.at += skipped + length;
        self.tail.intact_bytes = self.at;
        Some(payload)
    }
}

/// Where records may begin.
fn magics(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.windows(MAGIC.len()).enumerate().filter(|(_, it)| *it == MAGIC).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(payloads: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for payload in payloads {
            write(&mut out, |out| out.extend_from_slice(payload));
        }
        out
    }

    fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, Tail) {
        let mut frames = Frames::new(bytes);
        let payloads = frames.by_ref().map(<[u8]>::to_vec).collect();
        (payloads, frames.tail())
    }

    #[test]
    fn a_tail_torn_anywhere_leaves_the_records_before_it() {
        let whole = log(&[b"one", b"two", b"three"]);
        let second = log(&[b"one", b"two"]).len();
        for cut in second + 1..whole.len() {
            let (payloads, tail) = read(&whole[..cut]);
            assert_eq!(payloads, [b"one", b"two"]);
            assert_eq!((tail.intact_bytes, tail.torn_bytes), (second, cut - second));
            assert_eq!(tail.torn_records, usize::from(cut >= second + MAGIC.len()));
            assert_eq!(tail.damages, 0);
        }
    }

    #[test]
    fn a_page_of_zeros_is_torn() {
        let mut bytes = log(&[b"one"]);
        let intact_bytes = bytes.len();
        bytes.resize(intact_bytes + 4_096, 0);
        let expected = Tail { intact_bytes, torn_bytes: 4_096, ..Tail::default() };
        assert_eq!(read(&bytes), (vec![b"one".to_vec()], expected));
    }

    #[test]
    fn every_flipped_bit_is_found_and_what_follows_is_kept() {
        let first = log(&[b"one"]).len();
        let whole = log(&[b"one", b"two", b"three"]);
        let second = whole.len() - log(&[b"three"]).len();
        for bit in first * 8..second * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (payloads, tail) = read(&bytes);
            assert_eq!(payloads, [b"one".to_vec(), b"three".to_vec()]);
            assert_eq!((tail.damages, tail.damaged_bytes), (1, second - first));
            assert_eq!((tail.intact_bytes, tail.torn_bytes), (whole.len(), 0));
        }
    }
}
