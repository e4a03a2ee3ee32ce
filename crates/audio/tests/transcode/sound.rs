//! Encoded sound to push, and measures of what comes out.

use bytes::Bytes;
use tally_audio::{Options, Target, Transcoder};
use tally_media::codec::{Codec, aac, opus};
use tally_media::{Frame, Timescale, Timestamp, Track, TrackId};

pub(crate) const TONE_HZ: f64 = 1_000.0;
pub(crate) const LEVEL: f64 = 0.25;
/// Where the tone begins, in seconds.
pub(crate) const ONSET_S: f64 = 0.5;
/// Where the timelines of these tests begin, in seconds: not at zero, before which nothing is given out.
pub(crate) const START_S: i64 = 10;

/// A track and its frames from [`START_S`] on.
pub(crate) struct Sound {
    pub(crate) track: Track,
    pub(crate) frames: Vec<Frame>,
    /// Samples by which its decoder's output lies behind the sound.
    pub(crate) priming: u32,
}

impl Sound {
    fn new(codec: Codec, payloads: Vec<Bytes>, samples: u32, priming: u32) -> Self {
        let record = codec.audio().expect("an audio codec");
        let timescale = Timescale::new(record.sample_rate);
        let start = START_S * i64::from(record.sample_rate);
        let at = |number: usize| start + number as i64 * i64::from(samples);
        let frames = payloads
            .into_iter()
            .enumerate()
            .map(|(number, payload)| frame(Timestamp::new(at(number), timescale), payload))
            .collect();
        let id = TrackId::Audio(0);
        let track = Track { id, codec, timescale, language: Some("de".to_owned()), color: None };
        Self { track, frames, priming }
    }

    /// When the tone is heard by who decodes the frames, in seconds of the timeline.
    pub(crate) fn onset_s(&self) -> f64 {
        let rate = f64::from(self.track.timescale.per_second());
        START_S as f64 + ONSET_S + f64::from(self.priming) / rate
    }
}

pub(crate) fn frame(pts: Timestamp, payload: Bytes) -> Frame {
    Frame { dts: pts, pts, duration_ticks: None, keyframe: true, payload }
}

/// Frames with ADTS headers, as FFmpeg writes them.
pub(crate) fn adts(mut bytes: &'static [u8]) -> Sound {
    let codec = aac::from_adts(bytes).expect("a fixture");
    let mut payloads = Vec::new();
    while let [_, _, _, b3, b4, b5, _, ..] = *bytes {
        let length = usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5) >> 5;
        payloads.push(Bytes::from_static(&bytes[7..length]));
        bytes = &bytes[length..];
    }
    Sound::new(codec, payloads, 1_024, 1_024)
}

pub(crate) fn stereo_44100() -> Sound {
    adts(include_bytes!("../fixtures/stereo-44100.aac"))
}

/// The tone of the tests, `seconds` of it.
pub(crate) fn tone(rate: u32, seconds: f64) -> Vec<f32> {
    let samples = (seconds * f64::from(rate)) as usize;
    let sample = |number: usize| match number as f64 / f64::from(rate) {
        s if s < ONSET_S => 0.0,
        s => (LEVEL * (std::f64::consts::TAU * TONE_HZ * s).sin()) as f32,
    };
    (0..samples).map(sample).collect()
}

/// `planes` through syom's encoder.
pub(crate) fn aac_of(planes: &[Vec<f32>], rate: u32, options: &syom::EncodeOptions) -> Sound {
    let mut encoder = syom::Encoder::new(rate, planes.len(), options).expect("legal options");
    let mut payloads = Vec::new();
    let planes: Vec<&[f32]> = planes.iter().map(|plane| &plane[..]).collect();
    let mut take = |frame: syom::EncodedFrame<'_>| {
        payloads.push(Bytes::copy_from_slice(frame.payload));
        Ok(())
    };
    encoder.feed(&planes, &mut take).expect("a tone");
    let info = encoder.finish(&mut take).expect("a tone");
    let codec = aac::from_asc(Bytes::copy_from_slice(encoder.asc())).expect("a record");
    let samples = codec.audio().and_then(|record| record.frame_samples).expect("AAC");
    Sound::new(codec, payloads, samples, info.priming as u32)
}

