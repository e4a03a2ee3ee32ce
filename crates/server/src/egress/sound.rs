//! What becomes of a show's sound on its way into the segmenter (`hls.audio`).
//!
//! Opus is what WebRTC sends, and not every player takes it in fMP4. Where the operator wants it, it is
//! made AAC here, once for each show; sound of other codecs goes through as it came. Everything else
//! passes untouched.
//!
//! # Both
//! Pictures travel muxed with audio track 0, so a show that has its sound in two forms must have none
//! under that number: track n is offered as 2n + 1 in the codec it came in, if that is Opus, and as
//! 2n + 2 in AAC or any other. The segmenter makes each a rendition of its own, and the multivariant
//! playlist pairs the same pictures with either ([`forms`]). Muxing each picture twice instead would
//! spare players a request for each part, but cost every viewer's cache twice the pictures, and the
//! segmenter its rule that one track is one rendition.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus::IntCounter;
use tally_audio::Target;
use tally_cmaf::RenditionId;
use tally_hub::Item;
use tally_media::{Codec, Medium, Track, TrackId};
use tokio::sync::mpsc;
use tracing::warn;

use super::transcoding::{Made, Transcoding, WAITING_MAX};
use crate::config::HlsAudio;

/// Packets made and not taken yet. The pump takes them as soon as it is scheduled; a transcoder waits
/// where it does not.
const MADE_MAX: usize = 64;

/// The sound of one show.
#[derive(Debug)]
pub(super) struct Sound {
    wanted: HlsAudio,
    tracks: BTreeMap<TrackId, Source>,
    /// Transcodings started so far; the number of the next.
    runs: u64,
    made: (mpsc::Sender<Made>, mpsc::Receiver<Made>),
    lost: IntCounter,
}

/// One audio track of the publisher.
#[derive(Debug)]
struct Source {
    track: Arc<Track>,
    /// Where it goes as it came.
    own: Option<TrackId>,
    /// Where it goes as AAC, and who makes it.
    aac: Option<Aac>,
}

#[derive(Debug)]
struct Aac {
    id: TrackId,
    run: u64,
    transcoding: Transcoding,
}

impl Sound {
    /// As `wanted`; packets that cannot be made AAC are counted in `lost`.
    pub(super) fn new(wanted: HlsAudio, lost: IntCounter) -> Self {
        let made = mpsc::channel(MADE_MAX);
        Self { wanted, tracks: BTreeMap::new(), runs: 0, made, lost }
    }

    /// Takes an item of the show, and gives what the segmenter is to get for it now.
    pub(super) fn take(&mut self, item: Item, out: &mut Vec<Item>) {
        if self.wanted == HlsAudio::Passthrough {
            return out.push(item);
        }
        match item {
            Item::Track(track) if track.id.medium() == Medium::Audio => self.declare(track, out),
            Item::TrackRemoved(id) if id.medium() == Medium::Audio => {
                if let Some(source) = self.tracks.remove(&id) {
                    out.extend(source.ids().map(Item::TrackRemoved));
                }
            }
            Item::Frame(id, frame) if id.medium() == Medium::Audio => {
                let Some(source) = self.tracks.get(&id) else { return };
                if let Some(own) = source.own {
                    out.push(Item::Frame(own, frame.clone()));
                }
                if let Some(aac) = &source.aac {
                    aac.transcoding.push(frame);
                }
            }
            Item::Interrupted => {
                self.restart();
                out.push(Item::Interrupted);
            }
            other => out.push(other),
        }
    }

    /// The next frame that was made. Never resolves where nothing is made. Cancel safe.
    pub(super) async fn made(&mut self) -> Item {
        loop {
            if let Some(made) = self.made.1.recv().await
                && let Some(item) = self.item(made)
            {
                return item;
            }
        }
    }

    /// The show is over: everything that is still being made.
    pub(super) async fn finish(mut self) -> Vec<Item> {
        let mut runs = BTreeMap::new();
        for source in std::mem::take(&mut self.tracks).into_values() {
            runs.extend(source.aac.map(|aac| (aac.run, aac.id)));
        }
        let (sender, mut made) = self.made;
        drop(sender);
        let mut items = Vec::new();
        // Ends when every transcoding has: each has a bounded number of packets left to do.
        while let Some(Made { run, frame }) = made.recv().await {
            items.extend(runs.get(&run).map(|id| Item::Frame(*id, frame)));
        }
        items
    }

