//! The feed's task: from the hub to the sinks.

use std::sync::Arc;
use std::time::Duration;

use tally_hub::{Consumer, Item};
use tally_media::{Frame, Medium, Track, TrackId};
use tally_rtc::packetize::PacketizedFrame;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tracing::{debug, warn};

use super::group::{Group, Put};
use super::pictures::Pictures;
use super::rate::has_moved;
use super::sinks::Sinks;
use super::sound::Sound;
use super::{FeedItem, FeedLayer};
use crate::metrics::WhepFeedMetrics;
use crate::shows::{Show, ShowState};

/// How often it is looked whether rates have changed, who left and who has room again: rates are
/// measured over seconds, and the other two are looked at when there is a frame as well.
const TICK: Duration = Duration::from_millis(500);

/// How long a feed outlives its last subscriber: a viewer that reloads the page finds it running.
const LINGER: Duration = Duration::from_secs(5);

/// Moves one show's frames to its subscribers.
#[derive(Debug)]
pub(super) struct Pump {
    show: Arc<Show>,
    consumer: Consumer,
    state: watch::Receiver<ShowState>,
    tick: Interval,
    metrics: WhepFeedMetrics,
    tracks: Vec<Arc<Track>>,
    pictures: Pictures,
    sound: Sound,
    group: Group,
    sinks: Sinks,
    /// The show has B-frames, as seen last.
    was_out_of_order: bool,
    /// As told last.
    layers: Arc<[FeedLayer]>,
    /// Since when nobody is subscribed.
    idle_since: Option<Instant>,
}

