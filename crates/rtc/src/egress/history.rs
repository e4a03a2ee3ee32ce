//! What one stream of one viewer sent lately, so that a NACK can be answered (RFC 4585, RFC 4588).
//!
//! Payloads are shared by all viewers: an entry is a reference to the frame and a few numbers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::unwrap_near;
use crate::packetize::PacketizedFrame;

/// Packets kept: two seconds of 5 Mbit/s. What a faster stream loses earlier is asked for earlier too.
pub const HISTORY_PACKETS_MAX: usize = 1_024;

/// Age beyond which nobody plays a packet any more: it would only take room from newer ones.
pub const HISTORY_AGE_MAX: Duration = Duration::from_secs(2);

/// A packet is sent again at most once in this time even where the round trip is shorter: receivers
/// repeat a NACK before the first answer can have come.
pub const RESEND_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// A packet as it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The frame it is of.
    pub frame: Arc<PacketizedFrame>,
    /// Which of its payloads.
    pub payload: usize,
    /// RTP timestamp, with this viewer's offset.
    pub timestamp: u32,
    /// Picture id given to it, for codecs that have one.
    pub picture_id: Option<u16>,
    /// When it was sent first.
    pub at: Instant,
}

/// What becomes of a request for a packet.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Send it again: its own sequence number goes in front of the payload (RFC 4588, section 4).
    Resend(u64, Sent),
    /// It was sent again less than a round trip ago.
    TooSoon,
    /// It is no longer, or never was, here.
    Missing,
}

/// The last packets of one stream.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Sequence number of the oldest entry; entries have no holes.
    first: u64,
    entries: VecDeque<(Sent, Option<Instant>)>,
    misses: u64,
}

impl History {
    /// Nothing sent yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many packets were asked for that were no longer here.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.misses
    }

    /// The newest packet and its sequence number.
    #[must_use]
    pub fn newest(&self) -> Option<(u64, &Sent)> {
        let (sent, _) = self.entries.back()?;
        Some((self.first + self.entries.len() as u64 - 1, sent))
    }

    /// Keeps a packet. Sequence numbers come without holes; one that does not starts anew.
    pub fn push(&mut self, sequence: u64, sent: Sent) {
        let expected = self.first + self.entries.len() as u64;
        if sequence != expected {
            self.entries.clear();
            self.first = sequence;
        }
        while self.entries.len() >= HISTORY_PACKETS_MAX || self.oldest_is_stale(sent.at) {
            self.entries.pop_front();
            self.first += 1;
        }
        if self.entries.is_empty() {
            self.first = sequence;
        }
        self.entries.push_back((sent, None));
    }

    /// Answers a request for a 16-bit sequence number, where `round_trip` is the last one measured.
    pub fn request(&mut self, sequence: u16, round_trip: Duration, now: Instant) -> Answer {
        let newest = self.first + self.entries.len() as u64;
        let found = unwrap_near(newest, sequence)
            .and_then(|it| Some((it, usize::try_from(it.checked_sub(self.first)?).ok()?)))
            .and_then(|(it, index)| Some((it, self.entries.get_mut(index)?)));
        let Some((extended, (sent, resent_at))) = found else {
            self.misses += 1;
            return Answer::Missing;
        };
        if now.saturating_duration_since(sent.at) > HISTORY_AGE_MAX {
            self.misses += 1;
            return Answer::Missing;
        }
        let interval = round_trip.max(RESEND_INTERVAL_MIN);
        if resent_at.is_some_and(|at| now.saturating_duration_since(at) < interval) {
            return Answer::TooSoon;
        }
        *resent_at = Some(now);
        Answer::Resend(extended, sent.clone())
    }

    fn oldest_is_stale(&self, now: Instant) -> bool {
        self.entries
            .front()
            .is_some_and(|(it, _)| now.saturating_duration_since(it.at) > HISTORY_AGE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::testing::{anchor, frame};

    const ROUND_TRIP: Duration = Duration::from_millis(100);

    fn sent(at: Instant) -> Sent {
        Sent { frame: Arc::new(frame(0, 1)), payload: 0, timestamp: 0, picture_id: None, at }
    }

    #[test]
    fn a_packet_is_found_over_a_wrap_and_sent_again_once_a_round_trip() {
        let (mut history, start) = (History::new(), anchor());
        for sequence in 0xfffe..0x1_0003 {
            history.push(sequence, sent(start));
        }
        let at = |ms| start + Duration::from_millis(ms);
        assert!(matches!(history.request(0xffff, ROUND_TRIP, at(1)), Answer::Resend(0xffff, _)));
        assert!(matches!(history.request(1, ROUND_TRIP, at(1)), Answer::Resend(0x1_0001, _)));
        assert!(matches!(history.request(1, ROUND_TRIP, at(100)), Answer::TooSoon));
        assert!(matches!(history.request(1, ROUND_TRIP, at(101)), Answer::Resend(..)));
        assert!(matches!(history.request(3, ROUND_TRIP, at(101)), Answer::Missing));
        assert!(matches!(history.request(0xfffd, ROUND_TRIP, at(101)), Answer::Missing));
        assert_eq!(history.misses(), 2);
    }

    #[test]
    fn old_packets_go_by_count_and_by_age() {
        let (mut history, start) = (History::new(), anchor());
        for sequence in 0..2_000 {
            history.push(sequence, sent(start));
        }
        assert_eq!((history.entries.len(), history.first), (HISTORY_PACKETS_MAX, 976));
        let later = start + HISTORY_AGE_MAX + Duration::from_millis(1);
        assert!(matches!(history.request(1_999, ROUND_TRIP, later), Answer::Missing));
        history.push(2_000, sent(later));
        assert_eq!((history.entries.len(), history.first), (1, 2_000));
    }
}
