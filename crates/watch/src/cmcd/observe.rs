//! From successive CMCD records of one session to heartbeats.
//!
//! Two records that follow each other, the first of them while playing, attest what lies between:
//! on the media axis from playhead to playhead, on the wall clock between the two times this server
//! received them. A player's own clock (`ts`) is never used.

use super::{CmcdRecord, ObjectType, PlayState};
use crate::admission::RANGE_MS_MAX;
use crate::{Heartbeat, Interval, PlayerState};

/// A playhead from here on is Unix milliseconds, the EXT-X-PROGRAM-DATE-TIME axis: September 2001. What
/// is below counts from the start of the player's own timeline and places nothing.
const UNIX_MS_MIN: i64 = 1_000_000_000_000;

/// What one record says about rendering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// When this server received it, in milliseconds since the session began.
    pub clock_ms: i64,
    /// Where the playhead was, on the EXT-X-PROGRAM-DATE-TIME axis, if that can be told.
    pub playhead_ms: Option<i64>,
    /// Whether media is rendered from here on, as far as it says.
    pub playing: bool,
    /// Out of sight.
    pub background: bool,
    /// Playback rate in thousandths.
    pub rate_permille: u32,
}

impl Observation {
    /// Reads a record. `object` is the media that the request it came with was for, if it came with
    /// one.
    ///
    /// The playhead is `pt` where that is on the right axis. Otherwise it is where the requested
    /// object starts less what is buffered before it: the only thing version 1 gives away.
    #[must_use]
    pub fn new(record: &CmcdRecord, object: Option<Interval>, clock_ms: i64) -> Self {
        let rate_permille = record.rate_permille.unwrap_or(1_000);
        let is_media = !matches!(
            record.object_type,
            Some(ObjectType::Manifest | ObjectType::Init | ObjectType::Captions | ObjectType::Key)
        );
        let object = object.filter(|_| is_media && !record.not_rendered);
        let before_buffer = || {
            let buffer_ms = i64::try_from(record.buffer_ms?).ok()?;
            object?.start_ms().checked_sub(buffer_ms)
        };
        let stated = record.playhead_ms.filter(|&playhead_ms| playhead_ms >= UNIX_MS_MIN);
        Self {
            clock_ms,
            playhead_ms: stated.or_else(before_buffer),
            playing: match record.state {
                Some(state) => state == PlayState::Playing,
                // Version 1 has no state: a player that neither starts nor starves is playing.
                None => !record.startup && !record.starved,
            } && rate_permille > 0,
            background: record.background,
            rate_permille,
        }
    }
}

/// The last thing one session's player said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observer {
    last: Option<Observation>,
    heartbeats: u64,
}

impl Observer {
    /// Takes the next observation, in the order received; gives the heartbeat that it completes, to be
    /// [admitted](crate::admit_derived).
    ///
    /// Of two records further apart than a heartbeat may be long, the end is taken: event mode's own
    /// interval is 30 s and a little.
    pub fn observe(&mut self, next: Observation) -> Option<Heartbeat> {
        // Requests for playlists and init segments say nothing about the playhead.
        let playhead_ms = next.playhead_ms?;
        let last = self.last.replace(next)?;
        let last_playhead_ms = last.playhead_ms?;
        let heartbeat = Heartbeat {
            sequence: self.heartbeats,
            media_ms: tail(last_playhead_ms, playhead_ms)?,
            clock_ms: tail(last.clock_ms, next.clock_ms)?,
            state: if last.playing { PlayerState::Playing } else { PlayerState::Stalled },
            rate_permille: last.rate_permille,
            visible: !last.background,
            picture_in_picture: false,
            // Whether a player out of sight can be heard, CMCD does not say.
            audible: false,
        };
        self.heartbeats += 1;
        last.playing.then_some(heartbeat)
    }
}

/// From one instant to another, or the last 30 s of that; nothing where it does not go forward.
fn tail(from_ms: i64, to_ms: i64) -> Option<[i64; 2]> {
    let start_ms = from_ms.max(to_ms.saturating_sub(RANGE_MS_MAX));
    (start_ms < to_ms).then_some([start_ms, to_ms])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmcd::parse;

    const PDT: i64 = 1_700_000_000_000;

    fn event(text: &str, clock_ms: i64) -> Observation {
        Observation::new(&parse(text).record, None, clock_ms)
    }

    #[test]
    fn two_events_attest_what_lies_between() {
        let mut observer = Observer::default();
        let at = |offset_ms| format!("e=t,sta=p,pt={},ts=1,v=2", PDT + offset_ms);
        assert_eq!(observer.observe(event(&at(0), 5_000)), None);
        let heartbeat = observer.observe(event(&at(10_000), 15_020)).unwrap();
        assert_eq!(heartbeat.media_ms, [PDT, PDT + 10_000]);
        assert_eq!(heartbeat.clock_ms, [5_000, 15_020]);
        assert!(heartbeat.visible && heartbeat.state == PlayerState::Playing);
    }

    #[test]
    fn what_follows_a_pause_a_stall_or_a_step_back_is_not_attested() {
        for state in ["a", "r", "k", "s", "d"] {
            let mut observer = Observer::default();
            observer.observe(event(&format!("sta={state},pt={PDT}"), 0));
            assert_eq!(observer.observe(event(&format!("sta=p,pt={}", PDT + 900), 900)), None);
        }
        let mut observer = Observer::default();
        observer.observe(event(&format!("sta=p,pt={PDT}"), 0));
        assert_eq!(observer.observe(event(&format!("sta=p,pt={}", PDT - 1), 900)), None);
    }

    #[test]
    fn the_end_of_a_long_interval_is_taken() {
        let mut observer = Observer::default();
        observer.observe(event(&format!("sta=p,pt={PDT}"), 0));
        let heartbeat = observer.observe(event(&format!("sta=p,pt={}", PDT + 30_100), 30_050));
        let heartbeat = heartbeat.unwrap();
        assert_eq!(heartbeat.media_ms, [PDT + 100, PDT + 30_100]);
        assert_eq!(heartbeat.clock_ms, [50, 30_050]);
    }

    #[test]
    fn version_1_playheads_are_told_from_buffers() {
        let mut observer = Observer::default();
        let mut request = |text: &str, start_ms, clock_ms| {
            let object = Interval::new(PDT + start_ms, PDT + start_ms + 2_000);
            observer.observe(Observation::new(&parse(text).record, object, clock_ms))
        };
        assert_eq!(request("ot=av,bl=0,su", 0, 0), None);
        assert_eq!(request("ot=av,bl=2000", 2_000, 500), None, "it was starting up");
        let heartbeat = request("ot=av,bl=2100", 4_000, 2_400).unwrap();
        assert_eq!(heartbeat.media_ms, [PDT, PDT + 1_900]);
        assert_eq!(heartbeat.clock_ms, [500, 2_400]);
        assert_eq!(request("ot=m", 4_000, 2_500), None);
        assert_eq!(request("ot=av,bl=2000,bs", 6_000, 4_500).unwrap().clock_ms, [2_400, 4_500]);
    }

    #[test]
    fn a_relative_playhead_places_nothing() {
        let mut observer = Observer::default();
        assert_eq!(observer.observe(event("sta=p,pt=0", 0)), None);
        assert_eq!(observer.observe(event("sta=p,pt=10000", 10_000)), None);
    }
}
