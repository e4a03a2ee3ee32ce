//! Which tracks are layers of one picture, and what that picture is to an offer.

use tally_media::Track;
use tally_rtc::egress::layers::Layer;
use tally_rtc::sdp::VideoFormat;

/// A video track of a show, as its viewers choose among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedLayer {
    /// The track and its rate on the path, headers included.
    pub layer: Layer,
    /// What a viewer must have agreed to.
    pub format: VideoFormat,
}

/// The layers for a viewer that agreed to `format`.
#[must_use]
pub fn layers_of(format: VideoFormat, layers: &[FeedLayer]) -> Vec<Layer> {
    let same = layers.iter().filter(|it| is_same_but_level(it.format, format));
    same.map(|it| it.layer).collect()
}

/// The distinct formats of `tracks`, in their order; of a ladder, the one of the highest level, so that
/// who takes it takes every layer.
pub(super) fn distinct<'a>(tracks: impl IntoIterator<Item = &'a Track>) -> Vec<VideoFormat> {
    let mut formats: Vec<VideoFormat> = Vec::new();
    for format in tracks.into_iter().filter_map(|track| VideoFormat::of(&track.codec)) {
        match formats.iter_mut().find(|known| is_same_but_level(**known, format)) {
            Some(known) if level(*known) < level(format) => *known = format,
            Some(_) => {}
            None => formats.push(format),
        }
    }
    formats
}

/// Layers of one picture differ in size and so in level; a decoder that was agreed on takes them all.
fn is_same_but_level(one: VideoFormat, other: VideoFormat) -> bool {
    use VideoFormat::{H264, H265};
    match (one, other) {
        (H264([profile, constraints, _]), H264([other_profile, other_constraints, _])) => {
            (profile, constraints) == (other_profile, other_constraints)
        }
        (H265 { profile, .. }, H265 { profile: other_profile, .. }) => profile == other_profile,
        _ => one == other,
    }
}

fn level(format: VideoFormat) -> (u8, u8) {
    match format {
        VideoFormat::H264([_, _, level]) => (0, level),
        VideoFormat::H265 { tier, level, .. } => (tier, level),
        VideoFormat::Av1 { .. } | VideoFormat::Vp8 | VideoFormat::Vp9 { .. } => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use tally_media::TrackId;

    use super::*;

    const HIGH_40: VideoFormat = VideoFormat::H264([100, 0, 40]);
    const HIGH_30: VideoFormat = VideoFormat::H264([100, 0, 30]);
    const MAIN_30: VideoFormat = VideoFormat::H264([77, 0, 30]);

    #[test]
    fn layers_are_those_of_the_format_whatever_their_level() {
        let layer = |number| Layer { track: TrackId::Video(number), bps: 1 };
        let layers = [(0, HIGH_40), (1, VideoFormat::Vp8), (2, HIGH_30), (3, MAIN_30)]
            .map(|(number, format)| FeedLayer { layer: layer(number), format });
        assert_eq!(layers_of(HIGH_40, &layers), [layer(0), layer(2)]);
        assert_eq!(layers_of(VideoFormat::Vp8, &layers), [layer(1)]);
        assert_eq!(layers_of(VideoFormat::Av1 { profile: 0 }, &layers), []);
    }
}
