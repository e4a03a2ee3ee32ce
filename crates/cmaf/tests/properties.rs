//! Random shows: every rule the checker knows holds whatever encoders do.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{AudioSource, Checker, Encoder, VideoSource, aac, avc, opus, play, wait};
use proptest::collection::vec;
use proptest::prelude::*;
use tally_cmaf::{Options, Output, Segmenter};
use tally_media::{Frame, Timescale, Timestamp, Track, TrackId};

/// What an encoder does next.
#[derive(Clone, Debug)]
enum Deed {
    Play {
        ms: i64,
    },
    /// Goes away and comes back, perhaps otherwise.
    Leave {
        ms: i64,
        level: u8,
    },
    /// Sends nothing and says nothing.
    Stall {
        ms: i64,
    },
    /// Sends nothing, then all of it at once.
    Hiccup {
        ms: i64,
    },
    NewParameters {
        level: u8,
    },
    Cadence {
        fps: i64,
        group: i64,
    },
    AudioLag {
        ms: i64,
    },
    AudioStops,
    AudioStarts,
    SecondVideo,
    SecondVideoEnds,
    SecondVideoStalls,
    SecondAudio,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        6 => (50_i64..5_000).prop_map(|ms| Deed::Play { ms }),
        2 => (0_i64..6_000, 30_u8..32).prop_map(|(ms, level)| Deed::Leave { ms, level }),
        1 => (0_i64..6_000).prop_map(|ms| Deed::Stall { ms }),
        1 => (0_i64..4_000).prop_map(|ms| Deed::Hiccup { ms }),
        1 => (30_u8..32).prop_map(|level| Deed::NewParameters { level }),
        1 => (1_i64..121, 1_i64..400)
            .prop_map(|(fps, group)| Deed::Cadence { fps: fps * 1_000, group }),
        1 => (0_i64..2_000).prop_map(|ms| Deed::AudioLag { ms }),
        1 => Just(Deed::AudioStops),
        1 => Just(Deed::AudioStarts),
        1 => Just(Deed::SecondVideo),
        1 => Just(Deed::SecondVideoEnds),
        1 => Just(Deed::SecondVideoStalls),
        1 => Just(Deed::SecondAudio),
    ];
    vec(deed, 1..12)
}

/// A show in the making.
struct Studio {
    checker: Checker,
    encoder: Encoder,
    audio: (Arc<Track>, u32, u32),
}

impl Studio {
    fn restart(&mut self, ms: i64) {
        for video in &mut self.encoder.videos {
            video.restart(ms);
        }
        for audio in &mut self.encoder.audios {
            audio.restart(ms);
        }
    }

    fn play(&mut self, ms: i64) {
        let end = self.checker.now_ms + ms;
        play(&mut self.checker, &mut self.encoder, end);
    }

    fn audio_source(&self, id: u8) -> AudioSource {
        let mut audio = AudioSource::new(self.audio.1, self.audio.2).with_id(id);
        audio.restart(self.checker.now_ms);
        audio
    }

