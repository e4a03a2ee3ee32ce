//! The pump of one show: hub frames into the segmenter, its parts and segments into live windows,
//! and new versions of them out to whoever waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tally_cmaf::{self as cmaf, Output, Plan, Rendition, RenditionId, Segmenter};
use tally_hls::multivariant::Multivariant;
use tally_hls::{self as hls, PushError, Rendered, RenditionReport, Window};
use tally_hub::{Consumer, Item};
use tally_media::Timestamp;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::origin::{HlsOptions, Presentation, RenditionOrigin, Version};
use super::sound::{self, Sound};
use crate::metrics::Metrics;
use crate::shows::{Expected, Show};

/// How often the segmenter is told the time. It only needs it when media does not come: late audio
/// is given up, gaps are filled. A fifth of a default part.
const TICK: Duration = Duration::from_millis(50);

/// Cuts a show into LL-HLS until its stream ends.
pub(crate) async fn package(
    show: Arc<Show>,
    mut consumer: Consumer,
    expected: Expected,
    metrics: Metrics,
) {
    let audio = show.hls().options().audio;
    let mut sound = Sound::new(audio, metrics.hls.untranscoded_frames.clone());
    let mut pump = Pump::new(show, expected, metrics);
    let mut items = Vec::new();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            item = consumer.next() => match item {
                Some(item) => sound.take(item, &mut items),
                None => break,
            },
            item = sound.made() => items.push(item),
            _ = tick.tick() => pump.tick(),
        }
        items.drain(..).for_each(|item| pump.take(item));
        pump.put_out();
    }
    sound.finish().await.into_iter().for_each(|item| pump.take(item));
    pump.finish();
}

struct Pump {
    show: Arc<Show>,
    metrics: Metrics,
    segmenter: Segmenter,
    plan: Option<Plan>,
    renditions: Vec<Rendition>,
    windows: BTreeMap<RenditionId, Live>,
    /// Multivariant playlists made so far: names each in its entity tag.
    presentations: u64,
    /// A segment without a keyframe was there, and was told: once for each show.
    is_hard_to_join: bool,
    /// Every rendition has had the time for its first segment.
    is_past_first_segment: bool,
}

/// A rendition's window, and where its versions are published once it has one.
struct Live {
    window: Window,
    origin: Option<Arc<RenditionOrigin>>,
    /// The rendition is gone; what is left can be played to its end.
    is_over: bool,
    /// Segments that left early, as far as they are counted.
    early_expiries: u64,
}

impl Live {
    const fn new(window: Window) -> Self {
        Self { window, origin: None, is_over: false, early_expiries: 0 }
    }

    fn end(&mut self) {
        self.window.end();
        self.is_over = true;
    }
}

