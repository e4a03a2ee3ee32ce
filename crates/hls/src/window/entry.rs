//! One segment of a window: its parts, and its playlist lines, written once.

use std::sync::Arc;

use tally_cmaf::{Part, Segment};

use crate::Position;
use crate::seconds::Seconds;
use crate::tags;

/// A segment, complete or still growing, with its text.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) msn: u64,
    pub(crate) init: u32,
    pub(crate) discontinuity: bool,
    pub(crate) discontinuity_sequence: u64,
    pub(crate) start: Seconds,
    /// End of its last part.
    pub(crate) end: Seconds,
    pub(crate) parts: Vec<Arc<Part>>,
    /// The whole segment, once complete.
    pub(crate) segment: Option<Arc<Segment>>,
    pub(crate) len_bytes: u64,
    /// EXT-X-PROGRAM-DATE-TIME.
    date_line: String,
    /// EXT-X-PART lines, one after the other.
    part_lines: String,
    /// Where in `part_lines` each line ends.
    part_line_ends: Vec<usize>,
    /// EXT-X-GAP, EXTINF and the address, once complete.
    complete_lines: String,
}

impl Entry {
    /// Begins with its first part.
    pub(crate) fn begin(part: Arc<Part>, show_start_unix_ms: i64) -> Self {
        let start = Seconds::at(part.start);
        let mut date_line = String::new();
        let unix_ms = show_start_unix_ms.saturating_add(part.start.as_ms());
        tags::program_date_time::program_date_time(&mut date_line, unix_ms);
        let mut entry = Self {
            msn: part.msn,
            init: part.init,
            discontinuity: part.discontinuity,
            discontinuity_sequence: part.discontinuity_sequence,
            start,
            end: start,
            parts: Vec::new(),
            segment: None,
            len_bytes: 0,
            date_line,
            part_lines: String::new(),
            part_line_ends: Vec::new(),
            complete_lines: String::new(),
        };
        entry.push(part);
        entry
    }

    pub(crate) fn push(&mut self, part: Arc<Part>) {
        self.end = Seconds::end_of(part.start, part.duration);
        self.len_bytes += part.body.len_bytes();
        tags::part::part(&mut self.part_lines, &part);
        self.part_line_ends.push(self.part_lines.len());
        self.parts.push(part);
    }

    pub(crate) fn complete(&mut self, segment: Arc<Segment>) {
        let duration = self.duration();
        tags::segment::complete(&mut self.complete_lines, &segment, duration);
        self.segment = Some(segment);
    }

    /// EXTINF: exactly the sum of its parts' durations as listed. // P20 P23
    pub(crate) fn duration(&self) -> Seconds {
        self.end.minus(self.start)
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.parts.len()).unwrap_or(u32::MAX)
    }

    /// The part after its last one.
    pub(crate) fn next(&self) -> Position {
        Position { msn: self.msn, part: self.len() }
    }

    /// Its last part.
    pub(crate) fn last(&self) -> Position {
        Position { msn: self.msn, part: self.len().saturating_sub(1) }
    }

    pub(crate) fn date_line(&self) -> &str {
        &self.date_line
    }

    pub(crate) fn part_lines(&self) -> &str {
        &self.part_lines
    }

    /// The line of one part.
    pub(crate) fn part_line(&self, index: usize) -> &str {
        let from = index.checked_sub(1).map_or(0, |before| self.part_line_ends[before]);
        &self.part_lines[from..self.part_line_ends[index]]
    }

    pub(crate) fn complete_lines(&self) -> &str {
        &self.complete_lines
    }

    /// Bytes of text a playlist needs for it, at most.
    pub(crate) fn text_bytes(&self) -> usize {
        // DISCONTINUITY and MAP are short and rare; what they need is in the constant.
        64 + self.date_line.len() + self.part_lines.len() + self.complete_lines.len()
    }
}
