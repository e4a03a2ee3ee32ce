//! Headers that let players in pages of any other site read every answer, errors too.
//!
//! No HLS text asks for this, but hls.js and Shaka need it on playlists, init sections, parts and
//! segments *and* on 400, 404 and 503 (PROTOCOLS 1.3, W3). Nothing here is bound to cookies, so a
//! wildcard origin gives nothing away.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

/// What a page's script may read of an answer beyond the few headers it always may.
const EXPOSED: &str = "Accept-Ranges, Age, Content-Encoding, Content-Length, Content-Range, Date, \
                       ETag, Link, Location, Retry-After, Server-Timing";

/// What a page's script may send: anything. `*` does not cover `Authorization`, and older Safari
/// does not know it, hence the names players use.
const ALLOWED_HEADERS: &str = "*, Accept, Authorization, Cache-Control, CMCD-Object, \
                               CMCD-Request, CMCD-Session, CMCD-Status, Content-Type, If-Match, \
                               If-Modified-Since, If-None-Match, If-Range, Pragma, Priority, Range";

/// Methods any route may have. Which one has which is the route's own answer.
const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// How long a browser may remember a preflight: a day, which each browser caps as it likes.
const PREFLIGHT_AGE_S: &str = "86400";

const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Answers preflights and puts the headers on every other answer.
pub(super) async fn cors(request: Request, next: Next) -> Response {
    let options = request.method() == Method::OPTIONS;
    let preflight = options && request.headers().contains_key("access-control-request-method");
    let mut response =
        if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    if options && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        // OPTIONS is how one asks what a route takes (RFC 9110 section 9.3.7): Allow says it.
        let allow = response.headers_mut().remove(header::ALLOW);
        response = StatusCode::NO_CONTENT.into_response();
        allow.map(|allow| response.headers_mut().insert(header::ALLOW, allow));
    }
    mark(response.headers_mut(), options);
    response
}

fn mark(headers: &mut HeaderMap, options: bool) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    set(TIMING_ALLOW_ORIGIN, "*");
    set(RESOURCE_POLICY, "cross-origin");
    if options {
        set(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        set(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE_S);
    }
}
