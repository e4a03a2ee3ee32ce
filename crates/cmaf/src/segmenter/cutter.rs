//! Where segments start: decided from the leading track alone, for all renditions.
//!
//! A cut is known the moment the leading track's keyframe arrives, before any part is finished, so
//! the other renditions never wait for more than the leader's next frame.

use std::collections::VecDeque;

use crate::Stats;
use crate::limits::SLACK;

/// The start of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) msn: u64,
    /// On the show's timeline, 90 kHz.
    pub(super) at: i64,
    pub(super) discontinuity: bool,
    pub(super) discontinuity_sequence: u64,
}

/// The starts that some rendition still has to reach, and the rule that makes new ones.
#[derive(Debug)]
pub(super) struct Cutter {
    starts: VecDeque<Start>,
    /// A keyframe this long after the start ends the segment.
    length_min: i64,
    /// A segment ends here without a keyframe.
    length_max: i64,
    /// Length of segments that the clock makes.
    length_clocked: i64,
    /// No cut that is not known yet will be before this.
    clear: i64,
    /// Everything before this is out in the leading rendition.
    floor: i64,
    /// The next keyframe starts a segment with a discontinuity.
    pending_discontinuity: bool,
}

impl Cutter {
    pub(super) fn new(at: i64, length_min: i64, length_max: i64, length_clocked: i64) -> Self {
        let first = Start { msn: 0, at, discontinuity: false, discontinuity_sequence: 0 };
        Self {
            starts: VecDeque::from([first]),
            length_min,
            length_max,
            length_clocked,
            clear: at,
            floor: at,
            pending_discontinuity: false,
        }
    }

    /// The start of segment `msn`, once known.
    pub(super) fn start(&self, msn: u64) -> Option<Start> {
        let first = self.starts.front()?.msn;
        let index = usize::try_from(msn.checked_sub(first)?).ok()?;
        self.starts.get(index).copied()
    }

    /// The newest segment.
    pub(super) fn newest(&self) -> Start {
        *self.starts.back().expect("there is always one: forget() keeps the newest")
    }

    pub(super) const fn clear(&self) -> i64 {
        self.clear
    }

    pub(super) const fn floor(&self) -> i64 {
        self.floor
    }

    pub(super) const fn length_max(&self) -> i64 {
        self.length_max
    }

    /// Parameters changed somewhere else than on the leading track: the next keyframe cuts, with a
    /// discontinuity, in all renditions alike.
    pub(super) const fn request_discontinuity(&mut self) {
        self.pending_discontinuity = true;
    }

    /// Sees a frame of the leading track; `renewed` when it is the first with new parameters.
    pub(super) fn lead_frame(&mut self, at: i64, keyframe: bool, renewed: bool, stats: &mut Stats) {
        while at > self.newest().at + self.length_max + SLACK {
            stats.forced_cuts += 1;
            self.cut(self.newest().at + self.length_max, false, stats);
        }
        let due = at - self.newest().at >= self.length_min;
        if renewed || keyframe && (due || self.pending_discontinuity) {
            let discontinuity = renewed || self.pending_discontinuity;
            self.pending_discontinuity = false;
            self.cut(at, discontinuity, stats);
        }
        self.clear = self.clear.max(at);
    }

    /// The clock has reached `at` without the leading track.
    pub(super) fn clock(&mut self, at: i64, stats: &mut Stats) {
        loop {
            // Not before `clear`: other renditions may be there already.
            let next = (self.newest().at + self.length_clocked).max(self.clear);
            if next > at {
                return;
            }
            self.cut(next, false, stats);
        }
    }

    /// The leading track is back, with a keyframe at `at`: it begins a segment, and what lies
    /// between is filled with segments of the clock's.
    pub(super) fn resume(&mut self, at: i64, discontinuity: bool, stats: &mut Stats) {
        while at > self.newest().at + self.length_max {
            self.cut(self.newest().at + self.length_clocked, false, stats);
        }
        self.cut(at, discontinuity, stats);
    }

    /// Starts a segment at `at`, or at what is already out where that is later.
    pub(super) fn cut(&mut self, at: i64, discontinuity: bool, stats: &mut Stats) {
        let newest = self.newest();
        let at = if at <= self.floor + SLACK { self.floor } else { at };
        let is_new = at > newest.at + SLACK;
        let begins_discontinuity = discontinuity && (is_new || !newest.discontinuity);
        stats.discontinuities += u64::from(begins_discontinuity);
        let discontinuity_sequence =
            newest.discontinuity_sequence + u64::from(begins_discontinuity);
        if is_new {
            let msn = newest.msn + 1;
            self.starts.push_back(Start { msn, at, discontinuity, discontinuity_sequence });
        } else if let Some(last) = self.starts.back_mut() {
            // Nothing of that segment is out: the same start, with what is new about it.
            last.discontinuity |= discontinuity;
            last.discontinuity_sequence = discontinuity_sequence;
        }
        self.clear = self.clear.max(at);
    }

    /// The leading rendition has everything before `at` out.
    pub(super) fn raise_floor(&mut self, at: i64) {
        self.floor = self.floor.max(at);
        self.clear = self.clear.max(at);
    }

    /// Forgets the starts of segments before `msn`, which no rendition needs.
    pub(super) fn forget(&mut self, msn: u64) {
        while self.starts.len() > 1 && self.starts[0].msn < msn {
            self.starts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ticks;

    fn cutter() -> Cutter {
        Cutter::new(0, ticks(1_900), ticks(2_450), ticks(2_000))
    }

    #[test]
    fn a_keyframe_cuts_once_the_segment_is_long_enough() {
        let (mut cutter, mut stats) = (cutter(), Stats::default());
        cutter.lead_frame(ticks(1_000), true, false, &mut stats);
        cutter.lead_frame(ticks(1_999), true, false, &mut stats);
        assert_eq!(cutter.start(1).map(|start| start.at), Some(ticks(1_999)));
        assert_eq!(cutter.newest().msn, 1);
        assert_eq!(stats, Stats::default());
    }

    #[test]
    fn p3_a_missing_keyframe_forces_a_cut() {
        let (mut cutter, mut stats) = (cutter(), Stats::default());
        cutter.lead_frame(ticks(2_500), false, false, &mut stats);
        assert_eq!(cutter.start(1).map(|start| start.at), Some(ticks(2_450)));
        assert_eq!(stats.forced_cuts, 1);
    }

    #[test]
    fn p18_new_parameters_cut_at_once_and_are_counted_once() {
        let (mut cutter, mut stats) = (cutter(), Stats::default());
        cutter.lead_frame(ticks(500), true, true, &mut stats);
        cutter.cut(ticks(500), true, &mut stats);
        let start = cutter.start(1).expect("a new segment");
        assert!(start.discontinuity);
        assert_eq!((start.discontinuity_sequence, stats.discontinuities), (1, 1));
    }

    #[test]
    fn starts_are_forgotten_but_never_the_newest() {
        let (mut cutter, mut stats) = (cutter(), Stats::default());
        cutter.clock(ticks(10_000), &mut stats);
        cutter.forget(99);
        assert_eq!(cutter.newest().msn, 5);
        assert_eq!(cutter.start(4), None);
    }
}
