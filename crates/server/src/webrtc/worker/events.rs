//! What sessions and shows tell, and what a worker does about it.

use std::time::{Duration, Instant};

use tally_hub::Delivery;
use tally_media::{Medium, TrackId};
use tally_rtc::egress::ViewerEvent;
use tally_rtc::session::{CloseReason, WhepEvent};
use tally_rtc::transport;
use tracing::debug;

use super::following::{News, b_frames_message, layer_message, state_message, timeline_message};
use super::{Session, Worker};
use crate::clock;
use crate::egress::whep_feed::FeedItem;
use crate::shows::ShowState;
use crate::webrtc::table::Key;

/// From a show's end to the end of its viewers' sessions: the last pictures are still paced out, and
/// lost ones asked for again.
const ENDING: Duration = Duration::from_secs(1);

/// Bytes of a packet that are not media: header, extensions, SRTP tag.
const PACKET_OVERHEAD_BYTES: u64 = 44;

impl Worker {
    pub(super) fn on_item(&mut self, show: u64, item: FeedItem, now: Instant) {
        // A few items may come after the last viewer left.
        let Some(following) = self.shows.get_mut(&show) else { return };
        let news = following.take(item);
        let viewers = following.viewers.clone();
        match news {
            News::None => {}
            News::Frames(frames) => {
                for key in viewers {
                    self.touch(key, |session| {
                        let Some(viewer) = session.viewer() else { return };
                        frames.iter().for_each(|frame| viewer.session.write(frame, now));
                    });
                }
            }
            News::Layers => viewers.into_iter().for_each(|key| self.set_layers(key)),
            News::State(state) => self.tell(&viewers, &state_message(state), now),
            News::BFrames => self.dismiss(&viewers, &b_frames_message(), now),
            News::Ended => self.dismiss(&viewers, &state_message(ShowState::Ended), now),
        }
    }

    /// Tells viewers why there is no more for them, and closes their sessions a little later.
    fn dismiss(&mut self, viewers: &[Key], why: &[u8], now: Instant) {
        self.tell(viewers, why, now);
        for key in viewers {
            self.touch(*key, |session| session.close_at = Some(now + ENDING));
        }
    }

    fn tell(&mut self, viewers: &[Key], message: &[u8], now: Instant) {
        for key in viewers {
            self.touch(*key, |session| {
                if let Some(viewer) = session.viewer() {
                    viewer.session.send_event(message, now);
                }
            });
        }
    }

    fn set_layers(&mut self, key: Key) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let Some(viewer) = session.viewer() else { return };
        let Some(following) = self.shows.get(&viewer.show) else { return };
        let layers = following.layers(viewer.format);
        self.touch(key, |session| {
            if let Some(viewer) = session.viewer() {
                viewer.session.set_layers(&layers);
            }
        });
    }

    pub(super) fn on_event(&mut self, key: Key, event: WhepEvent, ntp: u64, now: Instant) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        match event {
            WhepEvent::Connected(path) => {
                debug!(session = ?session.id, protocol = ?path.protocol, "connected");
                session.follow(path, &self.shared.table);
                self.shared.metrics.connected.inc();
                self.greet(key, now);
            }
            WhepEvent::PathChanged(path) => session.follow(path, &self.shared.table),
            WhepEvent::Viewer(event) => self.on_viewer_event(key, event, now),
            WhepEvent::Closed(reason) => {
                debug!(session = ?session.id, %reason, "closed");
                let is_connected = session.path.is_some();
                let outgoing = &mut self.outgoing;
                session.guarded(|session| session.send(ntp, now, outgoing));
                self.count_end(&reason, is_connected);
                self.remove(key);
            }
        }
    }

    fn count_end(&self, reason: &CloseReason, is_connected: bool) {
        use transport::CloseReason as Reason;
        let metrics = &self.shared.metrics;
        let failed = &metrics.failed;
        match reason {
            CloseReason::Transport(Reason::ConsentLapsed) if is_connected => metrics.lapsed.inc(),
            _ if is_connected => {}
            CloseReason::Transport(Reason::NoPath | Reason::ConsentLapsed) => failed.path.inc(),
            CloseReason::Transport(Reason::Closed | Reason::PeerClosed) => failed.left.inc(),
            _ => failed.handshake.inc(),
        }
    }

    /// A viewer that has connected gets what there is to see, at once.
    fn greet(&mut self, key: Key, now: Instant) {
        self.set_layers(key);
        let Some(viewer) = self.sessions.get_mut(&key).and_then(Session::viewer) else { return };
        let Some(following) = self.shows.get(&viewer.show) else { return };
        if following.show.whep().has_b_frames() {
            // Seen only after it was let in.
            return self.dismiss(&[key], &b_frames_message(), now);
        }
        let (group, state) = (following.group(), following.state_message());
        // An instant of now: RTP timestamps come round every 13 hours.
        let unix_ms = clock::unix_ms();
        let timeline_ms = unix_ms - following.show.started_at_unix_ms();
        let layer = following.layers(viewer.format).first().map(|layer| layer.track);
        if let Some(layer) = layer
            && !group.iter().any(|frame| frame.track.medium() == Medium::Video)
        {
            following.show.whep().keyframe_wanted(layer);
        }
        self.touch(key, |session| {
            let Some(viewer) = session.viewer() else { return };
            if let Some(state) = state {
                viewer.session.send_event(&state, now);
            }
            if let Some(rtp) = viewer.session.video_timestamp_at(timeline_ms) {
                viewer.session.send_event(&timeline_message(rtp, unix_ms), now);
            }
            group.iter().for_each(|frame| viewer.session.write(frame, now));
        });
    }

    fn on_viewer_event(&mut self, key: Key, event: ViewerEvent, now: Instant) {
        let Some(viewer) = self.sessions.get_mut(&key).and_then(Session::viewer) else { return };
        let Some(following) = self.shows.get(&viewer.show) else { return };
        match event {
            ViewerEvent::Layer(event) => {
                let message = layer_message(event);
                self.tell(&[key], &message, now);
            }
            ViewerEvent::Delivered { medium, intervals_ms } => {
                let stats = viewer.session.stats(now);
                let track = match medium {
                    Medium::Video => stats.layer.unwrap_or(TrackId::Video(0)),
                    Medium::Audio => TrackId::Audio(0),
                };
                let (bytes, packets) =
                    std::mem::replace(&mut viewer.reported, (stats.bytes, stats.packets));
                let (bytes, packets) = (stats.bytes - bytes, stats.packets - packets);
                let mut bytes = bytes.saturating_sub(packets * PACKET_OVERHEAD_BYTES);
                for (start_ms, end_ms) in intervals_ms {
                    let session = viewer.playback;
                    // What was sent since the last report goes with the first stretch of this one.
                    let bytes = std::mem::take(&mut bytes);
                    let delivery = Delivery { session, track, start_ms, end_ms, bytes };
                    following.show.stream().deliver(&delivery);
                }
            }
            ViewerEvent::KeyframeWanted => {
                let layer = viewer.session.stats(now).layer;
                let first = || following.layers(viewer.format).first().map(|layer| layer.track);
                if let Some(layer) = layer.or_else(first) {
                    following.show.whep().keyframe_wanted(layer);
                }
            }
            ViewerEvent::Goodbye => self.touch(key, |session| session.close(now)),
        }
    }
}
