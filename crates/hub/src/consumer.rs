//! One reader's place in a stream.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tally_media::{Frame, Medium, Timestamp, TrackId};

use crate::Item;
use crate::entry::{Entry, State};
use crate::log::{Cursor, Landing, Read, lasts_beyond};
use crate::stream::Shared;
use crate::wake::{Seat, Wait};

/// Where a new reader starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the newest keyframe of each video track, with the sound that goes with the main one: a
    /// picture at once. At the end of what is written where there is no video.
    NewestGroup,
    /// With what is written next; video from its next keyframe on.
    Live,
}

/// One reader of a stream: all tracks' items in the order written.
///
/// It first tells the tracks there are, then their frames. It takes any time it likes: when the log
/// has dropped what it would read next, it goes on at the newest keyframe and says what is missing
/// ([`Item::Skipped`]).
#[derive(Debug)]
pub struct Consumer {
    shared: Arc<Shared>,
    seat: Seat,
    /// Whether the wake tree may hold our waker, or we may owe it an answer.
    waits: bool,
    cursor: Cursor,
    /// What this reader has been told.
    told: State,
    /// To be told before anything else is read. Never more than a few per track.
    pending: VecDeque<Item>,
    lanes: Vec<Lane>,
    audio_from: Option<Timestamp>,
    ended: bool,
}

/// What a reader remembers of a track.
#[derive(Debug)]
struct Lane {
    track: TrackId,
    gate: Gate,
    /// The number of the frame after the last one read; `None` before the first.
    next_number: Option<u64>,
}

/// From where on a reader takes a track's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    /// At the first keyframe from this entry on.
    Keyframe {
        from_sequence: u64,
    },
    /// At the first frame that lasts beyond this time.
    Time(Timestamp),
}

impl Consumer {
    pub(crate) fn new(shared: Arc<Shared>, start: Start) -> Self {
        let seat = shared.wake_tree.join();
        let landing = match start {
            Start::NewestGroup => shared.log().newest_group(),
            Start::Live => shared.log().live(),
        };
        let mut consumer = Self {
            shared,
            seat,
            waits: false,
            cursor: landing.cursor,
            told: State::default(),
            pending: State::default().changes_to(&landing.state).into(),
            lanes: Vec::new(),
            audio_from: landing.audio_from,
            ended: false,
        };
        consumer.told = landing.state;
        consumer.close_gates(&landing.groups);
        consumer
    }

    /// The next item, if there is one; `Ready(None)` at the end of the stream, and from then on.
    ///
    /// After `Pending` the task is woken at the next item. A reader that then stops polling without
    /// being dropped calls [`Consumer::stop_waiting`]; [`Consumer::next`] does so by itself.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        self.stop_waiting();
        loop {
            if let Poll::Ready(item) = self.try_next() {
                return Poll::Ready(item);
            }
            let wanted = self.cursor.sequence;
            if self.shared.wake_tree.wait(self.seat, cx.waker(), wanted) == Wait::Waiting {
                self.waits = true;
                return Poll::Pending;
            }
        }
    }

    /// Waits for the next item; `None` at the end of the stream. Safe to drop and call again: no item is
    /// lost.
    #[expect(clippy::should_implement_trait, reason = "an async `next` is no iterator's `next`")]
    pub fn next(&mut self) -> Next<'_> {
        Next(self)
    }

    /// The next item if it is there now; `Pending` if not (nobody is woken for it), `Ready(None)` at
    /// the end of the stream.
    pub fn try_next(&mut self) -> Poll<Option<Item>> {
        loop {
            if let Some(item) = self.pending.pop_front() {
                return Poll::Ready(Some(item));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match self.cursor.read() {
                Read::Entry(entry) => {
                    if let Some(item) = self.take(entry) {
                        return Poll::Ready(Some(item));
                    }
                }
                Read::AtEnd => return Poll::Pending,
                Read::Overtaken => self.skip(),
            }
        }
    }

    /// Takes back the wish to be woken. Does nothing unless the last poll was `Pending`.
    pub fn stop_waiting(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.shared.wake_tree.answer(self.seat).wake();
        }
    }

    /// What `entry` means to this reader; nothing if it is before the place where it starts.
    fn take(&mut self, entry: Entry) -> Option<Item> {
        self.told.apply(&entry);
        match entry {
            Entry::Frame { track, number, frame } => self.take_frame(track, number, frame),
            Entry::Track(track) => Some(Item::Track(track)),
            Entry::TrackRemoved(id) => Some(Item::TrackRemoved(id)),
            Entry::Interrupted => Some(Item::Interrupted),
            Entry::Resumed => Some(Item::Resumed),
            Entry::Ended => {
                self.ended = true;
                None
            }
        }
    }

    fn take_frame(&mut self, id: TrackId, number: u64, frame: Frame) -> Option<Item> {
        let sequence = self.cursor.sequence - 1;
        let lane = self.lane(id);
        let opens = match lane.gate {
            Gate::Open => true,
            Gate::Keyframe { from_sequence } => frame.keyframe && sequence >= from_sequence,
            Gate::Time(start) => lasts_beyond(&frame, start),
        };
        if !opens {
            return None;
        }
        lane.gate = Gate::Open;
        let expected = lane.next_number.replace(number + 1).unwrap_or(number);
        let item = Item::Frame(id, frame);
        if expected == number {
            return Some(item);
        }
        let frames = number - expected;
        self.shared.track_counters(id).add_skipped(frames);
        self.pending.push_back(item);
        Some(Item::Skipped { track: id, frames })
    }

    /// The log has dropped our place: on to the newest keyframe.
    fn skip(&mut self) {
        self.shared.skips.fetch_add(1, Ordering::Relaxed);
        let Landing { cursor, state, groups, audio_from } = self.shared.log().newest_group();
        self.pending.extend(self.told.changes_to(&state));
        self.cursor = cursor;
        self.told = state;
        self.audio_from = audio_from;
        self.close_gates(&groups);
    }

    fn close_gates(&mut self, groups: &[(TrackId, u64)]) {
        let audio_from = self.audio_from;
        for lane in &mut self.lanes {
            lane.gate = Gate::start_of(lane.track, audio_from);
        }
        for &(id, from_sequence) in groups {
            self.lane(id).gate = Gate::Keyframe { from_sequence };
        }
    }

    fn lane(&mut self, id: TrackId) -> &mut Lane {
        let at = self.lanes.iter().position(|lane| lane.track == id).unwrap_or_else(|| {
            let gate = Gate::start_of(id, self.audio_from);
            self.lanes.push(Lane { track: id, gate, next_number: None });
            self.lanes.len() - 1
        });
        &mut self.lanes[at]
    }
}

impl Gate {
    /// For a track without a group to start at.
    fn start_of(id: TrackId, audio_from: Option<Timestamp>) -> Self {
        match (id.medium(), audio_from) {
            (Medium::Video, _) => Self::Keyframe { from_sequence: 0 },
            (Medium::Audio, Some(start)) => Self::Time(start),
            (Medium::Audio, None) => Self::Open,
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.shared.wake_tree.leave(self.seat).wake();
    }
}

/// What [`Consumer::next`] gives: completes with the next item.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Next<'a>(&'a mut Consumer);

impl Future for Next<'_> {
    type Output = Option<Item>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        self.0.poll_next(cx)
    }
}

impl Drop for Next<'_> {
    fn drop(&mut self) {
        self.0.stop_waiting();
    }
}
