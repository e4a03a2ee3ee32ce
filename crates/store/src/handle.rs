//! A creator's public name.

use std::fmt;
use std::str::FromStr;

/// The shortest handle: shorter ones are scarce and worth squatting.
const CHARS_MIN: usize = 3;
/// The longest handle: fits a line of a phone and a path of a URL.
const CHARS_MAX: usize = 30;

/// A creator's public name, as in `/@alice`: 3 to 30 of `a-z 0-9 _ . -`, first and last a letter or a
/// digit, no two dots in a row. So it is safe as a path segment, and no two handles differ only in case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(String);

/// Why a text is no handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHandle {
    /// Too short or too long.
    #[error("a handle has {CHARS_MIN} to {CHARS_MAX} characters")]
    Length,
    /// A character that is not allowed.
    #[error("a handle has only a-z, 0-9, '_', '.' and '-', not {0:?}")]
    Character(char),
    /// Starts or ends with something else than a letter or a digit.
    #[error("a handle starts and ends with a letter or a digit")]
    Edge,
    /// Two dots in a row.
    #[error("a handle has no two dots in a row")]
    Dots,
}

impl Handle {
    /// The text, without `@`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Handle {
    type Err = InvalidHandle;

    fn from_str(text: &str) -> Result<Self, InvalidHandle> {
        let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '.' | '-');
        if let Some(other) = text.chars().find(|&c| !allowed(c)) {
            return Err(InvalidHandle::Character(other));
        }
        if !(CHARS_MIN..=CHARS_MAX).contains(&text.len()) {
            return Err(InvalidHandle::Length);
        }
        let edge = |c: char| c.is_ascii_alphanumeric();
        if !text.starts_with(edge) || !text.ends_with(edge) {
            return Err(InvalidHandle::Edge);
        }
        if text.contains("..") {
            return Err(InvalidHandle::Dots);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Handle {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_people_use_are_handles() {
        for text in ["bob", "alice", "a-b_c.d", "2fast", "x1234567890123456789012345678z"] {
            assert_eq!(text.parse::<Handle>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let reason = |text: &str| text.parse::<Handle>().unwrap_err();
        assert_eq!(reason(""), InvalidHandle::Length);
        assert_eq!(reason("ab"), InvalidHandle::Length);
        assert_eq!(reason(&"a".repeat(31)), InvalidHandle::Length);
        assert_eq!(reason("Alice"), InvalidHandle::Character('A'));
        assert_eq!(reason("al/ice"), InvalidHandle::Character('/'));
        assert_eq!(reason("a%2e"), InvalidHandle::Character('%'));
        assert_eq!(reason("alïce"), InvalidHandle::Character('ï'));
        assert_eq!(reason("a\0bc"), InvalidHandle::Character('\0'));
        assert_eq!(reason("..."), InvalidHandle::Edge);
        assert_eq!(reason("alice."), InvalidHandle::Edge);
        assert_eq!(reason("-alice"), InvalidHandle::Edge);
        assert_eq!(reason("al..ice"), InvalidHandle::Dots);
    }
}
