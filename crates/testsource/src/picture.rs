//! Pictures of flat macroblocks as H.264 slices (7.3.3 to 7.3.5, CAVLC 9.2).
//!
//! A flat macroblock is Intra_16x16 without AC coefficients: it copies the flat macroblock to its left
//! or above, and where the colour differs one DC level per plane says by how much. The quantizers of
//! [`crate::sets`] make that exact. No coefficient is ever counted for a neighbour's context, because
//! only DC levels are coded, so every code table is the one for nC = 0.

use crate::bits::BitWriter;
use crate::scene::{Color, Mosaic};
use crate::sets::FRAME_NUM_BITS;

/// What a macroblock at the corner, without neighbours, is predicted as (8.3.3.3).
const MID_GREY: Color = Color { y: 128, cb: 128, cr: 128 };

/// Intra_16x16 and chroma prediction by number (tables 8-4 and 8-5).
const LUMA_VERTICAL: u32 = 0;
const LUMA_HORIZONTAL: u32 = 1;
const LUMA_DC: u32 = 2;
const CHROMA_DC: u32 = 0;
const CHROMA_HORIZONTAL: u32 = 1;
const CHROMA_VERTICAL: u32 = 2;

/// An IDR picture. `idr_id` differs from that of the IDR picture before (7.4.3).
pub(crate) fn intra(mosaic: &Mosaic, idr_id: u32) -> Vec<u8> {
    let mut out = BitWriter::default();
    slice_header(&mut out, 7, 0);
    out.unsigned(idr_id);
    out.flag(false); // no_output_of_prior_pics_flag
    out.flag(false); // long_term_reference_flag
    slice_header_end(&mut out);
    for index in 0..mosaic.len() {
        macroblock(&mut out, mosaic, index, 0);
    }
    out.into_nal(0x65)
}

/// A P picture: what equals `previous` is skipped. `number` counts pictures since the IDR picture.
pub(crate) fn predicted(mosaic: &Mosaic, previous: &Mosaic, number: u32) -> Vec<u8> {
    const INTRA_IN_P: u32 = 5; // mb_type of intra macroblocks in P slices (table 7-13)
    let mut out = BitWriter::default();
    slice_header(&mut out, 5, number % (1 << FRAME_NUM_BITS));
    out.flag(false); // num_ref_idx_active_override_flag
    out.flag(false); // ref_pic_list_modification_flag_l0
    out.flag(false); // adaptive_ref_pic_marking_mode_flag
    slice_header_end(&mut out);
    let mut skipped = 0;
    for index in 0..mosaic.len() {
        if mosaic.color(index) == previous.color(index) {
            skipped += 1;
            continue;
        }
        out.unsigned(skipped);
        skipped = 0;
        macroblock(&mut out, mosaic, index, INTRA_IN_P);
    }
    if skipped > 0 {
        out.unsigned(skipped);
    }
    out.into_nal(0x61)
}

fn slice_header(out: &mut BitWriter, slice_type: u32, frame_num: u32) {
    out.unsigned(0); // first_mb_in_slice
    out.unsigned(slice_type);
    out.unsigned(0); // pic_parameter_set_id
    out.bits(frame_num, FRAME_NUM_BITS);
}

fn slice_header_end(out: &mut BitWriter) {
    out.signed(0); // slice_qp_delta
    out.unsigned(1); // no deblocking: edges stay where they were painted
}

/// A flat macroblock. `type_offset` is added to `mb_type` in P slices.
fn macroblock(out: &mut BitWriter, mosaic: &Mosaic, index: usize, type_offset: u32) {
    let color = mosaic.color(index);
    let left = mosaic.left_of(index);
    let above = mosaic.above(index);
    let candidates = [(above, LUMA_VERTICAL), (left, LUMA_HORIZONTAL)];
    let (near, luma_mode) = choose(candidates, LUMA_DC, |near| near.y == color.y);
    let luma_difference = i32::from(color.y) - i32::from(near.y);
    let candidates = [(above, CHROMA_VERTICAL), (left, CHROMA_HORIZONTAL)];
    let same_chroma = |near: Color| (near.cb, near.cr) == (color.cb, color.cr);
    let (near, chroma_mode) = choose(candidates, CHROMA_DC, same_chroma);
    let has_chroma = !same_chroma(near);
    // Table 7-11: 1 + prediction mode + 4 x chroma pattern + 12 x luma AC.
    out.unsigned(type_offset + 1 + luma_mode + if has_chroma { 4 } else { 0 });
    out.unsigned(chroma_mode);
    out.signed(0); // mb_qp_delta
    LUMA_TOKENS.level(out, luma_difference);
    if has_chroma {
        CHROMA_TOKENS.level(out, i32::from(color.cb) - i32::from(near.cb));
        CHROMA_TOKENS.level(out, i32::from(color.cr) - i32::from(near.cr));
    }
}

/// The neighbour to predict from: one that `fits`, else the first there is, else none.
fn choose(
    candidates: [(Option<Color>, u32); 2],
    without_neighbour: u32,
    fits: impl Fn(Color) -> bool,
) -> (Color, u32) {
    let there = || candidates.iter().filter_map(|(near, mode)| near.map(|near| (near, *mode)));
    there()
        .find(|(near, _)| fits(*near))
        .or_else(|| there().next())
        .unwrap_or((MID_GREY, without_neighbour))
}

/// `coeff_token` codes (value, length) for a block with at most one coefficient (table 9-5).
struct Tokens {
    none: (u32, u32),
    /// A level of 1 or -1, which is a "trailing one".
    one: (u32, u32),
    /// Any other level.
    other: (u32, u32),
}

const LUMA_TOKENS: Tokens = Tokens { none: (1, 1), one: (1, 2), other: (0b101, 6) };
const CHROMA_TOKENS: Tokens = Tokens { none: (1, 2), one: (1, 1), other: (0b111, 6) };

impl Tokens {
    /// A block whose first coefficient is `level` and all others zero (7.3.5.3.2).
    fn level(&self, out: &mut BitWriter, level: i32) {
        let (token, length) = match level {
            0 => self.none,
            -1 | 1 => self.one,
            _ => self.other,
        };
        out.bits(token, length);
        match level {
            0 => return,
            -1 | 1 => out.flag(level < 0),
            _ => level_code(out, level),
        }
        out.bits(1, 1); // total_zeros 0 (tables 9-7 and 9-9)
    }
}

/// `level_prefix` and `level_suffix` of the only coefficient, of magnitude 2 to 255, at suffix length 0
/// (9.2.2.1). It cannot be a trailing one, so its magnitude is coded less one.
fn level_code(out: &mut BitWriter, level: i32) {
    let sign = u32::from(level < 0);
    let code = 2 * (level.unsigned_abs() - 2) + sign;
    let (prefix, suffix, suffix_bits) = match code {
        0..14 => (code, 0, 0),
        14..30 => (14, code - 14, 4),
        _ => (15, code - 30, 12),
    };
    out.bits(0, prefix);
    out.bits(1, 1);
    out.bits(suffix, suffix_bits);
}
