//! A response body that joins slices that are ready together, notes in the connection's [`Activity`]
//! whether its viewer takes them, and ends its request when it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::{Buf as _, Bytes};
use http_body::{Body as _, Frame, SizeHint};
use prometheus::IntGauge;

use super::activity::Activity;
use super::joined::{self, Joined};

/// A request from the end of its head until its body has gone or was given up.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Arc<Activity>,
    gauge: IntGauge,
    joined_bytes_max: usize,
}

impl InFlight {
    pub(super) fn start(activity: Arc<Activity>, gauge: IntGauge, version: http::Version) -> Self {
        activity.request_started(version);
        gauge.inc();
        Self { activity, gauge, joined_bytes_max: joined::bytes_max(version) }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity.request_finished();
        self.gauge.dec();
    }
}

/// The body on its way to the viewer. A part is dozens of slices, many of them small: joined, they
/// cost a frame, a TLS record and a system call for 16 KiB instead of one for each of them.
///
/// The body it came from can tell bytes handed out from bytes written: once it has said that it ended,
/// it is polled again if and only if the connection took its last byte.
#[derive(Debug)]
pub(super) struct WatchedBody {
    /// Where the bytes come from; `None` once it has no more.
    inner: Option<Body>,
    in_flight: InFlight,
    /// What came out of `inner` and did not fit.
    held: Option<Result<Frame<Bytes>, axum::Error>>,
    /// A frame is out and the next one was not asked for yet.
    owed: bool,
}

impl WatchedBody {
    pub(super) fn new(inner: Body, in_flight: InFlight) -> Self {
        Self { inner: Some(inner), in_flight, held: None, owed: false }
    }

    fn settle(&mut self) {
        if std::mem::take(&mut self.owed) {
            self.in_flight.activity.body_taken();
        }
    }

