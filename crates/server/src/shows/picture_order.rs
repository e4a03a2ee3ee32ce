//! Whether a publisher's pictures are shown in another order than they are sent: B-frames.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tally_media::{Medium, Timestamp, TrackId};

/// Looks at every frame that goes into a show. The order counts, not the distance of presentation to
/// decode time: encoders shift all of them by a picture or two without reordering any.
#[derive(Debug, Default)]
pub(super) struct PictureOrder {
    /// Latest presentation time of each video track.
    newest_pts: BTreeMap<TrackId, Timestamp>,
    has_b_frames: Arc<AtomicBool>,
}

impl PictureOrder {
    /// Whether a picture came that is shown before one sent earlier; of the newest publisher.
    pub(super) fn has_b_frames(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.has_b_frames)
    }

    /// Looks at the next frame; whether it is the publisher's first that is out of order.
    pub(super) fn note(&mut self, track: TrackId, pts: Timestamp) -> bool {
        if track.medium() != Medium::Video {
            return false;
        }
        let newest = self.newest_pts.entry(track).or_insert(pts);
        let is_in_order = pts >= *newest;
        *newest = pts.max(*newest);
        !is_in_order && !self.has_b_frames.swap(true, Ordering::Relaxed)
    }

    /// A new publisher came: its encoder is set as it likes.
    pub(super) fn start_anew(&mut self) {
        self.newest_pts.clear();
        self.has_b_frames.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether pictures shown at these times, in ms, in the order sent, have B-frames among them.
    fn has_b_frames(times_ms: &[i64]) -> bool {
        let mut order = PictureOrder::default();
        let flag = order.has_b_frames();
        for ms in times_ms {
            order.note(TrackId::Video(0), Timestamp::from_ms(*ms));
            order.note(TrackId::Video(1), Timestamp::from_ms(5));
            order.note(TrackId::Audio(0), Timestamp::from_ms(-ms));
        }
        flag.load(Ordering::Relaxed)
    }

    #[test]
    fn pictures_out_of_order_are_b_frames() {
        assert!(!has_b_frames(&[80, 120, 160, 200]));
        assert!(has_b_frames(&[80, 200, 120, 160]));
    }

    #[test]
    fn a_new_publisher_starts_anew() {
        let mut order = PictureOrder::default();
        let flag = order.has_b_frames();
        let mut note = |ms| order.note(TrackId::Video(0), Timestamp::from_ms(ms));
        note(200);
        note(120);
        order.start_anew();
        order.note(TrackId::Video(0), Timestamp::from_ms(0));
        assert!(!flag.load(Ordering::Relaxed));
    }
}