impl Pump {
    fn new(show: Arc<Show>, expected: Expected, metrics: Metrics) -> Self {
        let HlsOptions { part_ms, segment_ms, .. } = show.hls().options();
        let segmenter = Segmenter::new(cmaf::Options {
            part_ms,
            segment_ms,
            expects_video: expected.video,
            expects_audio: expected.audio,
        });
        let (windows, renditions) = (BTreeMap::new(), Vec::new());
        Self {
            show,
            metrics,
            segmenter,
            plan: None,
            renditions,
            windows,
            presentations: 0,
            is_hard_to_join: false,
            is_past_first_segment: false,
        }
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Track(track) => self.segmenter.set_track(track),
            Item::TrackRemoved(id) => self.segmenter.remove_track(id),
            Item::Frame(id, frame) => self.segmenter.push(id, frame),
            Item::Skipped { track, frames } => {
                self.metrics.hls.skipped_frames.inc_by(frames);
                warn!(show = self.show.id(), ?track, frames, "packaging fell behind");
            }
            Item::Interrupted => self.segmenter.interrupted(),
            Item::Resumed => self.segmenter.resumed(),
        }
    }

    fn tick(&mut self) {
        self.segmenter.tick(Timestamp::from_ms(self.show.elapsed_ms()));
    }

    fn finish(&mut self) {
        self.segmenter.finish();
        self.put_out();
        info!(show = self.show.id(), stats = ?self.segmenter.stats(), "packaging ended");
    }

    /// Moves everything the segmenter has to say into the windows, then publishes. All renditions
    /// change before any is published, so that their reports agree.
    fn put_out(&mut self) {
        let (mut changed, mut segment_closed) = (false, false);
        while let Some(output) = self.segmenter.poll_output() {
            changed = true;
            segment_closed |= matches!(output, Output::Segment { .. });
            if let Err(error) = self.apply(output) {
                // Only a bug of the segmenter gets here. The window stays consistent without it.
                error!(show = self.show.id(), %error, "segmenter output refused");
            }
        }
        if changed {
            self.publish_versions();
        }
        if segment_closed {
            self.publish_presentation();
        }
    }

    fn apply(&mut self, output: Output) -> Result<(), PushError> {
        match output {
            Output::Plan(plan) => {
                info!(show = self.show.id(), ?plan, "plan");
                self.plan = Some(plan);
            }
            Output::RenditionsChanged(renditions) => {
                let is_gone = |id: &RenditionId| renditions.iter().all(|kept| kept.id != *id);
                self.windows.iter_mut().filter(|(id, _)| is_gone(id)).for_each(|(_, l)| l.end());
                self.renditions = renditions;
            }
            Output::Init { rendition, init } => self.window(rendition).push_init(init),
            Output::Part { rendition, part } => {
                self.metrics.hls.parts.inc();
                if let Some(evidence) = self.show.evidence().filter(|_| !part.gap) {
                    let end = part.start.offset(part.duration.ticks);
                    evidence.published((part.start.as_ms(), end.as_ms()));
                }
                self.window(rendition).push_part(part)?;
            }
            Output::Segment { rendition, segment } => {
                self.metrics.hls.segments.inc();
                self.is_past_first_segment |= segment.msn > 0;
                if !segment.independent && !segment.gap && !self.is_hard_to_join {
                    self.is_hard_to_join = true;
                    warn!(
                        show = self.show.id(),
                        %rendition,
                        "a segment without a keyframe (IDR): viewers who come later may see \
                         nothing; set the encoder to closed groups and a keyframe every 2 s"
                    );
                }
                self.window(rendition).push_segment(segment)?;
            }
            Output::Ended => {
                self.is_past_first_segment = true;
                self.windows.values_mut().for_each(Live::end);
            }
        }
        Ok(())
    }

    fn window(&mut self, id: RenditionId) -> &mut Window {
        let plan = self.plan.as_ref().expect("the plan comes before anything else");
        let mut options = hls::Options::new(plan, self.show.started_at_unix_ms());
        options.window_ms = self.show.hls().options().window_ms;
        let live = self.windows.entry(id).or_insert_with(|| Live::new(Window::new(options)));
        if live.is_over {
            // A rendition that comes back begins anew: an ended playlist stays ended.
            *live = Live::new(Window::new(options));
        }
        &mut live.window
    }

    fn publish_versions(&mut self) {
        let snapshots: Vec<_> = self
            .windows
            .iter()
            .map(|(id, live)| (*id, live.is_over, live.window.snapshot()))
            .collect();
        for (id, _, snapshot) in &snapshots {
            let others = snapshots.iter().filter(|(other, is_over, _)| other != id && !is_over);
            let reports = others
                .filter_map(|(other, _, snapshot)| {
                    let uri = format!("../{other}/playlist.m3u8");
                    Some(RenditionReport { uri, last: snapshot.last()? })
                })
                .collect();
            let version = Version { snapshot: Arc::clone(snapshot), reports };
            let live = self.windows.get_mut(id).expect("the snapshot was taken from it");
            match &live.origin {
                Some(origin) => origin.publish(version),
                None => live.origin = Some(Arc::new(RenditionOrigin::new(*id, version))),
            }
            let hls::Pressure { retained_dropped, listed_dropped } = live.window.pressure();
            let early = retained_dropped + listed_dropped;
            self.metrics.hls.early_expiries.inc_by(early - live.early_expiries);
            live.early_expiries = early;
        }
    }

    /// Renders the multivariant playlist again, with bit rates as measured by now.
    fn publish_presentation(&mut self) {
        let Some(plan) = self.plan else { return };
        let with_bitrates: Vec<_> = self
            .renditions
            .iter()
            .map(|rendition| (rendition.clone(), self.segmenter.bitrates(rendition.id)))
            .collect();
        // Who waits for the first one never asks again: it names every rendition, as far as those
        // have media. They close their first segments one right after the other.
        if !self.is_past_first_segment && with_bitrates.iter().any(|(_, rates)| rates.is_none()) {
            return;
        }
        let show = self.show.id();
        let uri = |id: RenditionId| format!("{show}/{id}/playlist.m3u8");
        let independent = plan.independent_segments && self.segmenter.stats().forced_cuts == 0;
        let has_media = with_bitrates.iter().filter(|(_, rates)| rates.is_some());
        let has_media: Vec<_> = has_media.map(|(rendition, _)| rendition.id).collect();
        let forms = sound::forms(self.show.hls().options().audio, &has_media).into_iter();
        let forms = forms.filter_map(|form| {
            let is_listed = |(rendition, _): &&(Rendition, _)| form.contains(&rendition.id);
            let listed: Vec<_> = with_bitrates.iter().filter(is_listed).cloned().collect();
            Multivariant::new(independent, &listed, uri)
        });
        let Some(multivariant) = forms.reduce(Multivariant::or) else { return };
        self.presentations += 1;
        let tag = format!("{show}-{}", self.presentations);
        let multivariant = Arc::new(Rendered::new(multivariant.render(), tag));
        let renditions = self.windows.values().filter_map(|live| live.origin.clone()).collect();
        self.show.hls().publish(Presentation { plan, multivariant, renditions });
        self.show.now_playable();
    }
}

