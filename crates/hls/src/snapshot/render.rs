//! The media playlist's text.

use std::sync::Arc;

use super::{Delivery, Snapshot};
use crate::options::{PARTS_SEGMENTS_MAX, PARTS_TARGETS};
use crate::tags::{basic, preload_hint, rendition_report, segment, server_control, skip};
use crate::window::Entry;
use crate::{Position, RenditionReport};

/// Room for the header, the skip and the hints.
const FRAME_BYTES: usize = 512;
/// Room for one rendition report besides its URI.
const REPORT_BYTES: usize = 80;

impl Snapshot {
    pub(super) fn render(&self, delivery: Delivery, reports: &[RenditionReport]) -> String {
        let skipped = if delivery == Delivery::Full { 0 } else { self.skippable() };
        let mut out = String::with_capacity(self.text_bytes(skipped, reports));
        self.header(&mut out, delivery, skipped);
        let mut ranges = self.ranges_from(delivery, skipped);
        let mut init = skipped.checked_sub(1).map(|last| self.listed()[last].init);
        let with_parts = self.first_with_parts();
        for (index, entry) in self.listed().iter().enumerate().skip(skipped) {
            self.entry(&mut out, entry, &mut init, &mut ranges, index >= with_parts);
        }
        if let Some(open) = &self.open {
            self.entry(&mut out, open, &mut init, &mut ranges, true);
        }
        self.ranges_before(&mut out, &mut ranges, None);
        self.footer(&mut out, init, reports);
        out
    }

    fn header(&self, out: &mut String, delivery: Delivery, skipped: usize) {
        let version = match delivery {
            Delivery::Full => basic::VERSION_FULL,
            Delivery::Skip => basic::VERSION_SKIP,
            Delivery::SkipV2 => basic::VERSION_SKIP_DATE_RANGES,
        };
        basic::begin(out, version);
        basic::target_duration(out, self.options.target_duration_s);
        server_control::server_control(out, &self.options);
        server_control::part_inf(out, &self.options);
        basic::sequences(out, self.media_sequence(), self.discontinuity_sequence());
        match delivery {
            Delivery::Full => {}
            Delivery::Skip => skip::segments(out, skipped),
            Delivery::SkipV2 => {
                skip::segments_and_date_ranges(out, skipped, self.date_ranges.removed_ids());
            }
        }
    }

    /// One segment. What it inherits comes before its first part. // P10
    fn entry(
        &self,
        out: &mut String,
        entry: &Entry,
        init: &mut Option<u32>,
        ranges: &mut usize,
        with_parts: bool,
    ) {
        self.ranges_before(out, ranges, Some(Position::first_of(entry.msn)));
        if entry.discontinuity {
            out.push_str(segment::DISCONTINUITY);
        }
        if init.replace(entry.init) != Some(entry.init) {
            segment::map(out, entry.init);
        }
        out.push_str(entry.date_line());
        if with_parts {
            self.parts(out, entry, ranges);
        }
        out.push_str(entry.complete_lines());
    }

    /// All part lines at once, unless a date range came in between.
    fn parts(&self, out: &mut String, entry: &Entry, ranges: &mut usize) {
        let next = self.date_ranges.listed().get(*ranges);
        if next.is_none_or(|range| range.before >= entry.next()) {
            out.push_str(entry.part_lines());
            return;
        }
        for index in 0..entry.len() {
            self.ranges_before(out, ranges, Some(Position { msn: entry.msn, part: index }));
            out.push_str(entry.part_line(index as usize));
        }
    }

    fn footer(&self, out: &mut String, init: Option<u32>, reports: &[RenditionReport]) {
        if self.ended {
            basic::end_list(out); // no hint beside it: P11
        } else {
            self.hints(out, init);
        }
        for report in reports {
            rendition_report::rendition_report(out, report);
        }
    }

    // P11
    fn hints(&self, out: &mut String, init: Option<u32>) {
        let Some(next) = self.next else { return };
        let newest = self.inits.last().map(|newest| newest.id);
        if let Some(coming) = newest.filter(|newest| Some(*newest) != init) {
            preload_hint::map(out, coming);
        }
        preload_hint::part(out, next);
    }

    /// Date ranges added before part `end` was listed, or all that are left.
    fn ranges_before(&self, out: &mut String, index: &mut usize, end: Option<Position>) {
        while let Some(range) = self.date_ranges.listed().get(*index) {
            if end.is_some_and(|end| range.before > end) {
                return;
            }
            out.push_str(&range.line);
            *index += 1;
        }
    }

    /// Where to begin in the date ranges: `v2` leaves out those whose line is older than the first
    /// segment that is listed. // D9
    fn ranges_from(&self, delivery: Delivery, skipped: usize) -> usize {
        let kept = self.listed().get(skipped);
        match (delivery, kept) {
            (Delivery::SkipV2, Some(kept)) => {
                let first = Position::first_of(kept.msn);
                self.date_ranges.listed().partition_point(|range| range.before < first)
            }
            _ => 0,
        }
    }

    /// The first listed segment that keeps its parts. All parts of a segment leave together, before
    /// the first is too old: players count parts within a segment by their lines. // P13
    fn first_with_parts(&self) -> usize {
        let oldest = self.end.minus(self.options.targets(PARTS_TARGETS));
        let in_time = self.listed().partition_point(|entry| entry.start < oldest);
        in_time.max(self.listed().len().saturating_sub(PARTS_SEGMENTS_MAX))
    }

    /// Discontinuities before the first listed segment. // P14
    fn discontinuity_sequence(&self) -> u64 {
        let first = self.listed().first().map(Arc::as_ref).or(self.open.as_ref());
        first.map_or(0, |first| {
            first.discontinuity_sequence.saturating_sub(u64::from(first.discontinuity))
        })
    }

    fn text_bytes(&self, skipped: usize, reports: &[RenditionReport]) -> usize {
        let entries = self.listed()[skipped..].iter().map(Arc::as_ref).chain(&self.open);
        FRAME_BYTES
            + entries.map(Entry::text_bytes).sum::<usize>()
            + reports.iter().map(|report| report.uri.len() + REPORT_BYTES).sum::<usize>()
            + self.date_ranges.listed().iter().map(|range| range.line.len()).sum::<usize>()
    }
}