    fn poll_inner(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(held) = self.held.take() {
            return Poll::Ready(Some(held));
        }
        // A body that says it has ended is not asked again before its bytes are written.
        let Some(inner) = self.inner.as_mut().filter(|inner| !inner.is_end_stream()) else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(inner).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) {
            self.inner = None;
        }
        polled
    }

    fn poll_joined(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Joined>, axum::Error>>> {
        let first = match ready!(self.poll_inner(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            Some(Ok(frame)) => frame.into_data(),
        };
        let bytes_max = self.in_flight.joined_bytes_max;
        let mut joined = match first {
            Ok(bytes) => Joined::new(self.cut(bytes, bytes_max)),
            Err(trailers) => return Poll::Ready(Some(Ok(trailers.map_data(Joined::new)))),
        };
        while self.held.is_none() && joined.remaining() < bytes_max {
            let Poll::Ready(Some(next)) = self.poll_inner(cx) else { break };
            match next.map(Frame::into_data) {
                Ok(Ok(bytes)) => joined.push(self.cut(bytes, bytes_max - joined.remaining())),
                Ok(Err(trailers)) => self.held = Some(Ok(trailers)),
                Err(error) => self.held = Some(Err(error)),
            }
        }
        if self.held.is_none()
            && let Some(ended) = self.inner.take_if(|inner| inner.is_end_stream())
        {
            joined.end_of(ended);
        }
        Poll::Ready(Some(Ok(Frame::data(joined))))
    }

    /// As much of `bytes` as there is room for; the rest is held.
    fn cut(&mut self, mut bytes: Bytes, room: usize) -> Bytes {
        if bytes.len() > room {
            self.held = Some(Ok(Frame::data(bytes.split_off(room))));
        }
        bytes
    }

    fn held_bytes(&self) -> u64 {
        let held = self.held.as_ref().and_then(|held| held.as_ref().ok()?.data_ref());
        held.map_or(0, |bytes| bytes.len() as u64)
    }
}

impl http_body::Body for WatchedBody {
    type Data = Joined;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Joined>, axum::Error>>> {
        self.settle();
        let frame = self.poll_joined(cx);
        if matches!(frame, Poll::Ready(Some(Ok(_)))) {
            self.owed = true;
            self.in_flight.activity.body_owed();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let inner = self.inner.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint);
        let held = self.held_bytes();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + held);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + held);
        }
        hint
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use http::HeaderMap;
    use http_body_util::BodyExt as _;

    use super::*;

    /// Gives its frames one by one, and is not asked again after the last.
    struct Script(VecDeque<Result<Frame<Bytes>, std::io::Error>>);

    impl http_body::Body for Script {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    fn watched(frames: Vec<Result<Frame<Bytes>, std::io::Error>>) -> WatchedBody {
        let gauge = IntGauge::new("requests", "in flight").unwrap();
        let in_flight = InFlight::start(Arc::new(Activity::new()), gauge, http::Version::HTTP_2);
        WatchedBody::new(Body::new(Script(frames.into())), in_flight)
    }

    fn data(length: usize) -> Result<Frame<Bytes>, std::io::Error> {
        Ok(Frame::data(Bytes::from(vec![7; length])))
    }

    #[tokio::test]
    async fn slices_leave_in_full_frames() {
        let mut body = watched(vec![data(300), data(0), data(8_000), data(40_000), data(100)]);
        let mut lengths = Vec::new();
        while let Some(frame) = body.frame().await {
            lengths.push(frame.unwrap().into_data().unwrap().remaining());
        }
        let full = joined::bytes_max(http::Version::HTTP_2);
        assert_eq!(lengths, [full, full, 48_400 - 2 * full]);
        assert!(body.is_end_stream());
    }

    #[tokio::test]
    async fn errors_and_trailers_come_after_what_was_before_them() {
        let trailers = || Ok(Frame::trailers(HeaderMap::new()));
        let mut body = watched(vec![data(3), trailers()]);
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().remaining(), 3);
        assert!(!body.is_end_stream());
        assert!(body.frame().await.unwrap().unwrap().is_trailers());
        assert!(body.frame().await.is_none());

        let mut body = watched(vec![data(3), Err(std::io::ErrorKind::Other.into())]);
        assert!(body.frame().await.unwrap().is_ok());
        assert!(body.frame().await.unwrap().is_err());
    }

    /// Ends with its last byte, and notes when it is asked for more.
    struct Asked {
        bytes: Option<Bytes>,
        again: Arc<AtomicBool>,
    }

    impl http_body::Body for Asked {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            let bytes = self.bytes.take();
            self.again.fetch_or(bytes.is_none(), Relaxed);
            Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
        }

        fn is_end_stream(&self) -> bool {
            self.bytes.is_none()
        }
    }

    #[tokio::test]
    async fn a_body_is_asked_again_once_its_last_byte_is_written_and_not_before() {
        let full = joined::bytes_max(http::Version::HTTP_2);
        for written in [0, 1, full, full + 6, full + 7] {
            let again = Arc::new(AtomicBool::new(false));
            let bytes = Some(Bytes::from(vec![7; full + 7]));
            let inner = Body::new(Asked { bytes, again: Arc::clone(&again) });
            let gauge = IntGauge::new("requests", "in flight").unwrap();
            let in_flight =
                InFlight::start(Arc::new(Activity::new()), gauge, http::Version::HTTP_2);
            let mut body = WatchedBody::new(inner, in_flight);
            let mut left = written;
            while let Some(frame) = body.frame().await {
                let mut frame = frame.unwrap().into_data().unwrap();
                let step = left.min(frame.remaining());
                frame.advance(step);
                left -= step;
            }
            drop(body);
            assert_eq!(again.load(Relaxed), written == full + 7, "{written} bytes");
        }
    }

    #[tokio::test]
    async fn what_is_held_belongs_to_the_length() {
        let length = joined::bytes_max(http::Version::HTTP_11) + 5;
        let gauge = IntGauge::new("requests", "in flight").unwrap();
        let in_flight = InFlight::start(Arc::new(Activity::new()), gauge, http::Version::HTTP_11);
        let mut body = WatchedBody::new(Body::from(vec![7; length]), in_flight);
        assert_eq!(body.size_hint().exact(), Some(length as u64));
        body.frame().await.unwrap().unwrap();
        assert_eq!(body.size_hint().exact(), Some(5));
    }
}
