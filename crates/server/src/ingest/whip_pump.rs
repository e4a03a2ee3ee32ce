//! WHIP: moves what a publisher's WebRTC session makes into a show.
//!
//! The session itself lives with the WebRTC workers, which know nothing of shows; this task is the
//! show's side of it, under the rules that RTMP publishers have too: the newest wins, one that is lost
//! may come back within `rtmp.reconnect_grace_s`, and a show whose publisher says goodbye ends.

use std::sync::Arc;

use tally_media::{Codec, TrackId};
use tally_rtc::sdp::Negotiated;
use tally_rtc::session::Published;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info, warn};

use super::auth::Auth;
use super::keyframe_asks::KeyframeAsks;
use super::picture_sizes::PictureSizes;
use crate::metrics::{Metrics, WhipMetrics};
use crate::shows::{Expected, Publication, PublishEnded};
use crate::shutdown::Shutdown;

/// What a session may have published that is not in its show yet: over half a second of three layers
/// at 60 pictures a second and sound. This task does nothing else, so a full queue is a server that
/// is far behind.
pub const PUBLISHED_MAX: usize = 128;

/// What every WHIP publisher shares.
#[derive(Clone, Debug)]
pub struct WhipService {
    /// Who may publish.
    pub auth: Auth,
    /// Counters.
    pub metrics: Metrics,
    /// Tells that the server goes down.
    pub shutdown: Shutdown,
}

/// What a show does to its publisher's session.
pub trait PublisherControl: Send + 'static {
    /// Ends the session; the publisher is told. The text is for logs.
    fn close(&self, reason: &str);

    /// Asks the publisher for a keyframe of a track.
    fn want_keyframe(&self, track: TrackId);
}

/// A publisher from outside: what its session's URL can do. Clones are the same one.
#[derive(Clone, Debug)]
pub struct WhipPublisher {
    ended: CancellationToken,
}

/// Why a publisher left, for its last log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Ended {
    #[error("the publisher ended the show")]
    Deleted,
    #[error("the publisher's connection was lost")]
    Lost,
    #[error("{0}")]
    Evicted(#[from] PublishEnded),
    #[error("the server is shutting down")]
    Draining,
}

impl WhipService {
    /// Starts moving what comes out of `published`, which the session's end closes, into the show.
    /// Never fails: whatever goes wrong costs this publisher only, and is logged.
    #[must_use]
    pub fn start(
        &self,
        mut publication: Publication,
        expected: Expected,
        published: mpsc::Receiver<Published>,
        control: impl PublisherControl,
    ) -> WhipPublisher {
        publication.expect(expected);
        Pump::start(&self.metrics, &self.shutdown, publication, published, control)
    }
}

impl WhipPublisher {
    /// The publisher is done (DELETE): the show ends now, without a grace, and the session with it.
    pub fn end(&self) {
        self.ended.cancel();
    }
}

impl Expected {
    /// The media that a publisher's answer took.
    #[must_use]
    pub const fn of(negotiated: &Negotiated) -> Self {
        Self { video: negotiated.video.is_some(), audio: negotiated.audio.is_some() }
    }
}

struct Pump<C> {
    metrics: WhipMetrics,
    shutdown: Shutdown,
    publication: Publication,
    published: mpsc::Receiver<Published>,
    control: C,
    ended: CancellationToken,
    asks: KeyframeAsks,
    sizes: PictureSizes,
}

impl<C: PublisherControl> Pump<C> {
    fn start(
        metrics: &Metrics,
        shutdown: &Shutdown,
        publication: Publication,
        published: mpsc::Receiver<Published>,
        control: C,
    ) -> WhipPublisher {
        let show = publication.show();
        let span = tracing::info_span!("whip", handle = show.handle(), show = show.id());
        let asks = KeyframeAsks::new(show.hls().options().segment_ms);
        let ended = CancellationToken::new();
        let pump = Self {
            metrics: metrics.whip.clone(),
            shutdown: shutdown.clone(),
            publication,
            published,
            control,
            ended: ended.clone(),
            asks,
            sizes: PictureSizes::default(),
        };
        tokio::spawn(pump.run().instrument(span));
        WhipPublisher { ended }
    }

    async fn run(mut self) {
        let metrics = self.metrics.clone();
        metrics.sessions_total.inc();
        metrics.sessions.inc();
        info!("publishing");
        let ended = self.move_published().await;
        metrics.sessions.dec();
        match ended {
            Ended::Deleted | Ended::Draining => {
                debug!(%ended, "publisher left");
                self.publication.end();
            }
            Ended::Lost | Ended::Evicted(_) => {
                warn!(%ended, "publisher left");
                let was_taken_over = ended == Ended::Evicted(PublishEnded::TakenOver);
                metrics.takeovers.inc_by(u64::from(was_taken_over));
                drop(self.publication);
            }
        }
        self.control.close(&ended.to_string());
    }

    async fn move_published(&mut self) -> Ended {
        let show = Arc::clone(self.publication.show());
        loop {
            let published = tokio::select! {
                biased;
                () = self.ended.cancelled() => return Ended::Deleted,
                reason = self.publication.evicted() => return reason.into(),
                () = self.shutdown.draining() => return Ended::Draining,
                () = self.asks.due() => {
                    self.ask_for_keyframes();
                    continue;
                }
                track = show.keyframe_wishes().next() => {
                    self.control.want_keyframe(track);
                    continue;
                }
                published = self.published.recv() => published,
            };
            let Some(published) = published else { return Ended::Lost };
            if let Err(ended) = self.take(published) {
                return ended.into();
            }
        }
    }

    fn take(&mut self, published: Published) -> Result<(), PublishEnded> {
        let now = Instant::now();
        match published {
            Published::Track(track) => {
                info!(track = ?track.id, codec = track.codec.rfc6381(), "track");
                if self.asks.track(track.id) && matches!(track.codec, Codec::Vp8(_)) {
                    warn!("no browser plays VP8 over HLS: only WebRTC viewers will see pictures");
                }
                if let Some(track) = self.sizes.track(track, now) {
                    self.publication.track(track);
                }
            }
            Published::Frame(id, frame) => {
                self.metrics.frames.inc();
                if let Some(track) = self.sizes.before(id, &frame, now) {
                    self.publication.track(track);
                }
                self.asks.frame(id, &frame, now);
                self.publication.write(id, frame)?;
            }
            Published::TrackEnded(id) => {
                self.asks.track_ended(id);
                self.sizes.track_ended(id);
                self.publication.remove_track(id);
            }
        }
        Ok(())
    }

    fn ask_for_keyframes(&mut self) {
        for track in self.asks.ask(Instant::now()) {
            self.metrics.keyframes_asked.inc();
            self.control.want_keyframe(*track);
        }
    }
}

#[cfg(test)]
mod tests;
