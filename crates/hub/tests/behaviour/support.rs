//! Tracks, frames and readers to test with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use tally_hub::{Consumer, Hub, Item, Limits, Producer};
use tally_media::codec::{AudioRecord, VideoRecord};
use tally_media::{Codec, Frame, Timescale, Timestamp, Track, TrackId};

pub(crate) const VIDEO: TrackId = TrackId::Video(0);
pub(crate) const AUDIO: TrackId = TrackId::Audio(0);

pub(crate) fn producer() -> Producer {
    Hub::new(Limits::default()).create("alice").unwrap()
}

pub(crate) fn producer_with(limits: Limits) -> Producer {
    Hub::new(limits).create("alice").unwrap()
}

/// Video and audio count in milliseconds here: times in tests stay readable.
pub(crate) fn video(number: u8, width: u16) -> Track {
    let record = VideoRecord {
        record: Bytes::new(),
        width,
        height: 720,
        rfc6381: "avc1.64001F".to_owned(),
        color: None,
    };
    track(TrackId::Video(number), Codec::H264(record))
}

pub(crate) fn audio(number: u8) -> Track {
    let record = AudioRecord {
        record: Bytes::new(),
        sample_rate: 48_000,
        channels: 2,
        frame_samples: None,
        rfc6381: "opus".to_owned(),
    };
    track(TrackId::Audio(number), Codec::Opus(record))
}

fn track(id: TrackId, codec: Codec) -> Track {
    Track { id, codec, timescale: Timescale::MILLIS, language: None, color: None }
}

pub(crate) fn frame(
    dts_ms: i64,
    duration_ms: Option<u32>,
    keyframe: bool,
    payload: Bytes,
) -> Frame {
    let dts = Timestamp::from_ms(dts_ms);
    Frame { dts, pts: dts, duration_ticks: duration_ms, keyframe, payload }
}

pub(crate) fn key(dts_ms: i64) -> Frame {
    frame(dts_ms, None, true, Bytes::from_static(&[1; 100]))
}

pub(crate) fn delta(dts_ms: i64) -> Frame {
    frame(dts_ms, None, false, Bytes::from_static(&[2; 50]))
}

/// 20 ms of sound.
pub(crate) fn sound(dts_ms: i64) -> Frame {
    frame(dts_ms, Some(20), true, Bytes::from_static(&[3; 20]))
}

/// Everything there is to read now, in short words.
pub(crate) fn read_all(consumer: &mut Consumer) -> Vec<String> {
    let mut words = Vec::new();
    while let Poll::Ready(item) = consumer.try_next() {
        let Some(item) = item else {
            words.push("end".to_owned());
            break;
        };
        words.push(word(&item));
    }
    words
}

/// `V0 40k` is the keyframe of video 0 at 40 ms.
pub(crate) fn word(item: &Item) -> String {
    let name = |id: &TrackId| match id {
        TrackId::Video(number) => format!("V{number}"),
        TrackId::Audio(number) => format!("A{number}"),
    };
    match item {
        Item::Track(track) => {
            let width = track.codec.video().map(|video| format!(" {}", video.width));
            format!("+{}{}", name(&track.id), width.unwrap_or_default())
        }
        Item::TrackRemoved(id) => format!("-{}", name(id)),
        Item::Frame(id, frame) => {
            let key = if frame.keyframe && frame.duration_ticks.is_none() { "k" } else { "" };
            format!("{} {}{key}", name(id), frame.dts.ticks)
        }
        Item::Skipped { track, frames } => format!("skipped {frames} of {}", name(track)),
        Item::Interrupted => "interrupted".to_owned(),
        Item::Resumed => "resumed".to_owned(),
    }
}

/// A waker that counts.
#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls until there is nothing more to read; the consumer then waits with `wakes`.
pub(crate) fn poll_all(consumer: &mut Consumer, wakes: &Arc<Wakes>) -> Vec<String> {
    let waker = Waker::from(Arc::clone(wakes));
    let mut context = Context::from_waker(&waker);
    let mut words = Vec::new();
    while let Poll::Ready(item) = consumer.poll_next(&mut context) {
        match item {
            Some(item) => words.push(word(&item)),
            None => {
                words.push("end".to_owned());
                break;
            }
        }
    }
    words
}
