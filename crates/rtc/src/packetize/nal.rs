//! H.264 (RFC 6184, packetization mode 1) and H.265 (RFC 7798).
//!
//! A NAL unit that fits is a payload; a longer one is cut into fragmentation units. Parameter sets come
//! from the track's record, in one aggregation packet in front of every keyframe.

use bytes::{BufMut, Bytes, BytesMut};
use tally_media::codec::{h264, h265};
use tally_media::nal::{LengthSize, walk};
use tally_media::{Codec, Frame};

use super::Prefix;
use super::payloads::{Payloads, Piece, PrefixBytes};

/// Single-time aggregation packet of H.264 (RFC 6184 5.7.1).
const STAP_A: u8 = 24;
/// Fragmentation unit of H.264 (RFC 6184 5.8).
const FU_A: u8 = 28;
/// Aggregation packet of H.265 (RFC 7798 4.4.2).
const AP: u8 = 48;
/// Fragmentation unit of H.265 (RFC 7798 4.4.3).
const FU: u8 = 49;
/// `nuh_layer_id` 0, `nuh_temporal_id_plus1` 1: what parameter sets have.
const BASE_LAYER: u8 = 1;

/// What stands in front of keyframes, and how the track's frames are laid out.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// The record's parameter sets, as slices of it.
    sets: Vec<Bytes>,
    /// All of them as one aggregation packet; `None` where they do not fit into one payload.
    aggregated: Option<Bytes>,
    length_size: LengthSize,
    /// `numTemporalLayers` of an H.265 record; 0 where it does not know.
    temporal_layers: u8,
}

impl Head {
    /// From an H.264 track's record.
    pub(super) fn h264(codec: &Codec, payload_bytes_max: usize) -> Option<Self> {
        let record = &codec.video()?.record;
        let sets = h264::ParameterSets::parse(record).ok()?;
        let sets = sets.sps.into_iter().chain(sets.pps);
        let sets: Vec<Bytes> =
            sets.filter(|set| !set.is_empty()).map(|set| record.slice_ref(set)).collect();
        // The most important unit in it gives its nal_ref_idc.
        let importance = sets.iter().map(|set| set[0] & 0x60).max().unwrap_or(0);
        let aggregated = aggregate(&[importance | STAP_A], &sets, payload_bytes_max);
        Some(Self { sets, aggregated, length_size: LengthSize::of(codec)?, temporal_layers: 0 })
    }

    /// From an H.265 track's record.
    pub(super) fn h265(codec: &Codec, payload_bytes_max: usize) -> Option<Self> {
        const SETS: std::ops::RangeInclusive<u8> = 32..=34; // VPS, SPS, PPS: not the record's SEI
        let record = &codec.video()?.record;
        let mut sets = h265::parameter_sets(record).ok()?;
        sets.retain(|set| set.len() > 2 && h265::nal_type(set).is_some_and(|k| SETS.contains(&k)));
        let sets: Vec<Bytes> = sets.into_iter().map(|set| record.slice_ref(set)).collect();
        let aggregated = aggregate(&[AP << 1, BASE_LAYER], &sets, payload_bytes_max);
        let temporal_layers = record.get(21)? >> 3 & 7;
        Some(Self { sets, aggregated, length_size: LengthSize::of(codec)?, temporal_layers })
    }

    /// Adds the payloads of an H.264 frame; gives whether it is disposable: no picture refers to one
    /// whose slices all have a `nal_ref_idc` of 0 (H.264 7.4.1).
    pub(super) fn packetize_h264(&self, frame: &Frame, out: &mut Payloads) -> Option<bool> {
        if frame.keyframe {
            self.put_sets(out, push_h264)?;
        }
        let mut has_picture = false;
        let mut disposable = true;
        for nal in walk(&frame.payload, self.length_size) {
            let nal = nal.ok()?;
            match nal[0] & 31 {
                1..=5 => {
                    has_picture = true;
                    disposable &= nal[0] & 0x60 == 0;
                }
                // SEI (timing and encoder settings no browser reads), access unit delimiter, ends of
                // sequence and stream, filler: bytes for nothing.
                6 | 9..=12 => continue,
                7 | 8 if self.sets.iter().any(|set| set == nal) => continue,
                _ => {}
            }
            push_h264(out, &frame.payload.slice_ref(nal))?;
        }
        has_picture.then_some(disposable)
    }

