//! A place in a rendition: which part of which segment.

/// A part by its segment's Media Sequence Number and its index in that segment.
///
/// Ordered as they appear in a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Media Sequence Number of the (parent) segment.
    pub msn: u64,
    /// Index of the part in that segment, from 0.
    pub part: u32,
}

impl Position {
    /// The first part of segment `msn`.
    #[must_use]
    pub const fn first_of(msn: u64) -> Self {
        Self { msn, part: 0 }
    }
}
