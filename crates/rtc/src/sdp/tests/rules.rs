//! WHIP's and WHEP's rules on descriptions.

use super::*;

/// Every description made here must be one that is understood here, and by a strict reader that
/// knows nothing of this one.
fn reread(sdp: &str) -> Offer {
    assert!(sdp.ends_with("\r\n"));
    let mut text = std::io::Cursor::new(sdp);
    rtc_sdp::description::session::SessionDescription::unmarshal(&mut text).unwrap();
    offer(sdp)
}

#[test]
fn an_answer_for_each_section() {
    // W4: sendonly, BUNDLE, rtcp-mux, rtcp-mux-only, one stream
    let answer = play(client_offer!("chromium-whep"), H264_HIGH);
    let read = reread(&answer.sdp);
    assert_eq!(read.bundle, ["0", "1", "2"]);
    assert!(read.extmap_allow_mixed);
    for section in &read.sections[..2] {
        assert_eq!(section.direction, Direction::SendOnly);
        assert!(section.rtcp_mux);
        assert!(section.msid.as_ref().unwrap().starts_with("show "));
        assert_eq!(section.transport.setup, Some(Setup::Passive));
    }
    let lines = section_lines(&answer.sdp, 1);
    assert_eq!(lines[0], "m=video 9 UDP/TLS/RTP/SAVPF 41 42");
    for line in [
        "a=rtcp-mux-only",
        "a=ssrc-group:FID 1002 1003",
        "a=ssrc:1002 cname:tally",
        "a=fmtp:42 apt=41",
        "a=rtcp-fb:41 nack pli",
        "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    ] {
        assert!(lines.contains(&line), "{line}");
    }
    assert_eq!(answer, play(client_offer!("chromium-whep"), H264_HIGH)); // the same each time
}

#[test]
fn a_publisher_is_answered_recvonly() {
    // W4
    for section in reread(&publish(client_offer!("chromium-whip")).sdp).sections {
        assert_eq!(section.direction, Direction::RecvOnly);
        assert!(section.rtcp_mux && section.msid.is_none() && section.ssrcs.is_empty());
    }
}

#[test]
fn more_than_one_video_is_refused() {
    // W4
    let text = client_offer!("chromium-whep");
    let (_, video) = text.split_once("m=video").unwrap();
    let video = video.split("m=application").next().unwrap().replace("a=mid:1", "a=mid:3");
    let twice = format!("{text}m=video{video}").replace("BUNDLE 0 1 2", "BUNDLE 0 1 2 3");
    let refusal = answer_play(&offer(&twice), &H264_HIGH, &local());
    assert_eq!(refusal, Err(Refusal::TooMany(Kind::Video)));
    // One that is stopped is none.
    let (first, last) = twice.split_at(text.len());
    let stopped = format!("{first}{}", last.replace("m=video 9", "m=video 0"));
    let answer = play(&stopped, H264_HIGH);
    assert!(section_lines(&answer.sdp, 3)[0].starts_with("m=video 0 "));
    assert!(answer.sdp.contains("a=group:BUNDLE 0 1 2\r\n"));
}

#[test]
fn more_than_one_data_channel_is_refused() {
    let text = client_offer!("chromium-whep");
    let (_, data) = text.split_once("m=application").unwrap();
    let twice = format!("{text}m=application{}", data.replace("a=mid:2", "a=mid:3"));
    let twice = offer(&twice.replace("BUNDLE 0 1 2", "BUNDLE 0 1 2 3"));
    let refusal = answer_play(&twice, &H264_HIGH, &local());
    assert_eq!(refusal, Err(Refusal::TooMany(Kind::Application)));
}

#[test]
fn bundle_and_rtcp_mux_are_required() {
    // W4
    let text = client_offer!("ffmpeg-whip");
    let loose = offer(&text.replace("a=group:BUNDLE 0 1\n", ""));
    assert_eq!(answer_publish(&loose, &local()), Err(Refusal::NotBundled));
    let without_mux = offer(&text.replace("a=rtcp-mux\n", ""));
    assert_eq!(answer_publish(&without_mux, &local()), Err(Refusal::NoRtcpMux(Kind::Audio)));
}

#[test]
fn no_publisher_section_is_rejected_alone() {
    // W4
    let foreign = client_offer!("ffmpeg-whip").replace("opus/48000/2", "L16/48000/2");
    let refusal = answer_publish(&offer(&foreign), &local());
    assert_eq!(refusal, Err(Refusal::NoCommonCodec(Kind::Audio)));
}

#[test]
fn the_setup_of_the_answer_is_the_other_side_of_the_offers() {
    // W4
    let text = client_offer!("ffmpeg-whip");
    for (offered, answered, role) in [
        ("passive", "active", DtlsRole::Client),
        ("active", "passive", DtlsRole::Server),
        ("actpass", "passive", DtlsRole::Server),
    ] {
        let answer = publish(&text.replace("setup:passive", &format!("setup:{offered}")));
        assert_eq!(answer.negotiated.dtls_role, role);
        assert!(answer.sdp.contains(&format!("a=setup:{answered}\r\n")));
    }
    let held = offer(&text.replace("setup:passive", "setup:holdconn"));
    assert_eq!(answer_publish(&held, &local()), Err(Refusal::NoDtlsRole));
}

