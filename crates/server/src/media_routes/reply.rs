//! Answers: conditional requests, byte ranges, content encodings, cache and priority headers.

use std::ops::Bound;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use headers::{HeaderMapExt, IfNoneMatch, IfRange, Range};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tally_hls::cache::{CacheControl, Outcome, Resource, cache_control, urgency};
use tally_hls::{Encoding, Rendered};

use super::body::{Media, MediaBody, Seam};
use super::wish::Wish;

/// An answer of these routes.
pub(super) type Response = http::Response<Body>;

/// Room for the headers of an answer, CORS and date included, so that the map never grows.
const HEADERS: usize = 16;

/// RFC 9218.
const PRIORITY: HeaderName = HeaderName::from_static("priority");

/// What every answer says about its object.
#[derive(Clone, Debug)]
pub(super) struct Description {
    /// What it is, for cache lifetime and urgency.
    pub(super) resource: Resource,
    /// Media type.
    pub(super) content_type: &'static str,
    /// TARGETDURATION of the show, which cache lifetimes are multiples of.
    pub(super) target_duration_s: u32,
    /// When it came to be, in Unix milliseconds; left out for what never changes.
    pub(super) modified_unix_ms: Option<i64>,
}

/// Answers with media, or a byte range of it. `etag` is strong, with its quotes; `seam` is told when
/// it was written.
pub(super) fn media(
    media: Media,
    etag: String,
    description: &Description,
    wish: &Wish,
    seam: Option<Seam>,
) -> Response {
    let mut response = base(description, Some(etag));
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if is_known(wish, &response) {
        return not_modified(response);
    }
    let length = media.len_bytes();
    let (offset, taken) = match range(wish, &response, length) {
        Requested::Whole => (0, length),
        Requested::Part(offset, taken) => {
            let text = format!("bytes {offset}-{}/{length}", offset + taken - 1);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            insert(&mut response, CONTENT_RANGE, text);
            (offset, taken)
        }
        Requested::Unsatisfiable => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            insert(&mut response, CONTENT_RANGE, format!("bytes */{length}"));
            insert(&mut response, CACHE_CONTROL, CacheControl::NoStore.to_string());
            (0, 0)
        }
    };
    response.headers_mut().insert(CONTENT_LENGTH, taken.into());
    *response.body_mut() = Body::new(MediaBody::new(media, offset, taken, seam));
    response
}

