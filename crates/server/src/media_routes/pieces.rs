//! Parts and segments that sessions fetch in byte ranges: when one is whole.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use tally_media::TrackId;
use tally_watch::{Content, Fetch, Fetches, Interval, SessionId};

/// Sessions that may have something half fetched at a time: players fetch whole objects, so only odd
/// ones get here. Beyond, the oldest session's are forgotten, which can only count less.
const SESSIONS_MAX: usize = 10_000;

/// A range that was written to a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// Whose.
    pub(super) session: SessionId,
    /// Of what: see [`object`].
    pub(super) object: u64,
    /// The stretch the whole object has on the show's timeline, in milliseconds.
    pub(super) stretch_ms: (i64, i64),
    /// The first byte of the range.
    pub(super) first_byte: u64,
    /// Bytes of the range.
    pub(super) written_bytes: u64,
    /// Bytes of the object.
    pub(super) object_bytes: u64,
}

/// What is half fetched. Clones share it. Locked for a few instructions, by range requests only.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces(Arc<Mutex<BTreeMap<SessionId, Fetches>>>);

impl Pieces {
    /// Whether the object is whole with this piece.
    pub(super) fn completed_by(&self, piece: &Piece) -> bool {
        let Some(media) = Interval::new(piece.stretch_ms.0, piece.stretch_ms.1) else {
            return false;
        };
        let fetch = Fetch {
            object: piece.object,
            content: Content::Media(media),
            is_get: true,
            status: 206,
            first_byte: piece.first_byte,
            written_bytes: piece.written_bytes,
            object_bytes: piece.object_bytes,
        };
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= SESSIONS_MAX && !sessions.contains_key(&piece.session) {
            sessions.pop_first();
        }
        sessions.entry(piece.session).or_default().finished(&fetch).is_some()
    }
}

/// Names an object of a show. The same in every request for it; two are hardly ever the same.
pub(super) fn object(track: TrackId, etag: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (track, etag).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(session: u64, first_byte: u64, written_bytes: u64) -> Piece {
        let stretch_ms = (0, 250);
        let session = SessionId(session);
        Piece { session, object: 1, stretch_ms, first_byte, written_bytes, object_bytes: 100 }
    }

    #[test]
    fn ranges_that_cover_an_object_are_one_delivery_of_it_to_that_session() {
        let pieces = Pieces::default();
        assert!(!pieces.completed_by(&piece(1, 0, 50)));
        assert!(!pieces.completed_by(&piece(2, 50, 50)), "another session");
        assert!(!pieces.completed_by(&piece(1, 51, 49)));
        assert!(!pieces.completed_by(&Piece { object: 2, ..piece(1, 50, 1) }), "another object");
        assert!(pieces.completed_by(&piece(1, 50, 1)));
    }

    #[test]
    fn the_oldest_sessions_are_forgotten() {
        let pieces = Pieces::default();
        for session in 0..=SESSIONS_MAX as u64 {
            assert!(!pieces.completed_by(&piece(session, 0, 50)));
        }
        assert!(!pieces.completed_by(&piece(0, 50, 50)));
        assert!(pieces.completed_by(&piece(9, 50, 50)));
        assert_eq!(pieces.0.lock().unwrap().len(), SESSIONS_MAX);
    }

    #[test]
    fn objects_have_names_of_their_own() {
        let names = [(TrackId::Video(0), "\"1.2\""), (TrackId::Video(0), "\"1\"")];
        let other = object(TrackId::Video(1), "\"1\"");
        let [part, segment] = names.map(|(track, etag)| object(track, etag));
        assert!(part != segment && segment != other);
    }
}
