//! One direction of a link, in times that are passed in.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Most datagrams under way: far more than the tests' rates put into their delays. More are lost,
/// and counted as such.
const UNDER_WAY_MAX: usize = 4_096;

/// What happens to datagrams on their way. The default is a perfect wire.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Conditions {
    /// Share of datagrams lost, from 0 to 1.
    pub loss: f64,
    /// Mean length of a run of losses (Gilbert's model). Up to 1, each is lost for itself.
    pub burst: f64,
    /// Time under way.
    pub delay: Duration,
    /// Up to so much is added to it, evenly spread.
    pub jitter: Duration,
    /// Whether a datagram may overtake another, as far as jitter lets it.
    pub reorders: bool,
    /// A bottleneck before the delay.
    pub bottleneck: Option<Bottleneck>,
}

/// A rate, and the queue before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bottleneck {
    /// Bits a second.
    pub bps: u64,
    /// Longest wait in the queue: what would wait longer is dropped.
    pub queue: Duration,
}

/// What a direction has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams taken in.
    pub taken: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Dropped before the bottleneck.
    pub dropped: u64,
    /// Longest wait in the queue.
    pub waited_max: Duration,
}

/// Datagrams under way, ordered by when they arrive.
#[derive(Debug)]
pub(super) struct Pipe<T> {
    random: Random,
    is_losing: bool,
    free_at: Option<Instant>,
    newest: Option<Instant>,
    number: u64,
    under_way: BinaryHeap<Reverse<Parcel<T>>>,
    /// So far.
    pub(super) counts: Counts,
}

#[derive(Debug)]
struct Parcel<T> {
    due: (Instant, u64),
    content: T,
}

impl<T> Pipe<T> {
    /// An empty one. The same seed treats the same datagrams alike.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            is_losing: false,
            free_at: None,
            newest: None,
            number: 0,
            under_way: BinaryHeap::new(),
            counts: Counts::default(),
        }
    }

    /// Takes a datagram of `bytes`, or loses it.
    pub(super) fn push(&mut self, content: T, bytes: usize, conditions: &Conditions, now: Instant) {
        self.counts.taken += 1;
        if self.loses(conditions) || self.under_way.len() == UNDER_WAY_MAX {
            self.counts.lost += 1;
            return;
        }
        let Some(through_at) = self.pass(bytes, conditions.bottleneck, now) else {
            self.counts.dropped += 1;
            return;
        };
        let mut at = through_at + conditions.delay + conditions.jitter.mul_f64(self.random.share());
        if !conditions.reorders {
            at = at.max(self.newest.unwrap_or(at));
            self.newest = Some(at);
        }
        self.number += 1;
        self.under_way.push(Reverse(Parcel { due: (at, self.number), content }));
    }

    /// The next datagram that has arrived.
    pub(super) fn pop(&mut self, now: Instant) -> Option<T> {
        self.next_at().filter(|at| *at <= now)?;
        self.under_way.pop().map(|Reverse(parcel)| parcel.content)
    }

    /// When the next one arrives.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse(parcel)| parcel.due.0)
    }

    fn loses(&mut self, conditions: &Conditions) -> bool {
        let Conditions { loss, burst, .. } = *conditions;
        let chance = match (burst > 1.0, self.is_losing) {
            (false, _) => loss,
            (true, true) => 1.0 - 1.0 / burst,
            (true, false) => loss / (burst * (1.0 - loss)),
        };
        self.is_losing = self.random.share() < chance;
        self.is_losing
    }

    /// When the last bit is through the bottleneck; `None` when the queue is full.
    fn pass(
        &mut self,
        bytes: usize,
        bottleneck: Option<Bottleneck>,
        now: Instant,
    ) -> Option<Instant> {
        let Some(Bottleneck { bps, queue }) = bottleneck else { return Some(now) };
        let starts_at = self.free_at.unwrap_or(now).max(now);
        let waits = starts_at - now;
        if waits > queue {
            return None;
        }
        self.counts.waited_max = self.counts.waited_max.max(waits);
        let through_at = starts_at + Duration::from_secs_f64(bytes as f64 * 8.0 / bps as f64);
        self.free_at = Some(through_at);
        Some(through_at)
    }
}

