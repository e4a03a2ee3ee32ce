//! Slices of a body that leave together.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Waker};

use axum::body::Body;
use bytes::{Buf, Bytes};
use http::Version;
use http_body::Body as _;

/// Most bytes that are joined for HTTP/2. With the nine bytes of its head in front, a frame of this
/// length fills one TLS record (16 KiB) and is within what every client takes (RFC 9113, 4.2). One
/// byte more would cost a second record.
const HTTP2_BYTES_MAX: usize = 16 * 1024 - 9;

/// Most bytes that are joined for HTTP/1.1: a part of 2 Mbit/s leaves in one write, and a TLS session
/// takes no more at a time.
const HTTP1_BYTES_MAX: usize = 64 * 1024;

/// Most bytes that are joined in one frame of a body.
pub(super) const fn bytes_max(version: Version) -> usize {
    match version {
        Version::HTTP_2 => HTTP2_BYTES_MAX,
        _ => HTTP1_BYTES_MAX,
    }
}

/// A list of slices that is one buffer to whoever writes it. No byte is copied.
#[derive(Debug)]
pub(super) struct Joined {
    /// Apart from the rest, so that one slice alone needs no list.
    first: Bytes,
    rest: VecDeque<Bytes>,
    remaining: usize,
    /// The body that these are the last bytes of.
    source: Option<Body>,
}

impl Joined {
    pub(super) fn new(first: Bytes) -> Self {
        let remaining = first.len();
        Self { first, rest: VecDeque::new(), remaining, source: None }
    }

    /// These are the last bytes of `source`, which is asked for more once all of them are written: so it
    /// learns that they were. Where they are not, it is just dropped.
    pub(super) fn end_of(&mut self, source: Body) {
        self.source = Some(source);
    }

    fn written(&mut self) {
        if let Some(mut source) = self.source.take() {
            let polled = Pin::new(&mut source).poll_frame(&mut Context::from_waker(Waker::noop()));
            debug_assert!(
                !matches!(polled, std::task::Poll::Ready(Some(_))),
                "it said it had ended"
            );
        }
    }

    pub(super) fn push(&mut self, next: Bytes) {
        self.remaining += next.len();
        self.rest.push_back(next);
    }
}

impl Buf for Joined {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        let slices = std::iter::once(&self.first).chain(&self.rest);
        slices.map(Bytes::as_ref).find(|slice| !slice.is_empty()).unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let slices = std::iter::once(&self.first).chain(&self.rest);
        let filled = slices.filter(|slice| !slice.is_empty()).zip(out);
        filled.map(|(slice, place)| *place = IoSlice::new(slice)).count()
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "advanced beyond the end");
        self.remaining -= count;
        if self.remaining == 0 {
            self.written();
        }
        while count >= self.first.len() {
            count -= self.first.len();
            match self.rest.pop_front() {
                Some(next) => self.first = next,
                None => {
                    self.first = Bytes::new();
                    return;
                }
            }
        }
        self.first.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(slices: &[&'static str]) -> Joined {
        let mut slices = slices.iter().map(|text| Bytes::from_static(text.as_bytes()));
        let mut joined = Joined::new(slices.next().unwrap());
        slices.for_each(|slice| joined.push(slice));
        joined
    }

    #[test]
    fn any_two_steps_read_the_slices_in_order() {
        let whole = "abcdefgh";
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let mut joined = joined(&["ab", "", "cde", "f", "gh", ""]);
                joined.advance(first);
                joined.advance(second - first);
                assert_eq!(joined.remaining(), whole.len() - second);
                assert_eq!(joined.copy_to_bytes(joined.remaining()), whole[second..]);
            }
        }
    }

    #[test]
    fn a_vectored_write_sees_the_slices_themselves() {
        let mut joined = joined(&["head", "", "payload", "more"]);
        let payload = joined.rest[1].as_ptr();
        joined.advance(1);
        let mut out = [IoSlice::new(&[]); 8];
        assert_eq!(joined.chunks_vectored(&mut out), 3);
        assert_eq!((&*out[0], &*out[1], &*out[2]), (&b"ead"[..], &b"payload"[..], &b"more"[..]));
        assert_eq!(out[1].as_ptr(), payload);
        assert_eq!(joined.chunks_vectored(&mut out[..2]), 2);
    }
}
