//! Compound packets read, message by message.

use super::{
    BLOCK_DELAYS, EXTENDED_REPORT, FORMAT_FIR, FORMAT_NACK, FORMAT_PLI, FORMAT_REMB, FORMAT_TWCC,
    GOODBYE, PAYLOAD_FEEDBACK, RECEIVER_REPORT, ReportBlock, SENDER_REPORT, TRANSPORT_FEEDBACK,
    TwccFeedback, array, half, word,
};

/// Packets one NACK message may ask for: more than a history holds is never of use.
pub const NACKS_MAX: usize = 1_024;

/// One thing a peer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Wall clock and RTP clock of one SSRC at the same instant (RFC 3550 section 6.4.1).
    SenderReport {
        /// Whose.
        ssrc: u32,
        /// Wall clock: seconds since 1900 in the upper 32 bits, fractions in the lower.
        ntp: u64,
        /// RTP clock.
        timestamp: u32,
    },
    /// What arrived of one of our streams (section 6.4.1).
    Report(ReportBlock),
    /// These SSRCs send no more (section 6.6).
    Goodbye {
        /// Whose, as far as told.
        ssrcs: Vec<u32>,
    },
    /// Packets that are missing (RFC 4585 section 6.2.1).
    Nack {
        /// Of this stream.
        ssrc: u32,
        /// RTP sequence numbers, at most [`NACKS_MAX`].
        sequences: Vec<u16>,
    },
    /// When which packet arrived.
    Twcc(TwccFeedback),
    /// The peer's own estimate of the path (REMB).
    Remb {
        /// Bits per second.
        bps: u64,
    },
    /// PLI or FIR: a decoder is stuck (RFC 4585 section 6.3.1, RFC 5104 section 4.3.1).
    KeyframeWanted {
        /// The stream.
        ssrc: u32,
    },
    /// The answer to a receiver reference time (RFC 3611 section 4.5).
    Delay {
        /// To whom.
        ssrc: u32,
        /// Middle 32 bits of the NTP time answered; 0 where none came yet.
        last: u32,
        /// Since then, in 1/65,536 s.
        delay: u32,
    },
}

/// Reads the messages of a compound packet one after the other. What is malformed or unknown is
/// skipped; after a header that does not fit nothing more is read. There are never more messages than
/// words.
pub fn read(compound: &[u8]) -> impl Iterator<Item = Message> {
    let mut rest = compound;
    std::iter::from_fn(move || {
        let (packet, after) = split_block(rest).filter(|(packet, _)| packet[0] >> 6 == 2)?;
        rest = after;
        let mut messages = Vec::new();
        read_packet(packet[0] & 31, packet[1], &packet[4..], &mut messages);
        Some(messages)
    })
    .flatten()
}

/// Splits after what begins with a word whose lower half counts the words that follow: packets are
/// made so, and the blocks of extended reports.
fn split_block(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked((usize::from(half(bytes, 2)?) + 1) * 4)
}

fn read_packet(count: u8, kind: u8, body: &[u8], out: &mut Vec<Message>) {
    let counted = usize::from(count);
    let reports = |from: usize| {
        let blocks = body.get(from..).unwrap_or_default().chunks_exact(ReportBlock::BYTES);
        blocks.take(counted).map(|block| Message::Report(ReportBlock::from_bytes(block)))
    };
    match (kind, count) {
        (SENDER_REPORT, _) => {
            out.extend(sender_report(body));
            out.extend(reports(24));
        }
        (RECEIVER_REPORT, _) => out.extend(reports(4)),
        (GOODBYE, _) => {
            let ssrcs = body.chunks_exact(4).take(counted).filter_map(|it| word(it, 0)).collect();
            out.push(Message::Goodbye { ssrcs });
        }
        (TRANSPORT_FEEDBACK, FORMAT_NACK) => out.extend(nack(body)),
        (TRANSPORT_FEEDBACK, FORMAT_TWCC) => {
            out.extend(body.get(8..).and_then(TwccFeedback::read).map(Message::Twcc));
        }
        (PAYLOAD_FEEDBACK, FORMAT_PLI) => {
            out.extend(word(body, 4).map(|ssrc| Message::KeyframeWanted { ssrc }));
        }
        (PAYLOAD_FEEDBACK, FORMAT_FIR) => {
            out.extend(word(body, 8).map(|ssrc| Message::KeyframeWanted { ssrc }));
        }
        (PAYLOAD_FEEDBACK, FORMAT_REMB) => out.extend(remb(body)),
        (EXTENDED_REPORT, _) => delays(body.get(4..).unwrap_or_default(), out),
        _ => {}
    }
}

fn sender_report(body: &[u8]) -> Option<Message> {
    let ntp = u64::from_be_bytes(array(body, 4)?);
    Some(Message::SenderReport { ssrc: word(body, 0)?, ntp, timestamp: word(body, 12)? })
}

fn nack(body: &[u8]) -> Option<Message> {
    let ssrc = word(body, 4)?;
    let mut sequences = Vec::new();
    for pair in body.get(8..)?.chunks_exact(4) {
        let (first, mask) = (half(pair, 0)?, half(pair, 2)?);
        sequences.push(first);
        let more = (0..16).filter(|bit| mask >> bit & 1 == 1);
        sequences.extend(more.map(|bit| first.wrapping_add(bit + 1)));
        if sequences.len() >= NACKS_MAX {
            break;
        }
    }
    sequences.truncate(NACKS_MAX);
    Some(Message::Nack { ssrc, sequences })
}

fn remb(body: &[u8]) -> Option<Message> {
    if body.get(8..12)? != b"REMB" {
        return None;
    }
    let packed = word(body, 12)?;
    let (exponent, mantissa) = ((packed >> 18) & 63, u64::from(packed & 0x3_ffff));
    let bps = mantissa.saturating_mul(1_u64.checked_shl(exponent)?);
    Some(Message::Remb { bps })
}

fn delays(mut blocks: &[u8], out: &mut Vec<Message>) {
    while let Some((block, rest)) = split_block(blocks) {
        blocks = rest;
        let parts = block[4..].chunks_exact(12).filter(|_| block[0] == BLOCK_DELAYS);
        out.extend(parts.filter_map(|part| {
            let (ssrc, last, delay) = (word(part, 0)?, word(part, 4)?, word(part, 8)?);
            Some(Message::Delay { ssrc, last, delay })
        }));
    }
}
