//! Which layer of the picture a viewer gets: the best one that its estimate carries.

use std::time::{Duration, Instant};

use tally_media::TrackId;

/// A better layer must fit with this much to spare, in percent of its rate: layers vary in rate.
pub const UPWARD_PERCENT: u64 = 115;

/// A better layer must have fitted for this long, so that an estimate that swings does not make the
/// picture swing.
pub const UPWARD_HOLD: Duration = Duration::from_secs(2);

/// Video pauses when not even the lowest layer has fitted for this long: an estimate undershoots for
/// a moment after the path has narrowed.
pub const PAUSE_HOLD: Duration = Duration::from_secs(3);

/// A layer on offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its track.
    pub track: TrackId,
    /// Its measured rate, in bits per second.
    pub bps: u64,
}

/// What became of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerEvent {
    /// From this frame on it is this layer.
    Switched(TrackId),
    /// Not even the lowest layer fits: audio only.
    Paused,
}

/// The choice among layers for one viewer.
#[derive(Clone, Debug, Default)]
pub struct LayerChoice {
    manual: Option<TrackId>,
    target: Option<TrackId>,
    current: Option<TrackId>,
    fits_since: Option<(TrackId, Instant)>,
    /// Since when not even the lowest layer fits.
    starved_since: Option<Instant>,
    /// Nothing fitted; a layer must have fitted for a while before the picture comes back.
    paused: bool,
}

impl LayerChoice {
    /// Nothing chosen yet: the first [`update`](Self::update) takes the best layer that fits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The layer being sent.
    #[must_use]
    pub fn current(&self) -> Option<TrackId> {
        self.current
    }

    /// The layer whose keyframe is waited for, if it is not the one being sent.
    #[must_use]
    pub fn waiting_for(&self) -> Option<TrackId> {
        self.target.filter(|_| self.target != self.current)
    }

    /// The viewer's own choice, whatever the estimate; `None` gives the choice back.
    pub fn choose(&mut self, track: Option<TrackId>) {
        self.manual = track;
    }

    /// Chooses among `layers`, in any order, for `estimate_bps` left for video.
    pub fn update(
        &mut self,
        layers: &[Layer],
        estimate_bps: u64,
        now: Instant,
    ) -> Option<LayerEvent> {
        let manual = self.manual.filter(|track| layers.iter().any(|it| it.track == *track));
        if manual.is_some() {
            self.target = manual;
            return None;
        }
        let fitting = best(layers, |layer| layer.bps <= estimate_bps);
        let lowest = layers.iter().min_by_key(|it| it.bps).copied();
        if fitting.is_none() && lowest.is_some() && !self.paused {
            let since = *self.starved_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= PAUSE_HOLD {
                return Some(self.pause());
            }
        } else {
            self.starved_since = None;
        }
        let target = self.target.and_then(|track| layers.iter().find(|it| it.track == track));
        let Some(target) = target else {
            if !self.paused {
                self.target = fitting.or(lowest).map(|it| it.track);
                return None;
            }
            let fits = with_margin(layers, estimate_bps);
            if fits.is_none() {
                self.fits_since = None;
            }
            self.target = fits.filter(|it| self.has_held(it.track, now)).map(|it| it.track);
            return None;
        };
        if target.bps > estimate_bps {
            self.fits_since = None;
            let fallback = if self.paused { None } else { lowest };
            self.target = fitting.or(fallback).map(|it| it.track);
            return None;
        }
        let better = with_margin(layers, estimate_bps).filter(|it| it.bps > target.bps);
        if let Some(better) = better.filter(|it| self.has_held(it.track, now)) {
            self.target = Some(better.track);
        } else if better.is_none() {
            self.fits_since = None;
        }
        None
    }

    /// Whether a frame of `track` is to be sent, and what changes with it: a keyframe of the layer
    /// waited for switches to it; until then the old layer goes on.
    pub fn admit(&mut self, track: TrackId, keyframe: bool) -> (bool, Option<LayerEvent>) {
        if self.target == Some(track) && self.current != Some(track) && keyframe {
            self.current = Some(track);
            self.paused = false;
            return (true, Some(LayerEvent::Switched(track)));
        }
        (self.current == Some(track), None)
    }

    fn pause(&mut self) -> LayerEvent {
        self.target = None;
        self.current = None;
        self.starved_since = None;
        self.fits_since = None;
        self.paused = true;
        LayerEvent::Paused
    }

