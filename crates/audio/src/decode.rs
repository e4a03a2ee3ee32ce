//! AAC and Opus to stereo samples at the rate they have.
//!
//! Both decoders are young, and what they read comes from anyone: besides their own errors a panic is
//! taken for a damaged frame too, and the decoder is made anew. It costs that frame and, for AAC, the
//! half of the next one that overlaps it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use mousiki::Channels;
use tally_media::codec::{AudioRecord, opus};
use tally_media::{Codec, Track};

use crate::resample::RATE;
use crate::{Stereo, Unsupported, downmix};

/// ISO/IEC 14496-3 table 1.18. Others share no small ratio with 48 kHz, and no encoder sends them.
const AAC_RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];
/// LC, HE and HE v2. The decoder takes the records of others too, but not their tools.
const AAC_PROFILES: [&str; 3] = ["mp4a.40.2", "mp4a.40.5", "mp4a.40.29"];
/// More than 7.1 has no place in a downmix.
const CHANNELS_MAX: u8 = 8;
/// Of an AAC-LC frame, until one was decoded.
const AAC_FRAME_SAMPLES: u32 = 1_024;
/// A packet lasts at most 120 ms (RFC 6716 3.2.5, R5).
const OPUS_PACKET_SAMPLES_MAX: usize = 5_760;
/// What stands for a packet whose length cannot be read: the usual one.
const OPUS_FRAME_SAMPLES: u32 = 960;

/// Decodes the frames of one track.
pub(crate) enum Decoder {
    Aac(Box<Aac>),
    Opus(Box<Opus>),
}

impl Decoder {
    /// For frames of `track`.
    pub(crate) fn new(track: &Track) -> Result<Self, Unsupported> {
        match &track.codec {
            Codec::Aac(record) if AAC_PROFILES.contains(&&*record.rfc6381) => {
                Ok(Self::Aac(Box::new(Aac::new(record)?)))
            }
            Codec::Opus(record) => Ok(Self::Opus(Box::new(Opus::new(record)?))),
            other => Err(Unsupported::Codec(other.rfc6381().to_owned())),
        }
    }

    /// Puts the samples of `payload` into `pcm`, which it empties before, and gives their rate. A
    /// damaged frame fills its length with what stands for it, and gives the decoder's words too.
    pub(crate) fn decode(&mut self, payload: &[u8], pcm: &mut Stereo) -> (u32, Option<String>) {
        pcm.iter_mut().for_each(Vec::clear);
        match self {
            Self::Aac(aac) => aac.decode(payload, pcm),
            Self::Opus(opus) => (RATE, opus.decode(payload, pcm)),
        }
    }
}

/// What `work` gives, or the words of its error or panic.
fn guarded<T, E: ToString>(work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the decoder panicked".to_owned()),
    }
}

pub(crate) struct Aac {
    decoder: syom::Decoder,
    asc: Bytes,
    /// Of the last good frame.
    rate: u32,
    samples: usize,
}

impl Aac {
    fn new(record: &AudioRecord) -> Result<Self, Unsupported> {
        if !AAC_RATES.contains(&record.sample_rate) {
            return Err(Unsupported::SampleRate(record.sample_rate));
        }
        if !(1..=CHANNELS_MAX).contains(&record.channels) {
            return Err(Unsupported::Channels(record.channels));
        }
        Ok(Self {
            decoder: Self::decoder(&record.record).map_err(Unsupported::Decoder)?,
            asc: record.record.clone(),
            rate: record.sample_rate,
            samples: record.frame_samples.unwrap_or(AAC_FRAME_SAMPLES) as usize,
        })
    }

    fn decoder(asc: &[u8]) -> Result<syom::Decoder, String> {
        // The default stops after two hours.
        guarded(|| syom::Decoder::from_asc(asc, syom::DecodeOptions::unbounded()))
    }

    fn decode(&mut self, payload: &[u8], pcm: &mut Stereo) -> (u32, Option<String>) {
        let mut rate = 0;
        let decoder = &mut self.decoder;
        let result = guarded(|| {
            decoder.decode_au(payload, |frame| {
                rate = frame.sample_rate;
                let labels: Vec<_> = frame.meta.labels().collect();
                downmix::mix(frame.planar, &labels, pcm);
                Ok(())
            })
        });
        let damage = match result {
            Ok(()) if pcm[0].is_empty() => "the frame holds no channel".to_owned(),
            Ok(()) if !AAC_RATES.contains(&rate) => format!("the frame tells of {rate} Hz"),
            Ok(()) => {
                (self.rate, self.samples) = (rate, pcm[0].len());
                return (rate, None);
            }
            Err(damage) => damage,
        };
        // A decoder that failed stays so. The record made one before, so it does again.
        if let Ok(decoder) = Self::decoder(&self.asc) {
            self.decoder = decoder;
        }
        for side in pcm.iter_mut() {
            side.clear();
            side.resize(self.samples, 0.0);
        }
        (self.rate, Some(damage))
    }
}

pub(crate) struct Opus {
    decoder: mousiki::Decoder,
    /// The record's output gain, in 1/256 dB (RFC 7845 5.1).
    gain: i16,
    interleaved: Vec<f32>,
}

impl Opus {
    fn new(record: &AudioRecord) -> Result<Self, Unsupported> {
        let gain = match record.record[..] {
            [_, _, _, _, _, _, _, _, high, low, 0, ..] => i16::from_be_bytes([high, low]),
            _ => return Err(Unsupported::Channels(record.channels)),
        };
        Ok(Self {
            decoder: Self::decoder(gain).map_err(Unsupported::Decoder)?,
            gain,
            interleaved: vec![0.0; 2 * OPUS_PACKET_SAMPLES_MAX],
        })
    }

    /// Always of two channels: it gives a mono packet to both.
    fn decoder(gain: i16) -> Result<mousiki::Decoder, String> {
        mousiki::Decoder::builder(RATE, Channels::Stereo)
            .gain(i32::from(gain))
            .build()
            .map_err(|error| format!("{error:?}"))
    }

    fn decode(&mut self, payload: &[u8], pcm: &mut Stereo) -> Option<String> {
        // An empty packet would ask for concealment; a length that cannot be read for anything.
        let length = opus::packet_samples(payload);
        let (decoder, interleaved) = (&mut self.decoder, &mut self.interleaved);
        let result = length.as_ref().map_err(ToString::to_string).and_then(|_| {
            guarded(|| {
                let samples = decoder.decode_float(payload, interleaved, false);
                samples.map_err(|error| format!("{error:?}"))
            })
        });
        let (samples, damage) = match result {
            Ok(samples) => (samples, None),
            Err(damage) => {
                let samples = length.unwrap_or(OPUS_FRAME_SAMPLES) as usize;
                (self.conceal(samples), Some(damage))
            }
        };
        for pair in self.interleaved.chunks_exact(2).take(samples) {
            pcm[0].push(downmix::clip(pair[0]));
            pcm[1].push(downmix::clip(pair[1]));
        }
        damage
    }

    /// Makes up `samples` from what came before, or silence where the decoder cannot.
    fn conceal(&mut self, samples: usize) -> usize {
        let room = &mut self.interleaved[..2 * samples];
        let decoder = &mut self.decoder;
        let concealed =
            guarded(|| decoder.conceal_float(room).map_err(|error| format!("{error:?}")));
        if concealed != Ok(samples) {
            if let Ok(decoder) = Self::decoder(self.gain) {
                self.decoder = decoder;
            }
            self.interleaved[..2 * samples].fill(0.0);
        }
        samples
    }
}
