//! What our player says about itself every ten seconds: the wire fields of a heartbeat, as integers.

use crate::Attention;

/// One heartbeat as it came in. Nothing about it is believed before [`admit`](crate::admit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// `sn`: rises by one per heartbeat of a session. For acknowledgement only; evidence is the same
    /// whatever order it comes in.
    pub sequence: u64,
    /// `media_ms`: start and end on the EXT-X-PROGRAM-DATE-TIME axis, as typed.
    pub media_ms: [i64; 2],
    /// `clock_ms`: start and end on the player's monotonic clock since the session began, as typed.
    pub clock_ms: [i64; 2],
    /// `state`.
    pub state: PlayerState,
    /// `rate` in thousandths: 1,000 is normal speed. For the invalid-traffic stage; what counts is
    /// how far the media really advanced.
    pub rate_permille: u32,
    /// `visible`: the page is in sight.
    pub visible: bool,
    /// `pip`: picture-in-picture is on.
    pub picture_in_picture: bool,
    /// `audible`: neither muted nor at volume zero.
    pub audible: bool,
}

impl Heartbeat {
    /// The attention class it claims.
    #[must_use]
    pub const fn attention(&self) -> Attention {
        if self.visible {
            Attention::Visible
        } else if self.picture_in_picture {
            Attention::PictureInPicture
        } else if self.audible {
            Attention::Audible
        } else {
            Attention::Hidden
        }
    }
}

/// What a player was doing over a heartbeat's range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayerState {
    /// Rendering media.
    Playing,
    /// Paused by the viewer or the page.
    Paused,
    /// Waiting for media.
    Stalled,
    /// Moving to another position.
    Seeking,
    /// At the end.
    Ended,
}

impl PlayerState {
    /// Reads the wire form; nothing for a word that is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "playing" => Self::Playing,
            "paused" => Self::Paused,
            "stalled" => Self::Stalled,
            "seeking" => Self::Seeking,
            "ended" => Self::Ended,
            _ => return None,
        })
    }
}

/// Reads a decimal number, such as a JSON number's text or a CMCD value, as thousandths without ever
/// going through a float. Digits beyond the third after the point are cut off.
///
/// Nothing for text that is no plain non-negative decimal or is above 4,000,000.
#[must_use]
pub fn parse_permille(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let mut permille = whole.parse::<u32>().ok().filter(|&whole| whole <= 4_000_000)? * 1_000;
    let mut weight = 100;
    for digit in fraction.bytes().take(3) {
        permille += u32::from(digit - b'0') * weight;
        weight /= 10;
    }
    Some(permille)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        let read = ["1", "1.0", "0.95", "1.0999", "2.5", "0", "4000000"].map(parse_permille);
        let expected = [1_000, 1_000, 950, 1_099, 2_500, 0, 4_000_000_000];
        assert_eq!(read, expected.map(Some));
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1.x", "NaN", "4000001", "1.0.0"] {
            assert_eq!(parse_permille(text), None, "{text}");
        }
    }

    #[test]
    fn attention_is_what_the_viewer_could_perceive() {
        let heartbeat = |visible, picture_in_picture, audible| Heartbeat {
            sequence: 1,
            media_ms: [0, 1],
            clock_ms: [0, 1],
            state: PlayerState::Playing,
            rate_permille: 1_000,
            visible,
            picture_in_picture,
            audible,
        };
        assert_eq!(heartbeat(true, true, true).attention(), Attention::Visible);
        assert_eq!(heartbeat(true, false, false).attention(), Attention::Visible);
        assert_eq!(heartbeat(false, true, false).attention(), Attention::PictureInPicture);
        assert_eq!(heartbeat(false, false, true).attention(), Attention::Audible);
        assert_eq!(heartbeat(false, false, false).attention(), Attention::Hidden);
        assert!(!Attention::Hidden.is_eligible());
    }
}
