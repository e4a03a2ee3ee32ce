//! Datagrams over TCP: each behind its length in two bytes (RFC 4571 section 2, RFC 6544 section 3).

use std::ops::Range;

/// Longest frame taken: what a datagram on an ordinary link holds, with room. A longer one is not from
/// a WebRTC peer, and there is no way past it but to close.
pub(super) const FRAME_BYTES_MAX: usize = 2_048;

/// Bytes of a frame's length.
const LENGTH_BYTES: usize = 2;

/// A frame longer than any that is taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Bytes received and not yet taken. Holds two frames at most.
#[derive(Debug)]
pub(super) struct Frames {
    buffer: Box<[u8]>,
    filled: usize,
    taken: usize,
}

impl Frames {
    pub(super) fn new() -> Self {
        let buffer = vec![0; 2 * (LENGTH_BYTES + FRAME_BYTES_MAX)].into_boxed_slice();
        Self { buffer, filled: 0, taken: 0 }
    }

    /// Where to receive into: never empty once [`Self::next`] has given nothing.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.buffer.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        &mut self.buffer[self.filled..]
    }

    /// So many bytes came into the room.
    pub(super) fn received(&mut self, len_bytes: usize) {
        self.filled = (self.filled + len_bytes).min(self.buffer.len());
    }

    /// The next whole frame. Empty ones are passed over: they keep a connection alive.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, TooLong> {
        while let Some(frame) = self.next_range()? {
            self.taken = frame.end;
            if !frame.is_empty() {
                return Ok(Some(&self.buffer[frame]));
            }
        }
        Ok(None)
    }

    fn next_range(&self) -> Result<Option<Range<usize>>, TooLong> {
        let waiting = &self.buffer[self.taken..self.filled];
        let Some((length, rest)) = waiting.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let len_bytes = usize::from(u16::from_be_bytes(*length));
        if len_bytes > FRAME_BYTES_MAX {
            return Err(TooLong);
        }
        let start = self.taken + LENGTH_BYTES;
        Ok((rest.len() >= len_bytes).then_some(start..start + len_bytes))
    }
}

/// Appends `datagram` as a frame. What is too long for a length of two bytes is left out; no session
/// sends such.
pub(super) fn frame(datagram: &[u8], out: &mut Vec<u8>) {
    if let Ok(len_bytes) = u16::try_from(datagram.len()) {
        out.extend(len_bytes.to_be_bytes());
        out.extend(datagram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out when `stream` comes in pieces of `step` bytes.
    fn frames(stream: &[u8], step: usize) -> Result<Vec<Vec<u8>>, TooLong> {
        let (mut frames, mut all) = (Frames::new(), Vec::new());
        for piece in stream.chunks(step) {
            let mut piece = piece;
            while !piece.is_empty() {
                let room = frames.room();
                let len = room.len().min(piece.len());
                room[..len].copy_from_slice(&piece[..len]);
                frames.received(len);
                piece = &piece[len..];
                while let Some(frame) = frames.next()? {
                    all.push(frame.to_vec());
                }
            }
        }
        Ok(all)
    }

    #[test]
    fn frames_come_out_however_they_come_in() {
        let datagrams = [vec![1; 1], vec![2; FRAME_BYTES_MAX], vec![3; 700], vec![4; 1_200]];
        let mut stream = vec![0, 0];
        datagrams.iter().for_each(|datagram| frame(datagram, &mut stream));
        for step in [1, 2, 3, 1_000, 1 << 16] {
            assert_eq!(frames(&stream, step).unwrap(), datagrams, "{step}");
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_told_at_its_length() {
        let stream = [(FRAME_BYTES_MAX >> 8) as u8, 1];
        assert_eq!(frames(&stream, 2), Err(TooLong));
        let tls = [0x16, 3, 1, 2, 0];
        assert_eq!(frames(&tls, 5), Err(TooLong));
    }
}
