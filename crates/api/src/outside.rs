//! What the API needs of the machine. Handed in, so that tests own time and chance.

use std::fmt;
use std::sync::Arc;

/// The wall clock and the source of randomness. Clones share them.
#[derive(Clone)]
pub struct Outside {
    /// Unix time in milliseconds.
    pub unix_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Fills a buffer with unpredictable bytes.
    pub random: fn(&mut [u8]),
}

impl Outside {
    /// Unix time in milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        (self.unix_ms)()
    }

    /// `N` unpredictable bytes.
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.random)(&mut bytes);
        bytes
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A clock that stands still, and the system's randomness.
    pub(crate) fn outside_at(unix_ms: i64) -> Outside {
        Outside {
            unix_ms: Arc::new(move || unix_ms),
            random: |bytes| aws_lc_rs::rand::fill(bytes).unwrap(),
        }
    }
}
