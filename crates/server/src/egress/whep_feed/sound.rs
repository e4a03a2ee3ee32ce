//! The main sound of a show as Opus payloads, transcoded once where it is something else.
//!
//! An AAC frame costs some 0.4 ms of a core, and a feed that starts in the middle of a show has seconds of
//! them at once: too long for a thread of the runtime. `egress::transcoding` computes them on the threads
//! for blocking work; pictures do not wait for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tally_audio::{Options, Target, Transcoder};
use tally_media::{Codec, Frame, Medium, Track, TrackId};
use tally_rtc::packetize::{PacketizedFrame, Packetizer};
use tokio::sync::mpsc;
use tracing::debug;

use super::origin::PAYLOAD_BYTES_MAX;
use crate::egress::transcoding::{Made, Transcoding};
use crate::metrics::WhepFeedMetrics;

/// Frames that wait to be transcoded: more than the hub keeps of any sound, since all of that may come
/// at once when the feed starts.
const WAITING_MAX: usize = 1_024;

/// Frames made and not taken yet. The pump takes them as soon as it is scheduled; the transcoder waits
/// where it does not.
const MADE_MAX: usize = 64;

/// RFC 7587 carries mono and stereo, and several streams are not transcoded.
const OPUS_CHANNELS_MAX: u8 = 2;

/// The track whose sound viewers get: the first that is Opus or can be made Opus.
pub(super) fn main_track(tracks: &[Arc<Track>]) -> Option<&Arc<Track>> {
    let sounds = tracks.iter().filter(|track| track.id.medium() == Medium::Audio);
    sounds.filter(|track| is_opus(track) || can_be_opus(track)).min_by_key(|track| track.id)
}

fn is_opus(track: &Track) -> bool {
    matches!(&track.codec, Codec::Opus(record) if record.channels <= OPUS_CHANNELS_MAX)
}

fn can_be_opus(track: &Track) -> bool {
    Transcoder::new(track, Target::Opus, Options::default()).is_ok()
}

/// The sound of a show, or none.
#[derive(Debug)]
pub(super) struct Sound {
    main: Option<Arc<Track>>,
    way: Way,
    /// Transcodings started so far: the number of the one at work.
    runs: u64,
    made: (mpsc::Sender<Made>, mpsc::Receiver<Made>),
    /// One per id ever used: frame numbers go on when a track comes back.
    packetizers: BTreeMap<TrackId, Packetizer>,
    metrics: WhepFeedMetrics,
}

/// How the main track's frames become Opus.
#[derive(Debug)]
enum Way {
    Silent,
    AsItCame,
    Transcoded(Transcoding),
}

impl Sound {
    pub(super) fn new(metrics: WhepFeedMetrics) -> Self {
        let made = mpsc::channel(MADE_MAX);
        let packetizers = BTreeMap::new();
        Self { main: None, way: Way::Silent, runs: 0, made, packetizers, metrics }
    }

    /// The show's tracks are these from the next frame on.
    pub(super) fn set_tracks(&mut self, tracks: &[Arc<Track>]) {
        let main = main_track(tracks).cloned();
        if main == self.main {
            return;
        }
        self.way = main.as_ref().map_or(Way::Silent, |main| self.way_of(main));
        self.main = main;
    }

    /// Takes the next frame of any sound. Gives its payloads where there is no more to do.
    pub(super) fn take(&mut self, id: TrackId, frame: Frame) -> Option<Arc<PacketizedFrame>> {
        if self.main.as_ref().is_none_or(|main| main.id != id) {
            return None;
        }
        match &self.way {
            Way::Silent => None,
            Way::AsItCame => self.packetize(id, &frame),
            Way::Transcoded(transcoding) => {
                transcoding.push(frame);
                None
            }
        }
    }

    /// Waits for the next frame that was transcoded. Safe to drop and call again.
    pub(super) async fn transcoded(&mut self) -> Arc<PacketizedFrame> {
        loop {
            // The sender is held here as well: there is always another, if only later.
            let Some(Made { run, frame }) = self.made.1.recv().await else { continue };
            let Way::Transcoded(transcoding) = &self.way else { continue };
            let output = transcoding.output();
            let (id, rate) = (output.id, output.timescale.per_second());
            let ticks = frame.duration_ticks.unwrap_or(0);
            self.metrics.transcoded_s.inc_by(f64::from(ticks) / f64::from(rate));
            if run == self.runs
                && let Some(packetized) = self.packetize(id, &frame)
            {
                return packetized;
            }
        }
    }

