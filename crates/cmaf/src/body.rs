//! A response body as a list of slices.

use std::sync::Arc;

use bytes::Bytes;

/// Bytes to send, as slices in order: a header made here, then frame payloads exactly where they
/// were received. Cloning shares the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    chunks: Arc<[Bytes]>,
    len_bytes: u64,
}

impl Body {
    /// The slices, in order. None of them is empty.
    #[must_use]
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// Sum of the slices' lengths in bytes.
    #[must_use]
    pub const fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Whether there is nothing to send: true for GAP parts only.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len_bytes == 0
    }
}

impl FromIterator<Bytes> for Body {
    fn from_iter<I: IntoIterator<Item = Bytes>>(chunks: I) -> Self {
        let chunks: Arc<[Bytes]> = chunks.into_iter().filter(|chunk| !chunk.is_empty()).collect();
        let len_bytes = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self { chunks, len_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_kept_where_they_are() {
        let payload = Bytes::from_static(b"payload");
        let body: Body =
            [Bytes::from_static(b"head"), Bytes::new(), payload.clone()].into_iter().collect();
        assert_eq!(body.len_bytes(), 11);
        assert_eq!(body.chunks().len(), 2);
        assert_eq!(body.chunks()[1].as_ptr(), payload.as_ptr());
        assert!(Body::default().is_empty());
    }
}
