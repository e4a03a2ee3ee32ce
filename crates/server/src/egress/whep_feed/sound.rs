//! The main sound of a show as Opus payloads, transcoded once where it is something else.
//!
//! An AAC frame costs some 0.4 ms of a core to transcode, and a feed that starts in the middle of a show
//! has seconds of them at once. That is too long to hold a thread of the runtime, which others' sockets
//! wait for, and too seldom for a thread of its own in each show: frames go in batches to the runtime's
//! threads for blocking work, one batch at a time for each feed, so that their order stays. The hop costs
//! some 20 µs. Pictures do not wait for it.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::Arc;

use tally_audio::{Options, Target, Transcoder};
use tally_media::{Codec, Frame, Medium, Track, TrackId};
use tally_rtc::packetize::{PacketizedFrame, Packetizer};
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::{debug, error};

use super::origin::PAYLOAD_BYTES_MAX;
use crate::metrics::WhepFeedMetrics;

/// Frames of one batch: a second of AAC, so half a second of work in the worst case seen (damaged input
/// that is replaced by silence).
const BATCH_FRAMES_MAX: usize = 48;

/// Frames that wait for their batch: more than the hub keeps of any sound, so it bites only where
/// transcoding is slower than the show. The oldest leave.
const WAITING_MAX: usize = 1_024;

/// RFC 7587 carries mono and stereo, and several streams are not transcoded.
const OPUS_CHANNELS_MAX: u8 = 2;

/// The track whose sound viewers get: the first that is Opus or can be made Opus.
pub(super) fn main_track(tracks: &[Arc<Track>]) -> Option<&Arc<Track>> {
    let sounds = tracks.iter().filter(|track| track.id.medium() == Medium::Audio);
    sounds.filter(|track| is_opus(track) || can_be_opus(track)).min_by_key(|track| track.id)
}

fn is_opus(track: &Track) -> bool {
    matches!(&track.codec, Codec::Opus(record) if record.channels <= OPUS_CHANNELS_MAX)
}

fn can_be_opus(track: &Track) -> bool {
    transcoder(track).is_some()
}

fn transcoder(track: &Track) -> Option<Box<Transcoder>> {
    Transcoder::new(track, Target::Opus, Options::default()).ok().map(Box::new)
}

/// The sound of a show, or none.
#[derive(Debug)]
pub(super) struct Sound {
    main: Option<Arc<Track>>,
    way: Way,
    /// One per id ever used: frame numbers go on when a track comes back.
    packetizers: BTreeMap<TrackId, Packetizer>,
    metrics: WhepFeedMetrics,
}

/// How the main track's frames become Opus.
#[derive(Debug)]
enum Way {
    Silent,
    AsItCame,
    Transcoded(Transcoding),
}

impl Sound {
    pub(super) const fn new(metrics: WhepFeedMetrics) -> Self {
        Self { main: None, way: Way::Silent, packetizers: BTreeMap::new(), metrics }
    }

    /// The show's tracks are these from the next frame on.
    pub(super) fn set_tracks(&mut self, tracks: &[Arc<Track>]) {
        let main = main_track(tracks);
        if self.main.as_ref() == main {
            return;
        }
        self.main = main.cloned();
        let Some(main) = &self.main else {
            self.way = Way::Silent;
            return;
        };
        if is_opus(main) {
            self.way = Way::AsItCame;
            packetizer_of(&mut self.packetizers, main);
            return;
        }
        match &mut self.way {
            Way::Transcoded(transcoding) if transcoding.input.id == main.id => {
                transcoding.set_track(main);
            }
            way => {
                let Some(transcoder) = transcoder(main) else { return };
                packetizer_of(&mut self.packetizers, transcoder.output_track());
                *way = Way::Transcoded(Transcoding::new(main, transcoder));
            }
        }
    }

    /// Takes the next frame of any sound. Gives its payloads where there is no more to do.
    pub(super) fn take(&mut self, id: TrackId, frame: Frame) -> Option<Arc<PacketizedFrame>> {
        if self.main.as_ref().is_none_or(|main| main.id != id) {
            return None;
        }
        match &mut self.way {
            Way::Silent => None,
            Way::AsItCame => self.packetize(id, &frame),
            Way::Transcoded(transcoding) => {
                if transcoding.take(frame) {
                    self.metrics.dropped.transcoding.inc();
                }
                None
            }
        }
    }

