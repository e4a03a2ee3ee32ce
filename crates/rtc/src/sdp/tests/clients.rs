//! What is agreed on with each client.

use super::*;

const ALL_FEEDBACK: Feedback =
    Feedback { nack: true, pli: true, fir: true, transport_cc: true, remb: true };

fn types(media: Option<&NegotiatedMedia>) -> Vec<(u8, Option<u8>)> {
    let codecs = media.into_iter().flat_map(|media| &media.codecs);
    codecs.map(|codec| (codec.payload_type, codec.rtx_payload_type)).collect()
}

#[test]
fn every_line_end_reads_the_same() {
    for text in [client_offer!("chromium-whep"), client_offer!("obs-whip")] {
        assert_eq!(offer(text), offer(&text.replace('\n', "\r\n")));
        assert_eq!(offer(text), offer(&text.replace('\n', "\r")));
    }
}

#[test]
fn chromium_plays() {
    let agreed = play(client_offer!("chromium-whep"), H264_HIGH).negotiated;
    let video = agreed.video.unwrap();
    // f4001f includes High, which is not listed itself.
    assert_eq!(types(Some(&video)), [(117, Some(118))]);
    assert_eq!(video.codecs[0].feedback, ALL_FEEDBACK);
    let extensions = Extensions {
        mid: Some(4),
        abs_send_time: Some(2),
        transport_cc: Some(3),
        playout_delay: Some(5),
        rid: None,
        repaired_rid: None,
    };
    assert_eq!(video.extensions, extensions);
    assert_eq!(types(agreed.audio.as_ref()), [(111, None)]);
    assert_eq!(agreed.dtls_role, DtlsRole::Server);
    assert_eq!(agreed.remote_ice.ufrag, "qW3e");
    assert!(agreed.remote_fingerprint.to_string().starts_with("sha-256 9A:41:0C:"));
    let data = DataChannel { remote_port: 5_000, remote_message_bytes_max: 262_144 };
    assert_eq!(agreed.data_channel, Some(data));

    let formats = [
        (VideoFormat::Vp8, (96, Some(97))),
        (VideoFormat::Vp9 { profile: 0 }, (98, Some(99))),
        (VideoFormat::Vp9 { profile: 2 }, (100, Some(101))),
        (VideoFormat::Av1 { profile: 0 }, (45, Some(46))),
        (VideoFormat::H264([0x42, 0xC0, 0x1F]), (109, Some(114))),
        (VideoFormat::H264([0x4D, 0x40, 0x1F]), (39, Some(40))),
    ];
    for (format, expected) in formats {
        let playable = Playable { video: Some(format), opus: true };
        let agreed = play(client_offer!("chromium-whep"), playable).negotiated;
        assert_eq!(types(agreed.video.as_ref()), [expected], "{format:?}");
    }
}

#[test]
fn high_goes_under_main_or_baseline_where_nothing_higher_is_listed() {
    let without_444 = client_offer!("chromium-whep").replace("profile-level-id=f4001f", "x=1");
    let video = play(&without_444, H264_HIGH).negotiated.video;
    assert_eq!(types(video.as_ref()), [(39, Some(40))]);
    let without_main = without_444.replace("4d001f", "42e01f");
    let video = play(&without_main, H264_HIGH).negotiated.video;
    assert_eq!(types(video.as_ref()), [(103, Some(104))]);
    let ten_bit = Playable { video: Some(VideoFormat::H264([110, 0, 40])), opus: false };
    let refusal = answer_play(&offer(&without_main), &ten_bit, &local());
    assert_eq!(refusal, Err(Refusal::NothingInCommon));
}

#[test]
fn chromium_publishes_three_layers() {
    let answer = publish(client_offer!("chromium-whip"));
    let video = answer.negotiated.video.unwrap();
    let expected = [
        (108, Some(109)), // H.264, packetization mode 1
        (106, Some(107)), // mode 0
        (96, Some(97)),   // VP8
        (98, Some(99)),   // VP9
        (45, Some(46)),   // AV1
    ];
    assert_eq!(types(Some(&video)), expected);
    assert_eq!(video.rids, ["q", "h", "f"]);
    assert_eq!((video.extensions.rid, video.extensions.repaired_rid), (Some(10), Some(11)));
    assert_eq!(
        video.codec(109).map(|(codec, is_rtx)| (codec.payload_type, is_rtx)),
        Some((108, true))
    );
    assert!(video.remote_ssrcs.is_empty());
    let ssrc = RemoteSsrc { ssrc: 301_540_001, rtx: None };
    assert_eq!(answer.negotiated.audio.unwrap().remote_ssrcs, [ssrc]);
    // Nothing is decoded here: the publisher may go above the level it offers.
    assert!(answer.sdp.contains(
        "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e034\r\n"
    ));
}

#[test]
fn firefox_plays_vp8_and_not_h264() {
    let text = client_offer!("firefox-whep");
    let vp8 = Playable { video: Some(VideoFormat::Vp8), opus: true };
    let agreed = play(text, vp8).negotiated;
    let video = agreed.video.unwrap();
    assert_eq!(types(Some(&video)), [(120, Some(124))]);
    assert_eq!(video.extensions.playout_delay, Some(6));
    assert_eq!(types(agreed.audio.as_ref()), [(109, None)]);
    assert!(agreed.remote_fingerprint.to_string().ends_with(":72:1B")); // of the session level

    let playout = "a=extmap:6/sendonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
    assert!(section_lines(&play(text, vp8).sdp, 1).contains(&playout)); // offered as recvonly

    let answer = play(text, H264_HIGH);
    assert_eq!(answer.negotiated.video, None);
    assert!(section_lines(&answer.sdp, 1).contains(&"a=inactive"));
    let silent = Playable { opus: false, ..H264_HIGH };
    let refusal = answer_play(&offer(text), &silent, &local());
    assert_eq!(refusal, Err(Refusal::NothingInCommon));
}

