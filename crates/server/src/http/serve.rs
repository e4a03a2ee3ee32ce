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

/// How connections speak HTTP.
pub(super) struct Protocols(Builder<TokioExecutor>);

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
        Self(builder)
    }
}

/// Serves a connection until it ends, misses a deadline, or the server closes.
pub(super) async fn connection<S>(
    server: HttpServer,
    stream: S,
    connection: ConnectionContext,
    shutdown: Shutdown,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::new());
    let io = TokioIo::new(WatchedIo::new(stream, Arc::clone(&activity)));
    let service = service_fn(|request| answer(&server, &activity, connection.clone(), request));
    let mut serving = pin!(server.protocols.0.serve_connection(io, service));
    let mut closing = pin!(shutdown.closing());
    let mut ending: Option<Instant> = None;
    let mut check = tokio::time::interval(server.deadlines.check_every());
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
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
    fn count_cut(&self, verdict: Verdict) {
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
