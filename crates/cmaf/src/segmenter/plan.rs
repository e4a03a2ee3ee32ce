//! Deciding the [`Plan`] from the first group.

use tally_media::{Medium, TrackId};

use super::cadence::frame_rate;
use super::intake::Pending;
use crate::limits::{
    GROUP_JITTER_MS, LONG_GROUP_TARGET_S, PART_MS_MAX, PART_PERCENT_MIN, SEGMENT_EARLY_MS,
    SEGMENT_EXCESS_MS, SLACK, ticks,
};
use crate::{FrameRate, Options, Plan};

/// How one track's frames came during the probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rhythm {
    first: Option<i64>,
    last: i64,
    frames: i64,
    shortest: i64,
    longest: i64,
    last_keyframe: Option<i64>,
    /// Longest distance of two keyframes.
    group: Option<i64>,
}

impl Rhythm {
    pub(super) fn see(&mut self, frame: &Pending) {
        if self.first.is_none() {
            self.first = Some(frame.at);
        } else {
            let interval = frame.at - self.last;
            self.shortest = if self.frames == 1 { interval } else { self.shortest.min(interval) };
            self.longest = self.longest.max(interval);
        }
        self.last = frame.at;
        self.frames += 1;
        if frame.keyframe {
            if let Some(previous) = self.last_keyframe {
                self.group = self.group.max(Some(frame.at - previous));
            }
            self.last_keyframe = Some(frame.at);
        }
    }

    /// Time seen, 90 kHz.
    pub(super) fn span(&self) -> i64 {
        self.first.map_or(0, |first| self.last - first)
    }

    pub(super) const fn group(&self) -> Option<i64> {
        self.group
    }

    pub(super) const fn first(&self) -> Option<i64> {
        self.first
    }

    pub(super) fn frame_rate(&self) -> Option<FrameRate> {
        frame_rate(self.frames - 1, self.span())
    }
}

/// Decides the constants of the show.
pub(super) fn decide<'a>(
    options: Options,
    rhythms: impl Iterator<Item = (&'a TrackId, &'a Rhythm)>,
) -> Plan {
    let seen: Vec<_> = rhythms.filter(|(_, rhythm)| rhythm.frames > 0).collect();
    let videos = seen.iter().filter(|(id, _)| id.medium() == Medium::Video);
    let leads: Vec<Rhythm> = match videos.clone().count() {
        0 => seen.iter().map(|(_, rhythm)| **rhythm).collect(),
        _ => videos.map(|(_, rhythm)| **rhythm).collect(),
    };
    let has_video = seen.iter().any(|(id, _)| id.medium() == Medium::Video);
    let part_target_ms = part_target_ms(options.part_ms, &leads);
    let group = if has_video { leads.first().and_then(Rhythm::group) } else { Some(SLACK) };
    let Some(group) = group else {
        let least = (options.segment_ms).div_ceil(1_000);
        let target_duration_s = LONG_GROUP_TARGET_S.max(least);
        return Plan { part_target_ms, target_duration_s, independent_segments: false };
    };
    let wish = ticks(options.segment_ms - SEGMENT_EARLY_MS);
    let segment = (wish + group - 1) / group.max(1) * group;
    let beyond = segment - ticks(SEGMENT_EXCESS_MS - GROUP_JITTER_MS);
    let target = (beyond + ticks(1_000) - 1) / ticks(1_000);
    let target_duration_s = u32::try_from(target.max(1)).unwrap_or(LONG_GROUP_TARGET_S);
    Plan { part_target_ms, target_duration_s, independent_segments: true }
}

/// The smallest PART-TARGET from `wish_ms` up which whole frames of every rhythm fill to 85 % (P5),
/// whatever the rounding of their times. Where there is none, `wish_ms`: parts then end between
/// frames' starts, which is allowed and only less tidy.
fn part_target_ms(wish_ms: u32, rhythms: &[Rhythm]) -> u32 {
    let mut candidates = wish_ms..=PART_MS_MAX.max(wish_ms);
    let fits = |target: &u32| rhythms.iter().all(|rhythm| fits(*target, rhythm));
    candidates.find(fits).unwrap_or(wish_ms)
}

