//! Fragments: `moof` and the head of `mdat` made here, the payloads chained behind by reference.

use bytes::Bytes;

use crate::Body;
use crate::boxes::BoxWriter;

/// `sample_depends_on = 2`: depends on nothing (a frame decoders can start at).
const FLAGS_SYNC: u32 = 0x0200_0000;
/// `sample_depends_on = 1` and `sample_is_non_sync_sample`.
const FLAGS_NON_SYNC: u32 = 0x0101_0000;
/// `tfhd`: default-base-is-moof (P21: movie-fragment-relative addressing).
const BASE_IS_MOOF: u32 = 0x02_0000;
/// `trun`: data offset, and per sample duration, size, flags and composition offset.
const RUN_FLAGS: u32 = 0x01 | 0x100 | 0x200 | 0x400 | 0x800;
/// Header bytes of a fragment besides its samples, per track: for one allocation only.
const TRAF_BYTES: usize = 80;
/// Bytes of one sample's row in `trun`.
const ROW_BYTES: usize = 16;

/// One frame as a fragment holds it. Times in the track's timescale.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) duration: u32,
    /// Presentation minus decode time; negative is fine (`trun` version 1).
    pub(crate) composition_offset: i32,
    pub(crate) sync: bool,
    pub(crate) payload: Bytes,
}

/// The frames of one track in a fragment.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) track_id: u32,
    /// Decode time of the first sample, in the track's timescale.
    pub(crate) decode_time: u64,
    /// At least one.
    pub(crate) samples: Vec<Sample>,
}

/// A whole fragment. Payload bytes are not touched: the body's slices are the samples' own.
pub(crate) fn fragment(sequence: u32, runs: Vec<Run>) -> Body {
    let samples: usize = runs.iter().map(|run| run.samples.len()).sum();
    let capacity = 32 + runs.len() * TRAF_BYTES + samples * ROW_BYTES;
    let mut writer = BoxWriter::with_capacity(capacity);
    let mut offsets = Vec::with_capacity(runs.len());
    writer.boxed(*b"moof", |w| {
        w.full(*b"mfhd", 0, 0, |w| {
            w.u32(sequence);
        });
        for run in &runs {
            w.boxed(*b"traf", |w| offsets.push(track_fragment(w, run)));
        }
    });
    let mut data = writer.position() + 8;
    for (at, run) in offsets.into_iter().zip(&runs) {
        writer.patch_u32(at, u32::try_from(data).unwrap_or(u32::MAX));
        data += run.samples.iter().map(|sample| sample.payload.len()).sum::<usize>();
    }
    let media = data - writer.position();
    // The segmenter's bounds keep a part far below 4 GiB.
    writer.u32(u32::try_from(media).unwrap_or(u32::MAX)).put(b"mdat");
    let payloads = runs.into_iter().flat_map(|run| run.samples).map(|sample| sample.payload);
    std::iter::once(writer.finish()).chain(payloads).collect()
}

/// Writes one `traf`'s content and says where its data offset must be patched.
fn track_fragment(w: &mut BoxWriter, run: &Run) -> usize {
    w.full(*b"tfhd", 0, BASE_IS_MOOF, |w| {
        w.u32(run.track_id);
    });
    w.full(*b"tfdt", 1, 0, |w| {
        w.u64(run.decode_time);
    });
    let mut offset_at = 0;
    w.full(*b"trun", 1, RUN_FLAGS, |w| {
        w.u32(u32::try_from(run.samples.len()).unwrap_or(u32::MAX));
        offset_at = w.position();
        w.u32(0);
        for sample in &run.samples {
            w.u32(sample.duration);
            w.u32(u32::try_from(sample.payload.len()).unwrap_or(u32::MAX));
            w.u32(if sample.sync { FLAGS_SYNC } else { FLAGS_NON_SYNC });
            w.i32(sample.composition_offset);
        }
    });
    offset_at
}
