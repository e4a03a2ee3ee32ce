//! EXT-X-RENDITION-REPORT: how far the other renditions are.

use super::append;
use crate::Position;

/// Where another rendition of the show is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenditionReport {
    /// Its media playlist, relative to the reporting one, e.g. `../v1/playlist.m3u8`. // P12
    pub uri: String,
    /// The last part (or gap) it lists.
    pub last: Position,
}

/// LAST-PART always, also where the draft lets it be left out: one form for every reader. // P12
pub(crate) fn rendition_report(out: &mut String, report: &RenditionReport) {
    let Position { msn, part } = report.last;
    append!(
        out,
        "#EXT-X-RENDITION-REPORT:URI=\"{}\",LAST-MSN={msn},LAST-PART={part}\n",
        report.uri
    );
}