    /// Waits for frames that were transcoded. Safe to drop and call again.
    pub(super) async fn transcoded(&mut self) -> Vec<Arc<PacketizedFrame>> {
        let Way::Transcoded(transcoding) = &mut self.way else { return pending().await };
        let frames = transcoding.done().await;
        let id = transcoding.input.id;
        let ms: i64 = frames.iter().filter_map(|it| it.duration_ticks).map(i64::from).sum();
        self.metrics.transcoded_s.inc_by(ms as f64 / 48_000.0);
        frames.iter().filter_map(|frame| self.packetize(id, frame)).collect()
    }

    fn packetize(&mut self, id: TrackId, frame: &Frame) -> Option<Arc<PacketizedFrame>> {
        let packetized = self.packetizers.get_mut(&id)?.packetize(frame);
        if packetized.is_none() {
            self.metrics.dropped.refused.inc();
        }
        packetized.map(Arc::new)
    }
}

/// Sees to it that there is a packetizer for frames of the Opus track `output`.
fn packetizer_of(packetizers: &mut BTreeMap<TrackId, Packetizer>, output: &Track) {
    match packetizers.get_mut(&output.id) {
        Some(packetizer) => drop(packetizer.set_track(output)),
        None => {
            let packetizer = Packetizer::new(output, PAYLOAD_BYTES_MAX);
            packetizers.extend(packetizer.map(|it| (output.id, it)));
        }
    }
}

/// A transcoder, and what is on its way to it and from it.
#[derive(Debug)]
struct Transcoding {
    input: Arc<Track>,
    waiting: VecDeque<Work>,
    state: State,
}

#[derive(Debug)]
enum State {
    Idle(Box<Transcoder>),
    Busy(JoinHandle<(Box<Transcoder>, Vec<Frame>)>),
    /// It panicked and could not be made anew.
    Broken,
}

#[derive(Debug)]
enum Work {
    Frame(Frame),
    Track(Arc<Track>),
}

impl Transcoding {
    fn new(input: &Arc<Track>, transcoder: Box<Transcoder>) -> Self {
        let state = State::Idle(transcoder);
        Self { input: Arc::clone(input), waiting: VecDeque::new(), state }
    }

    fn set_track(&mut self, track: &Arc<Track>) {
        self.input = Arc::clone(track);
        self.waiting.push_back(Work::Track(Arc::clone(track)));
    }

    /// Whether something had to be let go for it.
    fn take(&mut self, frame: Frame) -> bool {
        let is_full = self.waiting.len() >= WAITING_MAX;
        if is_full {
            let oldest = self.waiting.iter().position(|it| matches!(it, Work::Frame(_)));
            oldest.and_then(|at| self.waiting.remove(at));
        }
        self.waiting.push_back(Work::Frame(frame));
        self.start();
        is_full
    }

    /// Starts the next batch if none is under way.
    fn start(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        self.state = match std::mem::replace(&mut self.state, State::Broken) {
            State::Idle(transcoder) => {
                let count = self.waiting.len().min(BATCH_FRAMES_MAX);
                let batch: Vec<Work> = self.waiting.drain(..count).collect();
                State::Busy(spawn_blocking(move || transcode(transcoder, batch)))
            }
            other => other,
        };
    }

    async fn done(&mut self) -> Vec<Frame> {
        let State::Busy(job) = &mut self.state else { return pending().await };
        let (state, frames) = match job.await {
            Ok((transcoder, frames)) => (State::Idle(transcoder), frames),
            Err(error) => {
                // Decoders are guarded; what gets here is a bug, or the end of the process.
                error!(%error, "transcoding failed: its sound is missing, and goes on anew");
                (transcoder(&self.input).map_or(State::Broken, State::Idle), Vec::new())
            }
        };
        self.state = state;
        self.start();
        frames
    }
}

fn transcode(mut transcoder: Box<Transcoder>, batch: Vec<Work>) -> (Box<Transcoder>, Vec<Frame>) {
    let mut frames = Vec::new();
    for work in batch {
        match work {
            Work::Frame(frame) => {
                if let Err(error) = transcoder.push(&frame) {
                    debug!(%error, "sound");
                }
            }
            Work::Track(track) => {
                if let Err(error) = transcoder.set_track(&track) {
                    debug!(%error, "the sound's new parameters are refused");
                }
            }
        }
        frames.extend(std::iter::from_fn(|| transcoder.poll_frame()));
    }
    (transcoder, frames)
}
