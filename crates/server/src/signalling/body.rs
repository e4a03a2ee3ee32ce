//! Request bodies: their media type, their length, and the time they take.

use std::error::Error as _;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
pub(super) use tally_api::media_type;
use tally_rtc::sdp::SDP_BYTES_MAX;
use tokio::time::timeout;

use crate::http::problem::Problem;

/// Media type of session descriptions.
pub(super) const SDP: &str = "application/sdp";
/// Media type of candidates and ICE restarts (RFC 8840 section 9).
pub(super) const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Media type of a choice of layer.
pub(super) const JSON: &str = "application/json";

/// What a POST to an endpoint takes (W3).
pub(super) const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
/// What a PATCH takes (RFC 5789 section 3.1).
pub(super) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// How long a body may take: it fits into a few packets, and clients send it at once.
const READ_DEADLINE: Duration = Duration::from_secs(10);

/// Holds a request to the one media type it may have. `accept` is the header that tells which.
///
/// # Errors
/// 415 for any other (W1, W8).
pub(super) fn require_type(
    headers: &HeaderMap,
    wanted: &'static str,
    accept: HeaderName,
) -> Result<(), Problem> {
    if media_type(headers) == wanted { Ok(()) } else { Err(unsupported(wanted, accept)) }
}

/// 415, telling what would be taken.
pub(super) fn unsupported(wanted: &'static str, accept: HeaderName) -> Problem {
    let detail = format!("the body must be {wanted}, and Content-Type say so");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
        .header(accept, HeaderValue::from_static(wanted))
}

/// Reads a body as text.
///
/// # Errors
/// 413 when it is longer than a description may be, 408 when it takes too long, 400 when it breaks
/// off or is not UTF-8.
pub(super) async fn text(body: Body) -> Result<String, Problem> {
    let read = timeout(READ_DEADLINE, to_bytes(body, SDP_BYTES_MAX)).await;
    let read = read.map_err(|_| {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come within some seconds")
    })?;
    let bytes = read.map_err(|error| {
        let mut cause = error.source();
        while let Some(inner) = cause {
            if inner.is::<http_body_util::LengthLimitError>() {
                let detail = format!("the body may have {SDP_BYTES_MAX} bytes");
                return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail);
            }
            cause = inner.source();
        }
        Problem::bad_request("the body broke off")
    })?;
    String::from_utf8(bytes.into()).map_err(|_| Problem::bad_request("the body is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use axum::response::IntoResponse as _;
    use bytes::Bytes;
    use http::header;
    use http_body_util::Limited;

    use super::*;

    fn typed(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))])
    }

    /// W1
    #[test]
    fn the_media_type_may_have_any_case_and_parameters() {
        assert!(require_type(&typed("application/sdp"), SDP, ACCEPT_POST).is_ok());
        assert!(require_type(&typed("Application/SDP ; charset=utf-8"), SDP, ACCEPT_POST).is_ok());
        for other in ["application/sdpx", "text/plain", ""] {
            let refused = require_type(&typed(other), SDP, ACCEPT_POST).unwrap_err();
            let response = refused.into_response();
            assert_eq!(response.status(), 415, "{other}");
            assert_eq!(response.headers()[ACCEPT_POST], SDP);
        }
        assert!(require_type(&HeaderMap::new(), SDP, ACCEPT_POST).is_err());
    }

    async fn status(body: Body) -> u16 {
        let read = text(body).await;
        read.map_or_else(|problem| problem.into_response().status().as_u16(), |_| 200)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_bounded_in_length_and_time_and_is_text() {
        assert_eq!(status(Body::from(vec![b'v'; SDP_BYTES_MAX])).await, 200);
        assert_eq!(status(Body::from(vec![b'v'; SDP_BYTES_MAX + 1])).await, 413);
        let limited = Limited::new(Body::from("longer than the server takes"), 4);
        assert_eq!(status(Body::new(limited)).await, 413);
        assert_eq!(status(Body::from(vec![0xff])).await, 400);
        assert_eq!(status(Body::new(Peer::Silent)).await, 408);
        assert_eq!(status(Body::new(Peer::Gone)).await, 400);
    }

    /// A client that sends nothing, or goes away.
    enum Peer {
        Silent,
        Gone,
    }

    impl http_body::Body for Peer {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            match *self {
                Self::Silent => Poll::Pending,
                Self::Gone => Poll::Ready(Some(Err(std::io::Error::other("gone")))),
            }
        }
    }
}
