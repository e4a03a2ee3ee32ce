//! Random streams, random readers: what a reader gets is what was written, less what it is told it
//! missed.

use std::collections::HashMap;
use std::task::Poll;

use proptest::collection::vec;
use proptest::prelude::*;
use tally_hub::{Consumer, Item, Limits, Producer, Start};
use tally_media::{Medium, TrackId};

use crate::support::{audio, delta, key, producer_with, sound, video};

#[derive(Clone, Debug)]
enum Step {
    Write { track: usize, keyframe: bool, times: usize },
    NewParameters { track: u8, width: u16 },
    Remove { track: usize },
    Interrupt,
    Resume,
    Join { live: bool },
    Read { reader: usize, items: usize },
    Leave { reader: usize },
}

const TRACKS: [TrackId; 4] =
    [TrackId::Video(0), TrackId::Audio(0), TrackId::Video(1), TrackId::Audio(1)];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..4_usize, any::<bool>(), 1..60_usize)
            .prop_map(|(track, keyframe, times)| Step::Write { track, keyframe, times }),
        2 => (0..2_u8, 1..4_u16)
            .prop_map(|(track, width)| Step::NewParameters { track, width }),
        1 => (0..4_usize).prop_map(|track| Step::Remove { track }),
        1 => Just(Step::Interrupt),
        2 => Just(Step::Resume),
        2 => any::<bool>().prop_map(|live| Step::Join { live }),
        6 => (any::<usize>(), 1..200_usize)
            .prop_map(|(reader, items)| Step::Read { reader, items }),
        1 => any::<usize>().prop_map(|reader| Step::Leave { reader }),
    ]
}

/// What was in force when a frame was written. Frames are known by their track and decode time.
#[derive(Clone, Debug, PartialEq)]
struct Written {
    number: u64,
    keyframe: bool,
    width: u16,
    interrupted: bool,
}

struct Writer {
    producer: Producer,
    now_ms: i64,
    interrupted: bool,
    widths: HashMap<TrackId, u16>,
    numbers: HashMap<TrackId, u64>,
    written: HashMap<(TrackId, i64), Written>,
}

impl Writer {
    fn declare(&mut self, id: TrackId, new_width: u16) {
        let track = match id {
            TrackId::Video(number) => video(number, new_width),
            TrackId::Audio(number) => audio(number),
        };
        self.producer.track(track);
        self.widths.insert(id, new_width);
    }

    fn write(&mut self, id: TrackId, keyframe: bool) {
        let Some(&width) = self.widths.get(&id) else { return };
        self.now_ms += 5;
        let frame = match (id.medium(), keyframe) {
            (Medium::Audio, _) => sound(self.now_ms),
            (Medium::Video, true) => key(self.now_ms),
            (Medium::Video, false) => delta(self.now_ms),
        };
        let keyframe = frame.keyframe;
        let taken = |producer: &Producer| {
            let tracks = producer.stream().stats().tracks;
            tracks.iter().find(|(track, _)| *track == id).map(|(_, stats)| stats.frames)
        };
        let before = taken(&self.producer);
        self.producer.write(id, frame).unwrap();
        if taken(&self.producer) != before {
            let count = self.numbers.entry(id).or_default();
            let (number, interrupted) = (*count, self.interrupted);
            *count += 1;
            let written = Written { number, keyframe, width, interrupted };
            self.written.insert((id, self.now_ms), written);
        }
    }
}

/// What a reader believes.
struct Reader {
    consumer: Consumer,
    widths: HashMap<TrackId, u16>,
    interrupted: bool,
    last_ms: i64,
    next_number: HashMap<TrackId, u64>,
    /// Tracks that must go on with a keyframe.
    needs_keyframe: HashMap<TrackId, bool>,
}

impl Reader {
    fn read(&mut self, items: usize, written: &HashMap<(TrackId, i64), Written>) -> bool {
        for _ in 0..items {
            match self.consumer.try_next() {
                Poll::Ready(Some(item)) => self.take(item, written),
                Poll::Ready(None) => return true,
                Poll::Pending => return false,
            }
        }
        false
    }

