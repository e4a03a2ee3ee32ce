//! What is the same for all routes: errors as problem documents, CORS, the body limit.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use http_body::Body as _;
use http_body_util::Limited;

use super::problem::{Problem, method_not_allowed, not_found, problems_only};

/// Finishes a set of routes: 404 and 405 as problem documents, CORS on every answer, and bodies
/// larger than `body_bytes_max` refused. Add no routes after this.
pub fn finish(routes: Router, body_bytes_max: usize) -> Router {
    finish_private(routes, body_bytes_max).layer(middleware::from_fn(super::cors::cors))
}

/// The same without CORS, for listeners that pages of other sites must not read.
pub(crate) fn finish_private(routes: Router, body_bytes_max: usize) -> Router {
    routes
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(problems_only))
        .layer(middleware::from_fn(move |request, next| limit(body_bytes_max, request, next)))
}

async fn limit(body_bytes_max: usize, request: Request, next: Next) -> Response {
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|bytes| bytes > body_bytes_max) {
        let detail = format!("a request's body may have {body_bytes_max} bytes");
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response();
    }
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // A body without a declared length runs into the same limit while it is read.
    next.run(request.map(|body| Body::new(Limited::new(body, body_bytes_max)))).await
}
