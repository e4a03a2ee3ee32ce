//! Answers with a description or a fragment, and without anything. All of them are of one moment
//! and one client: nothing may be kept by a cache.

use axum::body::Body;
use axum::response::Response;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LINK, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode};

use super::body::SDP;
use super::conditions::EntityTag;
use super::sessions::Place;

/// What a layer is chosen by (WHEP draft, video layer selection).
const LAYER_EXTENSION: &str = "urn:ietf:params:whep:ext:core:layer";

/// A session that has come to be, or is offered: its description, where it is, the name of its ICE
/// session, and links (W1, W6, W12, W15).
pub(super) fn session(
    status: StatusCode,
    sdp: String,
    place: &Place,
    etag: &EntityTag,
    links: Vec<HeaderValue>,
) -> Response {
    let mut response = text(status, SDP, sdp);
    let headers = response.headers_mut();
    let location = HeaderValue::try_from(place.path());
    headers.insert(LOCATION, location.expect("handles and names are letters and digits"));
    headers.insert(ETAG, etag.header());
    links.into_iter().for_each(|link| _ = headers.append(LINK, link));
    response
}

/// The link to the resource that layers are chosen at.
pub(super) fn layer_link(place: &Place) -> HeaderValue {
    let link = format!("<{}/layer>; rel=\"{LAYER_EXTENSION}\"", place.path());
    HeaderValue::try_from(link).expect("handles and names are letters and digits")
}

/// A body of text. Its length is told: ffmpeg takes no other answer (PROTOCOLS section 4).
pub(super) fn text(status: StatusCode, media_type: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_LENGTH, text.len().into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.body_mut() = Body::from(text);
    response
}

/// 204.
pub(super) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 200 with nothing in it, and its length said so: ffmpeg waits for it after DELETE.
pub(super) fn ok() -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, 0.into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer to OPTIONS that is no preflight (W3): methods, and the media type taken.
pub(super) fn options(
    allow: &'static str,
    accept: HeaderName,
    media_type: &'static str,
) -> Response {
    let mut response = ok();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response.headers_mut().insert(accept, HeaderValue::from_static(media_type));
    response
}
