//! A response body that hands out slices of what was ingested, one after another, without a copy.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use prometheus::IntCounter;
use tally_cmaf::{Part, Segment};
use tally_hub::{Delivery, SessionId, Stream};
use tally_media::TrackId;

use super::pieces::{Piece, Pieces};
use crate::shows::ShowEvidence;

/// What is sent. Shared with every other viewer of it.
#[derive(Clone, Debug)]
pub(super) enum Media {
    /// One piece of memory: an init segment or a rendered playlist.
    Whole(Bytes),
    /// A part: header and frames.
    Part(Arc<Part>),
    /// A segment: its parts, one after another.
    Segment(Arc<Segment>),
}

impl Media {
    /// Length of the whole in bytes.
    pub(super) fn len_bytes(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Part(part) => part.body.len_bytes(),
            Self::Segment(segment) => segment.len_bytes,
        }
    }

    /// The n-th slice of the `part`-th part, if there is one.
    fn chunk(&self, part: usize, chunk: usize) -> Place<'_> {
        let chunks = match self {
            Self::Whole(bytes) if part == 0 => std::slice::from_ref(bytes),
            Self::Part(only) if part == 0 => only.body.chunks(),
            Self::Segment(segment) => match segment.parts.get(part) {
                Some(part) => part.body.chunks(),
                None => return Place::End,
            },
            _ => return Place::End,
        };
        chunks.get(chunk).map_or(Place::EndOfPart, Place::Chunk)
    }
}

/// What stands at a place in [`Media`].
enum Place<'a> {
    Chunk(&'a Bytes),
    EndOfPart,
    End,
}

/// What is told when all of a body was written.
#[derive(Clone, Debug)]
pub(super) enum Seam {
    /// It was media.
    Delivery(DeliverySeam),
    /// It was a playlist for a session whose media comes from a cache.
    Listing(ListingSeam),
}

/// A playlist that stands for the media it lists.
#[derive(Clone, Debug)]
pub(super) struct ListingSeam {
    pub(super) evidence: Arc<ShowEvidence>,
    pub(super) session: tally_watch::SessionId,
    /// What it lists of the show's timeline, in milliseconds.
    pub(super) stretch_ms: (i64, i64),
}

/// Where media that reached a viewer is reported.
#[derive(Clone, Debug)]
pub(super) struct DeliverySeam {
    /// The hub's side of it.
    pub(super) stream: Stream,
    /// Whom it is for, where the request says so.
    pub(super) session: Option<SessionId>,
    /// The track that leads what is delivered.
    pub(super) track: TrackId,
    /// Names it among all of the show: see [`super::pieces::object`].
    pub(super) object: u64,
    /// What is half fetched.
    pub(super) pieces: Pieces,
    /// The server's total.
    pub(super) delivered_bytes: IntCounter,
}

/// A range of [`Media`], slice by slice.
#[derive(Debug)]
pub(super) struct MediaBody {
    media: Media,
    /// Told when all of it was written.
    seam: Option<Seam>,
    first_byte: u64,
    length: u64,
    part: usize,
    chunk: usize,
    /// Bytes before the range that are still to be passed over.
    skip: u64,
    /// Bytes of the range that are still to be sent.
    remaining: u64,
}

impl MediaBody {
    /// `length` bytes of `media` from `offset` on, which report to `seam` once they are written.
    pub(super) fn new(media: Media, offset: u64, length: u64, seam: Option<Seam>) -> Self {
        let (skip, remaining, first_byte) = (offset, length, offset);
        Self { media, seam, first_byte, length, part: 0, chunk: 0, skip, remaining }
    }

    fn next(&mut self) -> Option<Bytes> {
        while self.remaining > 0 {
            let bytes = match self.media.chunk(self.part, self.chunk) {
                Place::Chunk(bytes) => bytes,
                Place::EndOfPart => {
                    self.part += 1;
                    self.chunk = 0;
                    continue;
                }
                Place::End => return None,
            };
            self.chunk += 1;
            let length = bytes.len() as u64;
            if self.skip >= length {
                self.skip -= length;
                continue;
            }
            let start = self.skip;
            let taken = (length - start).min(self.remaining);
            self.skip = 0;
            self.remaining -= taken;
            // Both are within this slice's length, a usize.
            return Some(bytes.slice(start as usize..(start + taken) as usize));
        }
        None
    }
}

