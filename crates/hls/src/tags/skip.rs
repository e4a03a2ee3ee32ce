//! EXT-X-SKIP: what a delta update leaves out.

use super::append;

/// `count` old segments. // D9
pub(crate) fn segments(out: &mut String, count: usize) {
    append!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={count}\n");
}

/// `count` old segments and the date ranges before them. The player keeps those it has, so those
/// that went away lately are named: by id, tab-separated, empty when there are none. // D9
pub(crate) fn segments_and_date_ranges<'a>(
    out: &mut String,
    count: usize,
    removed_ids: impl Iterator<Item = &'a str>,
) {
    append!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={count},RECENTLY-REMOVED-DATERANGES=\"");
    for (index, id) in removed_ids.enumerate() {
        if index > 0 {
            out.push('\t');
        }
        out.push_str(id);
    }
    out.push_str("\"\n");
}