    fn declare(&mut self, track: Arc<Track>, out: &mut Vec<Item>) {
        let id = track.id;
        let Some((as_opus, as_aac)) = places(self.wanted, id) else {
            return warn!(track = ?id, "a track of too high a number is left out");
        };
        let is_opus = matches!(track.codec, Codec::Opus(_));
        let aac = if is_opus { self.transcode(&track, as_aac) } else { None };
        let own = match (is_opus, &aac) {
            (false, _) => Some(as_aac),
            (true, None) => Some(as_opus),
            (true, Some(_)) => (self.wanted == HlsAudio::Both).then_some(as_opus),
        };
        let source = Source { track, own, aac };
        out.extend(source.outputs().map(|track| Item::Track(Arc::new(track))));
        let stays: Vec<_> = source.ids().collect();
        let before = self.tracks.insert(id, source);
        let gone = before.iter().flat_map(Source::ids).filter(|id| !stays.contains(id));
        out.extend(gone.map(Item::TrackRemoved));
    }

    fn transcode(&mut self, track: &Track, id: TrackId) -> Option<Aac> {
        let run = self.runs;
        self.runs += 1;
        let made = self.made.0.clone();
        match Transcoding::start(track, Target::Aac, run, made, WAITING_MAX, &self.lost) {
            Ok(transcoding) => Some(Aac { id, run, transcoding }),
            Err(error) => {
                warn!(track = ?track.id, %error, "no AAC can be made of it; it goes out as it came");
                None
            }
        }
    }

    /// What was in the making when the encoder left has no place after it returned.
    fn restart(&mut self) {
        let again: Vec<_> = self.tracks.values().filter(|source| source.aac.is_some()).collect();
        let again: Vec<_> = again.iter().map(|source| Arc::clone(&source.track)).collect();
        for track in again {
            self.declare(track, &mut Vec::new());
        }
    }

    /// Where something that was made goes; `None` where its transcoding was given up meanwhile.
    fn item(&self, made: Made) -> Option<Item> {
        let mut running = self.tracks.values().filter_map(|source| source.aac.as_ref());
        let aac = running.find(|aac| aac.run == made.run)?;
        Some(Item::Frame(aac.id, made.frame))
    }
}

impl Source {
    fn ids(&self) -> impl Iterator<Item = TrackId> {
        self.own.into_iter().chain(self.aac.as_ref().map(|aac| aac.id))
    }

    /// The tracks it is offered as.
    fn outputs(&self) -> impl Iterator<Item = Track> {
        let own = self.own.map(|id| Track { id, ..(*self.track).clone() });
        let aac = self.aac.as_ref();
        let aac = aac.map(|aac| Track { id: aac.id, ..aac.transcoding.output().clone() });
        own.into_iter().chain(aac)
    }
}

/// Where Opus goes as it came, and where everything else goes. `None` beyond what can be numbered.
fn places(wanted: HlsAudio, id: TrackId) -> Option<(TrackId, TrackId)> {
    match (wanted, id) {
        (HlsAudio::Both, TrackId::Audio(n)) => {
            let aac = n.checked_mul(2)?.checked_add(2)?;
            Some((TrackId::Audio(aac - 1), TrackId::Audio(aac)))
        }
        _ => Some((id, id)),
    }
}