/// Answers with a rendered playlist in the shortest encoding the request accepts. `seam` is told when it
/// was written.
pub(super) fn playlist(
    rendered: &Rendered,
    description: &Description,
    wish: &Wish,
    seam: Option<Seam>,
) -> Response {
    let accepted = wish.encodings;
    let coded = [(accepted.gzip, Encoding::Gzip), (accepted.zstd, Encoding::Zstd)];
    let encodings = coded.into_iter().filter_map(|(accepted, coding)| accepted.then_some(coding));
    let choices = encodings.chain([Encoding::Identity]);
    let (encoding, bytes) = choices
        .map(|encoding| (encoding, rendered.body(encoding)))
        .min_by_key(|(_, bytes)| bytes.len())
        .expect("identity is always a choice");
    let etag = rendered.etag(encoding);
    let mut response = base(description, Some(etag));
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    if is_known(wish, &response) {
        return not_modified(response);
    }
    if let Some(name) = encoding.token() {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    response.headers_mut().insert(CONTENT_LENGTH, bytes.len().into());
    let length = bytes.len() as u64;
    *response.body_mut() = match seam {
        None => Body::from(bytes),
        seam => Body::new(MediaBody::new(Media::Whole(bytes), 0, length, seam)),
    };
    response
}

/// Answers with a playlist that is one player's own: nobody else gets it, and it is another one each
/// time it is asked for, so it has no entity tag. A few hundred bytes are not worth compressing.
pub(super) fn private_playlist(text: String, description: &Description) -> Response {
    let mut response = base(description, None);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response.headers_mut().insert(CONTENT_LENGTH, text.len().into());
    *response.body_mut() = Body::from(text);
    response
}

fn base(description: &Description, etag: Option<String>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = HeaderMap::with_capacity(HEADERS);
    let &Description { resource, content_type, target_duration_s, modified_unix_ms } = description;
    let cache = cache_control(resource, Outcome::Ok, target_duration_s).to_string();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    insert(&mut response, CACHE_CONTROL, cache);
    insert(&mut response, PRIORITY, format!("u={}", urgency(resource)));
    if let Some(etag) = etag {
        insert(&mut response, ETAG, etag);
    }
    if let Some(modified_ms) = modified_unix_ms.and_then(|ms| u64::try_from(ms).ok()) {
        let modified = headers::LastModified::from(UNIX_EPOCH + Duration::from_millis(modified_ms));
        response.headers_mut().typed_insert(modified);
    }
    response
}

fn insert(response: &mut Response, name: HeaderName, value: String) {
    let value = HeaderValue::try_from(value).expect("values are made here, of printable ASCII");
    response.headers_mut().insert(name, value);
}

fn not_modified(mut response: Response) -> Response {
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

/// Whether the client holds this very object (RFC 9110 section 13.1.2).
fn is_known(wish: &Wish, response: &Response) -> bool {
    let (Some(condition), Some(etag)) =
        (wish.conditions.typed_get::<IfNoneMatch>(), response.headers().typed_get())
    else {
        return false;
    };
    !condition.precondition_passes(&etag)
}

enum Requested {
    Whole,
    Part(u64, u64),
    Unsatisfiable,
}

/// The one range asked for. Several ranges, other units and malformed ones get the whole object, as
/// RFC 9110 section 14.2 allows: no player asks for several.
fn range(wish: &Wish, response: &Response, length: u64) -> Requested {
    let request = &wish.conditions;
    let Some(range) = request.typed_get::<Range>() else { return Requested::Whole };
    if let Some(condition) = request.typed_get::<IfRange>()
        && condition.is_modified(response.headers().typed_get().as_ref(), None)
    {
        return Requested::Whole;
    }
    let several = request.get(http::header::RANGE).is_some_and(|v| v.as_bytes().contains(&b','));
    if several {
        return Requested::Whole;
    }
    let Some((start, end)) = range.satisfiable_ranges(length).next() else {
        return Requested::Unsatisfiable;
    };
    let start = match start {
        Bound::Included(start) => start,
        Bound::Excluded(start) => start + 1,
        Bound::Unbounded => 0,
    };
    let end = match end {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => end,
        Bound::Unbounded => length,
    };
    let end = end.min(length);
    if start >= end { Requested::Unsatisfiable } else { Requested::Part(start, end - start) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::BodyExt;

    const DESCRIPTION: fn() -> Description = || Description {
        resource: Resource::Video,
        content_type: "video/mp4",
        target_duration_s: 2,
        modified_unix_ms: None,
    };

    fn request(pairs: &[(&'static str, &str)]) -> Wish {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        Wish::of(&pairs.iter().map(pair).collect())
    }

    async fn get(pairs: &[(&'static str, &str)]) -> (StatusCode, HeaderMap, String) {
        let whole = Media::Whole(Bytes::from_static(b"0123456789"));
        let (parts, body) =
            media(whole, "\"1.2\"".to_owned(), &DESCRIPTION(), &request(pairs), None).into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn ranges() {
        for (asked, status, content_range, body) in [
            ("bytes=0-3", 206, "bytes 0-3/10", "0123"),
            ("bytes=8-", 206, "bytes 8-9/10", "89"),
            ("bytes=-3", 206, "bytes 7-9/10", "789"),
            ("bytes=4-400", 206, "bytes 4-9/10", "456789"),
            ("bytes=10-", 416, "bytes */10", ""),
            ("bytes=0-1,4-5", 200, "", "0123456789"),
            ("lines=0-1", 200, "", "0123456789"),
        ] {
            let (got, headers, text) = get(&[("range", asked)]).await;
            assert_eq!(got.as_u16(), status, "{asked}");
            let got_range = headers.get(CONTENT_RANGE).map_or("", |v| v.to_str().unwrap());
            assert_eq!((got_range, text.as_str()), (content_range, body), "{asked}");
            assert_eq!(headers[CONTENT_LENGTH], body.len().to_string(), "{asked}");
        }
    }

    #[tokio::test]
    async fn a_range_of_another_version_gets_the_whole() {
        let (status, ..) = get(&[("range", "bytes=0-3"), ("if-range", "\"other\"")]).await;
        assert_eq!(status, StatusCode::OK);
        let (status, ..) = get(&[("range", "bytes=0-3"), ("if-range", "\"1.2\"")]).await;
        assert_eq!(status, StatusCode::PARTIAL_CONTENT);
    }

    #[tokio::test]
    async fn what_the_client_holds_is_not_sent_again() {
        let (status, headers, body) = get(&[("if-none-match", "\"x\", \"1.2\"")]).await;
        assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
        assert_eq!(headers[ETAG], "\"1.2\"");
        let (status, ..) = get(&[("if-none-match", "\"x\"")]).await;
        assert_eq!(status, StatusCode::OK);
    }
}
