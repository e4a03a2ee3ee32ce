//! Writing ISO-BMFF boxes: sizes patched in after the contents.
//!
//! By hand and not by a box library, because decoder records must go out exactly as they came: a
//! library that parses and writes them again may refuse or lose what a new encoder put in. Writing
//! cannot fail, and the readers in the tests are written by others.

use bytes::Bytes;

/// A growing run of boxes.
#[derive(Debug, Default)]
pub(crate) struct BoxWriter {
    bytes: Vec<u8>,
}

impl BoxWriter {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    /// A box of `kind` around what `content` writes.
    pub(crate) fn boxed(&mut self, kind: [u8; 4], content: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.u32(0).put(&kind);
        content(self);
        // Boxes made here are headers; payloads are never inside, so sizes stay far below 4 GiB.
        let len = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.patch_u32(start, len);
    }

    /// A full box: version and flags first.
    pub(crate) fn full(
        &mut self,
        kind: [u8; 4],
        version: u8,
        flags: u32,
        content: impl FnOnce(&mut Self),
    ) {
        self.boxed(kind, |w| {
            w.u32(u32::from(version) << 24 | flags);
            content(w);
        });
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn zeros(&mut self, count: usize) -> &mut Self {
        self.bytes.resize(self.bytes.len() + count, 0);
        self
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.put(&[value])
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    pub(crate) fn i32(&mut self, value: i32) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    /// Bytes written so far: where the next write goes.
    pub(crate) fn position(&self) -> usize {
        self.bytes.len()
    }

    /// Overwrites four bytes written before.
    pub(crate) fn patch_u32(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn finish(self) -> Bytes {
        Bytes::from(self.bytes)
    }
}
