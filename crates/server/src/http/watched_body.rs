//! A response body that notes in the connection's [`Activity`] whether its viewer takes it, and
//! that ends its request when it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use prometheus::IntGauge;

use super::activity::Activity;

/// A request from the end of its head until its body has gone or was given up.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Arc<Activity>,
    gauge: IntGauge,
}

impl InFlight {
    pub(super) fn start(activity: Arc<Activity>, gauge: IntGauge, version: http::Version) -> Self {
        activity.request_started(version);
        gauge.inc();
        Self { activity, gauge }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity.request_finished();
        self.gauge.dec();
    }
}

/// The body on its way to the viewer.
#[derive(Debug)]
pub(super) struct WatchedBody {
    inner: Body,
    in_flight: InFlight,
    /// A frame is out and the next one was not asked for yet.
    owed: bool,
}

impl WatchedBody {
    pub(super) fn new(inner: Body, in_flight: InFlight) -> Self {
        Self { inner, in_flight, owed: false }
    }

    fn settle(&mut self) {
        if std::mem::take(&mut self.owed) {
            self.in_flight.activity.body_taken();
        }
    }
}

impl http_body::Body for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.settle();
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        if matches!(frame, Poll::Ready(Some(Ok(_)))) {
            self.owed = true;
            self.in_flight.activity.body_owed();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        self.settle();
    }
}
