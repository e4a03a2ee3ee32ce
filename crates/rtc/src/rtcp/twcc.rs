//! Transport-wide congestion control feedback: when each packet arrived
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1).

use super::{half, word};

/// Packets one report may speak of: a second of 40 Mbit/s. Reports come many times a second; a count
/// beyond this is hostile, and such a report is ignored.
pub const TWCC_PACKETS_MAX: usize = 4_096;

/// Microseconds in the unit arrivals are told in.
pub const TICK_US: i64 = 250;

/// Longest run of one run-length chunk: 13 bits.
const RUN_MAX: usize = 0x1fff;

/// Status symbols of section 3.1.1.
const LOST: u8 = 0;
const SMALL: u8 = 1;
const LARGE: u8 = 2;

/// What one report says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TwccFeedback {
    /// The receiver's clock in units of 64 ms, 24 bits, from which arrivals count.
    pub reference: u32,
    /// Each packet in order: transport-wide sequence number, and its arrival in microseconds after
    /// the reference time if it arrived.
    pub packets: Vec<(u16, Option<i64>)>,
}

impl TwccFeedback {
    /// Reads what follows the SSRCs; nothing where it is cut short or speaks of too many packets.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let (base, count) = (half(body, 0)?, usize::from(half(body, 2)?));
        if count > TWCC_PACKETS_MAX {
            return None;
        }
        let reference = word(body, 4)? >> 8;
        let (symbols, mut deltas) = read_chunks(body.get(8..)?, count)?;
        let (mut sequence, mut arrival_us) = (base, 0);
        let mut packets = Vec::with_capacity(count);
        for symbol in symbols {
            let delta = match symbol {
                SMALL => {
                    let (&[delta], rest) = deltas.split_first_chunk()?;
                    deltas = rest;
                    Some(i64::from(delta))
                }
                LARGE => {
                    let (&delta, rest) = deltas.split_first_chunk()?;
                    deltas = rest;
                    Some(i64::from(i16::from_be_bytes(delta)))
                }
                _ => None,
            };
            arrival_us += delta.unwrap_or_default() * TICK_US;
            packets.push((sequence, delta.map(|_| arrival_us)));
            sequence = sequence.wrapping_add(1);
        }
        Some(Self { reference, packets })
    }

    /// Writes what follows the SSRCs; `count` numbers the reports. Packets go on by one, and arrivals
    /// lie at most 8 s apart: further ones are moved.
    pub(super) fn write(&self, count: u8, out: &mut Vec<u8>) {
        let base = self.packets.first().map_or(0, |it| it.0);
        let (mut symbols, mut deltas) = (Vec::with_capacity(self.packets.len()), Vec::new());
        let mut before = 0;
        for (_, arrival) in &self.packets {
            let Some(arrival_us) = arrival else {
                symbols.push(LOST);
                continue;
            };
            let delta = arrival_us / TICK_US - before;
            if let Ok(small) = u8::try_from(delta) {
                symbols.push(SMALL);
                deltas.push(small);
            } else {
                let large = i16::try_from(delta.clamp(i16::MIN.into(), i16::MAX.into()));
                symbols.push(LARGE);
                deltas.extend(large.unwrap_or_default().to_be_bytes());
            }
            before += delta;
        }
        out.extend(base.to_be_bytes());
        out.extend(u16::try_from(symbols.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend(&self.reference.to_be_bytes()[1..]);
        out.push(count);
        write_chunks(&symbols, out);
        out.extend(deltas);
    }
}

/// Sections 3.1.2 to 3.1.4: `count` symbols, and the bytes after their chunks.
fn read_chunks(mut bytes: &[u8], count: usize) -> Option<(Vec<u8>, &[u8])> {
    let mut symbols = Vec::with_capacity(count);
    while symbols.len() < count {
        let (&chunk, rest) = bytes.split_first_chunk()?;
        let chunk = u16::from_be_bytes(chunk);
        bytes = rest;
        let symbol = |places: u16| (chunk >> places & 3).to_be_bytes()[1];
        match chunk >> 14 {
            0 | 1 => {
                let run = usize::from(chunk & 0x1fff).min(count - symbols.len());
                if run == 0 {
                    return None;
                }
                symbols.resize(symbols.len() + run, symbol(13));
            }
            2 => symbols.extend((0..14).rev().map(|place| symbol(place) & 1)),
            _ => symbols.extend((0..7).rev().map(|pair| symbol(2 * pair))),
        }
    }
    symbols.truncate(count);
    Some((symbols, bytes))
}

/// Runs where they pay, else vectors of 14 or 7 symbols.
fn write_chunks(mut symbols: &[u8], out: &mut Vec<u8>) {
    while let Some(&first) = symbols.first() {
        let run = symbols.iter().take(RUN_MAX).take_while(|&&symbol| symbol == first).count();
        let ahead = &symbols[..symbols.len().min(14)];
        let (chunk, taken) = if run >= 14 || run == symbols.len() {
            #[expect(clippy::cast_possible_truncation, reason = "at most RUN_MAX")]
            (u16::from(first) << 13 | run as u16, run)
        } else if ahead.iter().all(|&symbol| symbol != LARGE) {
            (0x8000 | vector(ahead, 14, 1), ahead.len())
        } else {
            let ahead = &ahead[..ahead.len().min(7)];
            (0xc000 | vector(ahead, 7, 2), ahead.len())
        };
        out.extend(chunk.to_be_bytes());
        symbols = &symbols[taken..];
    }
}

/// Symbols of `bits` each, the first on the left of `places`.
fn vector(symbols: &[u8], places: usize, bits: usize) -> u16 {
    let packed = symbols.iter().fold(0, |packed, &symbol| packed << bits | u16::from(symbol));
    packed << ((places - symbols.len()) * bits)
}
