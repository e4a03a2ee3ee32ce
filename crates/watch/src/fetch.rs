//! From HTTP responses to deliveries: which bodies were evidence, and when an object fetched in pieces is
//! whole.

use std::collections::VecDeque;

use crate::{Interval, IntervalSet};

/// Objects of one session that may be half fetched at a time. Players fetch a part or two at once,
/// each as one or two ranges; the oldest unfinished one is forgotten, which can only count less.
pub const PARTIAL_OBJECTS_MAX: usize = 8;

/// One response the server has finished with, for whatever reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Names the part or segment, the same in every request for it.
    pub object: u64,
    /// What the object is.
    pub content: Content,
    /// The request's method was GET; HEAD carries no body.
    pub is_get: bool,
    /// The response's status.
    pub status: u16,
    /// The first body byte's place in the object.
    pub first_byte: u64,
    /// Body bytes that were written to the connection without an error; fewer than asked for when the
    /// body was aborted.
    pub written_bytes: u64,
    /// The whole object's length.
    pub object_bytes: u64,
}

/// What an HTTP object is, as evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A part or segment, with its place on the EXT-X-PROGRAM-DATE-TIME axis.
    Media(Interval),
    /// A playlist, with the media it lists. Evidence when written whole.
    Playlist(Interval),
    /// Init segments, subtitles, keys: nothing anybody watches.
    Other,
}

/// Pieces of objects one session has fetched so far.
#[derive(Clone, Debug, Default)]
pub struct Fetches {
    partial: VecDeque<(u64, IntervalSet)>,
}

impl Fetches {
    /// Takes a finished response; gives back the stretch of media that is completely delivered now.
    ///
    /// HEAD, 304 and aborted bodies give nothing, though the bytes an aborted body did carry count
    /// toward the object. Fetching an object again, whole or in pieces, gives the same stretch again.
    pub fn finished(&mut self, fetch: &Fetch) -> Option<Interval> {
        let (Content::Media(media) | Content::Playlist(media)) = fetch.content else { return None };
        if !fetch.is_get || !matches!(fetch.status, 200 | 206) || fetch.object_bytes == 0 {
            return None;
        }
        let whole = bytes(0, fetch.object_bytes)?;
        let end = fetch.first_byte.checked_add(fetch.written_bytes)?;
        let written = bytes(fetch.first_byte, end)?;
        if written.intersection(whole) == Some(whole) {
            self.partial.retain(|(object, _)| *object != fetch.object);
            return Some(media);
        }
        if matches!(fetch.content, Content::Playlist(_)) {
            // A playlist is another one at every request: its pieces do not add up.
            return None;
        }
        self.add_piece(fetch.object, written, whole).then_some(media)
    }

    fn add_piece(&mut self, object: u64, written: Interval, whole: Interval) -> bool {
        let known = self.partial.iter().position(|(known, _)| *known == object);
        let mut pieces = known.and_then(|at| self.partial.remove(at)).unwrap_or_default();
        pieces.1.insert(written);
        if pieces.1.covers(whole) {
            return true;
        }
        if self.partial.len() == PARTIAL_OBJECTS_MAX {
            self.partial.pop_front();
        }
        self.partial.push_back((object, pieces.1));
        false
    }
}

/// Bytes have the same algebra as milliseconds.
fn bytes(start: u64, end: u64) -> Option<Interval> {
    Interval::new(i64::try_from(start).ok()?, i64::try_from(end).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media() -> Interval {
        Interval::new(1_000, 1_250).unwrap()
    }

    fn whole() -> Fetch {
        let content = Content::Media(media());
        Fetch {
            object: 1,
            content,
            is_get: true,
            status: 200,
            first_byte: 0,
            written_bytes: 900,
            object_bytes: 900,
        }
    }

    fn piece(object: u64, first_byte: u64, written_bytes: u64) -> Fetch {
        Fetch { object, status: 206, first_byte, written_bytes, ..whole() }
    }

    #[test]
    fn only_completed_bodies_of_media_are_evidence() {
        let once = |fetch: Fetch| Fetches::default().finished(&fetch);
        assert_eq!(once(whole()), Some(media()));
        assert_eq!(once(Fetch { is_get: false, ..whole() }), None);
        assert_eq!(once(Fetch { status: 304, ..whole() }), None);
        assert_eq!(once(Fetch { status: 404, ..whole() }), None);
        assert_eq!(once(Fetch { written_bytes: 899, ..whole() }), None);
        assert_eq!(once(Fetch { content: Content::Other, ..whole() }), None);
        assert_eq!(once(Fetch { object_bytes: 0, ..whole() }), None);
        assert_eq!(once(Fetch { first_byte: u64::MAX, ..whole() }), None);
    }

    #[test]
    fn a_playlist_is_evidence_only_in_one_piece() {
        let content = Content::Playlist(media());
        assert_eq!(Fetches::default().finished(&Fetch { content, ..whole() }), Some(media()));
        let mut fetches = Fetches::default();
        assert_eq!(fetches.finished(&Fetch { content, ..piece(1, 0, 500) }), None);
        assert_eq!(fetches.finished(&Fetch { content, ..piece(1, 500, 400) }), None);
    }

    #[test]
    fn ranges_add_up_in_any_order_and_overlapping() {
        let mut fetches = Fetches::default();
        assert_eq!(fetches.finished(&piece(1, 500, 400)), None);
        assert_eq!(fetches.finished(&piece(2, 0, 500)), None);
        assert_eq!(fetches.finished(&piece(1, 0, 300)), None);
        assert_eq!(fetches.finished(&piece(1, 250, 250)), Some(media()));
        assert_eq!(fetches.finished(&piece(2, 501, 399)), None);
        assert_eq!(fetches.finished(&piece(2, 500, 1)), Some(media()));
    }

    #[test]
    fn the_oldest_unfinished_object_is_forgotten() {
        let mut fetches = Fetches::default();
        for object in 0..=PARTIAL_OBJECTS_MAX as u64 {
            assert_eq!(fetches.finished(&piece(object, 0, 500)), None);
        }
        assert_eq!(fetches.partial.len(), PARTIAL_OBJECTS_MAX);
        assert_eq!(fetches.finished(&piece(0, 500, 400)), None);
        assert_eq!(fetches.finished(&piece(8, 500, 400)), Some(media()));
    }
}
