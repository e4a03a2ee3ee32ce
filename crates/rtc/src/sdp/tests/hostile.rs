//! No text panics, grows or gets an answer that cannot be read again.
//! `cargo bolero test -p tally-rtc fuzz_...` runs one of these guided by coverage.

use proptest::prelude::*;

use super::*;

/// Inputs tried when run as a plain test: a second or two.
const ITERATIONS: usize = 2_000;

/// Lines of all kinds, to be put together in any order.
const LINES: [&str; 24] = [
    "v=0",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
    "m=video 0 UDP/TLS/RTP/SAVPF 96",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "m=text 9 RTP/AVP 98",
    "a=mid:0",
    "a=mid:1",
    "a=mid:2",
    "a=group:BUNDLE 0 1 2",
    "a=rtcp-mux",
    "a=recvonly",
    "a=sendonly",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:abcdefghijklmnopqrstuv",
    "a=rtpmap:111 opus/48000/2",
    "a=rtpmap:96 H264/90000",
    "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f",
    "a=rtpmap:97 rtx/90000",
    "a=fmtp:97 apt=96",
    "a=rid:a send",
    "a=simulcast:send a;b",
    "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:\
     18:19:1A:1B:1C:1D:1E:1F",
];

/// What must hold of whatever is read: answers can be read again and have the offer's sections.
fn check(text: &str) {
    let _ = Fragment::parse(text);
    let Ok(offer) = Offer::parse(text) else { return };
    let answers = [answer_play(&offer, &H264_HIGH, &local()), answer_publish(&offer, &local())];
    for answer in answers.into_iter().flatten() {
        let read = Offer::parse(&answer.sdp).unwrap();
        assert_eq!(read.sections.len(), offer.sections.len());
        for (ours, theirs) in read.sections.iter().zip(&offer.sections) {
            assert_eq!((ours.kind, &ours.mid), (theirs.kind, &theirs.mid));
        }
        assert!(answer.negotiated.audio.is_some() || answer.negotiated.video.is_some());
    }
    if let Some(counter) = CounterOffer::new(&H264_HIGH, &local()) {
        let _ = counter.accept(&offer);
    }
}

#[test]
fn fuzz_sdp_text() {
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        check(&String::from_utf8_lossy(input));
        check(&format!("v=0\n{}", String::from_utf8_lossy(input)));
    });
}

/// Each byte pair takes a line away from a real offer or puts one in.
#[test]
fn fuzz_sdp_lines() {
    let whole: Vec<_> = client_offer!("chromium-whep").lines().collect();
    bolero::check!().with_iterations(ITERATIONS / 10).for_each(|input: &[u8]| {
        let mut lines = whole.clone();
        for edit in input.chunks_exact(2).take(16) {
            let at = usize::from(edit[0]) % lines.len();
            match LINES.get(usize::from(edit[1])) {
                Some(line) => lines.insert(at, line),
                None => lines[at] = lines[at].split_at(lines[at].len() / 2).0,
            }
        }
        check(&lines.join("\n"));
    });
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(64)
    })]

    #[test]
    fn lines_in_any_order_are_safe(
        order in prop::collection::vec(prop::sample::select(LINES.to_vec()), 0..40),
    ) {
        check(&format!("v=0\n{}", order.join("\r\n")));
    }
}

#[test]
fn everything_is_bounded() {
    assert_eq!(Offer::parse("GET / HTTP/1.1"), Err(OfferError::NotSdp));
    assert_eq!(Offer::parse("v=0\ns=-\n"), Err(OfferError::Empty));
    let long = format!("v=0\n{}", "a".repeat(SDP_BYTES_MAX));
    assert_eq!(Offer::parse(&long), Err(OfferError::TooLong));
    let many_lines = format!("v=0\n{}", "a=x\n".repeat(offer::LINES_MAX));
    assert_eq!(Offer::parse(&many_lines), Err(OfferError::TooLong));
    let sections = "m=audio 9 RTP/AVP 0\n".repeat(offer::SECTIONS_MAX + 1);
    assert_eq!(Offer::parse(&format!("v=0\n{sections}")), Err(OfferError::TooManySections));
    assert_eq!(Offer::parse("v=0\nm=audio x"), Err(OfferError::MediaLine { number: 1 }));
    let twice = "v=0\nm=audio 9 RTP/AVP 0\na=mid:a\nm=video 9 RTP/AVP 96\na=mid:a\n";
    assert_eq!(Offer::parse(twice), Err(OfferError::DuplicateMid));
    let candidates: String = (1..=200)
        .map(|port| format!("a=candidate:1 1 udp 1 192.0.2.1 {port} typ host\n"))
        .collect();
    let crowded = Offer::parse(&format!("v=0\nm=audio 9 RTP/AVP 0\n{candidates}")).unwrap();
    assert_eq!(crowded.sections[0].candidates.len(), attribute::CANDIDATES_MAX);
}
