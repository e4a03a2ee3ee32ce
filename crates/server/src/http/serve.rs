//! One HTTP connection, from its first byte to its end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior};
use tower::ServiceExt as _;
use tracing::debug;

use super::activity::{Activity, Verdict};
use super::connection::ConnectionContext;
use super::server::{HttpServer, Limits};
use super::watched_body::{InFlight, WatchedBody};
use super::watched_io::WatchedIo;
use crate::shutdown::Shutdown;

/// How often an HTTP/2 connection is asked for a sign of life (PROTOCOLS 1.3 asks for Ping).
const PING_EVERY: Duration = Duration::from_secs(20);

/// How long the sign of life may take: well above the round trip of any usable connection.
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// How an HTTP/2 connection begins (RFC 9113 section 3.4), as far as no method of HTTP/1.1 does.
const PREFACE: &[u8] = b"PRI ";

/// Which version of HTTP a connection speaks.
///
/// hyper finds out by itself, but does so by reading the first bytes into a buffer of its own, after
/// which its read buffer is 16 KiB instead of 8: too much for every one of thousands of viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// Not told yet.
    Unknown,
}

impl Speaks {
    /// Told by ALPN.
    pub(super) fn negotiated(protocol: Option<&[u8]>) -> Self {
        match protocol {
            Some(b"h2") => Self::Http2,
            Some(b"http/1.1") => Self::Http1,
            _ => Self::Unknown,
        }
    }

    /// Told by the first bytes of a plain connection, which stay unread. `None` when it ends first.
    pub(super) async fn heard(stream: &TcpStream) -> Option<Self> {
        let mut first = [0; PREFACE.len()];
        let length = stream.peek(&mut first).await.ok()?;
        (length > 0).then(|| Self::of(&first[..length]))
    }

    fn of(first: &[u8]) -> Self {
        match PREFACE.strip_prefix(first) {
            None => Self::Http1,
            Some([]) => Self::Http2,
            Some(_) => Self::Unknown,
        }
    }
}

/// How connections speak HTTP.
pub(super) struct Protocols {
    http1: Builder<TokioExecutor>,
    http2: Builder<TokioExecutor>,
    unknown: Builder<TokioExecutor>,
}

impl std::fmt::Debug for Protocols {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Protocols").finish_non_exhaustive()
    }
}

impl Protocols {
    pub(super) fn new(limits: &Limits) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        let head_bytes = usize::try_from(limits.header_bytes_max).unwrap_or(usize::MAX);
        builder
            .http1()
            .timer(TokioTimer::new())
            // The head's deadline is `Activity`'s: hyper's would count idle connections too.
            .header_read_timeout(None)
            .max_buf_size(head_bytes);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams_per_connection_max)
            .max_header_list_size(limits.header_bytes_max)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PONG_WITHIN);
        Self {
            http1: builder.clone().http1_only(),
            http2: builder.clone().http2_only(),
            unknown: builder,
        }
    }

    fn of(&self, speaks: Speaks) -> &Builder<TokioExecutor> {
        match speaks {
            Speaks::Http1 => &self.http1,
            Speaks::Http2 => &self.http2,
            Speaks::Unknown => &self.unknown,
        }
    }
}

/// Serves a connection until it ends, misses a deadline, or the server closes.
pub(super) async fn connection<S>(
    server: HttpServer,
    stream: S,
    speaks: Speaks,
    activity: Activity,
    connection: ConnectionContext,
    shutdown: Shutdown,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(activity);
    let io = TokioIo::new(WatchedIo::new(stream, Arc::clone(&activity)));
    let service = service_fn(|request| answer(&server, &activity, connection.clone(), request));
    let mut serving = pin!(server.protocols.of(speaks).serve_connection(io, service));
    let mut closing = pin!(shutdown.closing());
    let mut ending: Option<Instant> = None;
    let mut check = tokio::time::interval(server.deadlines.check_every());
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            // First: a request that is there is read before the connection is asked to end.
            served = &mut serving => {
                if let Err(error) = served {
                    debug!(%error, "connection ended with an error");
                }
                return;
            }
            () = &mut closing, if ending.is_none() => {
                ending = Some(Instant::now());
                serving.as_mut().graceful_shutdown();
            }
            _ = check.tick() => {
                let Some(verdict) = activity.verdict(&server.deadlines) else { continue };
                let overdue = ending.is_some_and(|at| at.elapsed() >= server.deadlines.write_stall);
                if verdict == Verdict::Idle && !overdue {
                    if ending.is_none() {
                        ending = Some(Instant::now());
                        server.metrics.cut.idle.inc();
                        serving.as_mut().graceful_shutdown();
                    }
                    continue;
                }
                debug!(?verdict, "connection cut");
                server.count_cut(verdict);
                return;
            }
        }
    }
}

impl HttpServer {
    pub(super) fn count_cut(&self, verdict: Verdict) {
        match verdict {
            Verdict::SlowHead => self.metrics.cut.head.inc(),
            Verdict::Stalled => self.metrics.cut.stalled.inc(),
            // Counted when it was asked to leave.
            Verdict::Idle => {}
        }
    }
}

fn answer(
    server: &HttpServer,
    activity: &Arc<Activity>,
    connection: ConnectionContext,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<WatchedBody>, Infallible>> + Send + use<> {
    let gauge = server.metrics.requests_in_flight.clone();
    let in_flight = InFlight::start(Arc::clone(activity), gauge, request.version());
    request.extensions_mut().insert(connection);
    let routes = server.routes.clone();
    let metrics = Arc::clone(&server.metrics);
    async move {
        let response = routes.oneshot(request.map(Body::new)).await?;
        let class = usize::from(response.status().as_u16() / 100);
        metrics.responses.get(class.wrapping_sub(1)).map(prometheus::IntCounter::inc);
        Ok(response.map(|body| WatchedBody::new(body, in_flight)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_beginning_of_the_preface_is_http2() {
        for (first, speaks) in [
            ("PRI ", Speaks::Http2),
            ("P", Speaks::Unknown),
            ("PRI", Speaks::Unknown),
            ("PROP", Speaks::Http1),
            ("GET ", Speaks::Http1),
            ("G", Speaks::Http1),
        ] {
            assert_eq!(Speaks::of(first.as_bytes()), speaks, "{first}");
        }
    }
}
