//! What a stream has for WebRTC viewers, and which of a viewer's codecs takes it.

use tally_media::Codec;

use super::{CodecName, OfferedCodec};

/// H.264 `profile_idc` values (H.264 A.2).
const BASELINE: u8 = 66;
const MAIN: u8 = 77;
const HIGH: u8 = 100;
const HIGH_444_PREDICTIVE: u8 = 244;
/// `constraint_set1_flag`: with Baseline it makes Constrained Baseline.
const CONSTRAINT_SET1: u8 = 0x40;
/// RFC 6184 section 8.1: what an absent `profile-level-id` means (Baseline, level 1).
const PROFILE_LEVEL_ABSENT: [u8; 3] = [BASELINE, 0, 10];

/// The video format of a track, as far as payload types differ by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoFormat {
    /// H.264: the three bytes of `profile-level-id`.
    H264([u8; 3]),
    /// H.265.
    H265 {
        /// `general_profile_idc`.
        profile: u8,
        /// `general_tier_flag`.
        tier: u8,
        /// `general_level_idc`.
        level: u8,
    },
    /// AV1.
    Av1 {
        /// `seq_profile`.
        profile: u8,
    },
    /// VP9.
    Vp9 {
        /// The profile, 0 to 3.
        profile: u8,
    },
    /// VP8.
    Vp8,
}

/// What a stream has for WebRTC viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playable {
    /// Its video, where it has any.
    pub video: Option<VideoFormat>,
    /// Whether it has Opus audio.
    pub opus: bool,
}

impl VideoFormat {
    /// The format of a track's codec; `None` for audio and for records too short to tell.
    #[must_use]
    pub fn of(codec: &Codec) -> Option<Self> {
        let byte = |at: usize| codec.video()?.record.get(at).copied();
        match codec {
            Codec::H264(_) => Some(Self::H264([byte(1)?, byte(2)?, byte(3)?])),
            Codec::H265(_) => {
                let profile = byte(1)?;
                Some(Self::H265 {
                    profile: profile & 0x1F,
                    tier: profile >> 5 & 1,
                    level: byte(12)?,
                })
            }
            Codec::Av1(_) => Some(Self::Av1 { profile: byte(1)? >> 5 }),
            Codec::Vp9(_) => Some(Self::Vp9 { profile: byte(4)? }),
            Codec::Vp8(_) => Some(Self::Vp8),
            _ => None,
        }
    }

    /// The codec's name.
    #[must_use]
    pub const fn name(self) -> CodecName {
        match self {
            Self::H264(_) => CodecName::H264,
            Self::H265 { .. } => CodecName::H265,
            Self::Av1 { .. } => CodecName::Av1,
            Self::Vp9 { .. } => CodecName::Vp9,
            Self::Vp8 => CodecName::Vp8,
        }
    }

    /// The viewer's payload type that suits best, its own order deciding between equals.
    pub(super) fn choose(self, codecs: &[OfferedCodec]) -> Option<&OfferedCodec> {
        let same = codecs.iter().filter(|codec| codec.name == self.name());
        same.filter_map(|codec| Some((self.distance(codec)?, codec)))
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, codec)| codec)
    }

    /// How far an offered payload type of the same codec is from this format; `None` where the
    /// viewer's decoder cannot be expected to cope.
    fn distance(self, offered: &OfferedCodec) -> Option<u32> {
        match self {
            Self::H264(source) => h264_distance(source, offered),
            Self::H265 { profile, tier, level } => {
                let is_ok = offered.number("profile-id", 1)? == u32::from(profile)
                    && offered.number("tier-flag", 0)? >= u32::from(tier);
                // A level below the source's is the last choice, not a refusal: decoders cope.
                let is_low = offered.number("level-id", 93)? < u32::from(level);
                is_ok.then_some(u32::from(is_low))
            }
            Self::Av1 { profile } => {
                // Each profile includes the lower ones.
                offered.number("profile", 0)?.checked_sub(u32::from(profile))
            }
            Self::Vp9 { profile } => {
                (offered.number("profile-id", 0)? == u32::from(profile)).then_some(0)
            }
            Self::Vp8 => Some(0),
        }
    }
}

/// Profiles of H.264 as matching sees them: same rank, same profile whatever the level.
fn h264_rank([profile, constraints, _]: [u8; 3]) -> u8 {
    match profile {
        BASELINE if constraints & CONSTRAINT_SET1 != 0 => 0,
        BASELINE => 1,
        MAIN => 2,
        HIGH => 3,
        HIGH_444_PREDICTIVE => u8::MAX,
        other => other, // High 10 (110), High 4:2:2 (122): above High, below High 4:4:4
    }
}

/// RFC 6184 section 8.2.2 lets only levels differ; viewers list fewer profiles than they decode, so
/// after the same profile comes the nearest that includes it, then, from High down, the nearest
/// below. Packetization mode weighs most: in mode 0 no frame may be cut.
fn h264_distance(source: [u8; 3], offered: &OfferedCodec) -> Option<u32> {
    let listed = match offered.parameter("profile-level-id") {
        Some(hex) if hex.len() == 6 => {
            let [_, profile, constraints, level] = u32::from_str_radix(hex, 16).ok()?.to_be_bytes();
            [profile, constraints, level]
        }
        Some(_) => return None,
        None => PROFILE_LEVEL_ABSENT,
    };
    let is_fragmenting = match offered.number("packetization-mode", 0)? {
        0 => false,
        1 => true,
        _ => return None, // interleaved: sent by nobody
    };
    let (want, have) = (u32::from(h264_rank(source)), u32::from(h264_rank(listed)));
    if have < want && want > u32::from(h264_rank([HIGH, 0, 0])) {
        return None; // more than 8 bits or other chroma: a High decoder shows garbage
    }
    let profile = if have >= want { have - want } else { 0x100 + want - have };
    let is_low = u32::from(listed[2] < source[2]);
    Some(u32::from(!is_fragmenting) << 16 | profile << 1 | is_low)
}