    fn take(&mut self, item: Item, written: &HashMap<(TrackId, i64), Written>) {
        match item {
            Item::Track(track) => {
                let width = track.codec.video().map_or(0, |video| video.width);
                self.widths.insert(track.id, width);
            }
            Item::TrackRemoved(id) => {
                assert!(self.widths.remove(&id).is_some(), "{id:?} ended but was never told");
                self.needs_keyframe.insert(id, true);
            }
            Item::Interrupted => assert!(!std::mem::replace(&mut self.interrupted, true)),
            Item::Resumed => assert!(std::mem::replace(&mut self.interrupted, false)),
            Item::Skipped { track, frames } => {
                assert!(frames > 0);
                *self.next_number.get_mut(&track).expect("had frames before") += frames;
                self.needs_keyframe.insert(track, true);
            }
            Item::Frame(id, frame) => {
                let ms = frame.dts.ticks;
                assert!(ms > self.last_ms, "items come in the order written");
                self.last_ms = ms;
                let truth = &written[&(id, ms)];
                assert_eq!(self.interrupted, truth.interrupted);
                let told = self.widths[&id];
                assert!(id.medium() == Medium::Audio || told == truth.width);
                let expected = self.next_number.insert(id, truth.number + 1);
                assert_eq!(expected.unwrap_or(truth.number), truth.number, "{id:?} has a hole");
                if self.needs_keyframe.insert(id, false).unwrap_or(true) {
                    assert!(truth.keyframe, "{id:?} starts without a keyframe");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn readers_get_what_was_written_less_what_they_are_told(
        steps in vec(step(), 1..150),
        duration_ms_max in 50..2_000_i64,
        bytes_max in 2_000..40_000_usize,
    ) {
        let limits = Limits { duration_ms_max, bytes_max, entries_max: 300 };
        let mut writer = Writer {
            producer: producer_with(limits),
            now_ms: 0,
            interrupted: false,
            widths: HashMap::new(),
            numbers: HashMap::new(),
            written: HashMap::new(),
        };
        TRACKS.into_iter().for_each(|id| writer.declare(id, 1));
        let mut readers: Vec<Reader> = Vec::new();
        for step in steps {
            run(step, &mut writer, &mut readers);
            prop_assert!(writer.producer.stream().stats().kept_bytes <= bytes_max);
        }
        drop(writer.producer);
        for reader in &mut readers {
            prop_assert!(reader.read(usize::MAX, &writer.written), "no end");
            prop_assert_eq!(&reader.widths.len(), &writer.widths.len());
        }
    }
}

fn run(step: Step, writer: &mut Writer, readers: &mut Vec<Reader>) {
    match step {
        Step::Write { track, keyframe, times } => {
            for time in 0..times {
                writer.write(TRACKS[track], keyframe && time == 0);
            }
        }
        Step::NewParameters { track, width } => writer.declare(TrackId::Video(track), width),
        Step::Remove { track } => {
            writer.producer.remove_track(TRACKS[track]);
            writer.widths.remove(&TRACKS[track]);
        }
        Step::Interrupt => {
            writer.producer.interrupted();
            writer.interrupted = true;
        }
        Step::Resume => {
            writer.producer.resumed();
            writer.interrupted = false;
        }
        Step::Join { live } => {
            let start = if live { Start::Live } else { Start::NewestGroup };
            readers.push(Reader {
                consumer: writer.producer.stream().consume(start),
                widths: HashMap::new(),
                interrupted: false,
                last_ms: -1,
                next_number: HashMap::new(),
                needs_keyframe: HashMap::new(),
            });
        }
        Step::Read { reader, items } if !readers.is_empty() => {
            let at = reader % readers.len();
            assert!(!readers[at].read(items, &writer.written), "ended too early");
        }
        Step::Leave { reader } if !readers.is_empty() => {
            let at = reader % readers.len();
            drop(readers.swap_remove(at));
        }
        Step::Read { .. } | Step::Leave { .. } => {}
    }
}