    /// Adds the payloads of an H.265 frame; gives whether it is disposable: a sub-layer non-reference
    /// picture (H.265 table 7-1: even types below 16) of the highest sub-layer.
    pub(super) fn packetize_h265(&self, frame: &Frame, out: &mut Payloads) -> Option<bool> {
        if frame.keyframe {
            self.put_sets(out, push_h265)?;
        }
        let mut has_picture = false;
        let mut disposable = self.temporal_layers > 0;
        for nal in walk(&frame.payload, self.length_size) {
            let nal = nal.ok()?;
            let &[head, layer, _, ..] = nal else { continue };
            match head >> 1 & 63 {
                kind @ 0..=31 => {
                    has_picture = true;
                    let is_highest = layer & 7 >= self.temporal_layers;
                    disposable &= kind < 16 && kind % 2 == 0 && is_highest;
                }
                // Parameter sets that are in front already.
                32..=34 if self.sets.iter().any(|set| set == nal) => continue,
                // Access unit delimiter, filler, SEI before and after the picture.
                35 | 38..=40 => continue,
                _ => {}
            }
            push_h265(out, &frame.payload.slice_ref(nal))?;
        }
        has_picture.then_some(disposable)
    }

    fn put_sets(
        &self,
        out: &mut Payloads,
        push_nal: fn(&mut Payloads, &Bytes) -> Option<()>,
    ) -> Option<()> {
        match &self.aggregated {
            Some(packet) => out.push(&[], packet.clone()),
            None => self.sets.iter().try_for_each(|set| push_nal(out, set)),
        }
    }
}

/// One aggregation packet of all `sets`; `None` where that is too long, or there are less than two.
fn aggregate(header: &[u8], sets: &[Bytes], payload_bytes_max: usize) -> Option<Bytes> {
    let bytes = header.len() + sets.iter().map(|set| 2 + set.len()).sum::<usize>();
    if sets.len() < 2 || bytes > payload_bytes_max {
        return None;
    }
    let mut packet = BytesMut::with_capacity(bytes);
    packet.put_slice(header);
    for set in sets {
        packet.put_u16(u16::try_from(set.len()).ok()?);
        packet.put_slice(set);
    }
    Some(packet.freeze())
}

fn push_h264(out: &mut Payloads, nal: &Bytes) -> Option<()> {
    if nal.len() <= out.bytes_max() {
        return out.push(&[], nal.clone());
    }
    let indicator = nal[0] & 0xE0 | FU_A;
    let kind = nal[0] & 31;
    let prefix_bytes = PrefixBytes { first: 2, next: 2 };
    out.push_cut(&nal.slice(1..), prefix_bytes, None, |piece| {
        Prefix::new(&[indicator, start_and_end(piece) | kind])
    })
}

fn push_h265(out: &mut Payloads, nal: &Bytes) -> Option<()> {
    if nal.len() <= out.bytes_max() {
        return out.push(&[], nal.clone());
    }
    // The type is replaced; layer and temporal id stay.
    let header = [nal[0] & 0x81 | FU << 1, nal[1]];
    let kind = nal[0] >> 1 & 63;
    let prefix_bytes = PrefixBytes { first: 3, next: 3 };
    out.push_cut(&nal.slice(2..), prefix_bytes, None, |piece| {
        Prefix::new(&[header[0], header[1], start_and_end(piece) | kind])
    })
}

/// The S and E bits of a fragment's header, which both formats have in the same place.
fn start_and_end(piece: Piece) -> u8 {
    u8::from(piece.is_first) << 7 | u8::from(piece.is_last) << 6
}
