//! The pages and their assets, with the headers that keep them safe.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use headers::{ETag, HeaderMapExt, IfNoneMatch};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use tally_web::{Asset, Page};

use crate::encoding::AcceptedEncodings;
use crate::http::problem::Problem;

/// The routes of pages and assets.
pub fn router() -> Router {
    Router::new()
        .route("/", get(|headers: HeaderMap| async move { page(Page::Home, &headers) }))
        .route(
            "/live/{handle}",
            get(|headers: HeaderMap| async move { page(Page::Watch, &headers) }),
        )
        .route("/assets/{*path}", get(asset))
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    match tally_web::asset(&path) {
        Some(asset) => send(asset, &headers),
        None => Problem::new(StatusCode::NOT_FOUND, "there is no such asset").into_response(),
    }
}

fn page(page: Page, request: &HeaderMap) -> Response {
    let mut response = send(tally_web::page(page), request);
    let policy = HeaderValue::from_static(tally_web::CONTENT_SECURITY_POLICY);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Sends the smallest form of the asset that the request accepts.
fn send(asset: &'static Asset, request: &HeaderMap) -> Response {
    let accepted = AcceptedEncodings::of(request);
    let brotli = asset.brotli.filter(|_| accepted.brotli).map(|bytes| ("br", bytes));
    let gzip = asset.gzip.filter(|_| accepted.gzip).map(|bytes| ("gzip", bytes));
    let coded = brotli.into_iter().chain(gzip).min_by_key(|(_, bytes)| bytes.len());
    let tag = match coded {
        Some((coding, _)) => format!("{}-{coding}\"", asset.etag.trim_end_matches('"')),
        None => asset.etag.to_owned(),
    };
    let etag: ETag = tag.parse().expect("the web crate gives quoted tags");
    let known = request.typed_get::<IfNoneMatch>();
    let known = known.is_some_and(|condition| !condition.precondition_passes(&etag));
    let bytes = coded.map_or(asset.bytes, |(_, bytes)| bytes);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(bytes))
    };
    let headers = response.headers_mut();
    headers.typed_insert(etag);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(asset.cache_control()));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some((coding, _)) = coded.filter(|_| !known) {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use http::Request;
    use http::header::{ACCEPT_ENCODING, ETAG, IF_NONE_MATCH};
    use tower::ServiceExt;

    use super::*;

    async fn fetch(path: &str, header: (http::HeaderName, HeaderValue)) -> Response {
        let request = Request::get(path).header(header.0, header.1).body(Body::empty()).unwrap();
        router().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn the_watch_page_is_html_under_a_strict_policy() {
        let identity = (ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let response = fetch("/live/alice", identity).await;
        assert_eq!(response.status(), StatusCode::OK);
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        assert!(body.starts_with(b"<!doctype html>") || body.starts_with(b"<!DOCTYPE html>"));
    }

    #[tokio::test]
    async fn a_page_the_browser_holds_is_not_sent_again() {
        let gzip = HeaderValue::from_static("gzip");
        let first = fetch("/", (ACCEPT_ENCODING, gzip)).await;
        let etag = first.headers()[ETAG].clone();
        let request = Request::get("/").header(ACCEPT_ENCODING, "gzip").header(IF_NONE_MATCH, etag);
        let again = router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(to_bytes(again.into_body(), 1).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_unknown_asset_is_a_problem() {
        let any = (ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(fetch("/assets/nothing.js", any).await.status(), StatusCode::NOT_FOUND);
    }
}
