//! Holds every rule that must hold always, over everything that is put out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use mp4_atom::{Atom, Decode, DecodeMaybe};
use tally_cmaf::{Init, Options, Output, Part, Plan, Rendition, RenditionId, Segment, Segmenter};
use tally_media::{Frame, Timestamp, Track, TrackId};

/// A sample as read back from a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub track: TrackId,
    pub decode: i64,
    pub present: i64,
    pub duration: u32,
    pub sync: bool,
    pub msn: u64,
    pub number: u64,
}

/// One rendition's output.
#[derive(Debug, Default)]
pub struct Seen {
    pub inits: Vec<Arc<Init>>,
    pub parts: Vec<Arc<Part>>,
    pub segments: Vec<Arc<Segment>>,
    pub samples: Vec<Sample>,
    /// When each part came out, by the clock of the test.
    pub part_ms: Vec<i64>,
    open: Vec<Arc<Part>>,
    /// Start and end of each track's last sample.
    decoded: HashMap<TrackId, (i64, i64)>,
    /// Samples that do not start where the one before ended.
    pub breaks: u64,
}

/// A segmenter with everything it ever put out checked.
#[derive(Debug)]
pub struct Checker {
    pub segmenter: Segmenter,
    pub plan: Option<Plan>,
    pub renditions: Vec<Rendition>,
    pub seen: BTreeMap<RenditionId, Seen>,
    /// Renditions that ended.
    pub retired: Vec<(RenditionId, Seen)>,
    pub is_ended: bool,
    pub now_ms: i64,
    pushed: HashMap<u64, (TrackId, Frame)>,
}

impl Checker {
    pub fn new(options: Options) -> Self {
        Self {
            segmenter: Segmenter::new(options),
            plan: None,
            renditions: Vec::new(),
            seen: BTreeMap::new(),
            retired: Vec::new(),
            is_ended: false,
            now_ms: 0,
            pushed: HashMap::new(),
        }
    }

    pub fn set_track(&mut self, track: &Arc<Track>) {
        self.segmenter.set_track(track.clone());
        self.drain();
    }

    pub fn push(&mut self, id: TrackId, frame: Frame) {
        self.pushed.insert(number(&frame.payload), (id, frame.clone()));
        self.segmenter.push(id, frame);
        self.drain();
    }

    pub fn tick(&mut self, ms: i64) {
        self.now_ms = ms;
        self.segmenter.tick(Timestamp::from_ms(ms));
        self.drain();
    }

    pub fn remove_track(&mut self, id: TrackId) {
        self.segmenter.remove_track(id);
        self.drain();
    }

    pub fn interrupted(&mut self) {
        self.segmenter.interrupted();
        self.drain();
    }

    pub fn resumed(&mut self) {
        self.segmenter.resumed();
        self.drain();
    }

    pub fn finish(&mut self) {
        self.segmenter.finish();
        self.drain();
        assert!(self.is_ended);
        for seen in self.seen.values() {
            assert!(seen.open.is_empty(), "P20: parts without their segment at the end");
        }
    }

    /// The first rendition.
    pub fn first(&self) -> &Seen {
        self.seen.values().next().expect("a rendition")
    }

    fn drain(&mut self) {
        while let Some(output) = self.segmenter.poll_output() {
            assert!(!self.is_ended, "nothing follows the end");
            match output {
                Output::Plan(plan) => {
                    assert!(self.plan.is_none() && self.seen.is_empty(), "the plan, once, first");
                    self.plan = Some(plan);
                }
                Output::RenditionsChanged(renditions) => {
                    assert!(self.plan.is_some());
                    let is_gone = |id: &RenditionId| renditions.iter().all(|other| other.id != *id);
                    let gone: Vec<_> = self.seen.keys().copied().filter(is_gone).collect();
                    for id in gone {
                        let seen = self.seen.remove(&id).unwrap();
                        self.retired.push((id, seen));
                    }
                    for rendition in &renditions {
                        self.seen.entry(rendition.id).or_default();
                    }
                    self.renditions = renditions;
                }
                Output::Init { rendition, init } => self.init(rendition, init),
                Output::Part { rendition, part } => self.part(rendition, part),
                Output::Segment { rendition, segment } => self.segment(rendition, segment),
                Output::Ended => self.is_ended = true,
            }
        }
    }

