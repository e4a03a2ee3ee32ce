//! The show after its plan is made: renditions in step, and the clock that goes on without frames.

use std::collections::{BTreeMap, VecDeque};

use tally_media::{Medium, TrackId};

use super::cutter::Cutter;
use super::intake::{Intake, Pending};
use super::lane::{Lane, Parameters};
use super::muxer::{Context, Muxer, Taken};
use super::plan::Rhythm;
use crate::limits::{
    AHEAD_MS_MAX, PARTS_PER_TICK_MAX, SEGMENT_EARLY_MS, SEGMENT_EXCESS_MS, STALL_MS, ticks,
};
use crate::{Bitrates, Options, Output, Plan, RenditionId, Stats};

/// Where the clock and the show's timeline stood together when frames stopped.
#[derive(Clone, Copy, Debug)]
struct Pace {
    timeline: i64,
    /// `None` until the first tick after.
    position: Option<i64>,
}

/// All renditions of a show.
#[derive(Debug)]
pub(super) struct Running {
    target: i64,
    cutter: Cutter,
    /// Best first.
    muxers: Vec<Muxer>,
    /// First id of init segments in renditions to come.
    next_init: u32,
    lead: TrackId,
    lead_generation: Option<u32>,
    /// Set while the clock makes parts, because the leading track does not.
    pace: Option<Pace>,
    forced_until: i64,
    position: Option<i64>,
    /// Where the clock was when the leading track was last heard.
    lead_heard: Option<i64>,
    /// Where the clock was when any track was last heard.
    heard: Option<i64>,
}

impl Running {
    pub(super) fn new(
        options: Options,
        plan: Plan,
        start: i64,
        tracks: &BTreeMap<TrackId, Intake>,
        rhythms: &BTreeMap<TrackId, Rhythm>,
    ) -> Self {
        let length_max = ticks(plan.target_duration_s * 1_000 + SEGMENT_EXCESS_MS);
        let length_min = ticks(options.segment_ms - SEGMENT_EARLY_MS);
        let clocked = ticks(options.segment_ms).min(length_max);
        let mut running = Self {
            target: ticks(plan.part_target_ms),
            cutter: Cutter::new(start, length_min, length_max, clocked),
            muxers: Vec::new(),
            next_init: 0,
            lead: TrackId::Audio(0),
            lead_generation: None,
            pace: None,
            forced_until: i64::MIN,
            position: None,
            lead_heard: None,
            heard: None,
        };
        let is_none_left = tracks.values().all(|intake| intake.removed);
        for intake in tracks.values().filter(|intake| !intake.removed || is_none_left) {
            running.add_track(intake, tracks, rhythms.get(&intake.track.id), 0);
        }
        for muxer in &mut running.muxers {
            muxer.join(&running.cutter);
        }
        running.choose_lead();
        running
    }

    /// Whether frames of the track go anywhere.
    pub(super) fn has(&mut self, id: TrackId) -> bool {
        self.muxers.iter_mut().any(|muxer| muxer.lane_mut(id).is_some())
    }

    /// A new track, after the plan.
    pub(super) fn join_track(&mut self, intake: &Intake, tracks: &BTreeMap<TrackId, Intake>) {
        let msn = self.cutter.newest().msn + 1;
        self.add_track(intake, tracks, None, msn);
    }

    fn add_track(
        &mut self,
        intake: &Intake,
        tracks: &BTreeMap<TrackId, Intake>,
        rhythm: Option<&Rhythm>,
        msn: u64,
    ) {
        let id = intake.track.id;
        let has_video = tracks.keys().any(|id| id.medium() == Medium::Video);
        if id == TrackId::Audio(0) && has_video {
            // Sound of every picture there is, from the next discontinuity on.
            for muxer in &mut self.muxers {
                if muxer.id.0.medium() == Medium::Video && muxer.lane_mut(id).is_none() {
                    muxer.set_lane(Lane::new(parameters(intake)));
                    self.cutter.request_discontinuity();
                }
            }
            return;
        }
        let rate = rhythm.and_then(Rhythm::frame_rate).filter(|_| id.medium() == Medium::Video);
        let mut muxer = Muxer::new(RenditionId(id), msn, self.next_init, rate);
        muxer.set_lane(Lane::new(parameters(intake)));
        let sound = tracks.get(&TrackId::Audio(0)).filter(|_| id.medium() == Medium::Video);
        if let Some(sound) = sound {
            muxer.set_lane(Lane::new(parameters(sound)));
        }
        self.muxers.push(muxer);
        self.muxers.sort_by_key(|muxer| muxer.id);
    }

