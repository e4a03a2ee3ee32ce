//! EXT-X-PART.

use tally_cmaf::Part;

use super::append;
use super::uri::PartUri;
use crate::Position;
use crate::seconds::Seconds;

/// One part; a GAP part keeps its place and its URI, which answers 404. // P18
pub(crate) fn part(out: &mut String, part: &Part) {
    let position = Position { msn: part.msn, part: part.index };
    let duration = Seconds::end_of(part.start, part.duration).minus(Seconds::at(part.start));
    append!(out, "#EXT-X-PART:DURATION={duration},URI=\"{}\"", PartUri(position));
    if part.independent && !part.gap {
        out.push_str(",INDEPENDENT=YES"); // P6
    }
    if part.gap {
        out.push_str(",GAP=YES");
    }
    out.push('\n');
}