#[cfg(test)]
mod tests {
    use tally_hls::Encoding;
    use tally_hub::Hub;
    use tally_media::{Frame, Track, TrackId};
    use tally_testsource::{Options, TestSource};

    use super::*;
    use crate::config::HlsAudio;
    use crate::shows::{Shows, ShowsOptions};

    const LARGE: TrackId = TrackId::Video(0);
    const SMALL: TrackId = TrackId::Video(1);

    fn shows() -> Shows {
        let audio = HlsAudio::Passthrough;
        let options = ShowsOptions {
            hls: HlsOptions { part_ms: 250, segment_ms: 2_000, window_ms: 12_000, audio },
            reconnect_grace: Duration::ZERO,
            shows_max: 1,
        };
        Shows::new(Hub::new(tally_hub::Limits::default()), options, Metrics::new())
    }

    /// Renditions close their first segments one after another, each with a frame of its own.
    #[tokio::test]
    async fn the_first_multivariant_playlist_names_every_rendition() {
        let publication = shows().publish("alice").unwrap();
        let show = Arc::clone(publication.show());
        let expected = Expected { video: true, audio: true };
        let mut pump = Pump::new(Arc::clone(&show), expected, Metrics::new());
        let mut source = TestSource::new(Options::default()).unwrap();
        for track in source.tracks() {
            pump.take(Item::Track(Arc::new(track.clone())));
            if track.id == LARGE {
                pump.take(Item::Track(Arc::new(Track { id: SMALL, ..track.clone() })));
            }
        }
        let presentation = loop {
            let (id, frame): (TrackId, Frame) = source.next_frame();
            pump.take(Item::Frame(id, frame.clone()));
            pump.put_out();
            if let Some(presentation) = show.hls().presentation() {
                break presentation;
            }
            if id == LARGE {
                pump.take(Item::Frame(SMALL, frame));
                pump.put_out();
            }
        };
        let text = presentation.multivariant.body(Encoding::Identity);
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(text.contains("/v0/") && text.contains("/v1/"), "{text}");
    }
}
