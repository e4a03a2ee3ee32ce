//! What writing a frame costs with ten, a thousand and ten thousand readers waiting for it, and what
//! reading costs.
//!
//! `cargo bench -p tally-hub`

use std::task::{Context, Waker};

use bytes::Bytes;
use divan::Bencher;
use tally_hub::{Consumer, Hub, Limits, Producer, Start};
use tally_media::codec::AudioRecord;
use tally_media::{Codec, Frame, Timescale, Timestamp, Track, TrackId};

const AUDIO: TrackId = TrackId::Audio(0);

fn main() {
    divan::main();
}

struct Fixture {
    producer: Producer,
    readers: Vec<Consumer>,
    now_ms: i64,
    payload: Bytes,
}

impl Fixture {
    fn new(readers: usize) -> Self {
        let hub = Hub::new(Limits::default());
        let mut producer = hub.create("bench").expect("the hub is empty");
        let record = AudioRecord {
            record: Bytes::new(),
            sample_rate: 48_000,
            channels: 2,
            frame_samples: None,
            rfc6381: "opus".to_owned(),
        };
        producer.track(Track {
            id: AUDIO,
            codec: Codec::Opus(record),
            timescale: Timescale::MILLIS,
            language: None,
            color: None,
        });
        let stream = producer.stream();
        let readers = (0..readers).map(|_| stream.consume(Start::Live)).collect();
        Self { producer, readers, now_ms: 0, payload: Bytes::from(vec![0; 5_000]) }
    }

    /// Every reader reads what there is and waits.
    fn all_wait(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        for reader in &mut self.readers {
            while reader.poll_next(&mut context).is_ready() {}
        }
    }

    fn next_frame(&mut self) -> Frame {
        self.now_ms += 20;
        let now = Timestamp::from_ms(self.now_ms);
        let payload = self.payload.clone();
        Frame { dts: now, pts: now, duration_ticks: Some(20), keyframe: true, payload }
    }
}

const READERS: [usize; 4] = [0, 10, 1_000, 10_000];

/// More than the caches of most processors hold.
const CACHE_BYTES: usize = 64 << 20;

/// Reads so much memory that the caches hold nothing else. Ten thousand readers at work do that too;
/// without it only their row would measure cold memory.
fn cool_caches(memory: &[u8]) {
    let sum = memory.iter().step_by(64).fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    divan::black_box(sum);
}

/// The writer's own cost: the same in every row is the point.
#[divan::bench(args = READERS, sample_count = 300, sample_size = 1)]
fn write_with_waiting_readers(bencher: Bencher<'_, '_>, readers: usize) {
    let fixture = std::cell::RefCell::new(Fixture::new(readers));
    let memory = vec![1; CACHE_BYTES];
    bencher
        .with_inputs(|| {
            let mut fixture = fixture.borrow_mut();
            fixture.all_wait();
            let frame = fixture.next_frame();
            cool_caches(&memory);
            frame
        })
        .bench_local_values(|frame| fixture.borrow_mut().producer.write(AUDIO, frame));
}

/// One frame through all readers: written, everybody woken, read, and waiting again.
#[divan::bench(args = READERS, sample_count = 50, sample_size = 1)]
fn write_and_read_by_all(bencher: Bencher<'_, '_>, readers: usize) {
    let mut fixture = Fixture::new(readers);
    fixture.all_wait();
    bencher.counter(divan::counter::ItemsCount::new(readers.max(1))).bench_local(|| {
        let frame = fixture.next_frame();
        fixture.producer.write(AUDIO, frame).expect("times rise");
        fixture.all_wait();
    });
}

/// A reader that is behind reads without a lock: the cost of one frame of five hundred.
#[divan::bench(sample_count = 200)]
fn read_what_is_there(bencher: Bencher<'_, '_>) {
    const FRAMES: usize = 500;
    bencher
        .counter(divan::counter::ItemsCount::new(FRAMES))
        .with_inputs(|| {
            let mut fixture = Fixture::new(1);
            for _ in 0..FRAMES {
                let frame = fixture.next_frame();
                fixture.producer.write(AUDIO, frame).expect("times rise");
            }
            fixture
        })
        .bench_local_refs(|fixture| while fixture.readers[0].try_next().is_ready() {});
}
