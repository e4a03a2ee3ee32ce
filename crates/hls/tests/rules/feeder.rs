//! Feeds a window the way the segmenter does.

use std::sync::Arc;

use bytes::Bytes;
use tally_cmaf::{Body, Init, Part, Plan, Segment};
use tally_hls::{Delivery, Encoding, Options, Snapshot, Window};
use tally_media::{Timescale, Timestamp};

use crate::parser::Playlist;

pub(crate) const SHOW_START_UNIX_MS: i64 = 1_795_457_179_250;

pub(crate) struct Feeder {
    pub(crate) window: Window,
    pub(crate) msn: u64,
    pub(crate) part_ms: u32,
    /// Bytes of each part's body.
    pub(crate) part_bytes: usize,
    pub(crate) parts: Vec<Arc<Part>>,
    /// End of the show so far, 90 kHz.
    pub(crate) at: i64,
    init: u32,
    discontinuity: bool,
    discontinuities: u64,
}

/// Target duration 2 s, parts of 250 ms, a window of 20 s.
pub(crate) fn options() -> Options {
    let plan = Plan { part_target_ms: 250, target_duration_s: 2, independent_segments: true };
    Options { window_ms: 20_000, ..Options::new(&plan, SHOW_START_UNIX_MS) }
}

impl Feeder {
    pub(crate) fn new(options: Options) -> Self {
        Self::starting_at(options, 0)
    }

    pub(crate) fn starting_at(options: Options, msn: u64) -> Self {
        let mut feeder = Self {
            window: Window::new(options),
            msn,
            part_ms: options.part_target_ms,
            part_bytes: 10,
            parts: Vec::new(),
            at: 0,
            init: 0,
            discontinuity: false,
            discontinuities: 0,
        };
        feeder.window.push_init(init(0));
        feeder
    }

    pub(crate) fn make_part(&self, duration_ms: u32, gap: bool) -> Arc<Part> {
        let body = vec![0; if gap { 0 } else { self.part_bytes }];
        Arc::new(Part {
            msn: self.msn,
            index: u32::try_from(self.parts.len()).unwrap(),
            start: Timestamp::new(self.at, Timescale::VIDEO),
            duration: Timestamp::new(i64::from(duration_ms) * 90, Timescale::VIDEO),
            independent: self.parts.is_empty(),
            gap,
            discontinuity: self.discontinuity,
            discontinuity_sequence: self.discontinuities,
            init: self.init,
            body: Body::from_iter([Bytes::from(body)]),
        })
    }

    pub(crate) fn push(&mut self, duration_ms: u32, gap: bool) {
        let part = self.make_part(duration_ms, gap);
        self.window.push_part(Arc::clone(&part)).unwrap();
        self.at += part.duration.ticks;
        self.parts.push(part);
    }

    pub(crate) fn part(&mut self) {
        self.push(self.part_ms, false);
    }

    pub(crate) fn parts(&mut self, count: usize) {
        for _ in 0..count {
            self.part();
        }
    }

    pub(crate) fn gap(&mut self) {
        self.push(self.part_ms, true);
    }

    pub(crate) fn make_segment(&self) -> Arc<Segment> {
        let first = self.parts.first().expect("a segment has parts");
        let ticks = self.at - first.start.ticks;
        Arc::new(Segment {
            msn: self.msn,
            start: first.start,
            duration: Timestamp::new(ticks, Timescale::VIDEO),
            gap: self.parts.iter().all(|part| part.gap),
            independent: true,
            discontinuity: first.discontinuity,
            discontinuity_sequence: first.discontinuity_sequence,
            init: first.init,
            parts: self.parts.clone(),
            len_bytes: self.parts.iter().map(|part| part.body.len_bytes()).sum(),
        })
    }

    pub(crate) fn close(&mut self) {
        self.window.push_segment(self.make_segment()).unwrap();
        self.parts.clear();
        self.msn += 1;
        self.discontinuity = false;
    }

    /// Whole segments of eight parts.
    pub(crate) fn segments(&mut self, count: usize) {
        for _ in 0..count {
            self.parts(8);
            self.close();
        }
    }

    /// The next segment starts after a discontinuity, with an init segment of its own.
    pub(crate) fn change_parameters(&mut self) {
        assert!(self.parts.is_empty(), "parameters change between segments");
        self.init += 1;
        self.window.push_init(init(self.init));
        self.discontinue();
    }

    /// The next segment starts after a discontinuity.
    pub(crate) fn discontinue(&mut self) {
        if !self.discontinuity {
            self.discontinuity = true;
            self.discontinuities += 1;
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.window.snapshot()
    }

    pub(crate) fn text(&self) -> String {
        text(&self.snapshot(), Delivery::Full)
    }

    pub(crate) fn playlist(&self) -> Playlist {
        Playlist::parse(&self.text()).unwrap()
    }
}

pub(crate) fn init(id: u32) -> Arc<Init> {
    Arc::new(Init { id, body: Bytes::from_static(b"init"), tracks: Vec::new() })
}

pub(crate) fn text(snapshot: &Snapshot, delivery: Delivery) -> String {
    let body = snapshot.playlist(delivery, &[]).body(Encoding::Identity);
    String::from_utf8(body.to_vec()).unwrap()
}
