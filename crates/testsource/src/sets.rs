//! The parameter sets of the show (H.264 7.3.2.1, 7.3.2.2, E.1.1).

use crate::bits::BitWriter;

/// Bits of `frame_num`.
pub(crate) const FRAME_NUM_BITS: u32 = 8;
/// Quantizer at which a luma DC level of 1 raises a flat macroblock by exactly 1: the level is scaled
/// by 16 x 16 (`normAdjust` of QP % 6 = 4) and four doublings, that is 64, which the transform's
/// rounding turns into 1 (H.264 8.5.10).
const LUMA_QP: i32 = 28;
/// The same for chroma, whose DC transform doubles once less (H.264 8.5.11).
const CHROMA_QP: i32 = 22;

/// Levels by frame size and macroblocks a second (H.264 table A-1).
const LEVELS: [(u8, u32, u32); 8] = [
    (21, 792, 19_800),
    (30, 1_620, 40_500),
    (31, 3_600, 108_000),
    (32, 5_120, 216_000),
    (40, 8_192, 245_760),
    (42, 8_704, 522_240),
    (51, 36_864, 983_040),
    (52, 36_864, 2_073_600),
];

/// Sequence parameter set: Constrained Baseline, pictures in order, one reference, BT.709.
pub(crate) fn sequence(width: u16, height: u16, fps: u32) -> Vec<u8> {
    let (columns, rows) = (u32::from(width).div_ceil(16), u32::from(height).div_ceil(16));
    let (size, rate) = (columns * rows, columns * rows * fps);
    let level = LEVELS
        .iter()
        .find(|(_, size_max, rate_max)| size <= *size_max && rate <= *rate_max)
        .map_or(52, |(level, ..)| *level);
    let mut out = BitWriter::default();
    out.bits(66, 8); // Baseline
    out.bits(0xC0, 8); // constraint_set0 and 1: Constrained Baseline
    out.bits(level.into(), 8);
    out.unsigned(0); // seq_parameter_set_id
    out.unsigned(FRAME_NUM_BITS - 4);
    out.unsigned(2); // pic_order_cnt_type: shown as decoded
    out.unsigned(1); // max_num_ref_frames
    out.flag(false); // no gaps in frame_num
    out.unsigned(columns - 1);
    out.unsigned(rows - 1);
    out.flag(true); // frame_mbs_only_flag
    out.flag(true); // direct_8x8_inference_flag
    let crop_right = (columns * 16 - u32::from(width)) / 2;
    let crop_bottom = (rows * 16 - u32::from(height)) / 2;
    out.flag(crop_right + crop_bottom > 0);
    if crop_right + crop_bottom > 0 {
        for crop in [0, crop_right, 0, crop_bottom] {
            out.unsigned(crop);
        }
    }
    out.flag(true); // vui_parameters_present_flag
    usability(&mut out, fps);
    out.into_nal(0x67)
}

/// Video usability information (E.1.1): colours, frame rate, and that nothing is reordered, so that
/// players show each picture at once.
fn usability(out: &mut BitWriter, fps: u32) {
    out.flag(false); // no aspect ratio: square
    out.flag(false); // no overscan
    out.flag(true); // video_signal_type
    out.bits(5, 3); // unspecified format
    out.flag(false); // limited range
    out.flag(true); // colour description
    for code in [1, 1, 1] {
        out.bits(code, 8); // BT.709
    }
    out.flag(false); // no chroma location
    out.flag(true); // timing
    out.bits(1, 32); // a tick is a field
    out.bits(2 * fps, 32);
    out.flag(true); // fixed frame rate
    out.flag(false); // no NAL HRD
    out.flag(false); // no VCL HRD
    out.flag(false); // no pic_struct
    out.flag(true); // bitstream_restriction
    out.flag(true); // motion vectors over the edge
    out.unsigned(0); // no bound on bytes
    out.unsigned(0); // no bound on bits
    out.unsigned(0); // log2 of the longest motion vectors
    out.unsigned(0);
    out.unsigned(0); // max_num_reorder_frames
    out.unsigned(1); // max_dec_frame_buffering
}

/// Picture parameter set: CAVLC, the quantizers of this module, deblocking controlled by the slice.
pub(crate) fn picture() -> Vec<u8> {
    let mut out = BitWriter::default();
    out.unsigned(0); // pic_parameter_set_id
    out.unsigned(0); // seq_parameter_set_id
    out.flag(false); // CAVLC
    out.flag(false); // no field order counts
    out.unsigned(0); // one slice group
    out.unsigned(0); // one reference in list 0
    out.unsigned(0); // and in list 1
    out.flag(false); // no weighted prediction
    out.bits(0, 2);
    out.signed(LUMA_QP - 26);
    out.signed(0); // QS
    out.signed(CHROMA_QP - LUMA_QP); // chroma_qp_index_offset
    out.flag(true); // deblocking_filter_control_present_flag
    out.flag(false); // intra may be predicted from inter
    out.flag(false); // no redundant pictures
    out.into_nal(0x68)
}

#[cfg(test)]
mod tests {
    use tally_media::Color;
    use tally_media::codec::h264;

    #[test]
    fn the_sequence_parameters_say_what_was_asked_for() {
        let sps = h264::parse_sps(&super::sequence(640, 360, 30)).unwrap();
        assert_eq!((sps.width, sps.height), (640, 360));
        assert_eq!((sps.profile, sps.constraints, sps.level), (66, 0xC0, 30));
        let bt709 = Color { primaries: 1, transfer: 1, matrix: 1, full_range: false };
        assert_eq!(sps.color, Some(bt709));
    }

    #[test]
    fn levels_follow_size_and_rate() {
        let level = |width, height, fps| {
            h264::parse_sps(&super::sequence(width, height, fps)).unwrap().level
        };
        assert_eq!([level(320, 180, 30), level(1280, 720, 30), level(1280, 720, 60)], [21, 31, 32]);
        assert_eq!([level(1920, 1080, 30), level(1920, 1080, 60)], [40, 42]);
    }
}
