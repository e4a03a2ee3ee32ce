//! What packetizing costs: `cargo bench -p tally-rtc --bench packetize`.
//!
//! Both ways, per payload of 1,200 bytes, for a frame of 5 Mbit/s at 30 fps. Going out copies no media,
//! so its cost does not depend on the payloads' length; coming in copies each byte once.

#![expect(clippy::unwrap_used, reason = "in benchmarks a panic is the failure")]

use bytes::Bytes;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use tally_media::codec::{VideoRecord, h264};
use tally_media::nal::LengthSize;
use tally_media::{Codec, Frame, Timescale, Timestamp, Track, TrackId};
use tally_rtc::depacketize::{Depacketizer, Format};
use tally_rtc::packetize::Packetizer;

/// A frame of 5 Mbit/s at 30 fps.
const FRAME_BYTES: usize = 20_833;
const PAYLOAD_BYTES_MAX: usize = 1_200;
/// An SPS of 320x240 and a PPS.
const SPS: &[u8] = &[0x67, 0x42, 0xC0, 0x0D, 0xD9, 0x01, 0x41, 0xFB, 0x01, 0x10, 0x00, 0x00];
const PPS: &[u8] = &[0x68, 0xCE, 0x3C, 0x80];
const FORMATS: [Format; 3] = [Format::H264, Format::Av1, Format::Vp8];

fn main() {
    divan::main();
}

/// A frame between keyframes, and its track.
fn frame(format: Format) -> (Track, Frame) {
    let body = vec![0x81; FRAME_BYTES];
    let video = VideoRecord {
        record: Bytes::new(),
        width: 320,
        height: 240,
        rfc6381: String::new(),
        color: None,
    };
    let (codec, payload) = match format {
        Format::H264 => {
            let record = h264::avcc(&[SPS], &[PPS], LengthSize::Four).unwrap();
            let length = (FRAME_BYTES as u32 + 1).to_be_bytes();
            let codec = h264::from_avcc(record).unwrap();
            (codec, [&length[..], &[0x41], &body].concat())
        }
        Format::Av1 => {
            // OBU_FRAME without a size, an inter frame.
            (Codec::Av1(video), [&[0x30, 0x30][..], &body].concat())
        }
        _ => (Codec::Vp8(video), [&[0xF1][..], &body].concat()),
    };
    let id = TrackId::Video(0);
    let track = Track { id, codec, timescale: Timescale::VIDEO, language: None, color: None };
    let zero = Timestamp::new(0, Timescale::VIDEO);
    let payload = Bytes::from(payload);
    (track, Frame { dts: zero, pts: zero, duration_ticks: None, keyframe: false, payload })
}

#[divan::bench(args = FORMATS)]
fn packetize(bencher: Bencher<'_, '_>, format: Format) {
    let (track, frame) = frame(format);
    let mut packetizer = Packetizer::new(&track, PAYLOAD_BYTES_MAX).unwrap();
    let count = packetizer.packetize(&frame).unwrap().payloads.len();
    bencher
        .counter(ItemsCount::new(count))
        .bench_local(|| black_box(packetizer.packetize(black_box(&frame))));
}

#[divan::bench(args = FORMATS)]
fn depacketize(bencher: Bencher<'_, '_>, format: Format) {
    let (track, frame) = frame(format);
    let made = Packetizer::new(&track, PAYLOAD_BYTES_MAX).unwrap().packetize(&frame).unwrap();
    let payloads: Vec<Bytes> =
        made.payloads.iter().map(|p| [p.prefix.as_slice(), &p.body].concat().into()).collect();
    let mut depacketizer = Depacketizer::new(format);
    bencher
        .counter(ItemsCount::new(payloads.len()))
        .counter(BytesCount::new(frame.payload.len()))
        .bench_local(|| depacketizer.assemble(black_box(&payloads)).unwrap());
}