    /// A known track has other parameters.
    pub(super) fn renew_track(&mut self, intake: &Intake) {
        let id = intake.track.id;
        if id != self.lead {
            self.cutter.request_discontinuity();
        }
        for lane in self.muxers.iter_mut().filter_map(|muxer| muxer.lane_mut(id)) {
            lane.renew(parameters(intake));
        }
    }

    /// Ends a rendition of its own, unless it leads: the show goes on then without frames.
    pub(super) fn remove_track(&mut self, id: TrackId, outputs: &mut VecDeque<Output>) {
        let before = self.muxers.len();
        let has_other = self.muxers.iter().any(|m| m.is_joined() && m.id.0 != id);
        if id != self.lead || has_other {
            let used = self.muxers.iter().filter(|muxer| muxer.id.0 == id).map(Muxer::next_init);
            self.next_init = used.fold(self.next_init, u32::max);
            self.muxers.retain(|muxer| muxer.id.0 != id);
        }
        if self.muxers.len() != before {
            self.choose_lead();
            self.announce(outputs);
        }
    }

    /// The leading track.
    pub(super) const fn lead(&self) -> TrackId {
        self.lead
    }

    /// What is out in the leading rendition.
    pub(super) fn floor(&self) -> i64 {
        self.leader().map_or(0, Muxer::part_start)
    }

    /// Frames from here on are too far ahead.
    pub(super) fn ceiling(&self) -> i64 {
        self.floor() + ticks(AHEAD_MS_MAX)
    }

    /// The bit rates of every rendition that had media.
    pub(super) fn measured(&self) -> impl Iterator<Item = (RenditionId, Bitrates)> {
        self.muxers.iter().filter_map(|muxer| Some((muxer.id, muxer.bitrates()?)))
    }

    /// Takes a frame; says whether the track has a hole now.
    pub(super) fn take(&mut self, id: TrackId, frame: &Pending, stats: &mut Stats) -> Taken {
        self.heard = self.position;
        if id == self.lead {
            self.lead_heard = self.position;
            let renewed = self.lead_generation.is_some_and(|known| known != frame.generation);
            self.lead_generation = Some(frame.generation);
            if self.pace.take().is_some() {
                self.forced_until = i64::MIN;
                self.cutter.resume(frame.at, renewed, stats);
            }
            self.cutter.lead_frame(frame.at, frame.keyframe, renewed, stats);
        } else if self.is_first_picture(id, frame) {
            self.cutter.resume(frame.at, true, stats);
        }
        let mut taken = Taken::Yes;
        for muxer in &mut self.muxers {
            if muxer.take(id, frame.clone(), stats) == Taken::Dropped {
                taken = Taken::Dropped;
            }
        }
        taken
    }

    /// Pictures come to a show that sound leads: their keyframe begins a segment.
    fn is_first_picture(&self, id: TrackId, frame: &Pending) -> bool {
        let is_waiting = |muxer: &Muxer| {
            muxer.id.0 == id && !muxer.is_joined() && muxer.msn() > self.cutter.newest().msn
        };
        self.lead.medium() == Medium::Audio
            && id.medium() == Medium::Video
            && frame.keyframe
            && self.muxers.iter().any(is_waiting)
    }

    /// The clock stands at `position`. Says whether the leading track is silent since just now.
    pub(super) fn tick(&mut self, position: i64, stats: &mut Stats) -> bool {
        self.position = self.position.max(Some(position));
        let now = self.position.unwrap_or(position);
        let lead_heard = *self.lead_heard.get_or_insert(now);
        let stalls = self.pace.is_none() && now - lead_heard >= ticks(STALL_MS);
        if stalls {
            // Other tracks may have gone on: what came last tells where the timeline stood then.
            let timeline = self.leader().map_or(0, Muxer::end);
            self.pace = Some(Pace { timeline, position: self.heard.or(Some(lead_heard)) });
        }
        if let Some(pace) = &mut self.pace {
            let since = *pace.position.get_or_insert(now);
            // One part behind, so that the encoder's return finds its place not yet put out.
            let until = pace.timeline + (now - since) - self.target;
            self.force(until, stats);
        }
        stalls
    }

