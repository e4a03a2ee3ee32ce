//! Which of a publisher's simulcast layers is the best one.
//!
//! An offer lists the layers in order, but not in the same one: browsers count up from the smallest
//! picture unless told otherwise (`scaleResolutionDownBy` of WebRTC 1.0), encoders and RFC 8853 down
//! from the best. Track 0 is to be the best, so the direction is found out before anything is
//! published.

use std::time::{Duration, Instant};

use tally_media::{Track, TrackId};

/// How long a second layer is waited for. Publishers that send all layers send them within a few
/// frames; those that begin with one, because they do not trust the path yet, begin with the smallest.
const WAIT: Duration = Duration::from_secs(1);

/// The direction of one publisher's layers.
#[derive(Debug)]
pub(super) struct LayerOrder {
    layers: u8,
    /// The first layer heard of: its number and its pixels.
    first: Option<(u8, u32, Instant)>,
    /// Whether the offer's last layer is the best.
    ascends: Option<bool>,
}

impl LayerOrder {
    /// Of this many layers; one or none is in order.
    pub(super) fn new(layers: usize) -> Self {
        let layers = u8::try_from(layers).unwrap_or(u8::MAX);
        Self { layers, first: None, ascends: (layers < 2).then_some(false) }
    }

    /// Whether tracks have their names.
    pub(super) fn is_known(&self) -> bool {
        self.ascends.is_some()
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.first.filter(|_| !self.is_known()).map(|(_, _, at)| at + WAIT)
    }

    /// Takes notice of a track, by its number in the offer.
    pub(super) fn saw(&mut self, track: &Track, now: Instant) {
        let (TrackId::Video(layer), Some(video)) = (track.id, track.codec.video()) else { return };
        let pixels = u32::from(video.width) * u32::from(video.height);
        match self.first {
            None => self.first = Some((layer, pixels, now)),
            Some((first, smaller, _))
                if !self.is_known() && first != layer && smaller != pixels =>
            {
                self.ascends = Some((layer > first) == (pixels > smaller));
            }
            Some(_) => {}
        }
    }

    /// Decides by the one layer there is: publishers that begin with one begin with the smallest.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some((layer, _, _)) = self.first.filter(|_| self.poll_timeout() <= Some(now))
            && !self.is_known()
        {
            self.ascends = Some(layer < self.layers / 2);
        }
    }

    /// The name of a track that has this number in the offer, and the other way round.
    pub(super) fn swap(&self, id: TrackId) -> TrackId {
        match id {
            TrackId::Video(layer) if self.ascends == Some(true) && layer < self.layers => {
                TrackId::Video(self.layers - 1 - layer)
            }
            id => id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::depacketize::tests::vpx_record;
    use crate::egress::testing::anchor;
    use tally_media::codec::VideoRecord;
    use tally_media::{Codec, Timescale};

    fn track(layer: u8, width: u16) -> Track {
        let codec = Codec::Vp8(VideoRecord { width, ..vpx_record() });
        let id = TrackId::Video(layer);
        Track { id, codec, timescale: Timescale::VIDEO, language: None, color: None }
    }

    fn names(order: &LayerOrder) -> [TrackId; 3] {
        assert!(order.is_known() && order.poll_timeout().is_none());
        [0, 1, 2].map(|layer| order.swap(TrackId::Video(layer)))
    }

    const KEPT: [TrackId; 3] = [TrackId::Video(0), TrackId::Video(1), TrackId::Video(2)];
    const TURNED: [TrackId; 3] = [TrackId::Video(2), TrackId::Video(1), TrackId::Video(0)];

    #[test]
    fn two_sizes_tell() {
        for (seen, names_then) in [
            ([(0, 1920), (1, 960)], KEPT),
            ([(2, 480), (0, 1920)], KEPT),
            ([(0, 480), (1, 960)], TURNED),
            ([(2, 1920), (1, 960)], TURNED),
        ] {
            let mut order = LayerOrder::new(3);
            for (layer, width) in seen {
                assert!(!order.is_known());
                order.saw(&track(layer, width), anchor());
            }
            assert_eq!(names(&order), names_then, "{seen:?}");
            order.saw(&track(1, 5_000), anchor());
            assert_eq!(names(&order), names_then, "for good");
        }
    }

    #[test]
    fn a_layer_alone_is_the_smallest() {
        for (layer, names_then) in [(0, TURNED), (2, KEPT)] {
            let (mut order, now) = (LayerOrder::new(3), anchor());
            order.handle_timeout(now);
            order.saw(&track(layer, 480), now);
            order.handle_timeout(now + WAIT / 2);
            assert_eq!(order.poll_timeout(), Some(now + WAIT));
            order.handle_timeout(now + WAIT);
            assert_eq!(names(&order), names_then);
        }
    }

    #[test]
    fn without_layers_there_is_nothing_to_wait_for() {
        for layers in [0, 1] {
            let order = LayerOrder::new(layers);
            assert_eq!(names(&order), KEPT);
        }
        let sound = LayerOrder::new(3).swap(TrackId::Audio(0));
        assert_eq!(sound, TrackId::Audio(0));
    }
}
