//! Trickled candidates and restarts.

use super::*;

const TRICKLE: &str = "a=ice-ufrag:qW3e\r\na=ice-pwd:zX81kLmN02pQrStUvWxY45ab\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
    a=candidate:7 1 udp 2113937151 192.0.2.33 61665 typ host generation 0 ufrag qW3e\r\n\
    a=candidate:8 1 udp 2113937151 f1a3.local 61666 typ host\r\n\
    a=candidate:9 1 tcp 1518280447 192.0.2.33 9 typ host tcptype active\r\n\
    a=candidate:7 2 udp 2113937150 192.0.2.33 61667 typ host\r\n\
    a=candidate:garbage\r\n\
    a=end-of-candidates\r\n";

#[test]
fn unusable_candidates_are_dropped_in_silence() {
    // W8: names, TCP, RTCP's own component and garbage
    let fragment = Fragment::parse(TRICKLE).unwrap();
    let addresses: Vec<_> = fragment.candidates.iter().map(|c| c.address.to_string()).collect();
    assert_eq!(addresses, ["192.0.2.33:61665"]);
    assert!(fragment.end_of_candidates);
}

#[test]
fn malformed_fragments_are_errors() {
    // W8
    assert_eq!(Fragment::parse(""), Err(FragmentError::Empty));
    assert_eq!(Fragment::parse("a=mid:0\r\n"), Err(FragmentError::Empty));
    assert_eq!(Fragment::parse("a=mid:0\r\n{\"json\": 1}"), Err(FragmentError::Line(2)));
    assert_eq!(Fragment::parse("a=ice-ufrag:abcd\r\n"), Err(FragmentError::Credentials));
    let long = "a=x\n".repeat(SDP_BYTES_MAX / 4 + 1);
    assert_eq!(Fragment::parse(&long), Err(FragmentError::TooLong));
}

#[test]
fn other_credentials_ask_for_a_restart() {
    // W9
    let fragment = Fragment::parse(TRICKLE).unwrap();
    let same = fragment.credentials.clone().unwrap();
    assert!(!fragment.is_restart(&same));
    assert!(fragment.is_restart(&local().ice));
    let bare = Fragment { credentials: None, ..fragment };
    assert!(!bare.is_restart(&local().ice));
}

#[test]
fn the_answer_to_a_restart_has_all_a_client_needs() {
    // W9
    let text = local().restart_answer(Some("0"));
    let fragment = Fragment::parse(&text).unwrap();
    assert_eq!(fragment.credentials, Some(local().ice));
    assert_eq!(fragment.candidates, local().candidates[..2]); // TCP is for who dials
    assert!(fragment.end_of_candidates);
    assert!(text.contains("a=mid:0\r\n") && text.contains("tcptype passive"));
}