/// The tone in Opus packets of 20 ms, `channels` 1 or 2.
pub(crate) fn opus_of(seconds: f64, channels: mousiki::Channels) -> Sound {
    let mut encoder = mousiki::Encoder::new(48_000, channels, mousiki::Application::Audio)
        .expect("legal options and good frames");
    encoder.set_bitrate(mousiki::Bitrate::Bits(96_000)).expect("legal options and good frames");
    let count = channels.count();
    let payloads = tone(48_000, seconds)
        .chunks_exact(960)
        .map(|mono| {
            let pcm: Vec<f32> = mono.iter().flat_map(|&s| std::iter::repeat_n(s, count)).collect();
            let mut packet = [0; 1_276];
            let bytes =
                encoder.encode_float(&pcm, &mut packet).expect("legal options and good frames");
            Bytes::copy_from_slice(&packet[..bytes])
        })
        .collect();
    let head = [b"OpusHead\x01", &[count as u8, 56, 1, 0x80, 0xBB, 0, 0, 0, 0, 0][..]].concat();
    Sound::new(
        opus::from_opus_head(&head).expect("legal options and good frames"),
        payloads,
        960,
        312,
    )
}

pub(crate) fn transcoder(track: &Track, target: Target) -> Transcoder {
    Transcoder::new(track, target, Options::default()).expect("a track that is transcoded")
}

/// Pushes every frame, expects all of them to be good, and gives what comes out.
pub(crate) fn through(transcoder: &mut Transcoder, frames: &[Frame]) -> Vec<Frame> {
    let mut out = Vec::new();
    for frame in frames {
        transcoder.push(frame).expect("a good frame");
        out.extend(std::iter::from_fn(|| transcoder.poll_frame()));
    }
    transcoder.finish();
    out.extend(std::iter::from_fn(|| transcoder.poll_frame()));
    out
}

/// Decoded sound and the time of its first sample, at 48 kHz.
pub(crate) struct Heard {
    pub(crate) pcm: [Vec<f32>; 2],
    start_s: f64,
}

/// Decodes frames that follow each other without a hole.
pub(crate) fn hear(track: &Track, frames: &[Frame]) -> Heard {
    for pair in frames.windows(2) {
        let length = i64::from(pair[0].duration_ticks.expect("audio has a duration"));
        assert_eq!(pair[1].pts.ticks - pair[0].pts.ticks, length);
    }
    let mut pcm = [Vec::new(), Vec::new()];
    match &track.codec {
        Codec::Opus(_) => {
            let mut decoder = mousiki::Decoder::new(48_000, mousiki::Channels::Stereo)
                .expect("legal options and good frames");
            for frame in frames {
                let mut room = [0.0; 2 * 960];
                assert_eq!(decoder.decode_float(&frame.payload, &mut room, false), Ok(960));
                room.chunks_exact(2).for_each(|pair| {
                    pcm[0].push(pair[0]);
                    pcm[1].push(pair[1]);
                });
            }
        }
        Codec::Aac(record) => {
            let options = syom::DecodeOptions::audio();
            let mut decoder = syom::Decoder::from_asc(&record.record, options)
                .expect("legal options and good frames");
            for frame in frames {
                decoder
                    .decode_au(&frame.payload, |frame| {
                        pcm.iter_mut().zip(frame.planar).for_each(|(p, f)| p.extend_from_slice(f));
                        Ok(())
                    })
                    .expect("legal options and good frames");
            }
        }
        other => panic!("not made by a transcoder: {other:?}"),
    }
    let first = frames.first().expect("something comes out").pts;
    Heard { pcm, start_s: first.ticks as f64 / f64::from(first.timescale.per_second()) }
}

impl Heard {
    /// When the left channel is first as loud as half the tone, in seconds of the timeline.
    pub(crate) fn onset_s(&self) -> f64 {
        let half = (LEVEL / 2.0) as f32;
        let sample = self.pcm[0].iter().position(|sample| sample.abs() > half);
        self.start_s + sample.expect("the tone is there") as f64 / 48_000.0
    }

    /// Amplitude at `hz` of a channel, from `from_s` of the timeline on, for `length_s` (Goertzel).
    pub(crate) fn amplitude(&self, channel: usize, hz: f64, from_s: f64, length_s: f64) -> f64 {
        let start = ((from_s - self.start_s) * 48_000.0) as usize;
        let samples = &self.pcm[channel][start..start + (length_s * 48_000.0) as usize];
        let coefficient = 2.0 * (std::f64::consts::TAU * hz / 48_000.0).cos();
        let (mut last, mut before) = (0.0, 0.0);
        for &sample in samples {
            (last, before) = (f64::from(sample) + coefficient * last - before, last);
        }
        let power = last * last + before * before - coefficient * last * before;
        2.0 * power.sqrt() / samples.len() as f64
    }
}

/// How far `amplitude` is from `wanted`, in decibels.
pub(crate) fn decibels(amplitude: f64, wanted: f64) -> f64 {
    20.0 * (amplitude / wanted).log10()
}
