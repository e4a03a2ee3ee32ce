//! H.264 (RFC 6184) and H.265 (RFC 7798) payloads into length-prefixed NAL units.

use bytes::{BufMut, Bytes, BytesMut};
use tally_media::Codec;
use tally_media::codec::{CodecError, h264, h265};
use tally_media::nal::LengthSize;

use super::{Assembled, DepacketizeError, Depacketizer, Format, UNITS_MAX};

/// Bytes of the length in front of each NAL unit.
const LENGTH_BYTES: usize = 4;
/// Parameter sets of one kind that are kept. Encoders have one or two.
const SETS_MAX: usize = 16;
/// Longest parameter set that is kept, in bytes. One with every scaling list stays below 6 KiB.
const SET_BYTES_MAX: usize = 8 * 1024;
/// VPS, SPS and PPS.
const SET_KINDS: usize = 3;

/// What parameter sets are for, as an index.
type SetKind = usize;
const VPS: SetKind = 0;
const SPS: SetKind = 1;
const PPS: SetKind = 2;

/// Parameter sets of a track: those in its record, and those that have come since.
#[derive(Clone, Debug, Default)]
pub(super) struct Sets {
    known: [Vec<Bytes>; SET_KINDS],
    /// They replace those of the same kind at the next keyframe.
    waiting: [Vec<Bytes>; SET_KINDS],
}

impl Sets {
    /// Keeps the sets of one picture. They replace what waited of their kind: an encoder that changes
    /// parameters twice before a keyframe means the later ones.
    fn wait_with(&mut self, sets: Vec<(SetKind, Bytes)>) {
        let mut replaced = [false; SET_KINDS];
        for (kind, set) in sets {
            let waiting = &mut self.waiting[kind];
            if !std::mem::replace(&mut replaced[kind], true) {
                waiting.clear();
            }
            if waiting.len() < SETS_MAX && !waiting.contains(&set) {
                waiting.push(set);
            }
        }
    }

    /// Lets what waits replace what is known; whether that is a change.
    fn take_waiting(&mut self) -> bool {
        let mut changed = false;
        for (known, waiting) in self.known.iter_mut().zip(&mut self.waiting) {
            if !waiting.is_empty() {
                changed |= known != waiting;
                *known = std::mem::take(waiting);
            }
        }
        changed
    }

    fn codec(&self, format: Format) -> Result<Codec, CodecError> {
        let [vps, sps, pps] = [VPS, SPS, PPS]
            .map(|kind| self.known[kind].iter().map(|set| &set[..]).collect::<Vec<&[u8]>>());
        match format {
            Format::H265 => h265::from_hvcc(h265::hvcc(&vps, &sps, &pps, LengthSize::Four)?),
            _ => h264::from_avcc(h264::avcc(&sps, &pps, LengthSize::Four)?),
        }
    }
}

/// What a NAL unit is to a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Picture {
        keyframe: bool,
    },
    Set(SetKind),
    /// Access unit delimiter, filler: bytes for nothing.
    Dropped,
    Other,
}

fn h264_role(nal: &[u8]) -> Role {
    match nal[0] & 31 {
        1..=4 => Role::Picture { keyframe: false },
        5 => Role::Picture { keyframe: true },
        7 => Role::Set(SPS),
        8 => Role::Set(PPS),
        9 | 12 => Role::Dropped,
        _ => Role::Other,
    }
}

fn h265_role(nal: &[u8]) -> Role {
    match nal[0] >> 1 & 63 {
        16..=21 => Role::Picture { keyframe: true }, // BLA_W_LP to CRA_NUT
        0..=31 => Role::Picture { keyframe: false },
        32 => Role::Set(VPS),
        33 => Role::Set(SPS),
        34 => Role::Set(PPS),
        35 | 38 => Role::Dropped,
        _ => Role::Other,
    }
}

/// A frame as it is written.
struct Writer {
    out: BytesMut,
    /// Where the open fragmented unit's length is.
    open: Option<usize>,
    units: usize,
    has_picture: bool,
    keyframe: bool,
    /// Parameter sets of this frame.
    sets: Vec<(SetKind, Bytes)>,
    role: fn(&[u8]) -> Role,
}

impl Depacketizer {
    pub(super) fn assemble_nal_units(
        &mut self,
        payloads: &[Bytes],
        bytes: usize,
    ) -> Result<Option<Assembled>, DepacketizeError> {
        let is_h265 = self.format == Format::H265;
        let mut writer = Writer {
            // A unit has at most a length more than it had in its payloads.
            out: BytesMut::with_capacity(bytes + LENGTH_BYTES * payloads.len()),
            open: None,
            units: 0,
            has_picture: false,
            keyframe: false,
            sets: Vec::new(),
            role: if is_h265 { h265_role } else { h264_role },
        };
        for payload in payloads {
            if is_h265 { writer.read_h265(payload)? } else { writer.read_h264(payload)? }
        }
        if writer.open.is_some() {
            return Err(DepacketizeError::Incomplete);
        }
        let Writer { out, has_picture, keyframe, mut sets, .. } = writer;
        if payloads.is_empty() {
            return Err(DepacketizeError::Empty);
        }
        if has_picture && !keyframe {
            sets.retain(|(kind, set)| !self.sets.known[*kind].contains(set));
            return Ok(Some(self.assembled(with_sets(&sets, out), false, None)));
        }
        self.sets.wait_with(sets);
        if !has_picture {
            return Ok(None);
        }
        let codec = self.keyframe_codec()?;
        Ok(Some(self.assembled(out.freeze(), true, codec)))
    }

