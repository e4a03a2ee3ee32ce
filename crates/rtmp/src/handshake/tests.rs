//! Plain and digest handshakes, also against an independent client.

use super::digest::Scheme;
use super::*;

fn random() -> [u8; RANDOM_BYTES] {
    std::array::from_fn(|index| (index * 7 + 3) as u8)
}

/// Runs a whole handshake with this C1; gives S1 and S2.
fn answer_to(c1: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut handshake = Handshake::new(random());
    let mut input = [&[3], c1].concat();
    input.extend([0xaa; PACKET_BYTES]);
    input.extend(b"rest");
    let mut rest = input.as_slice();
    let answer = handshake.read(&mut rest).unwrap().unwrap();
    assert!(handshake.is_done());
    assert_eq!(rest, b"rest");
    assert_eq!(answer[0], VERSION);
    assert_eq!(answer.len(), 1 + 2 * PACKET_BYTES);
    (answer[1..=PACKET_BYTES].to_vec(), answer[1 + PACKET_BYTES..].to_vec())
}

#[test]
fn a_plain_c1_is_echoed() {
    let mut c1 = vec![0x11; PACKET_BYTES];
    c1[4..8].fill(0);
    let (s1, s2) = answer_to(&c1);
    assert_eq!(s1[..8], [0; 8]);
    assert_eq!(s1[8..], random());
    assert_eq!(s2, c1);
}

#[test]
fn a_digest_is_answered_in_the_scheme_it_came_in() {
    for scheme in [Scheme::First, Scheme::Second] {
        let c1 = digest::c1(&[0x5a; RANDOM_BYTES], scheme);
        let (s1, s2) = answer_to(&c1);
        assert_ne!(s1[4..8], [0; 4], "{scheme:?}");
        assert_ne!(s2, c1, "{scheme:?}");
        let expected = digest::find(&c1).unwrap();
        assert_eq!(expected.scheme, scheme);
        assert_eq!(s1, digest::s1(&random(), scheme));
        assert_eq!(s2, digest::s2(&random(), &expected.digest));
    }
}

/// GStreamer's rtmp2sink and others set a version and random bytes.
#[test]
fn a_digest_that_does_not_fit_falls_back_to_plain() {
    let mut c1 = digest::c1(&[0x5a; RANDOM_BYTES], Scheme::First);
    c1[1_000] ^= 1;
    let (s1, s2) = answer_to(&c1);
    assert_eq!(s1[4..8], [0; 4]);
    assert_eq!(s2, c1);
}

#[test]
fn other_protocols_are_named() {
    let first_byte = |byte: u8| Handshake::new(random()).read(&mut &[byte][..]);
    assert_eq!(first_byte(b'G'), Err(Error::NotRtmp { version: b'G' }));
    assert_eq!(first_byte(0x16), Ok(None), "unknown versions are answered with 3 (5.2.2)");
    assert_eq!(first_byte(6), Err(Error::Encrypted { version: 6 }));
}

/// `rml_rtmp`'s client checks the digests it gets.
#[test]
fn an_independent_client_accepts_the_answer() {
    use rml_rtmp::handshake::{Handshake as Peer, HandshakeProcessResult, PeerType};

    let mut client = Peer::new(PeerType::Client);
    let mut server = Handshake::new(random());
    let c0_c1 = client.generate_outbound_p0_and_p1().unwrap();
    assert!(digest::find(&c0_c1[1..]).is_some(), "the peer sends a digest");
    let answer = server.read(&mut c0_c1.as_slice()).unwrap().unwrap();
    match client.process_bytes(&answer).unwrap() {
        HandshakeProcessResult::Completed { response_bytes, .. } => {
            server.read(&mut response_bytes.as_slice()).unwrap();
        }
        HandshakeProcessResult::InProgress { .. } => panic!("the client wants more"),
    }
    assert!(server.is_done());
}

#[test]
fn fuzz_handshake() {
    bolero::check!().with_iterations(2_000).for_each(|bytes: &[u8]| {
        let mut handshake = Handshake::new(random());
        let mut sent = 0;
        for piece in bytes.chunks(997) {
            let mut rest = piece;
            while !rest.is_empty() && !handshake.is_done() {
                match handshake.read(&mut rest) {
                    Ok(answer) => sent += answer.map_or(0, |answer| answer.len()),
                    Err(_) => return,
                }
            }
        }
        assert!(sent == 0 || sent == 1 + 2 * PACKET_BYTES, "one answer at most");
    });
}
