//! Waiting for another process: the deadline, the clock, and the one loop that polls.

use std::time::{Duration, Instant};

/// How often a state is looked at. Short against what is waited for, long against what a look costs.
const POLL: Duration = Duration::from_millis(50);

/// The clock of the tests.
#[allow(clippy::disallowed_methods, reason = "tests of real processes run in real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970: what program date-times are compared with.
#[allow(clippy::disallowed_methods, reason = "tests of real processes run in real time")]
pub fn unix_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// Microseconds since 1970: what crosses a server is stamped with.
#[allow(clippy::disallowed_methods, reason = "tests of real processes run in real time")]
pub fn unix_us() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |duration| duration.as_micros())
}

/// Looks until `probe` gives a value; panics with `what` when it has not after `within`.
///
/// Only for states that send no event: another process's memory, a file, a port.
#[track_caller]
pub fn until<T>(what: &str, within: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let started = now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(started.elapsed() < within, "waited {within:?} in vain for: {what}");
        std::thread::sleep(POLL);
    }
}

/// Lets real time pass: for what is defined by a duration, such as "holds for ten seconds".
pub fn pass(duration: Duration) {
    std::thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_the_wait() {
        let mut looks = 0;
        let value = until("three looks", Duration::from_secs(5), || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(value, 3);
    }

    #[test]
    #[should_panic(expected = "in vain for: nothing")]
    fn a_wait_in_vain_names_what_it_waited_for() {
        until("nothing", Duration::from_millis(1), || None::<()>);
    }
}