    /// The codec at a keyframe, where parameter sets have changed.
    fn keyframe_codec(&mut self) -> Result<Option<Codec>, DepacketizeError> {
        if !self.sets.take_waiting() && self.codec.is_some() {
            return Ok(None);
        }
        // Where it fails, the next keyframe is asked again, and none before counts as decodable.
        self.codec = None;
        Ok(Some(self.sets.codec(self.format)?))
    }
}

/// A frame between keyframes with the new parameter sets it came with: they stay in it, because a track
/// changes only at keyframes. Rare, so the second copy does not matter.
fn with_sets(sets: &[(SetKind, Bytes)], frame: BytesMut) -> Bytes {
    if sets.is_empty() {
        return frame.freeze();
    }
    let bytes = sets.iter().map(|(_, set)| LENGTH_BYTES + set.len()).sum::<usize>();
    let mut out = BytesMut::with_capacity(bytes + frame.len());
    for (_, set) in sets {
        out.put_u32(length_field(set.len()));
        out.put_slice(set);
    }
    out.put_slice(&frame);
    out.freeze()
}

#[expect(clippy::cast_possible_truncation, reason = "units are shorter than FRAME_BYTES_MAX")]
const fn length_field(bytes: usize) -> u32 {
    bytes as u32
}

impl Writer {
    fn read_h264(&mut self, payload: &[u8]) -> Result<(), DepacketizeError> {
        const STAP_A: u8 = 24;
        const FU_A: u8 = 28;
        let (&header, rest) = payload.split_first().ok_or(DepacketizeError::Truncated)?;
        match header & 31 {
            1..=23 => self.put_whole(payload),
            STAP_A => self.put_aggregated(rest, 1),
            FU_A => {
                let (&fu, body) = rest.split_first().ok_or(DepacketizeError::Truncated)?;
                self.put_fragment(fu, &[header & 0xE0 | fu & 31], body)
            }
            kind => Err(DepacketizeError::Unsupported { kind }),
        }
    }

    fn read_h265(&mut self, payload: &[u8]) -> Result<(), DepacketizeError> {
        const AP: u8 = 48;
        const FU: u8 = 49;
        let (&[high, low], rest) =
            payload.split_first_chunk::<2>().ok_or(DepacketizeError::Truncated)?;
        match high >> 1 & 63 {
            0..=47 => self.put_whole(payload),
            AP => self.put_aggregated(rest, 2),
            FU => {
                let (&fu, body) = rest.split_first().ok_or(DepacketizeError::Truncated)?;
                self.put_fragment(fu, &[high & 0x81 | (fu & 63) << 1, low], body)
            }
            kind => Err(DepacketizeError::Unsupported { kind }),
        }
    }

    /// Units with lengths of two bytes (RFC 6184 5.7.1, RFC 7798 4.4.2), none shorter than a header.
    fn put_aggregated(
        &mut self,
        mut rest: &[u8],
        header_bytes: usize,
    ) -> Result<(), DepacketizeError> {
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            let (unit, after) =
                after.split_at_checked(length).ok_or(DepacketizeError::Truncated)?;
            if length >= header_bytes {
                self.put_whole(unit)?;
            }
            rest = after;
        }
        if rest.is_empty() { Ok(()) } else { Err(DepacketizeError::Truncated) }
    }

    fn put_whole(&mut self, unit: &[u8]) -> Result<(), DepacketizeError> {
        if self.open.is_some() {
            return Err(DepacketizeError::Incomplete);
        }
        let start = self.begin()?;
        self.out.put_slice(unit);
        self.end(start);
        Ok(())
    }

    /// One fragment; `header` is that of the whole unit, which only the first fragment writes.
    fn put_fragment(&mut self, fu: u8, header: &[u8], body: &[u8]) -> Result<(), DepacketizeError> {
        const START: u8 = 0x80;
        const END: u8 = 0x40;
        let start = match (self.open.take(), fu & START != 0) {
            (None, true) => {
                let start = self.begin()?;
                self.out.put_slice(header);
                start
            }
            (Some(start), false) => start,
            _ => return Err(DepacketizeError::Incomplete),
        };
        self.out.put_slice(body);
        if fu & END == 0 {
            self.open = Some(start);
        } else {
            self.end(start);
        }
        Ok(())
    }

    /// Leaves room for a unit's length.
    fn begin(&mut self) -> Result<usize, DepacketizeError> {
        self.units += 1;
        if self.units > UNITS_MAX {
            return Err(DepacketizeError::TooLarge);
        }
        let start = self.out.len();
        self.out.put_u32(0);
        Ok(start)
    }

    /// Writes the length of the unit that began at `start`, or takes the unit out again: parameter
    /// sets live in the record, as `avc1` and `hvc1` sample entries want it.
    fn end(&mut self, start: usize) {
        let unit = &self.out[start + LENGTH_BYTES..];
        match (self.role)(unit) {
            Role::Picture { keyframe } => {
                self.has_picture = true;
                self.keyframe |= keyframe;
            }
            Role::Set(kind) => {
                let fits = unit.len() <= SET_BYTES_MAX && self.sets.len() < SETS_MAX * SET_KINDS;
                if fits {
                    self.sets.push((kind, Bytes::copy_from_slice(unit)));
                }
                return self.out.truncate(start);
            }
            Role::Dropped => return self.out.truncate(start),
            Role::Other => {}
        }
        let length = length_field(unit.len());
        self.out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    }
}