/// The forms that a show's sound has, each as the renditions it is offered with: that in the codecs it
/// came in first, because nothing was lost in it; then, where there is a difference, that in AAC.
pub(super) fn forms(wanted: HlsAudio, renditions: &[RenditionId]) -> Vec<Vec<RenditionId>> {
    if wanted != HlsAudio::Both {
        return vec![renditions.to_vec()];
    }
    let has =
        |n: Option<u8>| n.is_some_and(|n| renditions.contains(&RenditionId(TrackId::Audio(n))));
    let of = |is_form: &dyn Fn(u8) -> bool| -> Vec<_> {
        let is_listed = |id: &&RenditionId| match id.0 {
            TrackId::Audio(n) => is_form(n),
            TrackId::Video(_) => true,
        };
        renditions.iter().filter(is_listed).copied().collect()
    };
    let came = of(&|n| n % 2 == 1 || !has(n.checked_sub(1)));
    let aac = of(&|n| n % 2 == 0 || !has(n.checked_add(1)));
    if came == aac { vec![came] } else { vec![came, aac] }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tally_audio::{Options as AudioOptions, Transcoder};
    use tally_hls::{Encoding, Lookup};
    use tally_hub::Hub;
    use tally_media::{Frame, Timestamp};
    use tally_testsource::{Options, TestSource};

    use super::*;
    use crate::egress::{HlsOptions, Presentation};
    use crate::metrics::Metrics;
    use crate::shows::{Show, Shows, ShowsOptions};

    const MAIN: TrackId = TrackId::Audio(0);

    /// The test source with its sound as Opus.
    struct Source {
        source: TestSource,
        opus: Transcoder,
    }

    impl Source {
        fn new() -> Self {
            let source = TestSource::new(Options::default()).unwrap();
            let opus = Transcoder::new(&source.tracks()[1], Target::Opus, AudioOptions::default());
            Self { source, opus: opus.unwrap() }
        }

        fn tracks(&self) -> [Track; 2] {
            [self.source.tracks()[0].clone(), self.opus.output_track().clone()]
        }

        /// The frames up to `ms`, in the order of their times.
        fn until(&mut self, ms: i64) -> Vec<(TrackId, Frame)> {
            let mut frames = Vec::new();
            loop {
                let (id, frame) = self.source.next_frame();
                let at = frame.dts;
                if id == MAIN {
                    self.opus.push(&frame).unwrap();
                    frames.extend(std::iter::from_fn(|| Some((id, self.opus.poll_frame()?))));
                } else {
                    frames.push((id, frame));
                }
                if at >= Timestamp::from_ms(ms) {
                    return frames;
                }
            }
        }
    }

    /// A show of five seconds with Opus, in virtual time.
    async fn play(audio: HlsAudio) -> (Arc<Show>, Metrics) {
        let metrics = Metrics::new();
        let options = ShowsOptions {
            hls: HlsOptions { part_ms: 250, segment_ms: 2_000, window_ms: 12_000, audio },
            reconnect_grace: Duration::ZERO,
            shows_max: 1,
        };
        let shows = Shows::new(Hub::new(tally_hub::Limits::default()), options, metrics.clone());
        let mut publication = shows.publish("alice").unwrap();
        let show = Arc::clone(publication.show());
        let mut source = Source::new();
        source.tracks().into_iter().for_each(|track| publication.track(track));
        for step in 1..=100 {
            for (id, frame) in source.until(step * 50) {
                publication.write(id, frame).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        publication.end();
        shows.all_packaged().await;
        (show, metrics)
    }

    fn multivariant(presentation: &Presentation) -> String {
        let body = presentation.multivariant.body(Encoding::Identity);
        String::from_utf8(body.to_vec()).unwrap()
    }

    fn init(presentation: &Presentation, rendition: &str) -> Vec<u8> {
        let snapshot = presentation.rendition(rendition).unwrap().current().snapshot;
        match snapshot.init(0) {
            Lookup::Found(init) => init.body.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    fn count(bytes: &[u8], kind: &[u8; 4]) -> usize {
        bytes.windows(4).filter(|window| window == kind).count()
    }

    /// How many fragments and how many tracks' runs a segment has.
    fn runs(presentation: &Presentation, rendition: &str) -> (usize, usize) {
        let snapshot = presentation.rendition(rendition).unwrap().current().snapshot;
        let Lookup::Found(segment) = snapshot.segment(1) else { panic!("no segment 1") };
        let bytes: Vec<u8> = segment.chunks().flatten().copied().collect();
        (count(&bytes, b"moof"), count(&bytes, b"traf"))
    }

    #[tokio::test(start_paused = true)]
    async fn opus_is_made_aac_and_stays_with_its_pictures() {
        let (show, metrics) = play(HlsAudio::Aac).await;
        let presentation = show.hls().presentation().unwrap();
        let text = multivariant(&presentation);
        assert_eq!(text.matches("#EXT-X-STREAM-INF").count(), 1, "{text}");
        assert!(text.contains("mp4a.40.2") && !text.contains("opus"), "{text}");
        let init = init(&presentation, "v0");
        assert_eq!(
            (count(&init, b"mp4a"), count(&init, b"esds"), count(&init, b"Opus")),
            (1, 1, 0)
        );
        let (fragments, runs) = runs(&presentation, "v0");
        assert!(fragments >= 8 && runs == 2 * fragments, "{runs} runs in {fragments} fragments");
        assert_eq!(metrics.hls.untranscoded_frames.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn players_choose_where_both_are_offered() {
        let (show, metrics) = play(HlsAudio::Both).await;
        let presentation = show.hls().presentation().unwrap();
        let text = multivariant(&presentation);
        let variants: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("#EXT-X-STREAM-INF:"))
            .map(|line| (line.contains("mp4a.40.2"), line.contains("opus")))
            .collect();
        assert_eq!(variants, [(false, true), (true, false)], "{text}");
        let groups = |group: &str| text.matches(&format!("\"{group}\"")).count();
        assert_eq!((groups("audio"), groups("audio-other")), (2, 2), "{text}");
        assert_eq!(text.matches("/v0/playlist.m3u8").count(), 2, "{text}");
        assert_eq!(count(&init(&presentation, "v0"), b"trak"), 1);
        assert_eq!(count(&init(&presentation, "a1"), b"Opus"), 1);
        assert_eq!(count(&init(&presentation, "a2"), b"esds"), 1);
        for rendition in ["v0", "a1", "a2"] {
            let (fragments, runs) = runs(&presentation, rendition);
            assert!(fragments >= 8 && runs == fragments, "{rendition}: {runs} in {fragments}");
        }
        assert_eq!(metrics.hls.untranscoded_frames.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn opus_goes_out_as_it_came_unless_told_otherwise() {
        let (show, _) = play(HlsAudio::Passthrough).await;
        let presentation = show.hls().presentation().unwrap();
        let text = multivariant(&presentation);
        assert!(text.contains("opus") && !text.contains("mp4a"), "{text}");
        assert_eq!(count(&init(&presentation, "v0"), b"Opus"), 1);
    }

    fn tracks(items: &[Item]) -> Vec<(TrackId, &str)> {
        let told = items.iter().filter_map(|item| match item {
            Item::Track(track) => Some((track.id, track.codec.rfc6381())),
            _ => None,
        });
        told.collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_encoder_that_comes_back_with_aac_takes_the_place_of_what_was_made() {
        let [_, opus] = Source::new().tracks();
        let aac = TestSource::new(Options::default()).unwrap().tracks()[1].clone();
        for (wanted, places) in [(HlsAudio::Aac, vec![0]), (HlsAudio::Both, vec![1, 2])] {
            let mut sound = Sound::new(wanted, Metrics::new().hls.untranscoded_frames);
            let mut items = Vec::new();
            sound.take(Item::Track(Arc::new(opus.clone())), &mut items);
            let ids: Vec<_> = tracks(&items).iter().map(|(id, _)| *id).collect();
            assert_eq!(ids, places.iter().map(|n| TrackId::Audio(*n)).collect::<Vec<_>>());
            items.clear();
            sound.take(Item::Track(Arc::new(aac.clone())), &mut items);
            let last = TrackId::Audio(*places.last().unwrap());
            assert_eq!(tracks(&items), [(last, "mp4a.40.2")]);
            let removed = |item: &&Item| matches!(item, Item::TrackRemoved(TrackId::Audio(1)));
            assert_eq!(items.iter().filter(removed).count(), places.len() - 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_made_of_before_an_interruption_comes_after_it() {
        let mut source = Source::new();
        let [_, opus] = source.tracks();
        let mut sound = Sound::new(HlsAudio::Aac, Metrics::new().hls.untranscoded_frames);
        let mut items = Vec::new();
        sound.take(Item::Track(Arc::new(opus)), &mut items);
        let mut feed = |sound: &mut Sound, until_ms| {
            let frames = source.until(until_ms).into_iter().filter(|(id, _)| *id == MAIN);
            frames.for_each(|(id, frame)| sound.take(Item::Frame(id, frame), &mut items));
        };
        feed(&mut sound, 500);
        sound.take(Item::Interrupted, &mut Vec::new());
        feed(&mut sound, 1_000);
        let made = sound.finish().await;
        assert!(made.len() > 20, "{}", made.len());
        let early = made.iter().filter(|item| match item {
            Item::Frame(_, frame) => frame.dts < Timestamp::from_ms(400),
            _ => true,
        });
        assert_eq!(early.count(), 0);
    }

    #[test]
    fn a_track_that_has_one_form_only_is_in_both() {
        let ids = |numbers: &[u8]| -> Vec<_> {
            let audio = numbers.iter().map(|n| RenditionId(TrackId::Audio(*n)));
            std::iter::once(RenditionId(TrackId::Video(0))).chain(audio).collect()
        };
        // The first in two codecs, the second in AAC from the start, the third Opus that is refused.
        let forms = forms(HlsAudio::Both, &ids(&[1, 2, 4, 5]));
        assert_eq!(forms, [ids(&[1, 4, 5]), ids(&[2, 4, 5])]);
        assert_eq!(super::forms(HlsAudio::Both, &ids(&[2])), [ids(&[2])]);
    }
}