#[test]
fn ffmpeg_publishes_as_dtls_server() {
    let agreed = publish(client_offer!("ffmpeg-whip")).negotiated;
    assert_eq!(agreed.dtls_role, DtlsRole::Client);
    assert!(agreed.remote_candidates.is_empty());
    let video = agreed.video.unwrap();
    assert_eq!(types(Some(&video)), [(106, Some(105))]);
    assert_eq!(video.codecs[0].feedback, Feedback { nack: true, ..Feedback::default() });
    assert_eq!(video.extensions, Extensions::default());
    let ssrc = RemoteSsrc { ssrc: 411_000_002, rtx: Some(411_000_003) };
    assert_eq!(video.remote_ssrcs, [ssrc]);
}

#[test]
fn gstreamer_publishes_with_a_bundle_only_section() {
    let answer = publish(client_offer!("gstreamer-whip"));
    let agreed = &answer.negotiated;
    assert_eq!(agreed.transport_mid.as_deref(), Some("video0"));
    assert_eq!(types(agreed.audio.as_ref()), [(98, None)]);
    let video = agreed.video.as_ref().unwrap();
    assert!(video.codecs[0].feedback.transport_cc);
    assert_eq!(video.codecs[0].fmtp, "packetization-mode=1;profile-level-id=42c01f");
    assert!(answer.sdp.contains("a=group:BUNDLE video0 audio1\r\n"));
}

#[test]
fn obs_publishes_with_candidates() {
    let agreed = publish(client_offer!("obs-whip")).negotiated;
    let addresses: Vec<_> =
        agreed.remote_candidates.iter().map(|c| c.address.to_string()).collect();
    assert_eq!(addresses, ["192.0.2.17:52117", "[2001:db8::17]:52117", "198.51.100.9:52117"]);
    let video = agreed.video.unwrap();
    assert_eq!(types(Some(&video)), [(96, Some(97))]); // "RTX" in capitals
    assert!(video.codecs[0].feedback.pli && !video.codecs[0].feedback.fir);
}

#[test]
fn h265_plays_where_profile_and_tier_are_listed() {
    let text = client_offer!("aiortc-whep")
        .replace("a=rtpmap:99 H264/90000", "a=rtpmap:99 h265/90000")
        .replace(
            "packetization-mode=1;level-asymmetry-allowed=1;profile-level-id=42001f",
            "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST",
        );
    let h265 = |profile, tier, level| {
        let video = Some(VideoFormat::H265 { profile, tier, level });
        types(play(&text, Playable { video, opus: true }).negotiated.video.as_ref())
    };
    assert_eq!(h265(1, 0, 93), [(99, Some(100))]);
    assert_eq!(h265(1, 0, 153), [(99, Some(100))]); // only the level is above
    assert_eq!(h265(2, 0, 93), []);
    assert_eq!(h265(1, 1, 93), []);
}

#[test]
fn directions_of_the_session_level_hold() {
    let text = client_offer!("ffmpeg-whip").replace("a=sendonly\n", "");
    let text = text.replace("t=0 0", "t=0 0\na=recvonly");
    assert_eq!(answer_publish(&offer(&text), &local()), Err(Refusal::NothingInCommon));
    let one = text.replace("a=mid:1", "a=mid:1\na=sendonly");
    let agreed = publish(&one).negotiated;
    assert!(agreed.video.is_some() && agreed.audio.is_none());
}

#[test]
fn aiortc_plays() {
    let baseline = Playable { video: Some(VideoFormat::H264([0x42, 0xC0, 0x28])), opus: true };
    let agreed = play(client_offer!("aiortc-whep"), baseline).negotiated;
    assert_eq!(types(agreed.video.as_ref()), [(101, Some(102))]);
    assert_eq!(agreed.remote_candidates.len(), 1);
    assert_eq!(agreed.video.unwrap().extensions.transport_cc, None);
}

#[test]
fn node_datachannel_plays_with_names_in_any_case() {
    let answer = play(client_offer!("node-datachannel-whep"), H264_HIGH);
    let agreed = &answer.negotiated;
    assert_eq!(types(agreed.video.as_ref()), [(96, None)]);
    assert_eq!(types(agreed.audio.as_ref()), [(111, None)]);
    assert!(agreed.data_channel.is_some());
    let data = section_lines(&answer.sdp, 2);
    assert_eq!(data[0], "m=application 9 UDP/DTLS/SCTP webrtc-datachannel");
    assert!(data.contains(&"a=sctp-port:5000") && data.contains(&"a=mid:data"));
}

#[test]
fn pion_plays_under_the_profile_it_lists() {
    let agreed = play(client_offer!("pion-whep"), H264_HIGH).negotiated;
    let video = agreed.video.unwrap();
    assert_eq!(types(Some(&video)), [(108, Some(109))]);
    assert!(video.codecs[0].feedback.nack); // its lines end in a space
}

#[test]
fn werift_publishes_as_dtls_client() {
    let answer = publish(client_offer!("werift-whip"));
    assert_eq!(answer.negotiated.dtls_role, DtlsRole::Server);
    assert_eq!(types(answer.negotiated.video.as_ref()), [(97, Some(98))]);
    assert!(section_lines(&answer.sdp, 1).contains(&"a=recvonly")); // it offers sendrecv
}