    fn perform(&mut self, deed: Deed) {
        let now = self.checker.now_ms;
        match deed {
            Deed::Play { ms } => self.play(ms),
            Deed::Leave { ms, level } => {
                self.checker.interrupted();
                wait(&mut self.checker, now + ms);
                self.checker.set_track(&avc(0, level));
                self.checker.resumed();
                self.restart(self.checker.now_ms);
            }
            Deed::Stall { ms } => {
                wait(&mut self.checker, now + ms);
                self.restart(self.checker.now_ms);
            }
            Deed::Hiccup { ms } => wait(&mut self.checker, now + ms),
            Deed::NewParameters { level } => {
                self.checker.set_track(&avc(0, level));
                self.restart(now);
            }
            Deed::Cadence { fps, group } => {
                for video in &mut self.encoder.videos {
                    (video.fps, video.group) = (fps, group);
                }
                self.restart(now);
            }
            Deed::AudioLag { ms } => {
                for audio in &mut self.encoder.audios {
                    audio.lag_ms = ms;
                }
            }
            Deed::AudioStops => self.encoder.audios.clear(),
            Deed::AudioStarts if self.encoder.audios.is_empty() => {
                self.checker.set_track(&self.audio.0.clone());
                self.encoder.audios.push(self.audio_source(0));
            }
            Deed::SecondVideo if self.encoder.videos.len() == 1 => {
                self.checker.set_track(&avc(1, 30));
                let mut video = self.encoder.videos[0].clone().with_id(1);
                video.restart(now);
                self.encoder.videos.push(video);
            }
            Deed::SecondVideoEnds if self.encoder.videos.len() == 2 => {
                self.checker.remove_track(TrackId::Video(1));
                self.encoder.videos.pop();
            }
            Deed::SecondVideoStalls => self.encoder.videos.truncate(1),
            Deed::SecondAudio if self.encoder.audios.len() == 1 => {
                self.checker.set_track(&aac(1, self.audio.1, self.audio.2));
                self.encoder.audios.push(self.audio_source(1));
            }
            Deed::AudioStarts | Deed::SecondVideo | Deed::SecondVideoEnds | Deed::SecondAudio => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_rule_holds_in_every_show(
        fps in prop_oneof![
            Just(23_976_i64), Just(24_000), Just(25_000), Just(29_970), Just(30_000),
            Just(50_000), Just(60_000), 1_000_i64..121_000
        ],
        group in 1_i64..300,
        b_frames in 0_i64..4,
        is_rounded: bool,
        sound in 0_usize..4,
        part_ms in 100_u32..600,
        segment_ms in 1_000_u32..4_000,
        deeds in deeds(),
    ) {
        let sounds = [
            (aac(0, 48_000, 1_024), 48_000, 1_024),
            (aac(0, 44_100, 2_048), 44_100, 2_048),
            (opus(0), 48_000, 960),
            (opus(0), 48_000, 2_880),
        ];
        let audio = sounds[sound].clone();
        let options =
            Options { part_ms, segment_ms, expects_video: true, expects_audio: true };
        let mut checker = Checker::new(options);
        checker.set_track(&avc(0, 30));
        checker.set_track(&audio.0);
        let mut video = VideoSource::new(fps, group).with_b_frames(b_frames.min(group - 1));
        video.is_rounded = is_rounded;
        let encoder = Encoder::new(vec![video], vec![AudioSource::new(audio.1, audio.2)]);
        let mut studio = Studio { checker, encoder, audio };
        for deed in deeds {
            studio.perform(deed);
        }
        studio.play(1_000);
        studio.checker.finish();
    }

    #[test]
    fn nothing_that_is_pushed_breaks_anything(
        calls in vec(
            (0_u8..12, 0_u8..4, any::<i64>(), -100_000_i64..1_000_000, any::<bool>()),
            1..200,
        ),
    ) {
        let mut segmenter = Segmenter::new(Options::default());
        let mut target = 0;
        for (call, track, wild, tame, keyframe) in calls {
            let id = if track < 2 { TrackId::Video(track) } else { TrackId::Audio(track - 2) };
            let ticks = if call == 0 { wild } else { tame };
            let timescale = if track < 2 { Timescale::VIDEO } else { Timescale::new(48_000) };
            let frame = Frame {
                dts: Timestamp::new(ticks, timescale),
                pts: Timestamp::new(if call == 1 { wild } else { ticks }, timescale),
                duration_ticks: keyframe.then_some(wild as u32),
                keyframe,
                payload: Bytes::from_static(b"payload"),
            };
            match call {
                0..=6 => segmenter.push(id, frame),
                7 if track < 2 => segmenter.set_track(avc(track, wild as u8)),
                7 => segmenter.set_track(opus(track - 2)),
                8 => segmenter.tick(Timestamp::from_ms(if keyframe { tame / 90 } else { wild })),
                9 => segmenter.interrupted(),
                10 => segmenter.resumed(),
                _ => segmenter.remove_track(id),
            }
            while let Some(output) = segmenter.poll_output() {
                match output {
                    Output::Plan(plan) => target = i64::from(plan.part_target_ms) * 90,
                    Output::Part { part, .. } => {
                        prop_assert!(part.duration.ticks > 0 && part.duration.ticks <= target);
                    }
                    _ => {}
                }
            }
        }
        segmenter.finish();
        let last = std::iter::from_fn(|| segmenter.poll_output()).last();
        prop_assert!(matches!(last, Some(Output::Ended)));
    }
}