impl Media {
    /// The stretch of the show's timeline that is in it, in milliseconds; none for what has no time.
    pub(super) fn stretch_ms(&self) -> Option<(i64, i64)> {
        let (start, duration) = match self {
            Self::Whole(_) => return None,
            Self::Part(part) => (part.start, part.duration),
            Self::Segment(segment) => (segment.start, segment.duration),
        };
        Some((start.as_ms(), start.offset(duration.ticks).as_ms()))
    }
}

impl MediaBody {
    /// The connection has written all of it.
    fn written(&mut self) {
        match self.seam.take() {
            Some(Seam::Delivery(seam)) => seam.written(&self.media, self.first_byte, self.length),
            Some(Seam::Listing(seam)) if self.length == self.media.len_bytes() => {
                seam.evidence.listed(seam.session, seam.stretch_ms);
            }
            Some(Seam::Listing(_)) | None => {}
        }
    }
}

impl DeliverySeam {
    /// Part of `media` was written: is the whole of it there now?
    fn written(&self, media: &Media, first_byte: u64, written_bytes: u64) {
        self.delivered_bytes.inc_by(written_bytes);
        let Some(stretch_ms) = media.stretch_ms() else { return };
        let object_bytes = media.len_bytes();
        let is_whole = written_bytes == object_bytes
            || self.session.is_some_and(|session| {
                self.pieces.completed_by(&Piece {
                    session: tally_watch::SessionId(session.0),
                    object: self.object,
                    stretch_ms,
                    first_byte,
                    written_bytes,
                    object_bytes,
                })
            });
        if is_whole {
            let (session, track, bytes) = (self.session, self.track, object_bytes);
            let (start_ms, end_ms) = stretch_ms;
            self.stream.deliver(&Delivery { session, track, start_ms, end_ms, bytes });
        }
    }
}

impl Body for MediaBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let next = self.next();
        if next.is_none() && self.remaining == 0 {
            // Asked past the end: see `http::watched_body`.
            self.written();
        }
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

#[cfg(test)]
mod tests {
    use tally_media::{Timescale, Timestamp};

    use super::*;

    fn part(chunks: &[&'static str]) -> Arc<Part> {
        let zero = Timestamp::new(0, Timescale::VIDEO);
        let body = chunks.iter().map(|text| Bytes::from_static(text.as_bytes())).collect();
        Arc::new(Part {
            msn: 0,
            index: 0,
            start: zero,
            duration: zero,
            independent: true,
            gap: false,
            discontinuity: false,
            discontinuity_sequence: 0,
            init: 0,
            body,
        })
    }

    fn segment() -> Media {
        let zero = Timestamp::new(0, Timescale::VIDEO);
        let parts = vec![part(&["ab", "cde"]), part(&[]), part(&["f", "gh"])];
        Media::Segment(Arc::new(Segment {
            msn: 0,
            start: zero,
            duration: zero,
            gap: false,
            independent: true,
            discontinuity: false,
            discontinuity_sequence: 0,
            init: 0,
            len_bytes: parts.iter().map(|part| part.body.len_bytes()).sum(),
            parts,
        }))
    }

    fn read(media: Media, offset: u64, length: u64) -> String {
        let mut body = MediaBody::new(media, offset, length, None);
        let mut text = String::new();
        while let Some(bytes) = body.next() {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        assert!(body.is_end_stream());
        text
    }

    #[test]
    fn every_range_of_a_segment_is_the_same_range_of_its_bytes() {
        let whole = "abcdefgh";
        for start in 0..whole.len() {
            for end in start..=whole.len() {
                let got = read(segment(), start as u64, (end - start) as u64);
                assert_eq!(got, whole[start..end]);
            }
        }
    }

    #[test]
    fn slices_are_the_memory_that_was_ingested() {
        let part = part(&["head", "payload"]);
        let payload = part.body.chunks()[1].as_ptr();
        let mut body = MediaBody::new(Media::Part(part), 0, 11, None);
        body.next().unwrap();
        assert_eq!(body.next().unwrap().as_ptr(), payload);
    }
}
