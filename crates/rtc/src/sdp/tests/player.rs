//! A player of ours and the answers it gets.

use super::*;

const PLAYER: &str = "playerpasswordplayerpw";

fn player() -> (Local, PlayerOffer) {
    let udp = "192.0.2.7:50000".parse().unwrap();
    let local = Local {
        ice: Credentials { ufrag: "plyr".to_owned(), pwd: PLAYER.to_owned() },
        candidates: vec![Candidate::host(Protocol::Udp, udp, 0)],
        ..local()
    };
    let offer = PlayerOffer::new(&local);
    (local, offer)
}

/// What both sides make of one exchange.
fn exchange(playable: Playable) -> (Negotiated, Negotiated) {
    let (_, offer) = player();
    let answer = play(offer.sdp(), playable);
    let negotiated = offer.accept(&Offer::parse(&answer.sdp).unwrap()).unwrap();
    (answer.negotiated, negotiated)
}

#[test]
fn both_sides_of_an_exchange_agree() {
    for video in [
        VideoFormat::H264([0x64, 0x00, 0x28]),
        VideoFormat::H264([0x42, 0xC0, 0x1E]),
        VideoFormat::H265 { profile: 1, tier: 0, level: 120 },
        VideoFormat::Av1 { profile: 0 },
        VideoFormat::Vp9 { profile: 0 },
        VideoFormat::Vp8,
    ] {
        let (server, player) = exchange(Playable { video: Some(video), opus: true });
        let (sent, got) = (server.video.unwrap(), player.video.unwrap());
        assert_eq!(got.codecs[0].name, video.name());
        assert_eq!(got.codecs, sent.codecs, "{video:?}");
        assert_eq!((got.extensions, &got.mid), (sent.extensions, &sent.mid));
        assert!(got.extensions.transport_cc.is_some() && got.codecs[0].rtx_payload_type.is_some());
        assert_eq!(got.remote_ssrcs, [RemoteSsrc { ssrc: 1_002, rtx: Some(1_003) }]);
        assert_eq!(player.audio.unwrap().codecs, server.audio.unwrap().codecs);
        assert_eq!((server.dtls_role, player.dtls_role), (DtlsRole::Server, DtlsRole::Client));
        assert!(player.controlling && !server.controlling);
        assert_eq!((&*server.remote_ice.pwd, player.remote_ice), (PLAYER, local().ice));
        assert_eq!(player.remote_candidates.len(), 2, "TCP is for browsers to dial");
    }
}

#[test]
fn what_a_show_lacks_is_not_waited_for() {
    let (_, player) = exchange(Playable { video: None, opus: true });
    assert!(player.video.is_none() && player.audio.is_some());
    let (_, player) = exchange(Playable { video: Some(VideoFormat::Vp8), opus: false });
    assert!(player.video.is_some() && player.audio.is_none());
}

#[test]
fn answers_to_another_offer_are_refused() {
    let (_, offer) = player();
    let answer = play(offer.sdp(), H264_HIGH).sdp;
    let accept = |text: &str| offer.accept(&Offer::parse(text).unwrap()).map(|_| ());
    assert_eq!(accept(&answer), Ok(()));
    let undecided = answer.replace("a=setup:passive", "a=setup:actpass");
    assert_eq!(accept(&undecided), Err(Refusal::NoDtlsRole));
    let silent = answer.replace("a=sendonly", "a=inactive");
    assert_eq!(accept(&silent), Err(Refusal::NothingInCommon));
    let (audio, _) = answer.split_once("m=video").unwrap();
    assert_eq!(accept(audio), Err(Refusal::SectionsDiffer));
}
