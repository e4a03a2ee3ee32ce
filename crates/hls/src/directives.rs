//! Delivery directives: what a player asks for in a playlist request's query.
//!
//! What the protocol leaves open (D12) is decided here:
//! - names and values are compared after percent-decoding, because intermediaries may re-encode;
//! - a directive given twice is refused, even with equal values: two readers of the same request
//!   (a cache and this server) could otherwise take different ones;
//! - a `_HLS_skip` value this server does not know gets the whole playlist, which is always right;
//! - `v2` needs no special case: every playlist offers CAN-SKIP-DATERANGES;
//! - unknown `_HLS_*` and all other parameters are ignored, in any order, however malformed.

/// Longest query looked at, in bytes: room for a signed URL's token and CMCD beside the directives.
pub const QUERY_BYTES_MAX: usize = 8_192;

/// Longest directive name or value looked at, decoded: 20 digits make the largest number.
const WORD_BYTES_MAX: usize = 24;

/// What a playlist request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `_HLS_msn`: hold the answer until this segment is listed.
    pub msn: Option<u64>,
    /// `_HLS_part`: hold the answer until this part of segment `msn` is listed. Never without
    /// `msn`. // D4
    pub part: Option<u32>,
    /// `_HLS_skip`: whether a delta update will do.
    pub skip: Skip,
}

/// What a player lets the server leave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Skip {
    /// Nothing: the whole playlist.
    #[default]
    No,
    /// `YES`: old segments.
    Segments,
    /// `v2`: old segments and old date ranges.
    SegmentsAndDateRanges,
}

/// Why a query cannot be answered; all are the client's fault and answered 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectiveError {
    /// Longer than [`QUERY_BYTES_MAX`].
    #[error("the query is longer than {QUERY_BYTES_MAX} bytes")]
    TooLong,
    /// `_HLS_part` without `_HLS_msn`. // D4
    #[error("_HLS_part needs _HLS_msn")]
    PartWithoutMsn,
    /// The directive was given more than once. // D12
    #[error("{0} is given more than once")]
    Repeated(&'static str),
    /// The directive's value is no decimal integer of its range.
    #[error("{0} is not a decimal integer of its range")]
    NotANumber(&'static str),
}

impl Directives {
    /// Reads the directives from a query string (without its `?`).
    ///
    /// # Errors
    /// See [`DirectiveError`]; never on parameters that are not ours.
    pub fn parse(query: &str) -> Result<Self, DirectiveError> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(DirectiveError::TooLong);
        }
        let (mut msn, mut part, mut skip) = (None, None, None);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = Word::decode(name);
            match name.text() {
                b"_HLS_msn" => once(&mut msn, "_HLS_msn", number(value, "_HLS_msn")?)?,
                b"_HLS_part" => once(&mut part, "_HLS_part", number(value, "_HLS_part")?)?,
                b"_HLS_skip" => once(&mut skip, "_HLS_skip", Skip::parse(value))?,
                _ => {}
            }
        }
        if part.is_some() && msn.is_none() {
            return Err(DirectiveError::PartWithoutMsn); // D4
        }
        let part = match part.map(u32::try_from) {
            None => None,
            Some(Ok(part)) => Some(part),
            Some(Err(_)) => return Err(DirectiveError::NotANumber("_HLS_part")),
        };
        Ok(Self { msn, part, skip: skip.unwrap_or_default() })
    }

    /// Whether the answer may have to wait: decides which cache lifetime it gets.
    #[must_use]
    pub const fn is_blocking(&self) -> bool {
        self.msn.is_some()
    }
}

impl Skip {
    fn parse(value: &str) -> Self {
        match Word::decode(value).text() {
            b"YES" => Self::Segments,
            b"v2" => Self::SegmentsAndDateRanges,
            _ => Self::No,
        }
    }
}

fn once<T>(slot: &mut Option<T>, name: &'static str, value: T) -> Result<(), DirectiveError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(DirectiveError::Repeated(name)),
    }
}

fn number(value: &str, name: &'static str) -> Result<u64, DirectiveError> {
    let word = Word::decode(value);
    let digits = word.text();
    let mut number: u64 = 0;
    if digits.is_empty() {
        return Err(DirectiveError::NotANumber(name));
    }
    for digit in digits {
        let digit = match digit {
            b'0'..=b'9' => u64::from(digit - b'0'),
            _ => return Err(DirectiveError::NotANumber(name)),
        };
        number = number
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(digit))
            .ok_or(DirectiveError::NotANumber(name))?;
    }
    Ok(number)
}

