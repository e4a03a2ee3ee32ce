//! Names of sessions.

use std::fmt;

use crate::random;

/// Characters of an id: 160 random bits.
const ID_CHARS: usize = 32;

/// A session's name: unguessable, because who knows it may end the session.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(random::name() + &random::name())
    }

    /// The id in a path segment; `None` for what can be none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_id = text.len() == ID_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_id.then(|| Self(text.to_owned()))
    }

    /// The path segment.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Its beginning only: a log must not let its reader end sessions.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}..)", self.0.get(..6).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_not_logged_whole() {
        let id = SessionId::random();
        assert_eq!(SessionId::parse(id.as_str()), Some(id.clone()));
        assert_ne!(id, SessionId::random());
        assert!(!format!("{id:?}").contains(id.as_str()));
        assert_eq!(SessionId::parse("../etc"), None);
        assert_eq!(SessionId::parse(&"é".repeat(16)), None);
    }
}