fn fits(target_ms: u32, rhythm: &Rhythm) -> bool {
    let target = ticks(target_ms);
    if rhythm.frames < 2 {
        return true;
    }
    let jitter = rhythm.longest - rhythm.shortest;
    if jitter > SLACK {
        // Variable: a part has at least room for the longest frame, so that none is empty.
        return rhythm.longest <= target;
    }
    // What n frames last differs by at most the jitter, however many they are: times are rounded,
    // their errors do not add up.
    let step_times = rhythm.frames - 1;
    let count = (target - jitter) * step_times / rhythm.span().max(1);
    let filled = count * rhythm.span() / step_times;
    count > 0 && (filled - jitter) * 100 >= target * PART_PERCENT_MIN
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn rhythm(times: impl Iterator<Item = i64>, group: i64) -> Rhythm {
        let mut rhythm = Rhythm::default();
        for (n, at) in (0..).zip(times) {
            rhythm.see(&Pending {
                generation: 0,
                decode: at,
                present: at,
                duration: None,
                keyframe: n % group == 0,
                payload: Bytes::new(),
                delay: 0,
                at,
                end: at,
            });
        }
        rhythm
    }

    /// `fps` in millihertz, times rounded to milliseconds as RTMP does.
    fn video(fps: i64, group: i64) -> Rhythm {
        rhythm((0..=group).map(|n| (n * 1_000_000 + fps / 2) / fps * 90), group)
    }

    fn plan(rhythm: &Rhythm) -> Plan {
        decide(Options::default(), std::iter::once((&TrackId::Video(0), rhythm)))
    }

    #[test]
    fn p5_usual_rates_keep_the_wished_part_target() {
        for fps in [25_000, 29_970, 30_000, 50_000, 59_940, 60_000] {
            let plan = plan(&video(fps, fps * 2 / 1_000));
            assert_eq!(plan.part_target_ms, 250, "{fps}");
            assert_eq!(plan.target_duration_s, 2, "{fps}");
            assert!(plan.independent_segments);
        }
    }

    #[test]
    fn p5_24_fps_needs_a_little_more_because_of_rounding() {
        for fps in [23_976, 24_000] {
            let target = plan(&video(fps, 48)).part_target_ms;
            assert!((251..=253).contains(&target), "{fps}: {target}");
        }
    }

    #[test]
    fn p5_slow_cadences_get_a_target_that_whole_frames_fill() {
        assert_eq!(plan(&video(5_000, 10)).part_target_ms, 400);
        assert_eq!(plan(&video(2_000, 4)).part_target_ms, 500);
        assert_eq!(plan(&video(1_000, 2)).part_target_ms, 1_000);
    }

    #[test]
    fn p3_target_duration_holds_whole_groups() {
        let duration = |fps: i64, frames| plan(&video(fps, frames)).target_duration_s;
        assert_eq!(duration(30_000, 30), 2, "1 s groups");
        assert_eq!(duration(30_000, 90), 3, "3 s groups");
        assert_eq!(duration(30_000, 45), 3, "1.5 s groups: two of them");
        assert_eq!(duration(30_000, 72), 3, "2.4 s groups leave no room in 2 s");
    }

    #[test]
    fn a_group_longer_than_the_probe_gets_the_long_target() {
        let endless = rhythm((0..135).map(|n| n * 3_000), 1_000);
        let plan = plan(&endless);
        assert_eq!(plan.target_duration_s, LONG_GROUP_TARGET_S);
        assert!(!plan.independent_segments);
    }

    #[test]
    fn aac_alone_needs_no_more_than_the_wish() {
        let aac = rhythm((0..60).map(|n| n * 1_920), 1);
        let plan = decide(Options::default(), std::iter::once((&TrackId::Audio(0), &aac)));
        assert_eq!((plan.part_target_ms, plan.target_duration_s), (250, 2));
    }
}
