//! RTP timestamps of all tracks on one timeline.
//!
//! Each SSRC counts its own ticks from a random start. Sender reports pair them with the
//! publisher's wall clock, which is common to its tracks (RFC 3550 section 6.4.1); before the first
//! report a track is placed by when its first packet came. A report never moves a track at once: its
//! times run up to 2 % faster or slower until they are where the report wants them, so they never
//! jump and never run backwards. That also follows a sound card that runs at its own speed.
//!
//! Sound is not bent where pictures can be: as long as only pictures were reported, the first report
//! on sound moves the wall clock's place on the timeline instead, and the pictures follow.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tally_media::{Medium, Timescale, Timestamp, TrackId};

use crate::rtp::unwrap_ticks;

/// One tick is corrected by at most a fiftieth of itself.
const SLEW_DIVISOR: i128 = 50;
/// A report further off than this is not believed, unless [`CONFIRMATIONS`] agree.
const OFF_NANOS_MAX: i128 = 2_000_000_000;
/// Reports in a row, off by the same, that are taken to be a step of the publisher's wall clock.
const CONFIRMATIONS: u8 = 3;
/// How well those must agree.
const AGREEMENT_NANOS_MAX: i128 = 100_000_000;
/// Timestamps that part from their arrival by more than this began anew.
const JUMP_NANOS_MAX: i128 = 2_000_000_000;
/// A report on ticks further than this from the newest ones is nonsense.
const REPORT_DISTANCE_NANOS_MAX: i128 = 30_000_000_000;
/// The largest time told, in nanoseconds: 31 years. Keeps hostile timestamps from overflowing.
const NANOS_MAX: i128 = 1_000_000_000_000_000_000;

#[derive(Debug)]
struct Track {
    timescale: Timescale,
    newest_ticks: i64,
    arrived: Instant,
    /// The ticks have another start from the next packet on.
    restarted: bool,
    /// Timeline minus RTP clock, in nanoseconds: as told, and as it shall become.
    offset: i128,
    target: i128,
    /// How far the last disbelieved reports were off, and how many agreed.
    doubt: Option<(i128, u8)>,
}

/// One publisher's timeline: zero is when its first packet came.
#[derive(Debug, Default)]
pub struct Timeline {
    start: Option<Instant>,
    tracks: BTreeMap<TrackId, Track>,
    /// Reports on tracks without packets yet: bounded by the tracks.
    early: BTreeMap<TrackId, (u64, u32)>,
    /// Timeline minus wall clock, in nanoseconds, and whether sound placed it.
    wall: Option<(i128, bool)>,
    ignored: u64,
}

impl Timeline {
    /// A timeline without tracks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sender reports that were not believed.
    #[must_use]
    pub fn reports_ignored(&self) -> u64 {
        self.ignored
    }

    /// The place of `rtp_ticks` (not wrapped, in order) of a track, in its timescale. `arrived` is
    /// when its packet came.
    pub fn place(
        &mut self,
        id: TrackId,
        timescale: Timescale,
        rtp_ticks: i64,
        arrived: Instant,
    ) -> Timestamp {
        let start = *self.start.get_or_insert(arrived);
        let media = nanos(rtp_ticks, timescale);
        let track = self.tracks.entry(id).or_insert_with(|| {
            let offset = since(start, arrived) - media;
            Track {
                timescale,
                newest_ticks: rtp_ticks,
                arrived,
                restarted: false,
                offset,
                target: offset,
                doubt: None,
            }
        });
        let step = media - nanos(track.newest_ticks, timescale);
        let waited = since(track.arrived, arrived);
        if track.restarted || (step - waited).abs() > JUMP_NANOS_MAX {
            // The encoder began anew: time goes on as the packets came.
            track.restarted = false;
            let correction = waited - step;
            track.offset += correction;
            track.target += correction;
            track.doubt = None;
        } else {
            let most = step.max(0) / SLEW_DIVISOR;
            track.offset += (track.target - track.offset).clamp(-most, most);
        }
        track.newest_ticks = rtp_ticks;
        track.arrived = arrived;
        let time = at_nanos(media + track.offset, timescale);
        if let Some((ntp, rtp)) = self.early.remove(&id) {
            self.handle_sender_report(id, ntp, rtp);
        }
        time
    }

