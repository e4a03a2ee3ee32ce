//! Stereo at 48 kHz to Opus or AAC-LC.

use bytes::Bytes;
use mousiki::c_style_api::opus_encoder::{OpusEncoderCtlRequest, opus_encoder_ctl};
use mousiki::{Application, Bitrate, Channels};
use tally_media::Codec;
use tally_media::codec::{aac, opus};

use crate::resample::RATE;
use crate::transcoder::{Options, Target};
use crate::{Stereo, Unsupported};

/// 20 ms: what every Opus stack expects and jitter buffers are tuned for.
const OPUS_FRAME_SAMPLES: usize = 960;
/// Of AAC-LC.
const AAC_FRAME_SAMPLES: usize = 1_024;
/// How far AAC's overlap lets the decoder's output lie behind the encoder's input.
const AAC_DELAY_SAMPLES: u32 = 1_024;
/// Largest packet of one Opus frame (RFC 6716 3.4, R2), with its TOC byte.
const OPUS_PACKET_BYTES_MAX: usize = 1_276;
/// Below this stereo music is no pleasure in either codec, above it nothing is gained.
const BITRATE_KBPS: std::ops::RangeInclusive<u16> = 16..=320;
const COMPLEXITY_MAX: u8 = 10;

/// Encodes one run of sound after the other; never told of time.
pub(crate) struct Encoder {
    engine: Engine,
    options: Options,
    delay: u32,
}

enum Engine {
    Opus { encoder: Box<mousiki::Encoder>, interleaved: Vec<f32>, packet: Vec<u8> },
    Aac(Box<syom::Encoder>),
}

impl Encoder {
    /// For frames of `target`.
    pub(crate) fn new(target: Target, options: Options) -> Result<Self, Unsupported> {
        if !BITRATE_KBPS.contains(&options.bitrate_kbps) {
            return Err(Unsupported::Encoder(format!("{} kbit/s", options.bitrate_kbps)));
        }
        if options.complexity > COMPLEXITY_MAX {
            return Err(Unsupported::Encoder(format!("complexity {}", options.complexity)));
        }
        let (engine, delay) = Engine::new(target, options).map_err(Unsupported::Encoder)?;
        Ok(Self { engine, options, delay })
    }

    /// Samples at 48 kHz of each frame.
    pub(crate) const fn frame_samples(&self) -> usize {
        match self.engine {
            Engine::Opus { .. } => OPUS_FRAME_SAMPLES,
            Engine::Aac(_) => AAC_FRAME_SAMPLES,
        }
    }

    /// Samples by which a decoder's output lies behind this encoder's input.
    pub(crate) const fn delay_samples(&self) -> u32 {
        self.delay
    }

    /// What a decoder of its frames must know.
    pub(crate) fn codec(&self) -> Result<Codec, Unsupported> {
        let codec = match &self.engine {
            Engine::Opus { .. } => {
                // RFC 7845 5.1: version, channels, pre-skip, rate of the original, gain, mapping.
                let mut head = b"OpusHead\x01\x02".to_vec();
                head.extend_from_slice(&(self.delay as u16).to_le_bytes());
                head.extend_from_slice(&RATE.to_le_bytes());
                head.extend_from_slice(&[0, 0, 0]);
                opus::from_opus_head(&head)
            }
            Engine::Aac(encoder) => aac::from_asc(Bytes::copy_from_slice(encoder.asc())),
        };
        codec.map_err(|error| Unsupported::Encoder(error.to_string()))
    }

    /// Encodes the first [`Self::frame_samples`] of `pcm`. None where the encoder failed, which it has
    /// no reason to: the frame is then missing, and the next comes from a fresh encoder.
    pub(crate) fn encode(&mut self, pcm: &Stereo) -> Option<Bytes> {
        let samples = self.frame_samples();
        let encoded = self.engine.encode([&pcm[0][..samples], &pcm[1][..samples]]);
        if encoded.is_none() {
            let target = match self.engine {
                Engine::Opus { .. } => Target::Opus,
                Engine::Aac(_) => Target::Aac,
            };
            if let Ok((engine, _)) = Engine::new(target, self.options) {
                self.engine = engine;
            }
        }
        encoded
    }
}

impl Engine {
    /// The encoder and its delay in samples.
    fn new(target: Target, options: Options) -> Result<(Self, u32), String> {
        let bits_per_second = u32::from(options.bitrate_kbps) * 1_000;
        match target {
            Target::Opus => {
                let mut encoder =
                    mousiki::Encoder::builder(RATE, Channels::Stereo, Application::Audio)
                        .bitrate(Bitrate::Bits(bits_per_second as i32))
                        .complexity(i32::from(options.complexity))
                        .build()
                        .map_err(|error| format!("{error:?}"))?;
                let mut delay = 0;
                opus_encoder_ctl(
                    encoder.as_raw_mut(),
                    OpusEncoderCtlRequest::GetLookahead(&mut delay),
                )
                .map_err(|error| format!("{error:?}"))?;
                let encoder = Box::new(encoder);
                let packet = vec![0; OPUS_PACKET_BYTES_MAX];
                Ok((Self::Opus { encoder, interleaved: Vec::new(), packet }, delay.unsigned_abs()))
            }
            Target::Aac => {
                let options = syom::EncodeOptions::raw().with_bitrate_bps(bits_per_second);
                let encoder = syom::Encoder::new(RATE, 2, &options);
                let encoder = encoder.map_err(|error| error.to_string())?;
                Ok((Self::Aac(Box::new(encoder)), AAC_DELAY_SAMPLES))
            }
        }
    }

    fn encode(&mut self, planes: [&[f32]; 2]) -> Option<Bytes> {
        match self {
            Self::Opus { encoder, interleaved, packet } => {
                interleaved.clear();
                let pairs = planes[0].iter().zip(planes[1]);
                pairs.for_each(|(left, right)| interleaved.extend_from_slice(&[*left, *right]));
                let bytes = encoder.encode_float(interleaved, packet).ok()?;
                Some(Bytes::copy_from_slice(&packet[..bytes]))
            }
            Self::Aac(encoder) => {
                let mut encoded = None;
                let fed = encoder.feed(&planes, |frame| {
                    encoded = Some(Bytes::copy_from_slice(frame.payload));
                    Ok(())
                });
                fed.ok().and(encoded)
            }
        }
    }
}
