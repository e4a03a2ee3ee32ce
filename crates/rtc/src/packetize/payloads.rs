//! Collects the payloads of one frame and cuts what is too long into equal pieces.

use bytes::Bytes;
use tally_media::Medium;

use super::{Payload, PictureIdAt, Prefix};

/// Payloads of one frame. 16,384 of 1,200 bytes are 19 MiB, more than the longest frame that ingest
/// takes; so it only bites where an encoder makes thousands of tiny units.
pub(super) const PAYLOADS_MAX: usize = 16_384;

/// The payloads of one frame so far.
pub(super) struct Payloads {
    list: Vec<Payload>,
    bytes_max: usize,
}

/// Which piece of something a prefix is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) is_first: bool,
    pub(super) is_last: bool,
}

/// Lengths in bytes of the prefixes of the pieces of one thing.
#[derive(Clone, Copy)]
pub(super) struct PrefixBytes {
    pub(super) first: usize,
    pub(super) next: usize,
}

impl Payloads {
    /// For payloads of at most `bytes_max`, with room for a frame of `frame_bytes`.
    pub(super) fn new(bytes_max: usize, frame_bytes: usize) -> Self {
        const HEADS: usize = 2;
        let count = (frame_bytes / bytes_max + HEADS).min(PAYLOADS_MAX);
        Self { list: Vec::with_capacity(count), bytes_max }
    }

    /// Longest payload, in bytes.
    pub(super) const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Adds one payload. `None` beyond [`PAYLOADS_MAX`].
    pub(super) fn push(&mut self, prefix: &[u8], body: Bytes) -> Option<()> {
        self.add(Payload { prefix: Prefix::new(prefix), body, marker: false, picture_id: None })
    }

    /// Adds `body` cut into as few payloads as it fits in, all of equal length except the last, which
    /// may be shorter. `prefix` makes what stands in front of each piece, as long as `prefix_bytes`
    /// says.
    pub(super) fn push_cut(
        &mut self,
        body: &Bytes,
        prefix_bytes: PrefixBytes,
        picture_id: Option<PictureIdAt>,
        mut prefix: impl FnMut(Piece) -> Prefix,
    ) -> Option<()> {
        let length = equal_length(body.len(), prefix_bytes, self.bytes_max);
        let mut start = 0;
        loop {
            let is_first = start == 0;
            let in_front = if is_first { prefix_bytes.first } else { prefix_bytes.next };
            let end = body.len().min(start + (length - in_front));
            let is_last = end == body.len();
            let prefix = prefix(Piece { is_first, is_last });
            debug_assert_eq!(prefix.as_slice().len(), in_front, "lengths were computed with this");
            self.add(Payload { prefix, body: body.slice(start..end), marker: false, picture_id })?;
            if is_last {
                return Some(());
            }
            start = end;
        }
    }

    /// The payloads, with the marker on a picture's last; `None` where there are none. Opus uses the
    /// marker for the start of a talk spurt (RFC 7587 4.1), which a stream from here has none of.
    pub(super) fn finish(mut self, medium: Medium) -> Option<Vec<Payload>> {
        self.list.last_mut()?.marker = medium == Medium::Video;
        Some(self.list)
    }

    fn add(&mut self, payload: Payload) -> Option<()> {
        (self.list.len() < PAYLOADS_MAX).then(|| self.list.push(payload))
    }
}

/// Length of every payload but the last that carries `body_bytes`, prefixes included. Always longer
/// than a prefix, because `bytes_max` is at least twice as long as any.
fn equal_length(body_bytes: usize, prefix: PrefixBytes, bytes_max: usize) -> usize {
    let in_first = bytes_max - prefix.first;
    if body_bytes <= in_first {
        return body_bytes + prefix.first;
    }
    let more = (body_bytes - in_first).div_ceil(bytes_max - prefix.next);
    (body_bytes + prefix.first + more * prefix.next).div_ceil(more + 1)
}
