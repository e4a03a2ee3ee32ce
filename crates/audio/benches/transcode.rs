//! What a second of a stream costs: `cargo bench -p tally-audio`.

use bytes::Bytes;
use divan::Bencher;
use tally_audio::{Options, Target, Transcoder};
use tally_media::codec::aac;
use tally_media::{Frame, Timescale, Timestamp, Track, TrackId};

fn main() {
    divan::main();
}

/// Ten seconds of noise and tone at 44.1 kHz stereo, 128 kbit/s.
fn aac() -> (Track, Vec<Frame>) {
    let mut state: u32 = 1;
    let pcm: Vec<f32> = (0..441_000)
        .map(|number| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
            0.3 * (number as f32 * 0.06).sin() + 0.2 * noise
        })
        .collect();
    let mut encoder =
        syom::Encoder::new(44_100, 2, &syom::EncodeOptions::raw()).expect("legal options");
    let timescale = Timescale::new(44_100);
    let mut frames = Vec::new();
    encoder
        .feed(&[&pcm, &pcm], |encoded| {
            let pts = Timestamp::new(441_000 + frames.len() as i64 * 1_024, timescale);
            let payload = Bytes::copy_from_slice(encoded.payload);
            frames.push(Frame { dts: pts, pts, duration_ticks: None, keyframe: true, payload });
            Ok(())
        })
        .expect("samples within range");
    let codec = aac::from_asc(Bytes::copy_from_slice(encoder.asc())).expect("a record");
    (Track { id: TrackId::Audio(0), codec, timescale, language: None, color: None }, frames)
}

fn through(
    track: &Track,
    frames: &[Frame],
    target: Target,
    options: Options,
) -> (Track, Vec<Frame>) {
    let mut transcoder = Transcoder::new(track, target, options).expect("AAC or Opus");
    let mut out = Vec::new();
    for frame in frames {
        transcoder.push(frame).expect("a good frame");
        out.extend(std::iter::from_fn(|| transcoder.poll_frame()));
    }
    (transcoder.output_track().clone(), out)
}

/// Per ten seconds of 44.1 kHz stereo, by the encoder's complexity.
#[divan::bench(args = [2, 5, 10])]
fn aac_to_opus_10_s(bencher: Bencher<'_, '_>, complexity: u8) {
    let (track, frames) = aac();
    let options = Options { complexity, ..Options::default() };
    bencher.bench_local(|| through(&track, &frames, Target::Opus, options));
}

/// Per ten seconds of stereo.
#[divan::bench]
fn opus_to_aac_10_s(bencher: Bencher<'_, '_>) {
    let (track, frames) = aac();
    let (track, frames) = through(&track, &frames, Target::Opus, Options::default());
    bencher.bench_local(|| through(&track, &frames, Target::Aac, Options::default()));
}