    fn has_held(&mut self, track: TrackId, now: Instant) -> bool {
        match self.fits_since {
            Some((it, since)) if it == track => now.duration_since(since) >= UPWARD_HOLD,
            _ => {
                self.fits_since = Some((track, now));
                false
            }
        }
    }
}

fn with_margin(layers: &[Layer], estimate_bps: u64) -> Option<Layer> {
    best(layers, |it| it.bps.saturating_mul(UPWARD_PERCENT) / 100 <= estimate_bps)
}

fn best(layers: &[Layer], fits: impl Fn(&Layer) -> bool) -> Option<Layer> {
    layers.iter().filter(|it| fits(it)).max_by_key(|it| it.bps).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: TrackId = TrackId::Video(0);
    const HIGH: TrackId = TrackId::Video(1);
    const LAYERS: [Layer; 2] =
        [Layer { track: HIGH, bps: 2_000_000 }, Layer { track: LOW, bps: 500_000 }];

    struct Viewer {
        choice: LayerChoice,
        now: Instant,
    }

    impl Viewer {
        #[expect(clippy::disallowed_methods, reason = "an anchor for virtual time")]
        fn new() -> Self {
            Self { choice: LayerChoice::new(), now: Instant::now() }
        }

        /// One second at an estimate, then a keyframe of either layer.
        fn second(&mut self, estimate_bps: u64) -> Vec<LayerEvent> {
            let mut events = Vec::new();
            for _ in 0..10 {
                events.extend(self.choice.update(&LAYERS, estimate_bps, self.now));
                self.now += Duration::from_millis(100);
            }
            for track in [LOW, HIGH] {
                events.extend(self.choice.admit(track, true).1);
            }
            events
        }
    }

    #[test]
    fn what_fits_is_taken_at_once_and_better_only_after_a_while() {
        let mut viewer = Viewer::new();
        assert_eq!(viewer.second(1_000_000), [LayerEvent::Switched(LOW)]);
        assert_eq!(viewer.second(2_100_000), [], "no margin");
        assert_eq!(viewer.second(2_400_000), [], "held for one second");
        assert_eq!(viewer.second(1_000_000), []);
        assert_eq!(viewer.second(2_400_000), [], "held anew");
        viewer.second(2_400_000);
        assert_eq!(viewer.second(2_400_000), [LayerEvent::Switched(HIGH)]);
        assert_eq!(viewer.second(2_000_000), [], "stays without the margin");
        assert_eq!(viewer.second(1_999_999), [LayerEvent::Switched(LOW)]);
    }

    #[test]
    fn the_old_layer_goes_on_until_the_keyframe_of_the_new() {
        let mut viewer = Viewer::new();
        viewer.second(3_000_000);
        viewer.choice.update(&LAYERS, 600_000, viewer.now);
        assert_eq!(viewer.choice.waiting_for(), Some(LOW));
        assert_eq!(viewer.choice.admit(LOW, false), (false, None));
        assert_eq!(viewer.choice.admit(HIGH, false), (true, None));
        assert_eq!(viewer.choice.admit(LOW, true), (true, Some(LayerEvent::Switched(LOW))));
        assert_eq!(viewer.choice.admit(HIGH, true), (false, None));
    }

    #[test]
    fn video_pauses_where_nothing_fits_and_returns_after_a_while() {
        let mut viewer = Viewer::new();
        viewer.second(1_000_000);
        for _ in 0..3 {
            assert_eq!(viewer.second(400_000), [], "for a while the lowest goes on");
        }
        assert_eq!(viewer.second(400_000), [LayerEvent::Paused]);
        assert_eq!(viewer.choice.admit(LOW, true), (false, None));
        assert_eq!(viewer.second(600_000), []);
        assert_eq!(viewer.second(400_000), []);
        assert_eq!((viewer.second(600_000), viewer.second(600_000)), (vec![], vec![]));
        assert_eq!(viewer.second(600_000), [LayerEvent::Switched(LOW)]);
    }

    #[test]
    fn the_viewer_overrules_the_estimate_while_its_layer_exists() {
        let mut viewer = Viewer::new();
        viewer.choice.choose(Some(HIGH));
        assert_eq!(viewer.second(100_000), [LayerEvent::Switched(HIGH)]);
        viewer.choice.choose(None);
        assert_eq!(viewer.second(600_000), [LayerEvent::Switched(LOW)]);
        viewer.choice.choose(Some(TrackId::Video(7)));
        assert_eq!(viewer.second(600_000), []);
    }
}
