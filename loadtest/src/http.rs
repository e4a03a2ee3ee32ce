//! One HTTP request on a connection of its own, as a player makes it.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::target::Target;

/// Time for one request, connecting included.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);

/// Longest body read: answers are a few thousand bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// What the server said.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    /// When the server wants to be asked again, where it says so in seconds.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?;
        seconds.trim().parse().ok().map(Duration::from_secs)
    }
}

/// Sends `body` with `method` to `path` of the target.
pub(crate) async fn request(
    target: &Target,
    method: Method,
    path: &str,
    content_type: &str,
    body: String,
) -> anyhow::Result<Reply> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, &target.authority)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CONNECTION, "close")
        .body(Full::new(Bytes::from(body)))?;
    timeout(REQUEST_TIME_MAX, exchange(target, request)).await.context("no answer in 30 s")?
}

async fn exchange(target: &Target, request: Request<Full<Bytes>>) -> anyhow::Result<Reply> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the exchange, whose error is the one that matters.
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Reply { status: head.status, headers: head.headers, body })
}
