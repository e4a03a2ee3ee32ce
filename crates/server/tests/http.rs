//! HTTP connections over real loopback sockets: protocols, answers, deadlines, caps, the end.
//!
//! Tests wait for what they look for; the test runner's own timeout ends one that never sees it.

mod support;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::routing::{get as on_get, post};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use support::{GENEROUS, Served, get, http2, read_to_end, serve, text};
use tally_server::http::connection::ConnectionContext;
use tally_server::http::{Deadlines, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// A deadline that a test waits out.
const SOON: Duration = Duration::from_millis(200);

fn routes() -> Router {
    Router::new()
        .route("/hello", on_get(|| async { "hello" }))
        .route("/echo", post(|body: String| async { body }))
        .route(
            "/peer",
            on_get(|Extension(connection): Extension<ConnectionContext>| async move {
                connection.peer().to_string()
            }),
        )
}

/// A body much larger than what sockets and HTTP/2 windows hold, in frames.
fn large() -> Router {
    Router::new().route(
        "/large",
        on_get(|| async {
            let frame = Bytes::from(vec![7; 256 * 1024]);
            let frames = (0..128).map(move |_| Ok::<_, std::io::Error>(frame.clone()));
            Body::new(http_body_util::StreamBody::new(Frames(frames.collect())))
        }),
    )
}

/// Frames as a stream, all of them ready.
struct Frames(std::collections::VecDeque<Result<Bytes, std::io::Error>>);

impl futures_core::Stream for Frames {
    type Item = Result<http_body::Frame<Bytes>, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.pop_front().map(|frame| frame.map(http_body::Frame::data)))
    }
}
