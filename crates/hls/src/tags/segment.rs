//! EXT-X-DISCONTINUITY, EXT-X-MAP, EXT-X-GAP, EXTINF and the segment's address.

use tally_cmaf::Segment;

use super::append;
use super::uri::{InitUri, SegmentUri};
use crate::seconds::Seconds;

// P18
pub(crate) const DISCONTINUITY: &str = "#EXT-X-DISCONTINUITY\n";

// P21
pub(crate) fn map(out: &mut String, init: u32) {
    append!(out, "#EXT-X-MAP:URI=\"{}\"\n", InitUri(init));
}

/// The lines that make a segment complete, after its parts.
pub(crate) fn complete(out: &mut String, segment: &Segment, duration: Seconds) {
    if segment.gap {
        out.push_str("#EXT-X-GAP\n"); // P18
    }
    append!(out, "#EXTINF:{duration},\n{}\n", SegmentUri(segment.msn));
}
