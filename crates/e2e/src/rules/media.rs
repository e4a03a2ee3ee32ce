//! Rules that the media itself shows: P6, P9, P20, P21, P23.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};

use crate::mp4::{self, Samples, Track};
use crate::playlist::{Segment, date_time_ms};
use crate::record::Recording;

/// Rounding in one program date-time or duration of three decimals.
const ROUNDING_US: i64 = 1_000;

/// Longest span of samples one EXTINF may be off by (P23): one frame at 10 frames a second, which
/// is slower than any source here.
const FRAME_US_MAX: i64 = 100_000;

/// Checks every file of a recording.
///
/// # Errors
/// Naming the rule and the file.
pub fn check(recording: &Recording) -> anyhow::Result<()> {
    let mut next_dts: BTreeMap<u32, u64> = BTreeMap::new();
    let mut previous: Option<&Segment> = None;
    for segment in recording.segments.values() {
        let continues = previous.is_some_and(|previous| {
            previous.msn + 1 == segment.msn && !previous.gap && !segment.discontinuity
        });
        previous = Some(segment);
        if segment.gap {
            continue;
        }
        if !continues {
            next_dts.clear();
        }
        let tracks = init(recording, segment)?;
        let samples = check_segment(recording, segment, &tracks)
            .with_context(|| format!("segment {}", segment.msn))?;
        check_continuous(&samples, &mut next_dts)
            .with_context(|| format!("segment {}", segment.msn))?;
    }
    check_date_times(recording)
}

fn init(recording: &Recording, segment: &Segment) -> anyhow::Result<Vec<Track>> {
    let uri = segment.map.as_ref().context("P21: no map")?;
    let bytes = recording.files.get(uri).with_context(|| format!("P21: {uri} was not served"))?;
    mp4::read_init(bytes).with_context(|| uri.clone())
}

fn check_segment(
    recording: &Recording,
    segment: &Segment,
    tracks: &[Track],
) -> anyhow::Result<Samples> {
    let bytes = recording.files.get(&segment.uri).context("P20: the segment was not served")?;
    let samples = mp4::read_fragments(bytes)?;
    let known: Vec<_> = tracks.iter().map(|track| track.id).collect();
    let unknown = samples.keys().find(|id| !known.contains(id));
    ensure!(unknown.is_none(), "P21: track {unknown:?} is not in the init segment");
    if !segment.parts.is_empty() && segment.parts.iter().all(|part| !part.gap) {
        check_parts(recording, segment, &samples, tracks)?;
    }
    if let Some(video) = tracks.iter().find(|track| track.handler == "vide") {
        let pictures = samples.get(&video.id).context("P6: a segment without pictures")?;
        ensure!(pictures[0].sync, "P6: the first picture is not independent");
        let ticks: u64 = pictures.iter().map(|sample| u64::from(sample.duration)).sum();
        let real_us = ticks * 1_000_000 / u64::from(video.timescale);
        let off_us = real_us.abs_diff(segment.duration_us);
        ensure!(
            off_us <= FRAME_US_MAX.unsigned_abs(),
            "P23: EXTINF {} us, pictures {real_us} us",
            segment.duration_us
        );
    }
    Ok(samples)
}

/// P20: the parts hold the same samples as the segment. P6: INDEPENDENT says what is.
fn check_parts(
    recording: &Recording,
    segment: &Segment,
    whole: &Samples,
    tracks: &[Track],
) -> anyhow::Result<()> {
    let mut together = Samples::new();
    for part in &segment.parts {
        let uri = &part.uri;
        let bytes = recording.files.get(uri).with_context(|| format!("{uri} was not served"))?;
        let samples = mp4::read_fragments(bytes).with_context(|| uri.clone())?;
        let video = tracks.iter().find(|track| track.handler == "vide");
        if let Some(pictures) = video.and_then(|video| samples.get(&video.id)) {
            let holds_one = pictures.iter().any(|picture| picture.sync);
            ensure!(holds_one || !part.independent, "P6: {uri} holds no independent frame");
        }
        for (track, samples) in samples {
            together.entry(track).or_default().extend(samples);
        }
    }
    ensure!(together == *whole, "P20: the parts hold other samples than the segment");
    Ok(())
}

/// P21, A7.3: decode times go on where the segment before ended.
fn check_continuous(samples: &Samples, next: &mut BTreeMap<u32, u64>) -> anyhow::Result<()> {
    for (track, samples) in samples {
        for sample in samples {
            let expected = next.insert(*track, sample.dts + u64::from(sample.duration));
            let goes_on = expected.is_none_or(|expected| expected == sample.dts);
            ensure!(goes_on, "A7.3: track {track} at {}, expected {expected:?}", sample.dts);
            ensure!(sample.duration > 0, "A7.3: track {track} has an empty sample");
        }
    }
    Ok(())
}

/// P9: date-times agree with the durations between them.
fn check_date_times(recording: &Recording) -> anyhow::Result<()> {
    let mut expected: Option<(u64, i64)> = None;
    for segment in recording.segments.values() {
        let stated = segment.date_time.as_deref().map(date_time_ms).transpose()?;
        let carried = expected.filter(|(msn, _)| *msn == segment.msn).map(|(_, time)| time);
        if let (Some(stated), Some(carried), false) = (stated, carried, segment.discontinuity) {
            let off_us = (stated * 1_000 - carried).abs();
            let within = off_us <= FRAME_US_MAX + ROUNDING_US;
            ensure!(within, "P9: the date-time of {} is off by {off_us} us", segment.msn);
        }
        let start_us = stated.map(|stated| stated * 1_000).or(carried);
        let duration_us = i64::try_from(segment.duration_us)?;
        expected = start_us.map(|start| (segment.msn + 1, start + duration_us));
    }
    Ok(())
}