#[test]
fn all_candidates_are_in_the_answer_once() {
    // W5
    let sdp = publish(client_offer!("ffmpeg-whip")).sdp;
    let candidates: Vec<_> = sdp.lines().filter(|line| line.starts_with("a=candidate")).collect();
    let expected = [
        "a=candidate:1 1 udp 2130706431 192.0.2.1 8189 typ host",
        "a=candidate:3 1 udp 2130706175 2001:db8::1 8189 typ host",
        "a=candidate:2 1 tcp 2122383359 192.0.2.1 8189 typ host tcptype passive",
    ];
    assert_eq!(candidates, expected);
    assert_eq!(sdp.matches("a=end-of-candidates\r\n").count(), 1);
    assert!(!sdp.contains("ice-lite"));
    let of_lite = client_offer!("ffmpeg-whip").replace("t=0 0", "t=0 0\na=ice-lite");
    assert!(publish(&of_lite).negotiated.controlling);
    let lite = Local { ice_lite: true, ..local() };
    let answer = answer_publish(&offer(client_offer!("ffmpeg-whip")), &lite).unwrap();
    assert!(reread(&answer.sdp).ice_lite);
    assert!(!answer.negotiated.controlling);
}

#[test]
fn simulcast_is_answered_with_the_layers_taken() {
    // W17
    let text = client_offer!("chromium-whip");
    let sdp = publish(text).sdp;
    let video = section_lines(&sdp, 1);
    assert!(video.contains(&"a=rid:h recv") && video.contains(&"a=simulcast:recv q;h;f"));

    let many = text.replace(
        "a=simulcast:send q;h;f",
        "a=rid:4 send\na=rid:5 send\na=simulcast:send ~q;h,f;f;4;5;unknown",
    );
    let answer = publish(&many);
    assert_eq!(answer.negotiated.video.unwrap().rids, ["q", "h", "f", "4"]);
    // Without the extension that names layers there is no telling them apart.
    let blind = text.replace("sdes:rtp-stream-id", "sdes:other");
    assert!(publish(&blind).negotiated.video.unwrap().rids.is_empty());
}

#[test]
fn a_viewer_can_answer_the_counter_offer() {
    // W15
    let counter = CounterOffer::new(&H264_HIGH, &local()).unwrap();
    let ours = reread(counter.sdp());
    assert_eq!(ours.sections.len(), 2);
    assert_eq!(ours.sections[1].transport.setup, Some(Setup::ActPass));
    let video = &ours.sections[1];
    assert_eq!(video.codec(96).unwrap().parameter("profile-level-id"), Some("640028"));
    assert_eq!(video.codec(98).unwrap().parameter("profile-level-id"), Some("42e01f"));

    let answer = counter.sdp().replace("sendonly", "recvonly").replace("actpass", "active");
    let agreed = counter.accept(&offer(&answer)).unwrap();
    assert_eq!((agreed.dtls_role, agreed.controlling), (DtlsRole::Server, true));
    assert_eq!(agreed.video.as_ref().unwrap().codecs[0].payload_type, 96);
    assert_eq!(agreed.audio.unwrap().codecs[0].payload_type, 111);
    let common = answer.replace("profile-level-id=640028", "x=1");
    let common = common.replace("96 97 98 99", "98 99");
    assert_eq!(counter.accept(&offer(&common)).unwrap().video.unwrap().codecs[0].payload_type, 98);
    let open = counter.sdp().replace("sendonly", "recvonly");
    assert_eq!(counter.accept(&offer(&open)), Err(Refusal::NoDtlsRole));
    let foreign = offer(client_offer!("chromium-whep"));
    assert_eq!(counter.accept(&foreign), Err(Refusal::SectionsDiffer));
    assert!(CounterOffer::new(&Playable { video: None, opus: false }, &local()).is_none());
}

#[test]
fn fingerprints_of_broken_hashes_are_refused_by_name() {
    let text = client_offer!("ffmpeg-whip");
    let sha1 = offer(&text.replace("sha-256", "sha-1"));
    let refusal = answer_publish(&sha1, &local()).unwrap_err();
    assert_eq!(refusal, Refusal::UnsupportedHash("sha-1".to_owned()));
    let none = offer(&text.replace("a=fingerprint", "a=x"));
    assert_eq!(answer_publish(&none, &local()), Err(Refusal::NoFingerprint));
    let cut = Offer::parse(&text.replace("10:8A", "10"));
    assert_eq!(cut, Err(OfferError::Attribute("fingerprint")));
}

#[test]
fn formats_come_from_the_records_of_tracks() {
    use tally_media::Codec;
    use tally_media::codec::VideoRecord;
    let video = |record: &'static [u8]| VideoRecord {
        record: record.into(),
        width: 16,
        height: 16,
        rfc6381: String::new(),
        color: None,
    };
    let h264 = VideoFormat::of(&Codec::H264(video(&[1, 0x64, 0, 0x1F])));
    assert_eq!(h264, Some(VideoFormat::H264([0x64, 0, 0x1F])));
    let h265 = VideoFormat::of(&Codec::H265(video(&[1, 0x22, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 120])));
    assert_eq!(h265, Some(VideoFormat::H265 { profile: 2, tier: 1, level: 120 }));
    assert_eq!(
        VideoFormat::of(&Codec::Av1(video(&[0x81, 0x25]))),
        Some(VideoFormat::Av1 { profile: 1 })
    );
    assert_eq!(
        VideoFormat::of(&Codec::Vp9(video(&[1, 0, 0, 0, 2]))),
        Some(VideoFormat::Vp9 { profile: 2 })
    );
    assert_eq!(VideoFormat::of(&Codec::H264(video(&[1]))), None);
}
