//! What one part costs a rendition: push and snapshot, playlist text, compression. All of it is
//! paid once per part, whatever the number of viewers. Run: `cargo bench -p tally-hls`.
//!
//! The window is the default one: 60 s of 2 s segments in parts of 250 ms, and two other renditions
//! to report.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use divan::{Bencher, counter::BytesCount};
use tally_cmaf::{Body, Init, Part, Plan, Segment};
use tally_hls::{Delivery, Encoding, Options, Position, RenditionReport, Snapshot, Window};
use tally_media::{Timescale, Timestamp};

const PART_TICKS: i64 = 22_500;
const SEGMENT_PARTS: i64 = 8;

fn main() {
    divan::main();
}

fn part(number: i64) -> Arc<Part> {
    let msn = number / SEGMENT_PARTS;
    Arc::new(Part {
        msn: msn.unsigned_abs(),
        index: u32::try_from(number % SEGMENT_PARTS).unwrap(),
        start: Timestamp::new(number * PART_TICKS, Timescale::VIDEO),
        duration: Timestamp::new(PART_TICKS, Timescale::VIDEO),
        independent: number % SEGMENT_PARTS == 0,
        gap: false,
        discontinuity: false,
        discontinuity_sequence: 0,
        init: 0,
        body: Body::from_iter([Bytes::from_static(b"moof")]),
    })
}

fn push(window: &mut Window, number: i64) {
    window.push_part(part(number)).unwrap();
    if (number + 1) % SEGMENT_PARTS == 0 {
        let parts: Vec<_> = (number + 1 - SEGMENT_PARTS..=number).map(part).collect();
        let first = Arc::clone(&parts[0]);
        let segment = Segment {
            msn: first.msn,
            start: first.start,
            duration: Timestamp::new(PART_TICKS * SEGMENT_PARTS, Timescale::VIDEO),
            gap: false,
            independent: true,
            discontinuity: false,
            discontinuity_sequence: 0,
            init: 0,
            len_bytes: 32,
            parts,
        };
        window.push_segment(Arc::new(segment)).unwrap();
    }
}

/// A window in steady state with `number` parts pushed, in the middle of a segment.
fn window() -> (Window, i64) {
    let plan = Plan { part_target_ms: 250, target_duration_s: 2, independent_segments: true };
    let mut window = Window::new(Options::new(&plan, 1_795_457_179_250));
    window.push_init(Arc::new(Init { id: 0, body: Bytes::new(), tracks: Vec::new() }));
    let number = 100 * SEGMENT_PARTS + 4;
    (0..number).for_each(|number| push(&mut window, number));
    (window, number)
}

fn reports() -> [RenditionReport; 2] {
    ["../v1/playlist.m3u8", "../v2/playlist.m3u8"]
        .map(|uri| RenditionReport { uri: uri.to_owned(), last: Position { msn: 100, part: 3 } })
}

fn text(snapshot: &Snapshot) -> Bytes {
    snapshot.playlist(Delivery::Full, &reports()).body(Encoding::Identity)
}

/// One part into the window and one snapshot out of it; a segment with every eighth.
#[divan::bench]
fn push_and_snapshot(bencher: Bencher<'_, '_>) {
    let (mut window, mut number) = window();
    bencher.bench_local(|| {
        push(&mut window, number);
        number += 1;
        window.snapshot()
    });
}

/// The text alone, from a fresh snapshot.
#[divan::bench(args = [Delivery::Full, Delivery::Skip, Delivery::SkipV2])]
fn render(bencher: Bencher<'_, '_>, delivery: Delivery) {
    let (window, _) = window();
    let reports = reports();
    let len = window.snapshot().playlist(delivery, &reports).body(Encoding::Identity).len();
    bencher
        .counter(BytesCount::new(len))
        .with_inputs(|| window.snapshot())
        .bench_refs(|snapshot| snapshot.playlist(delivery, &reports).body(Encoding::Identity));
}

/// What every further viewer costs: a look and a reference count.
#[divan::bench]
fn shared(bencher: Bencher<'_, '_>) {
    let (window, _) = window();
    let snapshot = window.snapshot();
    bencher.bench(|| snapshot.playlist(Delivery::Full, &[]).body(Encoding::Gzip));
}

/// As built in: text and gzip from a fresh snapshot.
#[divan::bench(args = [Encoding::Gzip, Encoding::Zstd])]
fn render_and_compress(bencher: Bencher<'_, '_>, encoding: Encoding) {
    let (window, _) = window();
    let reports = reports();
    bencher
        .with_inputs(|| window.snapshot())
        .bench_refs(|snapshot| snapshot.playlist(Delivery::Full, &reports).body(encoding));
}

/// Which gzip level: time here, sizes printed once.
#[divan::bench(args = [1, 2, 3, 4, 6, 9])]
fn gzip_level(bencher: Bencher<'_, '_>, level: u32) {
    let text = text(&window().0.snapshot());
    let gzip = |text: &[u8]| {
        let out = Vec::with_capacity(text.len());
        let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::new(level));
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    eprintln!("gzip {level}: {} of {} bytes", gzip(&text).len(), text.len());
    bencher.bench(|| gzip(&text));
}

/// Which zstd level: time here, sizes printed once.
#[divan::bench(args = [-3, 1, 2, 3, 5, 9])]
fn zstd_level(bencher: Bencher<'_, '_>, level: i32) {
    let text = text(&window().0.snapshot());
    let zstd = |text: &[u8]| zstd::bulk::compress(text, level).unwrap();
    eprintln!("zstd {level}: {} of {} bytes", zstd(&text).len(), text.len());
    bencher.bench(|| zstd(&text));
}