impl<T> PartialEq for Parcel<T> {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl<T> Eq for Parcel<T> {}

impl<T> PartialOrd for Parcel<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Parcel<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.due.cmp(&other.due)
    }
}

/// SplitMix64.
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// From 0 to 1, without 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait;

    const MS: Duration = Duration::from_millis(1);
    const MANY: u32 = 20_000;

    /// When each of `MANY` datagrams, one a millisecond, arrives; by number.
    fn arrivals(conditions: &Conditions) -> (Vec<(u32, Duration)>, Counts) {
        let (mut pipe, start) = (Pipe::new(7), wait::now());
        let mut arrived = Vec::new();
        for number in 0..MANY {
            let now = start + MS * number;
            while let Some(at) = pipe.next_at().filter(|at| *at <= now) {
                arrived.push((pipe.pop(now).unwrap(), at - start));
            }
            pipe.push(number, 1_000, conditions, now);
        }
        while let Some(at) = pipe.next_at() {
            arrived.push((pipe.pop(at).unwrap(), at - start));
        }
        (arrived, pipe.counts)
    }

    fn delays(arrived: &[(u32, Duration)]) -> (Duration, Duration) {
        let delays = || arrived.iter().map(|(number, at)| *at - MS * *number);
        (delays().min().unwrap(), delays().max().unwrap())
    }

    fn in_order(arrived: &[(u32, Duration)]) -> bool {
        arrived.is_sorted_by_key(|(number, _)| *number)
    }

    #[test]
    fn a_perfect_wire_changes_nothing() {
        let (arrived, counts) = arrivals(&Conditions::default());
        assert_eq!(delays(&arrived), (Duration::ZERO, Duration::ZERO));
        assert_eq!(counts, Counts { taken: u64::from(MANY), ..Counts::default() });
    }

    #[test]
    fn losses_have_the_share_and_the_runs_asked_for() {
        for burst in [1.0, 5.0] {
            let (arrived, counts) =
                arrivals(&Conditions { loss: 0.05, burst, ..Conditions::default() });
            let lost = counts.lost as f64;
            assert!((lost / f64::from(MANY) - 0.05).abs() < 0.01, "{counts:?}");
            let runs = arrived.windows(2).filter(|pair| pair[1].0 - pair[0].0 > 1).count();
            let mean = lost / runs as f64;
            assert!((mean / burst - 1.0).abs() < 0.2, "runs of {mean}, asked for {burst}");
        }
    }

    #[test]
    fn jitter_is_added_with_and_without_overtaking() {
        let still = Conditions { delay: MS * 50, jitter: MS * 30, ..Conditions::default() };
        let (arrived, _) = arrivals(&still);
        let (least, most) = delays(&arrived);
        assert!(least >= MS * 50 && most <= MS * 80 && most > MS * 75, "{least:?} to {most:?}");
        assert!(in_order(&arrived));
        let (arrived, _) = arrivals(&Conditions { reorders: true, ..still });
        assert!(!in_order(&arrived));
    }

    #[test]
    fn a_bottleneck_lets_its_rate_through_and_bounds_the_wait() {
        // Twice what fits is sent.
        let bottleneck = Some(Bottleneck { bps: 4_000_000, queue: MS * 100 });
        let (arrived, counts) = arrivals(&Conditions { bottleneck, ..Conditions::default() });
        let share = arrived.len() as f64 / f64::from(MANY);
        assert!((share - 0.5).abs() < 0.01, "{share} came through");
        assert!(delays(&arrived).1 <= MS * 102, "{:?}", delays(&arrived));
        assert_eq!(counts.dropped + arrived.len() as u64, u64::from(MANY));
        assert!(counts.waited_max > MS * 95 && counts.waited_max <= MS * 100, "{counts:?}");
    }

    #[test]
    fn a_seed_decides() {
        let lossy = Conditions { loss: 0.3, jitter: MS, reorders: true, ..Conditions::default() };
        assert_eq!(arrivals(&lossy), arrivals(&lossy));
    }
}
