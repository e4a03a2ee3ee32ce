//! What a request says about the answer it wants.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use crate::encoding::AcceptedEncodings;

/// The few headers that shape an answer. Nothing else of a head is kept while a request waits: its
/// values are slices of the connection's read buffer, so that one of them would hold all its 8 KiB.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    /// Content codings the client takes.
    pub(super) encodings: AcceptedEncodings,
    /// Conditions and ranges. Most requests have none, and an empty map takes no memory.
    pub(super) conditions: HeaderMap,
}

impl Wish {
    /// Copies what is needed of a request's headers.
    pub(super) fn of(request: &HeaderMap) -> Self {
        let mut conditions = HeaderMap::new();
        for name in [IF_NONE_MATCH, IF_RANGE, RANGE] {
            for value in request.get_all(&name) {
                let copy = HeaderValue::from_bytes(value.as_bytes());
                conditions.append(name.clone(), copy.expect("it was a header's value before"));
            }
        }
        Self { encodings: AcceptedEncodings::of(request), conditions }
    }
}

impl<S: Sync> FromRequestParts<S> for Wish {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}