    fn init(&mut self, id: RenditionId, init: Arc<Init>) {
        check_init(&init);
        let seen = self.seen.get_mut(&id).expect("announced");
        assert!(seen.open.is_empty(), "P10: a new init segment between segments only");
        let retired = self.retired.iter().filter(|(retired, _)| *retired == id);
        let mut before = retired.flat_map(|(_, seen)| &seen.inits).chain(&seen.inits);
        assert!(before.all(|before| before.id < init.id), "init ids are not used again");
        seen.inits.push(init);
    }

    fn part(&mut self, id: RenditionId, part: Arc<Part>) {
        let target = i64::from(self.plan.expect("plan first").part_target_ms) * 90;
        let seen = self.seen.get_mut(&id).expect("announced");
        let ticks = part.duration.ticks;
        assert_eq!(part.duration.timescale.per_second(), 90_000);
        assert!(ticks > 0 && ticks <= target, "P4: {part:?}");
        if let Some(before) = seen.parts.last() {
            assert_eq!(before.start.ticks + before.duration.ticks, part.start.ticks, "contiguous");
        }
        if let Some(before) = seen.open.last() {
            assert_eq!((before.msn, before.index + 1), (part.msn, part.index));
            assert_eq!(before.discontinuity, part.discontinuity, "P10");
            let is_full = before.duration.ticks * 100 >= target * 85;
            let exempt = before.independent || before.gap || part.gap;
            assert!(is_full || exempt, "P5: {before:?}");
        } else {
            assert_eq!(part.index, 0);
            if let Some(segment) = seen.segments.last() {
                assert_eq!(segment.msn + 1, part.msn, "P14");
            }
        }
        let init = seen.inits.last().expect("an init segment first").clone();
        assert_eq!(part.init, init.id);
        assert_eq!(part.gap, part.body.is_empty(), "P18");
        if !part.gap {
            let samples = check_fragment(&part, &init, &self.pushed);
            check_samples(seen, &samples);
            let is_independent = match init.tracks[0].id {
                TrackId::Video(_) => samples
                    .iter()
                    .any(|sample| sample.sync && matches!(sample.track, TrackId::Video(_))),
                TrackId::Audio(_) => true,
            };
            assert_eq!(part.independent, is_independent, "P6");
            seen.samples.extend(samples);
        }
        seen.open.push(part.clone());
        seen.parts.push(part);
        seen.part_ms.push(self.now_ms);
    }

    fn segment(&mut self, id: RenditionId, segment: Arc<Segment>) {
        let target_duration = self.plan.expect("plan first").target_duration_s;
        let seen = self.seen.get_mut(&id).expect("announced");
        assert_eq!(segment.parts, seen.open, "P20: a segment is its parts");
        assert_eq!(segment.msn, segment.parts[0].msn);
        assert_eq!(segment.start, segment.parts[0].start);
        let sum: i64 = segment.parts.iter().map(|part| part.duration.ticks).sum();
        assert_eq!(sum, segment.duration.ticks);
        assert!((sum + 45_000) / 90_000 <= i64::from(target_duration), "P3: {sum}");
        let len: u64 = segment.parts.iter().map(|part| part.body.len_bytes()).sum();
        assert_eq!((segment.len_bytes, segment.body().len_bytes()), (len, len));
        assert_eq!(segment.gap, segment.parts.iter().all(|part| part.gap));
        seen.open.clear();
        seen.segments.push(segment.clone());
        for (other_id, other) in &self.seen {
            if let Some(same) = other.segments.iter().find(|other| other.msn == segment.msn) {
                let apart = (same.start.ticks - segment.start.ticks).abs();
                assert!(
                    // A rest of sound without pictures goes to the next segment of its rendition.
                    apart <= (84 + 20) * 90,
                    "P8: {id} and {other_id} in step, {apart} {:#?}",
                    self.seen
                        .iter()
                        .map(|(id, s)| (
                            *id,
                            s.segments
                                .iter()
                                .map(|s| (
                                    s.msn,
                                    s.start,
                                    s.duration,
                                    s.parts
                                        .iter()
                                        .map(|p| (p.duration.ticks, p.gap))
                                        .collect::<Vec<_>>()
                                ))
                                .collect::<Vec<_>>()
                        ))
                        .collect::<Vec<_>>()
                );
                assert_eq!(same.discontinuity_sequence, segment.discontinuity_sequence, "P8");
                assert_eq!(same.discontinuity, segment.discontinuity, "P8");
            }
        }
    }
}

/// Payloads start with their number.
fn number(payload: &Bytes) -> u64 {
    u64::from_be_bytes(payload[..8].try_into().unwrap())
}

