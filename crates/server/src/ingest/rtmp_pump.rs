//! RTMP: moves bytes between a socket and a sans-IO session, and its events into a show.

use std::time::Duration;

use bytes::BytesMut;
use tally_rtmp::{CloseReason, Event, Limits, RejectReason, Session};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{Instrument, Span, debug, field, info, warn};

use super::auth::{Auth, Denied};
use crate::metrics::Metrics;
use crate::shows::{Expected, Publication, PublishEnded, PublishRefused, Shows};
use crate::shutdown::Shutdown;

/// Bytes asked of the socket at once. A 1080p keyframe is some 100 kB: a few reads, and small
/// enough that an idle connection holds little.
const READ_BYTES: usize = 64 * 1024;

/// How long a peer may take to accept our few bytes of answers.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a peer may take to accept the reason why it is sent away.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// What every RTMP connection shares.
#[derive(Clone, Debug)]
pub struct RtmpService {
    /// Where shows are.
    pub shows: Shows,
    /// Who may publish.
    pub auth: Auth,
    /// What one connection may cost.
    pub limits: Limits,
    /// Counters.
    pub metrics: Metrics,
    /// Tells that the server goes down.
    pub shutdown: Shutdown,
}

/// Why a connection ended, for its last log line.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the publisher ended the show")]
    Unpublished,
    #[error("the connection was closed by the publisher")]
    Disconnected,
    #[error("the connection was lost: {0}")]
    Lost(#[from] std::io::Error),
    #[error("the publisher did not take our answers within {} s", WRITE_TIMEOUT.as_secs())]
    WriteStalled,
    #[error("protocol error: {0}")]
    Protocol(#[from] tally_rtmp::Error),
    #[error("publishing was refused: {0}")]
    Denied(#[from] Denied),
    #[error("publishing was refused: {0}")]
    Refused(#[from] PublishRefused),
    #[error("{0}")]
    Evicted(#[from] PublishEnded),
    #[error("{}", Ended::DRAINING)]
    Draining,
}

impl Ended {
    const DRAINING: &str = "the server is shutting down";
}

/// Serves one RTMP connection until it ends. Never fails: whatever goes wrong costs this
/// connection only, and is logged.
pub async fn serve_connection<S>(service: RtmpService, socket: S, peer: std::net::SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let span = tracing::info_span!("rtmp", %peer, handle = field::Empty, show = field::Empty);
    let metrics = service.metrics.clone();
    metrics.rtmp.connections_total.inc();
    metrics.rtmp.connections.inc();
    let (ended, was_admitted) =
        Connection::new(service, socket).run().instrument(span.clone()).await;
    metrics.rtmp.connections.dec();
    span.in_scope(|| match &ended {
        Ended::Unpublished | Ended::Disconnected | Ended::Draining => {
            debug!(%ended, "connection ended");
        }
        // Scanners and broken clients: nothing of a creator's is lost.
        Ended::Protocol(_) | Ended::Lost(_) if !was_admitted => info!(%ended, "connection ended"),
        _ => warn!(%ended, "connection ended"),
    });
}

struct Connection<S> {
    service: RtmpService,
    socket: S,
    session: Session,
    started: Instant,
    publication: Option<Publication>,
    input: BytesMut,
}

/// What woke the connection.
enum Woken {
    Read(usize),
    Timeout,
    Evicted(PublishEnded),
    Draining,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn new(service: RtmpService, socket: S) -> Self {
        let session = Session::new(service.limits, 0, crate::random::bytes());
        let input = BytesMut::with_capacity(READ_BYTES);
        Self { service, socket, session, started: Instant::now(), publication: None, input }
    }

    /// Why it ended, and whether it was ever admitted to a show.
    async fn run(mut self) -> (Ended, bool) {
        let ended = match self.exchange().await {
            Ok(never) => match never {},
            Err(ended) => ended,
        };
        // Whether told so or found out by writing: both must be answered.
        if let Ended::Evicted(reason) = &ended {
            if *reason == PublishEnded::TakenOver {
                self.service.metrics.rtmp.takeovers.inc();
            }
            self.session.close(close_reason(*reason), &reason.to_string());
        }
        let was_admitted = self.publication.is_some();
        // The show first: it does not wait for a peer that takes its time to hear us out.
        match self.publication.take() {
            Some(publication) if matches!(ended, Ended::Unpublished | Ended::Draining) => {
                publication.end();
            }
            abandoned => drop(abandoned),
        }
        // The session may have last words: an error status, why it was taken over.
        let _ = timeout(LAST_WORDS_TIMEOUT, self.say_last_words()).await;
        (ended, was_admitted)
    }

    async fn exchange(&mut self) -> Result<std::convert::Infallible, Ended> {
        let mut draining = false;
        loop {
            self.flush().await?;
            match self.wait(draining).await? {
                Woken::Read(0) => return Err(Ended::Disconnected),
                Woken::Read(count) => {
                    self.service.metrics.rtmp.received_bytes.inc_by(count as u64);
                    let now_ms = self.now_ms();
                    let handled = self.session.handle_bytes(&self.input, now_ms);
                    self.input.clear();
                    self.handle_events().await?;
                    handled?;
                }
                Woken::Timeout => {
                    let now_ms = self.now_ms();
                    self.session.handle_timeout(now_ms)?;
                }
                Woken::Evicted(reason) => return Err(reason.into()),
                Woken::Draining => {
                    draining = true;
                    if !self.session.request_reconnect(None, Ended::DRAINING) {
                        self.session.close(CloseReason::Shutdown, Ended::DRAINING);
                        return Err(Ended::Draining);
                    }
                }
            }
        }
    }

    async fn wait(&mut self, draining: bool) -> Result<Woken, Ended> {
        let deadline = self.session.poll_timeout();
        let deadline = self.started + Duration::from_millis(deadline.unwrap_or(u64::MAX / 2_000));
        let publication = &mut self.publication;
        let evicted = async {
            match publication {
                Some(publication) => publication.evicted().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            reason = evicted => Ok(Woken::Evicted(reason)),
            () = self.service.shutdown.draining(), if !draining => Ok(Woken::Draining),
            () = sleep_until(deadline) => Ok(Woken::Timeout),
            read = self.socket.read_buf(&mut self.input) => Ok(Woken::Read(read?)),
        }
    }

    async fn handle_events(&mut self) -> Result<(), Ended> {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Publish(request) => self.publish(&request.stream_key).await?,
                Event::Unpublish => return Err(Ended::Unpublished),
                Event::Unsupported { what } => warn!(what, "not carried; its frames are dropped"),
                Event::Damaged { what } => {
                    self.service.metrics.rtmp.damaged.inc();
                    warn!(what, "media message dropped");
                }
                other => self.feed(other)?,
            }
        }
        Ok(())
    }

    fn feed(&mut self, event: Event) -> Result<(), Ended> {
        let Some(publication) = &mut self.publication else { return Ok(()) };
        match event {
            Event::Metadata(metadata) => {
                info!(encoder = metadata.encoder, "metadata");
                let expected = Expected { video: metadata.has_video, audio: metadata.has_audio };
                publication.expect(expected);
            }
            Event::Track(track) => {
                info!(track = ?track.id, codec = track.codec.rfc6381(), "track");
                publication.track(track);
            }
            Event::TrackEnded(id) => publication.remove_track(id),
            Event::Frame { track, frame } => {
                self.service.metrics.rtmp.frames.inc();
                publication.write(track, frame)?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn publish(&mut self, stream_key: &str) -> Result<(), Ended> {
        match self.admit(stream_key).await {
            Ok(publication) => {
                let show = publication.show();
                Span::current().record("handle", show.handle()).record("show", show.id());
                info!("publishing");
                self.publication = Some(publication);
                self.session.accept_publish();
                Ok(())
            }
            Err(ended) => {
                self.service.metrics.rtmp.refused.inc();
                let reason = match &ended {
                    Ended::Denied(Denied::UnknownKey | Denied::NotAHandle(_)) => {
                        RejectReason::BadName
                    }
                    _ => RejectReason::Denied,
                };
                self.session.reject_publish(reason, &ended.to_string());
                Err(ended)
            }
        }
    }

    async fn admit(&self, stream_key: &str) -> Result<Publication, Ended> {
        let handle = self.service.auth.authorize(stream_key).await?;
        Ok(self.service.shows.publish(handle.as_str())?)
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        while let Some(bytes) = self.session.poll_transmit() {
            let written = timeout(WRITE_TIMEOUT, self.socket.write_all(&bytes)).await;
            written.map_err(|_| Ended::WriteStalled)??;
        }
        Ok(())
    }

    async fn say_last_words(&mut self) -> Result<(), Ended> {
        self.flush().await?;
        self.socket.shutdown().await?;
        // Closing with bytes unread resets the connection, and the peer loses what it was told.
        while self.socket.read_buf(&mut self.input).await? > 0 {
            self.input.clear();
        }
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

const fn close_reason(reason: PublishEnded) -> CloseReason {
    match reason {
        PublishEnded::TakenOver => CloseReason::TakenOver,
        PublishEnded::ShowEnded => CloseReason::Shutdown,
    }
}
