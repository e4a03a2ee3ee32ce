//! The publisher's 32-bit milliseconds as a clock without end.

const NANOS_PER_MS: i64 = 1_000_000;

/// Unwraps timestamps at 2^32 ms (49.7 days). Each is taken as the nearest one to the last, so
/// steps back of up to 24.8 days (B-frames, interleaving, encoders that jump) stay steps back.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last_ms: Option<i64>,
}

impl Clock {
    /// Nanoseconds since the publisher's zero.
    pub(super) fn nanos(&mut self, timestamp_ms: u32, nano_offset: u32) -> i64 {
        let now_ms = match self.last_ms {
            None => i64::from(timestamp_ms),
            Some(last_ms) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "mod 2^32"
                )]
                let step = timestamp_ms.wrapping_sub(last_ms as u32).cast_signed();
                last_ms.saturating_add(step.into())
            }
        };
        self.last_ms = Some(now_ms);
        now_ms.saturating_mul(NANOS_PER_MS).saturating_add(nano_offset.into())
    }
}

/// Nanoseconds of `ms` milliseconds.
pub(super) const fn nanos(ms: i32) -> i64 {
    ms as i64 * NANOS_PER_MS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_wrap_at_2_to_the_32_goes_on() {
        let mut clock = Clock::default();
        assert_eq!(clock.nanos(0xffff_fff0, 0), 4_294_967_280 * NANOS_PER_MS);
        assert_eq!(clock.nanos(0x10, 5), 4_294_967_312 * NANOS_PER_MS + 5);
        assert_eq!(clock.nanos(0xffff_ffff, 0), 4_294_967_295 * NANOS_PER_MS, "a step back");
    }

    proptest! {
        #[test]
        fn any_walk_of_small_steps_is_followed(
            start in any::<u32>(),
            steps in prop::collection::vec(any::<i32>(), 0..50),
        ) {
            let mut clock = Clock::default();
            let mut real = i64::from(start);
            clock.nanos(start, 0);
            for step in steps {
                real += i64::from(step);
                let wire = real.rem_euclid(1 << 32) as u32;
                prop_assert_eq!(clock.nanos(wire, 0), real * NANOS_PER_MS);
            }
        }
    }
}