    /// Puts everything before `until` out, as far as one call may.
    pub(super) fn force(&mut self, until: i64, stats: &mut Stats) {
        let until = until.min(self.floor() + PARTS_PER_TICK_MAX * self.target);
        if until > self.forced_until {
            self.forced_until = until;
            self.cutter.clock(until, stats);
        }
    }

    /// Ends the open parts and segments where frames end, and lets the clock go on from there.
    pub(super) fn interrupt(&mut self, stats: &mut Stats) {
        if self.pace.is_some() {
            return;
        }
        let end = self.close(stats);
        self.pace = Some(Pace { timeline: end, position: self.position });
    }

    /// Ends the open segment where frames end.
    pub(super) fn close(&mut self, stats: &mut Stats) -> i64 {
        let end = self.muxers.iter().filter(|m| m.is_joined()).map(Muxer::end).max();
        let end = end.unwrap_or(0).min(self.ceiling() + self.target);
        self.cutter.lead_frame(end, false, false, stats);
        self.cutter.cut(end, false, stats);
        self.forced_until = self.forced_until.max(end);
        end
    }

    /// Parts wait for lagging audio anew.
    pub(super) fn restart_audio_wait(&mut self) {
        for muxer in &mut self.muxers {
            muxer.restart_audio_wait();
        }
    }

    /// Puts out all that is complete, the leading rendition first.
    pub(super) fn advance(&mut self, outputs: &mut VecDeque<Output>, stats: &mut Stats) {
        let lead = self.muxers.iter().position(|muxer| muxer.id.0 == self.lead).unwrap_or(0);
        let others = (0..self.muxers.len()).filter(|&index| index != lead);
        let mut changed = false;
        for index in std::iter::once(lead).chain(others) {
            let Some(muxer) = self.muxers.get_mut(index) else {
                continue;
            };
            if muxer.join(&self.cutter) {
                self.announce(outputs);
            }
            let is_lead = index == lead;
            // A rendition whose own frames are missing follows the leading one at a distance (P17).
            let follows = self.cutter.floor() - ticks(STALL_MS);
            let context = Context {
                cutter: &self.cutter,
                target: self.target,
                forced_until: if is_lead {
                    self.forced_until
                } else {
                    self.forced_until.max(follows)
                },
                position: self.position,
                is_lead,
            };
            let muxer = &mut self.muxers[index];
            muxer.advance(context, outputs, stats);
            changed |= muxer.take_change();
            if is_lead {
                self.cutter.raise_floor(self.muxers[index].part_start());
            }
        }
        if changed {
            self.announce(outputs);
        }
        let oldest = self.muxers.iter().filter(|m| m.is_joined()).map(Muxer::msn).min();
        self.cutter.forget(oldest.unwrap_or(0));
        if self.lead.medium() == Medium::Audio {
            self.choose_lead();
        }
    }

    /// Tells which renditions there are.
    pub(super) fn announce(&self, outputs: &mut VecDeque<Output>) {
        let joined = self.muxers.iter().filter(|muxer| muxer.is_joined());
        outputs.push_back(Output::RenditionsChanged(joined.map(Muxer::rendition).collect()));
    }

    /// The first rendition with pictures leads, because only pictures are particular about where a
    /// segment starts; without any, the first.
    fn choose_lead(&mut self) {
        let lead = self.muxers.iter().find(|muxer| muxer.is_joined()).map(|muxer| muxer.id.0);
        if let Some(lead) = lead.filter(|&lead| lead != self.lead) {
            self.lead = lead;
            self.lead_generation = None;
        }
    }

    fn leader(&self) -> Option<&Muxer> {
        self.muxers.iter().find(|muxer| muxer.id.0 == self.lead)
    }
}

fn parameters(intake: &Intake) -> Parameters {
    Parameters { generation: intake.generation, track: intake.track.clone() }
}