impl Pump {
    pub(super) fn new(show: Arc<Show>, consumer: Consumer, metrics: WhepFeedMetrics) -> Self {
        metrics.feeds.inc();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            consumer,
            state: show.watch_state(),
            tick,
            tracks: Vec::new(),
            pictures: Pictures::default(),
            sound: Sound::new(metrics.clone()),
            group: Group::default(),
            sinks: Sinks::new(metrics.clone()),
            was_out_of_order: false,
            layers: Arc::default(),
            idle_since: None,
            metrics,
            show,
        }
    }

    /// Runs until the show ends or nobody is subscribed for [`LINGER`].
    pub(super) async fn run(mut self) {
        debug!(show = self.show.id(), "WebRTC feed started");
        // Nobody is greeted before the group is there: what the hub has comes first.
        loop {
            tokio::select! {
                biased;
                Ok(()) = self.state.changed() => {
                    let state = *self.state.borrow_and_update();
                    self.sinks.send(&FeedItem::State(state));
                }
                item = self.consumer.next() => match item {
                    Some(item) => self.take(item),
                    None => break,
                },
                frame = self.sound.transcoded() => self.give(frame),
                () = self.show.whep().joined() => self.admit(),
                _ = self.tick.tick() => if self.tick() {
                    debug!(show = self.show.id(), "WebRTC feed stopped: no viewers");
                    return;
                },
            }
            // Seconds of frames may be there at the start.
            tokio::task::coop::consume_budget().await;
        }
        self.sinks.admit(self.show.whep().close());
        self.sinks.end().await;
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Track(track) => self.set_track(track),
            Item::TrackRemoved(id) => self.remove_track(id),
            Item::Frame(id, frame) => self.take_frame(id, frame),
            Item::Skipped { track, frames } => {
                self.metrics.dropped.skipped.inc_by(frames);
                warn!(show = self.show.id(), ?track, frames, "WebRTC feed fell behind");
            }
            // The group stays, to be shown to who comes meanwhile; the show's state tells the rest.
            Item::Interrupted | Item::Resumed => {}
        }
    }

    fn set_track(&mut self, track: Arc<Track>) {
        if track.id.medium() == Medium::Video {
            self.pictures.set_track(&track, &self.show.stream().stats());
        }
        self.tracks.retain(|known| known.id != track.id);
        self.tracks.push(track);
        self.sound.set_tracks(&self.tracks);
        self.announce();
    }

    fn remove_track(&mut self, id: TrackId) {
        self.tracks.retain(|known| known.id != id);
        self.pictures.remove(id);
        self.group.remove(id);
        self.sound.set_tracks(&self.tracks);
        self.announce();
    }

    fn take_frame(&mut self, id: TrackId, frame: Frame) {
        match id.medium() {
            Medium::Audio => {
                let ready = self.sound.take(id, frame);
                ready.into_iter().for_each(|frame| self.give(frame));
            }
            Medium::Video if self.is_out_of_order() => self.metrics.dropped.b_frames.inc(),
            Medium::Video => match self.pictures.packetize(id, &frame) {
                Some(frame) => self.give(frame),
                None => self.metrics.dropped.refused.inc(),
            },
        }
    }

    /// Whether the show has B-frames. Viewers are told when it begins to.
    fn is_out_of_order(&mut self) -> bool {
        let is_out_of_order = self.show.whep().has_b_frames();
        let was_out_of_order = std::mem::replace(&mut self.was_out_of_order, is_out_of_order);
        if is_out_of_order && !was_out_of_order {
            let video = self.tracks.iter().filter(|track| track.id.medium() == Medium::Video);
            video.for_each(|track| self.group.remove(track.id));
            self.sinks.send(&FeedItem::BFrames);
        }
        is_out_of_order
    }

    /// Keeps a frame for who comes later, and gives it to who is there.
    fn give(&mut self, frame: Arc<PacketizedFrame>) {
        self.metrics.packetized.inc();
        if let Put::TooLong(frames) = self.group.put(&frame) {
            self.metrics.dropped.group.inc_by(frames as u64);
            debug!(show = self.show.id(), track = ?frame.track, frames, "a group too long to keep");
            self.show.whep().keyframe_wanted(frame.track);
        }
        if frame.track.medium() == Medium::Video && frame.keyframe {
            // Its layer may be new, and viewers must know it before.
            self.announce();
        }
        self.sinks.send(&FeedItem::Frame(frame));
        self.greet();
    }

    /// Tells the layers where they are not as they were told.
    fn announce(&mut self) {
        let layers = self.pictures.layers();
        let is_as_told = layers.len() == self.layers.len()
            && layers.iter().zip(&*self.layers).all(|(new, told)| {
                (new.format, new.layer.track) == (told.format, told.layer.track)
                    && !has_moved(told.layer.bps, new.layer.bps)
            });
        if !is_as_told {
            self.layers = layers.into();
            self.sinks.send(&FeedItem::Layers(Arc::clone(&self.layers)));
        }
    }

    fn admit(&mut self) {
        // Before they join: the rates at the start are those of the whole group that was there.
        self.announce();
        self.sinks.admit(self.show.whep().take_joined());
        self.greet();
    }

    fn greet(&mut self) {
        let Self { state, layers, group, sinks, .. } = self;
        let greeting = || {
            [
                FeedItem::State(*state.borrow()),
                FeedItem::Layers(Arc::clone(layers)),
                FeedItem::Cached(group.snapshot()),
            ]
        };
        sinks.greet(greeting);
    }

    /// Whether the feed has no more to do.
    fn tick(&mut self) -> bool {
        self.greet();
        self.announce();
        self.wish_for_groups();
        if !self.sinks.sweep() {
            self.idle_since = None;
            return false;
        }
        let since = *self.idle_since.get_or_insert_with(Instant::now);
        since.elapsed() >= LINGER && self.show.whep().close_if_empty()
    }

    /// Encoders that send keyframes only when asked have to be asked before anybody can join.
    fn wish_for_groups(&self) {
        let ids = self.tracks.iter().map(|track| track.id);
        for id in ids.filter(|id| self.pictures.is_expected(*id) && !self.group.has(*id)) {
            self.show.whep().keyframe_wanted(id);
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.metrics.feeds.dec();
    }
}