/// A percent-decoded name or value. One that is too long or badly encoded decodes to nothing, which
/// is no directive's name, no number and no kind of skip.
struct Word {
    bytes: [u8; WORD_BYTES_MAX],
    len: usize,
}

impl Word {
    fn decode(encoded: &str) -> Self {
        const NOTHING: Word = Word { bytes: [0; WORD_BYTES_MAX], len: 0 };
        let mut word = NOTHING;
        let mut input = encoded.bytes();
        while let Some(byte) = input.next() {
            let byte = if byte == b'%' {
                match (input.next().and_then(nibble), input.next().and_then(nibble)) {
                    (Some(high), Some(low)) => high << 4 | low,
                    _ => return NOTHING,
                }
            } else {
                byte
            };
            let Some(slot) = word.bytes.get_mut(word.len) else { return NOTHING };
            *slot = byte;
            word.len += 1;
        }
        word
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

const fn nibble(hex: u8) -> Option<u8> {
    match hex {
        b'0'..=b'9' => Some(hex - b'0'),
        b'a'..=b'f' => Some(hex - b'a' + 10),
        b'A'..=b'F' => Some(hex - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Directives, DirectiveError> {
        Directives::parse(query)
    }

    // D12
    #[test]
    fn order_does_not_matter_and_strangers_are_ignored() {
        let wanted = Directives { msn: Some(27), part: Some(4), skip: Skip::Segments };
        assert_eq!(parse("_HLS_msn=27&_HLS_part=4&_HLS_skip=YES"), Ok(wanted));
        assert_eq!(parse("x=%zz&_HLS_skip=YES&&_HLS_part=4&_HLS_new=7&_HLS_msn=27"), Ok(wanted));
        assert_eq!(parse(""), Ok(Directives::default()));
        assert_eq!(parse("_hls_msn=1&CMCD=bl%3D200&_HLS_msnx=3"), Ok(Directives::default()));
    }

    // D4
    #[test]
    fn part_needs_msn() {
        assert_eq!(parse("_HLS_part=0"), Err(DirectiveError::PartWithoutMsn));
    }

    // D12
    #[test]
    fn a_repeated_directive_is_refused() {
        assert_eq!(parse("_HLS_msn=1&_HLS_msn=1"), Err(DirectiveError::Repeated("_HLS_msn")));
        assert_eq!(
            parse("_HLS_msn=1&_HLS_part=1&%5FHLS_part=2"),
            Err(DirectiveError::Repeated("_HLS_part"))
        );
        assert_eq!(parse("_HLS_skip=YES&_HLS_skip="), Err(DirectiveError::Repeated("_HLS_skip")));
    }

    // D12
    #[test]
    fn percent_encoding_is_undone() {
        let decoded = parse("%5FHLS%5fmsn=%31%32&_HLS_skip=v%32").unwrap();
        assert_eq!(decoded.msn, Some(12));
        assert_eq!(decoded.skip, Skip::SegmentsAndDateRanges);
    }

    #[test]
    fn numbers_are_decimal_and_in_range() {
        assert_eq!(parse("_HLS_msn=18446744073709551615").unwrap().msn, Some(u64::MAX));
        for bad in ["", "-1", "+1", "1.0", "0x1", " 1", "18446744073709551616", "%", "%3", "1%00"] {
            let refused = parse(&format!("_HLS_msn={bad}"));
            assert_eq!(refused, Err(DirectiveError::NotANumber("_HLS_msn")), "{bad:?}");
        }
        let part = parse("_HLS_msn=1&_HLS_part=4294967296");
        assert_eq!(part, Err(DirectiveError::NotANumber("_HLS_part")));
    }

    // D12
    #[test]
    fn an_unknown_kind_of_skip_gets_the_whole_playlist() {
        for unknown in ["_HLS_skip=v3", "_HLS_skip=yes", "_HLS_skip", "_HLS_skip=%"] {
            assert_eq!(parse(unknown).unwrap().skip, Skip::No, "{unknown}");
        }
    }

    #[test]
    fn an_endless_query_is_refused() {
        let query = "x".repeat(QUERY_BYTES_MAX + 1);
        assert_eq!(parse(&query), Err(DirectiveError::TooLong));
        assert!(parse(&query[1..]).is_ok());
    }
}
