//! Which content codings a request accepts (RFC 9110 section 12.5.3), of those kept ready.

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// The codings a request accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcceptedEncodings {
    /// `br`.
    pub brotli: bool,
    /// `gzip`.
    pub gzip: bool,
    /// `zstd`.
    pub zstd: bool,
}

impl AcceptedEncodings {
    /// Reads `Accept-Encoding`. Codings have to be named: a bare `*` is treated as unaware of
    /// what it asks for.
    #[must_use]
    pub fn of(request: &HeaderMap) -> Self {
        let mut accepted = Self::default();
        let values = request.get_all(ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
        for item in values.flat_map(|value| value.split(',')) {
            let mut fields = item.split(';').map(str::trim);
            let coding = fields.next().unwrap_or_default();
            let weight = fields.find_map(|field| field.strip_prefix("q="));
            let wanted = weight.is_none_or(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0));
            match coding.to_ascii_lowercase().as_str() {
                "br" => accepted.brotli = wanted,
                "gzip" | "x-gzip" => accepted.gzip = wanted,
                "zstd" => accepted.zstd = wanted,
                _ => {}
            }
        }
        accepted
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepted(value: &'static str) -> AcceptedEncodings {
        AcceptedEncodings::of(
            &[(ACCEPT_ENCODING, HeaderValue::from_static(value))].into_iter().collect(),
        )
    }

    #[test]
    fn codings_are_taken_by_name_and_weight() {
        let all = AcceptedEncodings { brotli: true, gzip: true, zstd: true };
        assert_eq!(accepted("gzip, deflate, br, zstd"), all);
        let zstd = AcceptedEncodings { zstd: true, ..Default::default() };
        assert_eq!(accepted("gzip;q=0, ZSTD;q=0.5"), zstd);
        assert_eq!(accepted("identity, *"), AcceptedEncodings::default());
    }
}
