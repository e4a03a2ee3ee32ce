//! EXT-X-SERVER-CONTROL and EXT-X-PART-INF: what the server can do, constant for the show.

use super::append;
use crate::Options;
use crate::options::{HOLD_BACK_TARGETS, SKIP_TARGETS};

/// Made of the show's options alone, so it is identical in all its media playlists. // P7 P8
pub(crate) fn server_control(out: &mut String, options: &Options) {
    append!(
        out,
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={},CAN-SKIP-DATERANGES=YES,\
         HOLD-BACK={},PART-HOLD-BACK={}\n",
        options.targets(SKIP_TARGETS),
        options.targets(HOLD_BACK_TARGETS),
        options.part_hold_back(),
    );
}

/// The configured maximum, never an average. // P4
pub(crate) fn part_inf(out: &mut String, options: &Options) {
    append!(out, "#EXT-X-PART-INF:PART-TARGET={}\n", options.part_target());
}
