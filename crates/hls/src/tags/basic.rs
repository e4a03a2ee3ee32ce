//! EXTM3U, EXT-X-VERSION, EXT-X-TARGETDURATION, the two sequence numbers, EXT-X-ENDLIST.

use super::append;

/// Protocol version of a whole playlist: EXT-X-MAP asks for 6, no low-latency tag for more. // P2
pub(crate) const VERSION_FULL: u8 = 6;
/// Protocol version of a playlist with EXT-X-SKIP. // P2
pub(crate) const VERSION_SKIP: u8 = 9;
/// Protocol version of a playlist whose EXT-X-SKIP stands for date ranges too. // P2
pub(crate) const VERSION_SKIP_DATE_RANGES: u8 = 10;

/// EXTM3U first, then the one EXT-X-VERSION. // P1
pub(crate) fn begin(out: &mut String, version: u8) {
    append!(out, "#EXTM3U\n#EXT-X-VERSION:{version}\n");
}

// P3
pub(crate) fn target_duration(out: &mut String, seconds: u32) {
    append!(out, "#EXT-X-TARGETDURATION:{seconds}\n");
}

/// Both always: a show may have a discontinuity at any time. // P14
pub(crate) fn sequences(out: &mut String, media: u64, discontinuity: u64) {
    append!(out, "#EXT-X-MEDIA-SEQUENCE:{media}\n#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuity}\n");
}

// P19
pub(crate) fn end_list(out: &mut String) {
    out.push_str("#EXT-X-ENDLIST\n");
}
