//! What becomes of an offer, before any session is made for it.

use http::StatusCode;
use tally_rtc::sdp::{Answer, Kind, Local, Offer, Playable, Refusal, answer_play};

use crate::http::problem::Problem;

/// Reads a description.
///
/// # Errors
/// 400 when it is none (W1).
pub(super) fn read(text: &str) -> Result<Offer, Problem> {
    Offer::parse(text).map_err(|error| Problem::bad_request(&error.to_string()))
}

/// 422: a description, but not one that can be answered (W4).
pub(super) fn refused(refusal: &Refusal) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, refusal.to_string())
}

/// Answers a viewer with the first of what the show has that the viewer can play.
///
/// A viewer who asks for pictures where the show has some is not answered with sound alone: what is
/// in its place may suit it better, and a player can ask for less than it was refused.
///
/// # Errors
/// [`Refusal::NothingInCommon`] when it can play none of it: a counter-offer may help (W15). Any
/// other is the offer's own fault.
pub(super) fn play(
    offer: &Offer,
    playables: &[Playable],
    local: &Local,
) -> Result<(Playable, Answer), Refusal> {
    let wants_video = offer.sections.iter().any(|section| {
        section.kind == Kind::Video && !section.rejected && section.direction.receives()
    });
    for playable in playables {
        match answer_play(offer, playable, local) {
            Ok(answer) => {
                let lacks_video = answer.negotiated.video.is_none();
                if !(wants_video && playable.video.is_some() && lacks_video) {
                    return Ok((*playable, answer));
                }
            }
            Err(Refusal::NothingInCommon) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Err(Refusal::NothingInCommon)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use tally_rtc::sdp::{CodecName, VideoFormat};

    use super::*;
    use crate::signalling::testing::{CHROMIUM_WHEP, FIREFOX_WHEP, local};

    const H264: Playable = Playable { video: Some(VideoFormat::H264([0x64, 0, 0x1F])), opus: true };
    const HEVC: Playable =
        Playable { video: Some(VideoFormat::H265 { profile: 1, tier: 0, level: 93 }), opus: true };
    const VP9: Playable = Playable { video: Some(VideoFormat::Vp9 { profile: 0 }), opus: true };
    const SOUND: Playable = Playable { video: None, opus: true };

    fn played(offer: &str, playables: &[Playable]) -> Result<(Playable, Answer), Refusal> {
        play(&read(offer).unwrap(), playables, &local())
    }

    #[test]
    fn the_first_that_can_be_played_is_taken() {
        let (playable, answer) = played(CHROMIUM_WHEP, &[H264, VP9]).unwrap();
        assert_eq!(playable, H264);
        assert_eq!(answer.negotiated.video.unwrap().codecs[0].name, CodecName::H264);
        let (playable, answer) = played(CHROMIUM_WHEP, &[HEVC, VP9]).unwrap();
        assert_eq!(playable, VP9);
        assert_eq!(answer.negotiated.video.unwrap().codecs[0].name, CodecName::Vp9);
    }

    /// W15
    #[test]
    fn pictures_that_cannot_be_played_are_not_left_out_in_silence() {
        assert_eq!(played(CHROMIUM_WHEP, &[HEVC]).unwrap_err(), Refusal::NothingInCommon);
        assert_eq!(played(CHROMIUM_WHEP, &[]).unwrap_err(), Refusal::NothingInCommon);
    }

    #[test]
    fn a_show_of_sound_is_played_to_who_asks_for_pictures_too() {
        let (_, answer) = played(FIREFOX_WHEP, &[SOUND]).unwrap();
        assert!(answer.negotiated.video.is_none() && answer.negotiated.audio.is_some());
    }

    /// W4
    #[test]
    fn what_is_wrong_with_the_offer_itself_is_said() {
        let offer = CHROMIUM_WHEP.replace("a=rtcp-mux\r\n", "").replace("a=rtcp-mux\n", "");
        let refusal = played(&offer, &[H264]).unwrap_err();
        assert!(matches!(refusal, Refusal::NoRtcpMux(_)), "{refusal}");
        assert_eq!(refused(&refusal).into_response().status(), 422);
        assert_eq!(read("v=1").unwrap_err().into_response().status(), 400);
    }
}
