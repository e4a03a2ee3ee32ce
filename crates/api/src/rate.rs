//! How much one address may ask for: a bucket that fills at a steady rate.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Addresses that are told apart at a time: 4 MB. Beyond, the others share one bucket.
const ADDRESSES_MAX: usize = 65_536;

/// A bucket holds what flows into it in this time: many viewers behind one address start together when
/// a show begins.
const BURST_S: u64 = 20;

/// Whom a request came from, as an extension of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// Who has one IPv6 address has 2^64 of them.
    fn network(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                IpAddr::V6(Ipv6Addr::from(network))
            }
            address @ IpAddr::V4(_) => address,
        }
    }
}

/// Counts what addresses ask for.
#[derive(Debug)]
pub struct RateLimit {
    /// What flows in per second; 0 for no limit.
    per_second: u64,
    buckets: Mutex<HashMap<Option<IpAddr>, Bucket>>,
    /// How often it bit.
    refused: AtomicU64,
}

#[derive(Debug)]
struct Bucket {
    /// What is left, in thousandths.
    left_milli: u64,
    at_ms: i64,
}

impl RateLimit {
    /// All buckets full; `per_second` flows into each, and 0 is no limit.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.into(),
            buckets: Mutex::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// Requests refused since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Takes `cost` out of the bucket of `peer`. `now_ms` is of any clock, always the same one.
    ///
    /// # Errors
    /// The bucket holds less: the seconds after which it will hold that much.
    pub fn take(&self, peer: Peer, cost: u32, now_ms: i64) -> Result<(), u32> {
        if self.per_second == 0 {
            return Ok(());
        }
        let full_milli = self.per_second * BURST_S * 1000;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = Some(peer.network());
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&key) {
            // Who has not asked for long enough has a full bucket, like one who never asked.
            let idle_ms = i64::try_from(BURST_S * 1000).unwrap_or(i64::MAX);
            buckets.retain(|_, bucket| now_ms - bucket.at_ms < idle_ms);
            if buckets.len() >= ADDRESSES_MAX {
                key = None;
            }
        }
        let bucket = buckets.entry(key).or_insert(Bucket { left_milli: full_milli, at_ms: now_ms });
        let passed_ms = u64::try_from(now_ms - bucket.at_ms).unwrap_or(0);
        let filled_milli = passed_ms.saturating_mul(self.per_second);
        bucket.left_milli = bucket.left_milli.saturating_add(filled_milli).min(full_milli);
        bucket.at_ms = now_ms;
        let cost_milli = u64::from(cost) * 1000;
        match bucket.left_milli.checked_sub(cost_milli) {
            Some(left_milli) => {
                bucket.left_milli = left_milli;
                Ok(())
            }
            None => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                let missing = cost_milli - bucket.left_milli;
                let seconds = missing.div_ceil(self.per_second * 1000);
                Err(u32::try_from(seconds).unwrap_or(u32::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        Peer(text.parse().unwrap())
    }

    #[test]
    fn a_burst_is_taken_and_then_the_rate_holds() {
        let limit = RateLimit::new(2);
        let a = peer("192.0.2.1");
        for _ in 0..2 * BURST_S {
            assert_eq!(limit.take(a, 1, 0), Ok(()));
        }
        assert_eq!(limit.take(a, 1, 0), Err(1));
        assert_eq!(limit.take(a, 5, 0), Err(3));
        assert_eq!(limit.refused(), 2);
        assert_eq!(limit.take(peer("192.0.2.2"), 1, 0), Ok(()), "another address");
        assert_eq!(limit.take(a, 1, 499), Err(1));
        assert_eq!(limit.take(a, 1, 500), Ok(()));
        assert_eq!(limit.take(a, 1, 400), Err(1), "a clock that went back fills nothing");
        assert_eq!(RateLimit::new(0).take(a, u32::MAX, 0), Ok(()));
    }

    #[test]
    fn a_household_of_ipv6_addresses_is_one() {
        let limit = RateLimit::new(1);
        let all = u32::try_from(BURST_S).unwrap();
        assert_eq!(limit.take(peer("2001:db8::1"), all, 0), Ok(()));
        assert_eq!(limit.take(peer("2001:db8::2"), 1, 0), Err(1));
        assert_eq!(limit.take(peer("2001:db8:0:1::1"), 1, 0), Ok(()));
        assert_eq!(limit.take(peer("::ffff:192.0.2.1"), all, 0), Ok(()));
        assert_eq!(limit.take(peer("192.0.2.1"), 1, 0), Err(1));
    }

    #[test]
    fn too_many_addresses_share_one_bucket() {
        let limit = RateLimit::new(1);
        let all = u32::try_from(BURST_S).unwrap();
        let address = |n: usize| Peer(IpAddr::V4(u32::try_from(n).unwrap().into()));
        for n in 0..ADDRESSES_MAX {
            assert_eq!(limit.take(address(n), all, 0), Ok(()));
        }
        assert_eq!(limit.take(address(ADDRESSES_MAX), all, 0), Ok(()));
        assert_eq!(limit.take(address(ADDRESSES_MAX + 1), 1, 0), Err(1));
        let later_ms = i64::try_from(BURST_S * 1000).unwrap();
        assert_eq!(limit.take(address(ADDRESSES_MAX + 1), all, later_ms), Ok(()));
        assert!(limit.buckets.lock().unwrap().len() < 3);
    }
}
