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
    assert_eq!(types(Some(&video)), [(41, Some(42))]);
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
    assert_eq!(agreed.remote_ice.ufrag, "bMUo");
    assert!(agreed.remote_fingerprint.to_string().starts_with("sha-256 0D:6D:9F:"));
    let data = DataChannel { remote_port: 5_000, remote_message_bytes_max: 262_144 };
    assert_eq!(agreed.data_channel, Some(data));

    let formats = [
        (VideoFormat::Vp8, (96, Some(97))),
        (VideoFormat::Vp9 { profile: 0 }, (98, Some(99))),
        (VideoFormat::Vp9 { profile: 2 }, (100, Some(101))),
        (VideoFormat::Av1 { profile: 0 }, (45, Some(46))),
        (VideoFormat::Av1 { profile: 1 }, (47, Some(48))),
        (VideoFormat::H264([0x42, 0xC0, 0x1F]), (108, Some(109))),
        (VideoFormat::H264([0x4D, 0x40, 0x1F]), (116, Some(117))),
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
    assert_eq!(types(video.as_ref()), [(116, Some(117))]);
    let without_main = without_444.replace("4d001f", "42e01f");
    let video = play(&without_main, H264_HIGH).negotiated.video;
    assert_eq!(types(video.as_ref()), [(102, Some(103))]);
    let ten_bit = Playable { video: Some(VideoFormat::H264([110, 0, 40])), opus: false };
    let refusal = answer_play(&offer(&without_main), &ten_bit, &local());
    assert_eq!(refusal, Err(Refusal::NothingInCommon));
}