    /// A sender report: `rtp` of the track's clock is `ntp` of the publisher's wall clock (32.32
    /// bits). Zero says that the publisher has none.
    pub fn handle_sender_report(&mut self, id: TrackId, ntp: u64, rtp: u32) {
        if ntp == 0 {
            self.ignored += 1;
            return;
        }
        let Some(track) = self.tracks.get_mut(&id).filter(|track| !track.restarted) else {
            if self.early.len() < EARLY_MAX {
                self.early.insert(id, (ntp, rtp));
            }
            return;
        };
        let ticks = unwrap_ticks(track.newest_ticks, rtp);
        let media = nanos(ticks, track.timescale);
        if (media - nanos(track.newest_ticks, track.timescale)).abs() > REPORT_DISTANCE_NANOS_MAX {
            self.ignored += 1;
            return;
        }
        let is_sound = id.medium() == Medium::Audio;
        let wall_clock = ntp_nanos(ntp);
        // Where the wall clock lies if this track is right as it is.
        let as_told = media + track.offset - wall_clock;
        let Some((wall, by_sound)) = self.wall else {
            self.wall = Some((as_told, is_sound));
            return;
        };
        let off = wall - as_told;
        if off.abs() > OFF_NANOS_MAX {
            self.ignored += 1;
            if track.doubt(off) {
                self.wall = Some((as_told, is_sound));
                track.target = track.offset;
            }
            return;
        }
        track.doubt = None;
        if is_sound && !by_sound {
            self.wall = Some((as_told, true));
            for other in self.tracks.values_mut() {
                other.target -= off;
            }
            if let Some(track) = self.tracks.get_mut(&id) {
                track.target = track.offset;
            }
            return;
        }
        track.target = track.offset + off;
    }

    /// A track's SSRC changed: its ticks have another start, its times go on as the packets come.
    pub fn restart(&mut self, id: TrackId) {
        if let Some(track) = self.tracks.get_mut(&id) {
            track.restarted = true;
        }
        self.early.remove(&id);
    }
}

/// Early reports kept: more tracks than [`super::sources::TRACKS_MAX`] do not exist.
const EARLY_MAX: usize = super::sources::TRACKS_MAX;

impl Track {
    /// Notes a report that is off; true where enough agreed.
    fn doubt(&mut self, off: i128) -> bool {
        let count = match self.doubt {
            Some((before, count)) if (before - off).abs() <= AGREEMENT_NANOS_MAX => count + 1,
            _ => 1,
        };
        let convinced = count >= CONFIRMATIONS;
        self.doubt = (!convinced).then_some((off, count));
        convinced
    }
}

fn since(then: Instant, now: Instant) -> i128 {
    let nanos = |time: Duration| i128::try_from(time.as_nanos()).unwrap_or(NANOS_MAX);
    match now.checked_duration_since(then) {
        Some(after) => nanos(after),
        None => -nanos(then.duration_since(now)),
    }
}

fn nanos(ticks: i64, timescale: Timescale) -> i128 {
    i128::from(ticks) * 1_000_000_000 / i128::from(timescale.per_second())
}

fn ntp_nanos(ntp: u64) -> i128 {
    (i128::from(ntp) * 1_000_000_000) >> 32
}

#[expect(clippy::cast_possible_truncation, reason = "clamped")]
fn at_nanos(nanos: i128, timescale: Timescale) -> Timestamp {
    let nanos = nanos.clamp(-NANOS_MAX, NANOS_MAX) as i64;
    Timestamp::new(nanos, Timescale::NANOS).rescale(timescale)
}
