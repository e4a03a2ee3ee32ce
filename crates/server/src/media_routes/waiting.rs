//! How many requests may wait for media that is not there yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::http::connection::ConnectionContext;
use crate::http::problem::Problem;
use crate::metrics::HttpMetrics;

/// Bounds on waiting requests.
#[derive(Clone, Copy, Debug)]
pub struct WaitLimits {
    /// Over the whole server.
    pub total_max: usize,
    /// On one connection: a player waits for one playlist and one or two parts per rendition.
    pub per_connection_max: usize,
}

/// Counts waiting requests and holds them to their bounds. Clones share the count.
#[derive(Clone, Debug)]
pub struct WaitingRoom {
    limits: WaitLimits,
    total: Arc<AtomicUsize>,
    metrics: Arc<HttpMetrics>,
}

/// One waiting request; counted until it is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    room: WaitingRoom,
    connection: ConnectionContext,
}

impl WaitingRoom {
    /// Nobody waits yet.
    #[must_use]
    pub fn new(limits: WaitLimits, metrics: HttpMetrics) -> Self {
        Self { limits, total: Arc::default(), metrics: Arc::new(metrics) }
    }

    /// Counts one more waiting request.
    ///
    /// # Errors
    /// 503 when this connection, or the server, has as many as it may.
    pub(super) fn enter(&self, connection: &ConnectionContext) -> Result<Waiting, Problem> {
        let on_connection = connection.waiting().fetch_add(1, Ordering::Relaxed);
        let in_all = self.total.fetch_add(1, Ordering::Relaxed);
        self.metrics.waiting_requests.inc();
        // Counted before it is judged, so that dropping it is right in every case.
        let waiting = Waiting { room: self.clone(), connection: connection.clone() };
        if on_connection >= self.limits.per_connection_max {
            self.metrics.waiting_refused_connection.inc();
            return Err(full("too many requests wait for media on this connection"));
        }
        if in_all >= self.limits.total_max {
            self.metrics.waiting_refused_server.inc();
            return Err(full("too many requests wait for media on this server"));
        }
        Ok(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.room.total.fetch_sub(1, Ordering::Relaxed);
        self.room.metrics.waiting_requests.dec();
        self.connection.waiting().fetch_sub(1, Ordering::Relaxed);
    }
}

fn full(detail: &str) -> Problem {
    Problem::unavailable(detail).retry_after_s(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn waiting_is_capped_on_a_connection_and_on_the_server() {
        let metrics = Metrics::new().http;
        let limits = WaitLimits { total_max: 3, per_connection_max: 2 };
        let room = WaitingRoom::new(limits, metrics.clone());
        let peer = "127.0.0.1:1".parse().unwrap();
        let one = ConnectionContext::new(peer, false);
        let other = ConnectionContext::new(peer, false);
        let first = room.enter(&one).unwrap();
        let _second = room.enter(&one).unwrap();
        assert!(room.enter(&one).is_err());
        let _third = room.enter(&other).unwrap();
        assert!(room.enter(&other).is_err());
        assert_eq!(metrics.waiting_requests.get(), 3);
        drop(first);
        assert_eq!(metrics.waiting_requests.get(), 2);
        drop(room.enter(&other).unwrap());
        assert_eq!(metrics.waiting_refused_connection.get(), 1);
        assert_eq!(metrics.waiting_refused_server.get(), 1);
    }
}
