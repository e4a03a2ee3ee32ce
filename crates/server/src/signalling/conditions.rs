//! `If-Match`: which ICE session a request means (W6, W8, W9).

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::http::problem::Problem;
use crate::random;

/// The entity tag of one ICE session: strong, and never used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EntityTag(String);

impl EntityTag {
    /// One that was never given out.
    pub(super) fn unique() -> Self {
        Self(format!("\"{}\"", random::name()))
    }

    /// As a header's value.
    pub(super) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("a random name has letters and digits only")
    }

    /// Whether a request may be applied to the ICE session of this tag.
    ///
    /// `*` means whichever there is. It may stand in quotes, as in the drafts' own example.
    ///
    /// # Errors
    /// 428 without a tag in the request, 412 with another one (RFC 9110 section 13.1.1, RFC 6585
    /// section 3).
    pub(super) fn check(&self, request: &HeaderMap) -> Result<(), Problem> {
        let lines = || request.get_all(header::IF_MATCH).iter();
        if lines().next().is_none() {
            let detail = "If-Match must name the session's ETag, or be * for an ICE restart";
            return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, detail));
        }
        let mut tags =
            lines().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
        let matches = tags.any(|tag| matches!(tag.trim(), "*" | "\"*\"") || tag.trim() == self.0);
        if matches {
            return Ok(());
        }
        let detail = "If-Match names another ICE session than the present one";
        Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail))
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    fn check(tag: &str, sent: &[&'static str]) -> u16 {
        let mut headers = HeaderMap::new();
        for value in sent {
            headers.append(header::IF_MATCH, HeaderValue::from_static(value));
        }
        let checked = EntityTag(tag.to_owned()).check(&headers);
        checked.map_or_else(|problem| problem.into_response().status().as_u16(), |()| 200)
    }

    /// W8
    #[test]
    fn a_request_names_the_present_session_or_any() {
        assert_eq!(check("\"a\"", &[]), 428);
        assert_eq!(check("\"a\"", &["\"a\""]), 200);
        assert_eq!(check("\"a\"", &["\"b\""]), 412);
        assert_eq!(check("\"a\"", &["\"b\", \"a\""]), 200);
        assert_eq!(check("\"a\"", &["\"b\"", "\"a\""]), 200);
        assert_eq!(check("\"a\"", &["*"]), 200);
        assert_eq!(check("\"a\"", &["\"*\""]), 200);
    }

    /// RFC 9110 section 8.8.3.2: `If-Match` compares strongly.
    #[test]
    fn a_weak_tag_matches_nothing() {
        assert_eq!(check("\"a\"", &["W/\"a\""]), 412);
    }

    /// W6
    #[test]
    fn tags_are_quoted_and_differ() {
        let tags = [EntityTag::unique(), EntityTag::unique()];
        assert_ne!(tags[0], tags[1]);
        let text = tags[0].header().to_str().unwrap().to_owned();
        assert!(text.starts_with('"') && text.ends_with('"') && text.len() > 12, "{text}");
    }
}