/// P21.
fn check_init(init: &Init) {
    let mut reader = init.body.as_ref();
    let ftyp = mp4_atom::Ftyp::decode(&mut reader).unwrap();
    let brands = std::iter::once(&ftyp.major_brand).chain(&ftyp.compatible_brands);
    assert!({ brands }.any(|brand| brand == &b"iso6".into()), "P21");
    let moov = mp4_atom::Moov::decode(&mut reader).unwrap();
    assert!(reader.is_empty());
    assert_eq!(moov.mvhd.duration, 0, "P21");
    let mvex = moov.mvex.expect("P21: mvex");
    assert_eq!(moov.trak.len(), init.tracks.len());
    for (index, trak) in moov.trak.iter().enumerate() {
        assert_eq!(trak.tkhd.track_id as usize, index + 1);
        assert_eq!(mvex.trex[index].track_id, trak.tkhd.track_id, "P21");
        assert_eq!((trak.tkhd.duration, trak.mdia.mdhd.duration), (0, 0), "P21");
        assert!(trak.edts.is_none());
        assert_eq!(trak.mdia.mdhd.timescale, init.tracks[index].timescale.per_second());
        let stbl = &trak.mdia.minf.stbl;
        assert!(stbl.stts.entries.is_empty() && stbl.stsc.entries.is_empty(), "P21: no samples");
        assert_eq!(stbl.stsd.codecs.len(), 1);
        assert!(
            !matches!(stbl.stsd.codecs[0], mp4_atom::Codec::Unknown(..)),
            "the reader knows the sample entry"
        );
    }
}

fn check_fragment(
    part: &Part,
    init: &Init,
    pushed: &HashMap<u64, (TrackId, Frame)>,
) -> Vec<Sample> {
    let whole: Vec<u8> = part.body.chunks().iter().flatten().copied().collect();
    assert_eq!(whole.len() as u64, part.body.len_bytes());
    let mut reader = whole.as_slice();
    let moof = mp4_atom::Moof::decode(&mut reader).unwrap();
    let moof_len = whole.len() - reader.len();
    let header = mp4_atom::Header::decode_maybe(&mut reader).unwrap().expect("mdat");
    assert_eq!(header.kind, mp4_atom::Mdat::KIND);
    assert_eq!(header.size, Some(reader.len()), "one mdat to the end");
    assert_eq!(part.body.chunks()[0].len(), moof_len + 8, "the header is a slice of its own");
    let mut payloads = part.body.chunks()[1..].iter();
    let mut offset = moof_len + 8;
    let mut samples = Vec::new();
    for traf in &moof.traf {
        assert!(traf.tfhd.default_base_is_moof, "P21");
        let track = &init.tracks[traf.tfhd.track_id as usize - 1];
        let mut decode = traf.tfdt.as_ref().expect("P21: tfdt").base_media_decode_time as i64;
        assert_eq!(traf.trun.len(), 1);
        let run = &traf.trun[0];
        assert_eq!(run.data_offset, Some(i32::try_from(offset).unwrap()));
        assert!(!run.samples.is_empty());
        for entry in run.samples.iter() {
            let size = entry.size.unwrap() as usize;
            let payload = payloads.next().expect("a payload for each sample");
            assert_eq!(payload.len(), size);
            let (id, frame) = &pushed[&number(payload)];
            assert_eq!(payload.as_ptr(), frame.payload.as_ptr(), "zero copy: the same memory");
            assert_eq!(*id, track.id);
            let present = decode + entry.cts.unwrap();
            assert_eq!(present, frame.pts.ticks_in(track.timescale), "presentation is exact");
            assert!(entry.cts.unwrap() >= 0, "ffmpeg shifts tracks with negative offsets");
            let sync = entry.flags.unwrap() & 0x1_0000 == 0;
            assert_eq!(sync, frame.keyframe);
            samples.push(Sample {
                track: *id,
                decode,
                present,
                duration: entry.duration.unwrap(),
                sync,
                msn: part.msn,
                number: number(payload),
            });
            decode += i64::from(entry.duration.unwrap());
            offset += size;
        }
    }
    assert!(payloads.next().is_none());
    samples
}

/// Decode times rise from sample to sample, over parts and segments; counts where they leave a hole
/// or overlap.
fn check_samples(seen: &mut Seen, samples: &[Sample]) {
    for sample in samples {
        assert!(sample.duration > 0);
        let end = sample.decode + i64::from(sample.duration);
        if let Some((last, end)) = seen.decoded.insert(sample.track, (sample.decode, end)) {
            assert!(last < sample.decode, "decode times rise: {sample:?}");
            seen.breaks += u64::from(end != sample.decode);
        }
    }
}
