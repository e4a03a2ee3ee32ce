//! What the show sounds like: a soft tone of 421.875 Hz, and on every second a beep of 937.5 Hz.
//!
//! Both tones have whole periods in 1,024 samples, so every frame of the soft tone holds the same
//! samples and one access unit serves them all. `beep.adts` holds twelve access units that follow
//! each other in one encoding, so that windows overlap as they must: one of the soft tone, then the
//! eleven around a beep of five frames. It was made like this, and plays in any player:
//!
//! - 40 frames of 1,024 samples, 48 kHz, both channels alike: amplitude 0.05 at 421.875 Hz, in frames 20
//!   to 24 also 0.30 at 937.5 Hz, as 16-bit samples;
//! - `ffmpeg -f s16le -ar 48000 -ac 2 -i beep.pcm -c:a aac -b:a 64k -cutoff 4000 beep.adts` (FFmpeg 9);
//! - access units 17 to 28 of the result.

use bytes::Bytes;

static ADTS: &[u8] = include_bytes!("beep.adts");
/// An ADTS header without checksum.
const HEADER_BYTES: usize = 7;
/// The AudioSpecificConfig: AAC-LC, 48 kHz, stereo.
pub const CONFIG: [u8; 2] = [0x11, 0x90];
/// Samples a second.
pub const RATE: u32 = 48_000;
/// Samples in each frame.
pub const FRAME_SAMPLES: u32 = 1_024;
/// The unit in which the beep is first heard.
const ONSET: u64 = 4;

/// The access units, cut apart once.
#[derive(Debug)]
pub(crate) struct Sound {
    units: Vec<Bytes>,
}

impl Sound {
    pub(crate) fn new() -> Self {
        let mut units = Vec::new();
        let mut rest = ADTS;
        while let [_, _, _, high, middle, low, ..] = *rest {
            let length =
                usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low >> 5);
            let Some((unit, after)) = rest.split_at_checked(length) else { break };
            units.push(Bytes::from_static(&unit[HEADER_BYTES..]));
            rest = after;
        }
        Self { units }
    }

    /// The payload of frame `number`. A beep is heard from the first frame that starts in a second.
    pub(crate) fn frame(&self, number: u64) -> Bytes {
        let (rate, samples) = (u64::from(RATE), u64::from(FRAME_SAMPLES));
        let second = (number + ONSET - 1) * samples / rate;
        let first_of_second = (second * rate).div_ceil(samples);
        let unit = (number + ONSET - first_of_second) as usize;
        match self.units.get(unit) {
            Some(beep) if second > 0 => beep.clone(),
            _ => self.units[0].clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_units_of_less_than_200_bytes() {
        let sound = Sound::new();
        assert_eq!(sound.units.len(), 12);
        assert!(sound.units.iter().all(|unit| (100..200).contains(&unit.len())));
        assert_eq!(sound.units.iter().map(|unit| unit.len() + 7).sum::<usize>(), ADTS.len());
    }

    #[test]
    fn a_beep_on_every_second_and_the_tone_between() {
        let sound = Sound::new();
        let frames: Vec<usize> = (0..200)
            .map(|number| {
                let payload = sound.frame(number);
                sound.units.iter().position(|unit| unit.as_ptr() == payload.as_ptr()).unwrap()
            })
            .collect();
        assert!(frames[..43].iter().all(|unit| *unit == 0));
        for (second, first) in [(1, 47), (2, 94), (3, 141)] {
            assert_eq!(u64::from(FRAME_SAMPLES) * (first as u64 - 1) / u64::from(RATE), second - 1);
            let around = &frames[first - 4..first + 8];
            assert_eq!(around, (0..12).collect::<Vec<usize>>());
        }
        assert_eq!(frames.iter().filter(|unit| **unit == 4).count(), 4);
    }
}
