//! The sound that waits for the encoder, and where on the timeline it lies.

use crate::Stereo;
use crate::place::SILENCE_MS_MAX;
use crate::resample::RATE;

/// A stretch of sound without a hole, at 48 kHz. Positions are samples from the timeline's zero.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pcm: Stereo,
    /// Where `pcm` begins, once a run did.
    start: Option<i64>,
    /// Samples of the run at hand that lie before its end.
    skip: usize,
}

impl Line {
    /// A run begins `at`: fills a short gap with silence, leaves out what overlaps. False where the gap
    /// is one to jump over; the caller empties the line and calls [`Self::jump`].
    pub(crate) fn begin(&mut self, at: i64) -> bool {
        let Some(end) = self.end() else {
            self.start = Some(at);
            return true;
        };
        self.skip = 0;
        let gap = at.saturating_sub(end);
        if gap > i64::from(RATE) * i64::from(SILENCE_MS_MAX) / 1_000 {
            return false;
        }
        match usize::try_from(gap) {
            Ok(silence) => self.silence(silence),
            Err(_) => self.skip = usize::try_from(gap.saturating_neg()).unwrap_or(usize::MAX),
        }
        true
    }

    /// Goes on at `at`, without what is still in the line.
    pub(crate) fn jump(&mut self, at: i64) {
        self.pcm.iter_mut().for_each(Vec::clear);
        self.start = Some(at);
    }

    /// Takes `pcm` to its end, and leaves it empty.
    pub(crate) fn append(&mut self, pcm: &mut Stereo) {
        let skip = self.skip.min(pcm[0].len());
        self.skip -= skip;
        for (line, pcm) in self.pcm.iter_mut().zip(pcm) {
            line.extend(pcm.drain(..).skip(skip));
        }
    }

    /// `samples` of silence to its end.
    pub(crate) fn silence(&mut self, samples: usize) {
        self.pcm.iter_mut().for_each(|line| line.resize(line.len() + samples, 0.0));
    }

    /// Silence until all before it has left an encoder of `frame` samples that lags `delay`.
    pub(crate) fn flush(&mut self, frame: usize, delay: usize) {
        let length = (self.pcm[0].len() + delay).next_multiple_of(frame);
        self.silence(length - self.pcm[0].len());
    }

    /// The sound at hand and where it begins, if there is a `frame` of it.
    pub(crate) fn front(&self, frame: usize) -> Option<(i64, &Stereo)> {
        self.start.filter(|_| self.pcm[0].len() >= frame).map(|start| (start, &self.pcm))
    }

    /// Done with the first `frame` samples.
    pub(crate) fn advance(&mut self, frame: usize) {
        self.pcm.iter_mut().for_each(|line| drop(line.drain(..frame)));
        self.start = self.start.map(|start| start.saturating_add(frame as i64));
    }

    fn end(&self) -> Option<i64> {
        self.start.map(|start| start.saturating_add(self.pcm[0].len() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(samples: usize) -> Stereo {
        [vec![0.5; samples], vec![0.5; samples]]
    }

    #[test]
    fn a_short_gap_is_filled_and_an_overlap_left_out() {
        let mut line = Line::default();
        assert!(line.begin(100));
        line.append(&mut sound(50));
        assert!(line.begin(170));
        line.append(&mut sound(10));
        assert!(line.begin(175));
        line.append(&mut sound(3));
        line.append(&mut sound(10));
        let (start, pcm) = line.front(88).expect("150 to 188");
        assert_eq!((start, pcm[0].len()), (100, 88));
        assert!(pcm[0][50..70].iter().all(|&sample| sample == 0.0));
        assert!(pcm[0][70..].iter().all(|&sample| sample == 0.5));
    }

    #[test]
    fn a_long_gap_is_for_the_caller_to_jump() {
        let mut line = Line::default();
        assert!(line.begin(0));
        line.append(&mut sound(10));
        assert!(!line.begin(10 + 48_001));
        line.flush(960, 312);
        assert_eq!(line.front(960).map(|(start, _)| start), Some(0));
        line.advance(960);
        line.jump(10 + 48_001);
        line.append(&mut sound(960));
        assert_eq!(line.front(960).map(|(start, _)| start), Some(48_011));
    }
}
