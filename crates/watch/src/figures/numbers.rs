//! Figures as a row of numbers: what the log and the tables keep.

use super::{Assurance, Figures, ValidAssurance};

impl Figures {
    /// How many figures there are.
    pub const COUNT: usize = 17;

    /// What they are called, in the same order.
    pub const NAMES: [&str; Self::COUNT] = [
        "live_ms",
        "delivered_ms",
        "gross_ms",
        "counted_ms",
        "valid_ms",
        "idle_ms",
        "unique_viewers",
        "valid_unique_viewers",
        "views",
        "peak",
        "acv_milli",
        "a_ms",
        "b_ms",
        "c_ms",
        "d_ms",
        "valid_a_ms",
        "valid_b_ms",
    ];

    /// All figures, in the order in which they are declared. The log's bytes depend on it.
    #[must_use]
    pub const fn to_numbers(&self) -> [u64; Self::COUNT] {
        let Self { assurance: of, valid_assurance: valid, .. } = *self;
        [
            self.live_ms,
            self.delivered_ms,
            self.gross_ms,
            self.counted_ms,
            self.valid_ms,
            self.idle_ms,
            self.unique_viewers,
            self.valid_unique_viewers,
            self.views,
            self.peak,
            self.acv_milli,
            of.a_ms,
            of.b_ms,
            of.c_ms,
            of.d_ms,
            valid.a_ms,
            valid.b_ms,
        ]
    }

    /// The figures that [`Figures::to_numbers`] gave.
    #[must_use]
    pub const fn from_numbers(numbers: [u64; Self::COUNT]) -> Self {
        let [live_ms, delivered_ms, gross_ms, counted_ms, valid_ms, idle_ms, rest @ ..] = numbers;
        let [unique_viewers, valid_unique_viewers, views, peak, acv_milli, rest @ ..] = rest;
        let [a_ms, b_ms, c_ms, d_ms, valid_a_ms, valid_b_ms] = rest;
        Self {
            live_ms,
            delivered_ms,
            gross_ms,
            counted_ms,
            valid_ms,
            idle_ms,
            unique_viewers,
            valid_unique_viewers,
            views,
            peak,
            acv_milli,
            assurance: Assurance { a_ms, b_ms, c_ms, d_ms },
            valid_assurance: ValidAssurance { a_ms: valid_a_ms, b_ms: valid_b_ms },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_comes_back() {
        let numbers = std::array::from_fn(|at| at as u64 + 1);
        assert_eq!(Figures::from_numbers(numbers).to_numbers(), numbers);
    }
}
