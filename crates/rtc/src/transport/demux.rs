//! What kind of datagram this is, and whose: decided from a few bytes, without allocation.
//!
//! RFC 7983 shares one port by the first byte; RFC 5761 section 4 tells RTCP from RTP by the second.
//! A datagram of an address not seen before is a session's only if it is a binding request that
//! names the session's user fragment, which is what [`stun_local_ufrag`] reads.

/// Kinds of datagram on a port that STUN, DTLS and SRTP share (RFC 7983 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Datagram {
    /// First byte 0 to 3.
    Stun,
    /// First byte 20 to 63.
    Dtls,
    /// First byte 128 to 191, and not RTCP.
    Rtp,
    /// First byte 128 to 191, and packet type 192 to 223 (RFC 5761 section 4).
    Rtcp,
    /// Everything else: ZRTP, TURN channels, noise. To be dropped.
    Other,
}

/// A STUN header (RFC 8489 section 5).
const STUN_HEADER_BYTES: usize = 20;
/// The magic cookie of RFC 8489 section 5.
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
/// A binding request: method 1, class request.
const BINDING_REQUEST: [u8; 2] = [0, 1];
/// The USERNAME attribute (RFC 8489 section 14.3).
const ATTRIBUTE_USERNAME: u16 = 0x0006;
/// RFC 8489 section 14.3 allows 508 bytes; two fragments of RFC 8839 and the colon need 513.
const USERNAME_BYTES_MAX: usize = 513;
/// A request carries about ten attributes; more than this is not searched.
const ATTRIBUTES_MAX: usize = 32;
/// RTP and RTCP both need this many bytes to be told apart and to be worth opening.
const RTP_BYTES_MIN: usize = 8;

/// What kind of datagram this is. Says nothing of whether it is well formed.
pub fn classify(datagram: &[u8]) -> Datagram {
    match datagram {
        [0..=3, ..] if datagram.len() >= STUN_HEADER_BYTES => Datagram::Stun,
        [20..=63, ..] => Datagram::Dtls,
        [128..=191, kind, ..] if datagram.len() >= RTP_BYTES_MIN => match kind {
            192..=223 => Datagram::Rtcp,
            _ => Datagram::Rtp,
        },
        _ => Datagram::Other,
    }
}

/// The receiver's user fragment in a binding request: USERNAME up to the colon (RFC 8445 section
/// 7.2.2). `None` for anything but a binding request with such a name.
///
/// Nothing is verified: whoever the fragment belongs to checks the password. A request without
/// PRIORITY, which some old publishers send, passes.
pub fn stun_local_ufrag(datagram: &[u8]) -> Option<&str> {
    let (header, body) = datagram.split_at_checked(STUN_HEADER_BYTES)?;
    if header[..2] != BINDING_REQUEST || header[4..8] != STUN_COOKIE {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let mut rest = body.get(..length)?;
    for _ in 0..ATTRIBUTES_MAX {
        let (kind, value, after) = attribute(rest)?;
        if kind == ATTRIBUTE_USERNAME {
            return local_part(value);
        }
        rest = after;
    }
    None
}

/// The first attribute: its type, its value, and what follows its padding to four bytes.
fn attribute(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (header, rest) = bytes.split_at_checked(4)?;
    let kind = u16::from_be_bytes([header[0], header[1]]);
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let value = rest.get(..length)?;
    let after = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    Some((kind, value, after))
}

fn local_part(username: &[u8]) -> Option<&str> {
    if username.len() > USERNAME_BYTES_MAX {
        return None;
    }
    let (local, _) = std::str::from_utf8(username).ok()?.split_once(':')?;
    (!local.is_empty()).then_some(local)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A binding request with these attributes, padded as RFC 8489 says.
    fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend(kind.to_be_bytes());
            body.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut datagram = vec![0, 1];
        datagram.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        datagram.extend(STUN_COOKIE);
        datagram.extend([7; 12]);
        datagram.extend(body);
        datagram
    }

    #[test]
    fn first_bytes_tell_the_kinds_apart() {
        let kind = |first: u8, second: u8| {
            let mut datagram = [0; 20];
            datagram[..2].copy_from_slice(&[first, second]);
            classify(&datagram)
        };
        for first in 0..=255_u8 {
            let expected = match first {
                0..=3 => Datagram::Stun,
                20..=63 => Datagram::Dtls,
                128..=191 => Datagram::Rtp,
                _ => Datagram::Other,
            };
            assert_eq!(kind(first, 96), expected, "{first}");
        }
        for second in 192..=223 {
            assert_eq!(kind(0x80, second), Datagram::Rtcp, "{second}");
        }
        assert_eq!(kind(0x80, 191), Datagram::Rtp);
        assert_eq!(kind(0x80, 0xe0), Datagram::Rtp, "payload type 96 with the marker");
        assert_eq!(classify(&[]), Datagram::Other);
        assert_eq!(classify(&[0; 19]), Datagram::Other);
        assert_eq!(classify(&[0x80; 7]), Datagram::Other);
    }

    #[test]
    fn the_name_before_the_colon_is_found_behind_other_attributes() {
        let named = request(&[(0x8022, b"agent"), (0x0006, b"ours:theirs"), (0x0025, b"")]);
        assert_eq!(stun_local_ufrag(&named), Some("ours"));
        let without_priority = request(&[(0x0006, b"a:b")]);
        assert_eq!(stun_local_ufrag(&without_priority), Some("a"));
    }

    #[test]
    fn what_names_nobody_has_no_fragment() {
        for attributes in [
            &[][..],
            &[(0x0006, b"nocolon".as_slice())],
            &[(0x0006, b":theirs".as_slice())],
            &[(0x0006, [0xff, b':', b'a'].as_slice())],
            &[(0x0006, [b'a'; 600].as_slice())],
        ] {
            assert_eq!(stun_local_ufrag(&request(attributes)), None, "{attributes:?}");
        }
        let mut response = request(&[(0x0006, b"a:b")]);
        response[0] = 1;
        assert_eq!(stun_local_ufrag(&response), None);
        let crowd = [(0x8000, b"".as_slice()); ATTRIBUTES_MAX];
        let late = [&crowd[..], &[(0x0006, b"a:b".as_slice())]].concat();
        assert_eq!(stun_local_ufrag(&request(&late)), None);
    }

    proptest! {
        #[test]
        fn a_request_cut_anywhere_names_the_same_or_nobody(
            local in "[a-zA-Z0-9+/]{4,256}",
            remote in "[a-zA-Z0-9+/]{4,256}",
            cut in 0..600_usize,
        ) {
            let whole = request(&[(0x0006, format!("{local}:{remote}").as_bytes())]);
            prop_assert_eq!(stun_local_ufrag(&whole), Some(local.as_str()));
            let cut = cut.min(whole.len() - 1);
            prop_assert_eq!(stun_local_ufrag(&whole[..cut]), None);
        }
    }

    #[test]
    fn fuzz_demux() {
        bolero::check!().with_iterations(20_000).for_each(|bytes: &[u8]| {
            let kind = classify(bytes);
            if let Some(name) = stun_local_ufrag(bytes) {
                assert_eq!(kind, Datagram::Stun);
                assert!(!name.is_empty() && name.len() < USERNAME_BYTES_MAX);
            }
        });
    }
}
