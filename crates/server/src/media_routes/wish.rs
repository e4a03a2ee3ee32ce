//! What a request says about the answer it wants.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use tally_watch::cmcd::{CmcdRecord, parse_headers, parse_query};

use crate::clock;
use crate::encoding::AcceptedEncodings;

/// The few headers that shape an answer. Nothing else of a head is kept while a request waits: its
/// values are slices of the connection's read buffer, so that one of them would hold all its 8 KiB.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    /// Content codings the client takes.
    pub(super) encodings: AcceptedEncodings,
    /// Conditions and ranges. Most requests have none, and an empty map takes no memory.
    pub(super) conditions: HeaderMap,
    /// What the player says of itself; most do not.
    pub(super) said: Option<Box<Said>>,
}

/// CMCD of a request (CTA-5004), and when it came.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) record: CmcdRecord,
    /// Unix time in milliseconds.
    pub(super) received_ms: i64,
}

/// Where CMCD travels when it is not in the query.
const CMCD_HEADERS: [&str; 4] = ["cmcd-object", "cmcd-request", "cmcd-session", "cmcd-status"];

impl Said {
    fn of(request: &Parts) -> Option<Box<Self>> {
        let in_query = request.uri.query().and_then(parse_query);
        let parsed = in_query.or_else(|| {
            let values = || CMCD_HEADERS.iter().filter_map(|name| request.headers.get(*name));
            let any = values().next().is_some();
            any.then(|| parse_headers(values().filter_map(|value| value.to_str().ok())))
        })?;
        Some(Box::new(Self { record: parsed.record, received_ms: clock::unix_ms() }))
    }
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
        Self { encodings: AcceptedEncodings::of(request), conditions, said: None }
    }
}

impl<S: Sync> FromRequestParts<S> for Wish {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self { said: Said::of(parts), ..Self::of(&parts.headers) })
    }
}