#[test]
fn chromium_publishes_three_layers() {
    let answer = publish(client_offer!("chromium-whip"));
    let video = answer.negotiated.video.unwrap();
    let expected = [
        (102, Some(103)), // H.264 in packetization mode 1: Baseline,
        (108, Some(109)), // Constrained Baseline,
        (116, Some(117)), // Main,
        (104, Some(107)), // and the same in mode 0
        (114, Some(115)),
        (39, Some(40)),
        (96, Some(97)),   // VP8
        (98, Some(99)),   // VP9
        (100, Some(101)), // VP9 with 10 bits
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
    let ssrc = RemoteSsrc { ssrc: 1_741_309_510, rtx: None };
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
    assert!(agreed.remote_fingerprint.to_string().ends_with(":CF:6E")); // of the session level

    let playout = "a=extmap:6/sendonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
    assert!(section_lines(&play(text, vp8).sdp, 0).contains(&playout)); // offered as recvonly

    let answer = play(text, H264_HIGH);
    assert_eq!(answer.negotiated.video, None);
    assert!(section_lines(&answer.sdp, 0).contains(&"a=inactive"));
    let silent = Playable { opus: false, ..H264_HIGH };
    let refusal = answer_play(&offer(text), &silent, &local());
    assert_eq!(refusal, Err(Refusal::NothingInCommon));
}

#[test]
fn firefox_publishes_three_layers_and_names_their_ssrcs() {
    let video = publish(client_offer!("firefox-whip")).negotiated.video.unwrap();
    assert_eq!(types(Some(&video)), [(120, Some(124)), (121, Some(125)), (99, Some(100))]);
    assert_eq!(video.rids, ["q", "h", "f"]);
    assert_eq!((video.extensions.rid, video.extensions.repaired_rid), (Some(9), Some(10)));
    let ssrcs = [
        RemoteSsrc { ssrc: 1_527_867_325, rtx: Some(644_401_987) },
        RemoteSsrc { ssrc: 1_537_707_891, rtx: Some(3_869_613_966) },
        RemoteSsrc { ssrc: 414_185_765, rtx: Some(1_102_860_321) },
    ];
    assert_eq!(video.remote_ssrcs, ssrcs);
}

/// Debian's Firefox has no H.264: of VP8, HLS viewers would see nothing.
#[test]
fn firefox_publishes_what_plays_over_hls_unless_it_has_layers() {
    let lines = client_offer!("firefox-whip").lines();
    let single: Vec<_> = lines.filter(|line| !line.starts_with("a=simulcast")).collect();
    let video = publish(&(single.join("\r\n") + "\r\n")).negotiated.video.unwrap();
    let vp9_av1_vp8 = [(121, Some(125)), (99, Some(100)), (120, Some(124))];
    assert_eq!(types(Some(&video)), vp9_av1_vp8);
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
    let ssrc = RemoteSsrc { ssrc: 1_098_013_489, rtx: Some(1_098_013_490) };
    assert_eq!(video.remote_ssrcs, [ssrc]);

    let of_8 = publish(client_offer!("ffmpeg8-whip")).negotiated.video.unwrap();
    assert_eq!(types(Some(&of_8)), [(106, None)]);
    assert_eq!(of_8.codecs[0].feedback, Feedback::default());
}

#[test]
fn gstreamer_publishes_with_a_bundle_only_section() {
    let answer = publish(client_offer!("gstreamer-whip"));
    let agreed = &answer.negotiated;
    assert_eq!(agreed.transport_mid.as_deref(), Some("video0"));
    assert_eq!(types(agreed.audio.as_ref()), [(97, None)]);
    let video = agreed.video.as_ref().unwrap();
    // It lists transport-cc without the extension that carries its numbers, and no plain nack.
    let feedback = Feedback { pli: true, fir: true, ..Feedback::default() };
    assert_eq!(video.codecs[0].feedback, feedback);
    let fmtp = "packetization-mode=1;profile-level-id=42c034;level-asymmetry-allowed=1";
    assert_eq!(video.codecs[0].fmtp, fmtp);
    assert!(answer.sdp.contains("a=group:BUNDLE video0 audio1\r\n"));
    assert!(section_lines(&answer.sdp, 1)[0].starts_with("m=audio 9 ")); // it offers port 0
    assert_eq!(agreed.remote_candidates.len(), 3); // its TCP ones are of no use
}

#[test]
fn gstreamer_plays_without_naming_a_profile() {
    let agreed = play(client_offer!("gstreamer-whep"), H264_HIGH).negotiated;
    assert_eq!(types(agreed.video.as_ref()), [(96, None)]);
    assert_eq!(types(agreed.audio.as_ref()), [(97, None)]);
    assert_eq!(agreed.remote_ice.ufrag.len(), 32);
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
    // It gathers for each section, bundled or not.
    assert_eq!(agreed.remote_candidates.len(), 4);
    assert_eq!(agreed.video.unwrap().extensions.transport_cc, None);
    // Of its three fingerprints the first is compared.
    assert!(agreed.remote_fingerprint.to_string().starts_with("sha-256 CF:E5:"));
}

#[test]
fn aiortc_publishes() {
    let agreed = publish(client_offer!("aiortc-whip")).negotiated;
    let h264_first = [(99, Some(100)), (101, Some(102)), (97, Some(98))];
    assert_eq!(types(agreed.video.as_ref()), h264_first);
    let ssrc = RemoteSsrc { ssrc: 1_847_451_320, rtx: Some(1_381_341_212) };
    assert_eq!(agreed.video.unwrap().remote_ssrcs, [ssrc]);
}

#[test]
fn node_datachannel_plays_and_numbers_its_data_channel() {
    let answer = play(client_offer!("node-datachannel-whep"), H264_HIGH);
    let agreed = &answer.negotiated;
    assert_eq!(types(agreed.video.as_ref()), [(96, None)]);
    assert_eq!(types(agreed.audio.as_ref()), [(111, None)]);
    assert!(agreed.data_channel.is_some());
    let data = section_lines(&answer.sdp, 2);
    assert_eq!(data[0], "m=application 9 UDP/DTLS/SCTP webrtc-datachannel");
    assert!(data.contains(&"a=sctp-port:5000") && data.contains(&"a=mid:0"));
}

#[test]
fn pion_plays_under_the_profile_it_lists() {
    let agreed = play(client_offer!("pion-whep"), H264_HIGH).negotiated;
    let video = agreed.video.unwrap();
    assert_eq!(types(Some(&video)), [(108, Some(109))]);
    assert!(video.codecs[0].feedback.nack); // its lines end in a space
}

#[test]
fn werift_publishes_and_plays_with_names_in_any_case() {
    let answer = publish(client_offer!("werift-whip")); // "h264" and "OPUS"
    assert_eq!(answer.negotiated.dtls_role, DtlsRole::Server);
    assert_eq!(types(answer.negotiated.video.as_ref()), [(97, None), (98, None)]);
    assert_eq!(types(answer.negotiated.audio.as_ref()), [(96, None)]);
    let agreed = play(client_offer!("werift-whep"), H264_HIGH).negotiated;
    assert_eq!(types(agreed.video.as_ref()), [(97, None)]);
    assert_eq!(types(agreed.audio.as_ref()), [(96, None)]);
    assert_eq!(agreed.remote_candidates.len(), 4); // foundations of 25 characters
}
