//! The admin listener: is the process alive, may it be given viewers, and its numbers.
//!
//! It has no authentication: it belongs on loopback or on a network of the operator's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, header};
use tally_store::{Handle, Store};

use crate::http::problem::Problem;
use crate::http::{self as server_http, Deadlines, Limits};
use crate::metrics::Metrics;
use crate::shutdown::{Phase, Shutdown};

/// Connections at a time: Prometheus, a load balancer's probe and a person, many times over.
const CONNECTIONS_MAX: usize = 64;

/// No route here takes a body.
const BODY_BYTES_MAX: usize = 0;

/// What the admin listener allows its clients.
pub const LIMITS: Limits = Limits {
    connections_max: CONNECTIONS_MAX,
    streams_per_connection_max: 16,
    header_bytes_max: 16 * 1024,
    deadlines: Deadlines {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(120),
        write_stall: Duration::from_secs(20),
    },
};

/// How long the store may take to answer a readiness probe; probes give up after some seconds.
const STORE_DEADLINE: Duration = Duration::from_secs(2);

/// Whom the store is asked about: nobody in particular.
const PROBE: &str = "readiness-probe";

/// Media type of the Prometheus text format.
const METRICS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the admin routes look at.
#[derive(Debug, Clone)]
pub struct Admin {
    store: Store,
    metrics: Metrics,
    shutdown: Shutdown,
    started: Arc<AtomicBool>,
}

impl Admin {
    /// Not ready yet: see [`Admin::started`].
    pub fn new(store: Store, metrics: Metrics, shutdown: Shutdown) -> Self {
        Self { store, metrics, shutdown, started: Arc::default() }
    }

    /// Every listener is up.
    pub fn started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// The routes: `/healthz`, `/readyz`, `/metrics`, and `more`.
    pub fn routes(&self, more: Router) -> Router {
        let routes = Router::new()
            .route("/healthz", get(healthy))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self.clone());
        server_http::finish_private(routes.merge(more), BODY_BYTES_MAX)
    }

    async fn not_ready(&self) -> Option<&'static str> {
        if self.shutdown.phase() != Phase::Running {
            return Some("the server is shutting down");
        }
        if !self.started.load(Ordering::Acquire) {
            return Some("the server is starting");
        }
        // Any question does; this one reads at most one row.
        let probe: Handle = PROBE.parse().expect("the name is a valid handle");
        match tokio::time::timeout(STORE_DEADLINE, self.store.creator(&probe)).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => {
                tracing::warn!(%error, "not ready");
                Some("the store answers with an error; the log names it")
            }
            Err(_) => Some("the store does not answer"),
        }
    }
}

/// The process runs and its tasks are scheduled: no more is promised.
async fn healthy() -> &'static str {
    "ok\n"
}

async fn ready(State(admin): State<Admin>) -> Result<&'static str, Problem> {
    match admin.not_ready().await {
        None => Ok("ready\n"),
        Some(reason) => Err(Problem::unavailable(reason)),
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let kind = HeaderValue::from_static(METRICS_TEXT);
    ([(header::CONTENT_TYPE, kind)], admin.metrics.render()).into_response()
}

#[cfg(test)]
mod tests {
    use ::http::{Request, StatusCode};
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt as _;

    use super::*;
    use crate::shutdown::Trigger;

    async fn readiness(admin: &Admin) -> (StatusCode, String) {
        let request = Request::get("/readyz").body(Body::empty()).unwrap();
        let response = admin.routes(Router::new()).oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_follows_the_start_the_store_and_the_drain() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("tally.db").display());
        let store = Store::open(&url).await.unwrap();
        let trigger = Trigger::new();
        let admin = Admin::new(store.clone(), Metrics::new(), trigger.shutdown());
        let (status, body) = readiness(&admin).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("starting"), "{body}");
        admin.started();
        assert_eq!(readiness(&admin).await, (StatusCode::OK, "ready\n".into()));
        store.close().await;
        let (status, body) = readiness(&admin).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("the store answers with an error"), "{body}");
        trigger.drain();
        assert!(readiness(&admin).await.1.contains("shutting down"));
    }
}