    fn way_of(&mut self, main: &Track) -> Way {
        if is_opus(main) {
            self.expect_opus(main);
            return Way::AsItCame;
        }
        self.runs += 1;
        let made = self.made.0.clone();
        let lost = &self.metrics.dropped.transcoding;
        match Transcoding::start(main, Target::Opus, self.runs, made, WAITING_MAX, lost) {
            Ok(transcoding) => {
                self.expect_opus(transcoding.output());
                Way::Transcoded(transcoding)
            }
            Err(error) => {
                debug!(track = ?main.id, %error, "no Opus can be made of the sound");
                Way::Silent
            }
        }
    }

    /// Sees to it that there is a packetizer for frames of the Opus track `track`.
    fn expect_opus(&mut self, track: &Track) {
        match self.packetizers.get_mut(&track.id) {
            Some(packetizer) => drop(packetizer.set_track(track)),
            None => {
                let packetizer = Packetizer::new(track, PAYLOAD_BYTES_MAX);
                self.packetizers.extend(packetizer.map(|it| (track.id, it)));
            }
        }
    }

    fn packetize(&mut self, id: TrackId, frame: &Frame) -> Option<Arc<PacketizedFrame>> {
        let packetized = self.packetizers.get_mut(&id)?.packetize(frame);
        if packetized.is_none() {
            self.metrics.dropped.refused.inc();
        }
        packetized.map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use tally_media::codec::AudioRecord;
    use tally_testsource::{Options as SourceOptions, TestSource};

    use super::*;
    use crate::metrics::Metrics;

    fn track(number: u8, codec: impl Fn(AudioRecord) -> Codec) -> Arc<Track> {
        let source = TestSource::new(SourceOptions::default()).unwrap();
        let [_, aac] = source.tracks();
        let codec = codec(aac.codec.audio().unwrap().clone());
        Arc::new(Track { id: TrackId::Audio(number), codec, ..aac.clone() })
    }

    fn opus(channels: u8) -> impl Fn(AudioRecord) -> Codec {
        move |record| Codec::Opus(AudioRecord { channels, ..record })
    }

    fn main(tracks: &[Arc<Track>]) -> Option<TrackId> {
        main_track(tracks).map(|track| track.id)
    }

    #[test]
    fn the_main_sound_is_the_first_that_can_be_opus() {
        let [mp3, aac] = [track(0, Codec::Mp3), track(1, Codec::Aac)];
        let [surround, stereo] = [track(2, opus(6)), track(3, opus(2))];
        let first = track(0, Codec::Aac);
        assert_eq!(main(&[]), None);
        assert_eq!(main(&[mp3.clone(), surround.clone()]), None);
        assert_eq!(main(&[mp3, stereo.clone(), aac.clone()]), Some(aac.id));
        assert_eq!(main(&[surround, stereo.clone()]), Some(stereo.id));
        assert_eq!(main(&[aac, first.clone()]), Some(first.id));
    }

    /// Frames of the test source's sound, from its first.
    fn aac_frames(count: usize) -> Vec<Frame> {
        let mut source = TestSource::new(SourceOptions::default()).unwrap();
        let frames = std::iter::from_fn(|| Some(source.next_frame()));
        let sounds = frames.filter(|(id, _)| id.medium() == Medium::Audio);
        sounds.map(|(_, frame)| frame).take(count).collect()
    }

    #[tokio::test]
    async fn frame_numbers_go_on_when_the_codec_changes() {
        let mut sound = Sound::new(Metrics::new().whep_feed);
        let [aac, opus] = [track(0, Codec::Aac), track(0, opus(2))];
        let mut numbers = Vec::new();
        sound.set_tracks(std::slice::from_ref(&aac));
        for frame in aac_frames(10) {
            assert_eq!(sound.take(aac.id, frame), None);
        }
        // 213 ms are ten frames of 20 ms; what is left waits for more. None is before zero.
        for _ in 0..9 {
            numbers.push(sound.transcoded().await.number);
        }
        sound.set_tracks(std::slice::from_ref(&opus));
        let [frame, ..] = &aac_frames(1)[..] else { panic!("no frame") };
        let came = Frame { payload: vec![0xFC, 0].into(), ..frame.clone() };
        numbers.extend(sound.take(opus.id, came).map(|it| it.number));
        assert_eq!(sound.take(TrackId::Audio(1), frame.clone()), None);
        assert_eq!(numbers, (0..10).collect::<Vec<_>>());
        sound.set_tracks(&[]);
        assert_eq!(sound.take(opus.id, frame.clone()), None);
    }
}
