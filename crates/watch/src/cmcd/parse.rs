//! CMCD text: comma-separated `key`, `key=value` or `key=(item item);parameter`, after RFC 8941.

use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::Parsed;
use crate::parse_permille;

/// Bytes of one record that are read. Real ones are a few hundred; servers limit header lines and
/// request targets to 8 kB themselves.
pub const TEXT_BYTES_MAX: usize = 8 * 1_024;

/// Keys of one record that are read; the standard has about fifty.
pub const KEYS_MAX: usize = 100;

/// Records of one event-mode body that are read: a player that was offline for ten minutes and reports
/// more than twice a second.
pub const EVENTS_MAX: usize = 1_500;

/// Reads one record. What is beyond a bound is dropped, not refused: the rest is still evidence.
#[must_use]
pub fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let cut = text.floor_char_boundary(TEXT_BYTES_MAX);
    parsed.dropped += u32::from(cut < text.len());
    for (number, piece) in Pieces(&text[..cut]).enumerate() {
        let piece = piece.trim_matches([' ', '\t']);
        if number >= KEYS_MAX {
            parsed.dropped += 1;
            break;
        }
        if piece.is_empty() {
            continue;
        }
        let (key, value) = match piece.split_once('=') {
            Some((key, value)) => (key, Value::Text(value)),
            // `key;parameter` is a true flag with a parameter nobody asked for.
            None => (piece.split(';').next().unwrap_or(piece), Value::Present),
        };
        let is_key =
            key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte));
        let taken = is_key.then(|| parsed.record.set(key, &value)).flatten();
        parsed.dropped += u32::from(taken.is_none());
    }
    parsed
}

/// Reads the `CMCD` argument of a raw, still percent-encoded query; nothing if there is none.
#[must_use]
pub fn parse_query(query: &str) -> Option<Parsed> {
    let value = query.split('&').find_map(|argument| argument.strip_prefix("CMCD="))?;
    // Three encoded bytes stand for one.
    let value = &value[..value.floor_char_boundary(TEXT_BYTES_MAX * 3)];
    Some(parse(&percent_decode_str(value).decode_utf8_lossy()))
}

/// Reads the values of the `CMCD-Object`, `-Request`, `-Session` and `-Status` headers together:
/// which key travels in which header is not worth refusing anything for.
#[must_use]
pub fn parse_headers<'a>(values: impl IntoIterator<Item = &'a str>) -> Parsed {
    let mut text = String::new();
    for value in values {
        if text.len() + value.len() > TEXT_BYTES_MAX {
            let mut parsed = parse(&text);
            parsed.dropped += 1;
            return parsed;
        }
        text.push_str(value);
        text.push(',');
    }
    parse(&text)
}

/// Reads an event-mode body (`text/cmcd` or `application/cmcd`): a record a line. At most
/// [`EVENTS_MAX`]; the iterator reads as it goes.
pub fn parse_events(body: &str) -> impl Iterator<Item = Parsed> {
    let lines = body.lines().filter(|line| !line.trim().is_empty());
    lines.take(EVENTS_MAX).map(parse)
}

/// A value as it was typed.
pub(super) enum Value<'a> {
    /// The key stands alone.
    Present,
    /// What follows the `=`.
    Text(&'a str),
}

impl Value<'_> {
    /// A token or the like, without parameters.
    fn bare(&self) -> Option<&str> {
        match self {
            Self::Present => None,
            Self::Text(text) => Some(text.split(';').next().unwrap_or(text).trim()),
        }
    }

    pub(super) fn token(&self) -> Option<&str> {
        // Version 1 players in the field quote tokens now and then.
        self.bare().map(|text| text.trim_matches('"')).filter(|text| !text.is_empty())
    }

    pub(super) fn integer<T: FromStr>(&self) -> Option<T> {
        let text = self.bare()?;
        // A decimal where an integer belongs is cut; players round in their own ways.
        let text = text.split_once('.').map_or(text, |(whole, _)| whole);
        text.parse().ok()
    }

    pub(super) fn permille(&self) -> Option<u32> {
        parse_permille(self.bare()?)
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self {
            Self::Present => Some(true),
            Self::Text(text) => match *text {
                "?1" | "true" | "1" => Some(true),
                "?0" | "false" | "0" => Some(false),
                _ => None,
            },
        }
    }

    /// The least of an inner list of integers, `(2300;v 2100;a)`, or of one integer.
    pub(super) fn least(&self) -> Option<u64> {
        let Self::Text(text) = self else { return None };
        let Some(list) = text.strip_prefix('(') else { return self.integer() };
        let (list, _) = list.split_once(')')?;
        let items = list.split_ascii_whitespace().map(|item| Value::Text(item).integer());
        items.flatten().min()
    }

    /// A quoted string with its escapes undone; a bare token is taken too.
    pub(super) fn string(&self, bytes_max: usize) -> Option<String> {
        let Self::Text(text) = self else { return None };
        let text = match text.strip_prefix('"') {
            None => self.token()?.to_owned(),
            Some(quoted) => unquote(quoted)?,
        };
        (!text.is_empty() && text.len() <= bytes_max).then_some(text)
    }
}

fn unquote(quoted: &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => text.push(characters.next().filter(|it| matches!(it, '"' | '\\'))?),
            character => text.push(character),
        }
    }
}

/// The pieces of a text between commas that are neither quoted nor in parentheses.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let (mut quoted, mut escaped, mut in_list) = (false, false, false);
        for (at, byte) in self.0.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'(' if !quoted => in_list = true,
                b')' if !quoted => in_list = false,
                b',' if !quoted && !in_list => {
                    let piece = &self.0[..at];
                    self.0 = &self.0[at + 1..];
                    return Some(piece);
                }
                _ => {}
            }
        }
        Some(std::mem::take(&mut self.0))
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
