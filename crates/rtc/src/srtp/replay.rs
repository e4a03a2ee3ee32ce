//! Which packets were there already (RFC 3711 section 3.3.2), and which index a sequence number
//! means (section 3.3.1 and appendix A).

/// Packets behind the highest one that are told apart from replays; older ones are refused. A
/// second of a 10 Mbit/s picture, which retransmission does not exceed.
pub const REPLAY_WINDOW_PACKETS: u64 = 1024;

const WORD_BITS: u64 = u64::BITS as u64;
const WORDS: usize = (REPLAY_WINDOW_PACKETS / WORD_BITS) as usize;

/// Half of all sequence numbers.
const HALF: u64 = 1 << 15;

/// Why an index is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Replayed,
    TooOld,
}

/// What was received of one source.
#[derive(Clone, Debug, Default)]
pub(super) struct ReplayWindow {
    highest: Option<u64>,
    /// A ring of bits, by index modulo [`REPLAY_WINDOW_PACKETS`].
    seen: [u64; WORDS],
}

impl ReplayWindow {
    /// The index a packet with this sequence number most likely has, if it can have one.
    pub(super) fn estimate(&self, sequence: u16) -> Option<u64> {
        let sequence = u64::from(sequence);
        let Some(highest) = self.highest else { return Some(sequence) };
        let (roc, last) = (highest >> 16, highest & 0xFFFF);
        let roc = if last < HALF {
            if sequence > last + HALF { roc.checked_sub(1)? } else { roc }
        } else if last - HALF > sequence {
            roc + 1
        } else {
            roc
        };
        (roc <= u32::MAX.into()).then_some(roc << 16 | sequence)
    }

    /// Whether a packet with this index may be opened.
    pub(super) fn check(&self, index: u64) -> Result<(), Refused> {
        match self.highest {
            Some(highest) if index + REPLAY_WINDOW_PACKETS <= highest => Err(Refused::TooOld),
            Some(highest) if index <= highest && self.has(index) => Err(Refused::Replayed),
            _ => Ok(()),
        }
    }

    /// Takes note of a packet that was opened, after [`Self::check`].
    pub(super) fn accept(&mut self, index: u64) {
        let highest = self.highest.unwrap_or(index);
        if index > highest {
            if index - highest >= REPLAY_WINDOW_PACKETS {
                self.seen = [0; WORDS];
            } else {
                (highest + 1..index).for_each(|skipped| self.set(skipped, false));
            }
        }
        self.set(index, true);
        self.highest = Some(highest.max(index));
    }

    fn has(&self, index: u64) -> bool {
        let (word, bit) = place(index);
        self.seen[word] & bit != 0
    }

    fn set(&mut self, index: u64, seen: bool) {
        let (word, bit) = place(index);
        if seen { self.seen[word] |= bit } else { self.seen[word] &= !bit }
    }
}

fn place(index: u64) -> (usize, u64) {
    let at = index % REPLAY_WINDOW_PACKETS;
    ((at / WORD_BITS) as usize, 1 << (at % WORD_BITS))
}
