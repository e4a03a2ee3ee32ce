//! The same promises with real threads racing: every reader gets or is told of every frame.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use tally_hub::{Consumer, Item, Limits, Start, Stream};

use crate::support::{AUDIO, VIDEO, audio, delta, key, producer_with, sound, video};

const THREADS: u64 = 3;
const READERS_PER_THREAD: usize = 60;
const PICTURES: i64 = 1_500;

/// The tasks of one thread that are ready to run.
#[derive(Default)]
struct Ready {
    tasks: Mutex<VecDeque<usize>>,
    changed: Condvar,
}

struct Task {
    at: usize,
    ready: Arc<Ready>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.ready.tasks.lock().unwrap().push_back(self.at);
        self.ready.changed.notify_one();
    }
}

impl Ready {
    fn next(&self) -> usize {
        let mut tasks = self.tasks.lock().unwrap();
        loop {
            match tasks.pop_front() {
                Some(at) => return at,
                None => tasks = self.changed.wait(tasks).unwrap(),
            }
        }
    }
}

/// Steps that look random and are the same in every run.
struct Lottery(u64);

impl Lottery {
    fn one_in(&mut self, chances: u64) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.is_multiple_of(chances)
    }
}

struct Reader {
    consumer: Consumer,
    /// Frames read and frames told as skipped since its first.
    accounted: i64,
    /// When its first sound frame was decoded, and its last.
    sound_ms: Option<(i64, i64)>,
}

impl Reader {
    fn new(stream: &Stream) -> Self {
        Self { consumer: stream.consume(Start::NewestGroup), accounted: 0, sound_ms: None }
    }

    fn take(&mut self, item: &Item) {
        match item {
            Item::Frame(AUDIO, frame) => {
                let first = self.sound_ms.map_or(frame.dts.ticks, |(first, _)| first);
                self.sound_ms = Some((first, frame.dts.ticks));
                self.accounted += 1;
                let frames_between = (frame.dts.ticks - first) / 20 + 1;
                assert_eq!(self.accounted, frames_between, "frames vanished");
            }
            Item::Skipped { track: AUDIO, frames } => {
                self.accounted += i64::try_from(*frames).unwrap();
            }
            _ => {}
        }
    }

    /// Reads until it must wait, or gives up in the middle. Whether the stream has ended.
    fn run(&mut self, waker: &Waker, lottery: &mut Lottery) -> bool {
        let mut context = Context::from_waker(waker);
        loop {
            let polled = if lottery.one_in(3) {
                // Waits with a future that is dropped again at once: must be as if it never waited.
                let polled = pin!(self.consumer.next()).poll(&mut context);
                if polled.is_pending() { continue } else { polled }
            } else {
                self.consumer.poll_next(&mut context)
            };
            match polled {
                Poll::Ready(Some(item)) => self.take(&item),
                Poll::Ready(None) => return true,
                Poll::Pending => return false,
            }
        }
    }
}

/// Runs its readers until all have seen the end; now and then replaces one that was just woken.
fn read(stream: &Stream, seed: u64) -> usize {
    let ready = Arc::new(Ready::default());
    let mut lottery = Lottery(seed);
    let mut readers: Vec<_> = (0..READERS_PER_THREAD).map(|_| Reader::new(stream)).collect();
    let mut ended = [false; READERS_PER_THREAD];
    let wakers: Vec<Waker> = (0..READERS_PER_THREAD)
        .map(|at| Waker::from(Arc::new(Task { at, ready: Arc::clone(&ready) })))
        .collect();
    wakers.iter().for_each(Waker::wake_by_ref);
    while !ended.iter().all(|ended| *ended) {
        let at = ready.next();
        if lottery.one_in(20) {
            readers[at] = Reader::new(stream);
        }
        ended[at] = readers[at].run(&wakers[at], &mut lottery);
    }
    readers.iter().filter(|reader| reader.sound_ms.is_some()).count()
}

#[test]
fn every_reader_gets_or_is_told_of_every_frame_and_of_the_end() {
    let limits = Limits { duration_ms_max: 2_000, ..Limits::default() };
    let mut producer = producer_with(limits);
    let stream = producer.stream();
    producer.track(video(0, 1280));
    producer.track(audio(0));
    std::thread::scope(|scope| {
        let readers: Vec<_> = (1..=THREADS)
            .map(|seed| {
                let stream = stream.clone();
                scope.spawn(move || read(&stream, seed))
            })
            .collect();
        for step in 0..PICTURES {
            let picture = if step % 50 == 0 { key(step * 20) } else { delta(step * 20) };
            producer.write(VIDEO, picture).unwrap();
            producer.write(AUDIO, sound(step * 20)).unwrap();
            std::thread::yield_now();
        }
        drop(producer);
        let heard: usize = readers.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(heard, usize::try_from(THREADS).unwrap() * READERS_PER_THREAD);
    });
    assert_eq!(stream.stats().readers, 0);
}

#[test]
fn a_reader_right_behind_the_writer_misses_nothing() {
    const FRAMES: i64 = 60_000;
    let limits = Limits { duration_ms_max: i64::MAX, entries_max: usize::MAX, ..Limits::default() };
    let mut producer = producer_with(limits);
    producer.track(audio(0));
    let stream = producer.stream();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let mut consumer = stream.consume(Start::Live);
            scope.spawn(move || {
                let mut next_ms = 0;
                while next_ms < FRAMES {
                    match consumer.try_next() {
                        Poll::Ready(Some(Item::Frame(_, frame))) => {
                            assert_eq!(frame.dts.ticks, next_ms);
                            next_ms += 1;
                        }
                        Poll::Ready(Some(Item::Track(_))) | Poll::Pending => {}
                        Poll::Ready(other) => panic!("{other:?} after {next_ms} frames"),
                    }
                }
            });
        }
        for ms in 0..FRAMES {
            producer.write(AUDIO, sound(ms)).unwrap();
        }
    });
}
