//! Any rate of AAC to 48 kHz, sample for sample in place.

use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Resampler as _};

use crate::Stereo;

/// What everything is brought to: Opus knows no other, and AAC at it plays everywhere.
pub(crate) const RATE: u32 = 48_000;
/// Blocks per second the transform aims at: 10 ms of latency, and a filter sharp enough for 20 kHz.
const BLOCKS_PER_SECOND: u32 = 100;

/// One run from some rate to [`RATE`]: output sample `i` is the sound `i / RATE` seconds after input
/// sample 0, exactly, because the filter's delay is cut off and the ratio is one of whole numbers.
pub(crate) struct Resampler {
    from: u32,
    /// None where the rate is right already.
    fft: Option<Box<Fft<f32>>>,
    input: Stereo,
    output: Stereo,
    /// Samples of the filter's delay that are still to be cut off.
    cut: usize,
    taken: u64,
    given: u64,
}

impl Resampler {
    /// From `from` samples a second, a rate of ISO/IEC 14496-3 table 1.18.
    pub(crate) fn new(from: u32) -> Self {
        let fft = (from != RATE).then(|| {
            let block = (from / BLOCKS_PER_SECOND) as usize;
            let fft = Fft::new(from as usize, RATE as usize, block, 2, FixedSync::Both)
                .expect("rates and block are not zero");
            Box::new(fft)
        });
        let cut = fft.as_ref().map_or(0, |fft| fft.output_delay());
        Self {
            from,
            fft,
            input: Stereo::default(),
            output: Stereo::default(),
            cut,
            taken: 0,
            given: 0,
        }
    }

    /// Samples a second it takes.
    pub(crate) const fn rate_in(&self) -> u32 {
        self.from
    }

    /// Appends what `pcm` gives to `out`.
    pub(crate) fn process(&mut self, pcm: &Stereo, out: &mut Stereo) {
        self.taken += pcm[0].len() as u64;
        self.run(pcm, out, u64::MAX);
    }

    /// Ends the run: appends what the filter still holds, so that the output is as long as the input.
    pub(crate) fn finish(mut self, out: &mut Stereo) {
        let Some(fft) = &self.fft else { return };
        let from = u64::from(self.from);
        let length = (self.taken * u64::from(RATE)).div_ceil(from);
        let silence = vec![0.0; fft.input_frames_next()];
        let silence = [silence.clone(), silence];
        while self.given < length {
            self.run(&silence, out, length);
        }
    }

    fn run(&mut self, pcm: &Stereo, out: &mut Stereo, length: u64) {
        let Some(fft) = &mut self.fft else {
            out.iter_mut().zip(pcm).for_each(|(out, pcm)| out.extend_from_slice(pcm));
            return;
        };
        self.input.iter_mut().zip(pcm).for_each(|(input, pcm)| input.extend_from_slice(pcm));
        let (frames_in, frames_out) = (fft.input_frames_next(), fft.output_frames_next());
        while self.input[0].len() >= frames_in {
            self.output.iter_mut().for_each(|side| side.resize(frames_out, 0.0));
            let held = self.input[0].len();
            let source = SequentialSliceOfVecs::new(&self.input[..], 2, held);
            let target = SequentialSliceOfVecs::new_mut(&mut self.output[..], 2, frames_out);
            let (Ok(source), Ok(mut target)) = (source, target) else { return };
            fft.process_into_buffer(&source, &mut target, None)
                .expect("both buffers are as long as the resampler asks");
            self.input.iter_mut().for_each(|side| drop(side.drain(..frames_in)));
            let cut = self.cut.min(frames_out);
            self.cut -= cut;
            let left = usize::try_from(length - self.given).unwrap_or(usize::MAX);
            let end = frames_out.min(cut.saturating_add(left));
            self.given += (end - cut) as u64;
            out.iter_mut().zip(&self.output).for_each(|(o, side)| {
                o.extend_from_slice(&side[cut..end]);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_as_long_as_its_input_and_in_place() {
        for from in [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000]
        {
            let mut pcm = vec![0.0; from as usize];
            let click = from as usize / 2;
            pcm[click] = 1.0;
            let pcm = [pcm.clone(), pcm];
            let mut resampler = Resampler::new(from);
            let mut out = Stereo::default();
            resampler.process(&pcm, &mut out);
            resampler.finish(&mut out);
            assert_eq!(out[0].len(), RATE as usize, "from {from}");
            let loudest = (0..out[0].len()).max_by(|&a, &b| out[0][a].total_cmp(&out[0][b]));
            let expected = click * RATE as usize / from as usize;
            let moved = loudest.expect("there is sound").abs_diff(expected);
            assert!(moved <= 2, "from {from}: a click moved by {moved} samples");
        }
    }

    #[test]
    fn after_a_minute_of_44100_hz_a_click_is_in_place_to_the_sample() {
        // 42 blocks a second, about the length of a frame of AAC.
        const BLOCKS: usize = 60 * 42;
        let mut block = [vec![0.0; 1_050], vec![0.0; 1_050]];
        let mut resampler = Resampler::new(44_100);
        let (mut out, mut before) = (Stereo::default(), 0);
        for number in 0..BLOCKS {
            if number == BLOCKS - 1 {
                block.iter_mut().for_each(|side| side[525] = 1.0);
            }
            before += out[0].len();
            out.iter_mut().for_each(Vec::clear);
            resampler.process(&block, &mut out);
        }
        resampler.finish(&mut out);
        let end = 60 * RATE as usize;
        assert_eq!(before + out[0].len(), end);
        let loudest = (0..out[0].len()).max_by(|&a, &b| out[0][a].total_cmp(&out[0][b]));
        let click = before + loudest.expect("there is sound");
        // 525 samples before the end are 571.4 at the higher rate.
        assert!(click.abs_diff(end - 571) <= 1, "at {click} of {end}");
    }
}
