//! DTLS records, looked at before the library sees them.

/// Type, version, epoch, sequence number and length (RFC 6347 section 4.1).
const RECORD_HEADER_BYTES: usize = 13;
/// Type, length, message sequence number, fragment offset and length (RFC 6347 section 4.2.2).
const HANDSHAKE_HEADER_BYTES: usize = 12;
/// Fragments of the longest handshake: a dozen messages, a chain of three certificates in pieces.
const FRAGMENTS_MAX: usize = 128;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const CLIENT_HELLO: u8 = 1;

/// A handshake header, which tells one piece of one message from all others.
type Fragment = [u8; HANDSHAKE_HEADER_BYTES];

/// What the records of one datagram are.
pub(super) struct Records {
    /// Whether a record is not encrypted.
    pub(super) has_plaintext: bool,
    /// Whether a record is encrypted.
    has_encrypted: bool,
    /// Headers of the plaintext handshake messages, or of the pieces they come in.
    fragments: Vec<Fragment>,
}

/// Reads the record headers of a datagram. `None` if a record is malformed, or can only be forged.
pub(super) fn read(mut datagram: &[u8]) -> Option<Records> {
    let mut records = Records { has_plaintext: false, has_encrypted: false, fragments: Vec::new() };
    while !datagram.is_empty() {
        let (header, rest) = datagram.split_at_checked(RECORD_HEADER_BYTES)?;
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let (body, rest) = rest.split_at_checked(length)?;
        // DTLS 1.2, or 1.0 in the record of a first hello.
        let is_version = matches!(header[1..3], [0xfe, 0xfd | 0xff]);
        let is_plaintext = header[3..5] == [0, 0];
        records.has_plaintext |= is_plaintext;
        records.has_encrypted |= !is_plaintext;
        let is_sound = match header[0] {
            CHANGE_CIPHER_SPEC => !is_plaintext || body == [1],
            ALERT => !is_plaintext || matches!(body, [1 | 2, _]),
            HANDSHAKE if is_plaintext => records.note_fragments(body).is_some(),
            HANDSHAKE => true,
            APPLICATION_DATA => !is_plaintext,
            _ => false,
        };
        if !is_version || !is_sound {
            return None;
        }
        datagram = rest;
    }
    Some(records)
}

/// Whether the first record is a whole client hello that offers this SRTP profile (RFC 5764
/// section 4.1.1). `false` if it comes in pieces or is malformed.
pub(super) fn hello_offers(datagram: &[u8], profile: u16) -> bool {
    srtp_profiles(datagram)
        .is_some_and(|profiles| profiles.chunks_exact(2).any(|pair| pair == profile.to_be_bytes()))
}

/// The profiles of the extension use_srtp in a client hello (RFC 5246 section 7.4.1.2).
fn srtp_profiles(datagram: &[u8]) -> Option<&[u8]> {
    const USE_SRTP: [u8; 2] = [0, 14];
    const VERSION_AND_RANDOM_BYTES: usize = 34;
    let (header, rest) = datagram.split_at_checked(RECORD_HEADER_BYTES)?;
    let (message, rest) = rest.split_at_checked(HANDSHAKE_HEADER_BYTES)?;
    let is_whole = message[1..4] == message[9..12] && message[6..9] == [0; 3];
    if header[0] != HANDSHAKE || message[0] != CLIENT_HELLO || !is_whole {
        return None;
    }
    let rest = rest.get(VERSION_AND_RANDOM_BYTES..)?;
    let (_session, rest) = vector::<1>(rest)?;
    let (_cookie, rest) = vector::<1>(rest)?;
    let (_ciphers, rest) = vector::<2>(rest)?;
    let (_compressions, rest) = vector::<1>(rest)?;
    let (mut extensions, _) = vector::<2>(rest)?;
    while let Some((kind, rest)) = extensions.split_first_chunk::<2>() {
        let (body, rest) = vector::<2>(rest)?;
        if *kind == USE_SRTP {
            return vector::<2>(body).map(|(profiles, _)| profiles);
        }
        extensions = rest;
    }
    None
}

/// A vector whose length has `N` bytes, and what follows it (RFC 5246 section 4.3).
fn vector<const N: usize>(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<N>()?;
    let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}

impl Records {
    fn note_fragments(&mut self, mut body: &[u8]) -> Option<()> {
        while !body.is_empty() {
            let (header, rest) = body.split_first_chunk::<HANDSHAKE_HEADER_BYTES>()?;
            let length = u32::from_be_bytes([0, header[9], header[10], header[11]]);
            self.fragments.push(*header);
            body = rest.get(usize::try_from(length).ok()?..)?;
        }
        Some(())
    }
}

/// What of the handshake has arrived before.
#[derive(Default)]
pub(super) struct Repeats {
    seen: Vec<Fragment>,
}

impl Repeats {
    /// Whether all of this datagram has been here before. Remembers it.
    ///
    /// A repeat of the first hello does not count until a second has come: it means that our
    /// request to verify, which has no timer (RFC 6347 section 3.2.1), was lost.
    pub(super) fn is_repeat(&mut self, records: &Records) -> bool {
        let mut has_new = records.has_encrypted || records.fragments.is_empty();
        for fragment in &records.fragments {
            if !self.seen.contains(fragment) {
                has_new = true;
                if self.seen.len() < FRAGMENTS_MAX {
                    self.seen.push(*fragment);
                }
            } else if is_first_hello(fragment) && self.seen.iter().all(is_first_hello) {
                has_new = true;
            }
        }
        !has_new
    }
}

fn is_first_hello(fragment: &Fragment) -> bool {
    fragment[0] == CLIENT_HELLO && fragment[4..6] == [0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of `kind` in `epoch`.
    fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len()).unwrap();
        let mut record = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0, 0, length];
        record.extend(body);
        record
    }

    fn message(kind: u8, sequence: u8) -> Vec<u8> {
        record(HANDSHAKE, 0, &[kind, 0, 0, 2, 0, sequence, 0, 0, 0, 0, 0, 2, 9, 9])
    }

    #[test]
    fn forged_and_malformed_records_are_refused() {
        assert!(read(&record(ALERT, 0, &[2, 40])).is_some());
        assert!(read(&record(APPLICATION_DATA, 1, &[0])).is_some());
        assert!(read(&[message(11, 1), record(CHANGE_CIPHER_SPEC, 0, &[1])].concat()).is_some());
        for wrong in [
            record(APPLICATION_DATA, 0, &[0]),
            record(ALERT, 0, &[3, 40]),
            record(ALERT, 0, &[2]),
            record(CHANGE_CIPHER_SPEC, 0, &[2]),
            record(24, 0, &[0]),
            record(HANDSHAKE, 0, &[1, 0, 0]),
            [message(11, 1), vec![22]].concat(),
        ] {
            assert!(read(&wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn profiles_are_found_in_a_hello() {
        let hello = |profiles: &[u8]| {
            let length = u8::try_from(profiles.len()).unwrap();
            let mut body = vec![0; 34];
            body.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0, 0, length + 12, 0, 23, 0, 1, 9]);
            body.extend([0, 14, 0, length + 3, 0, length]);
            body.extend(profiles);
            body.push(0);
            let size = u8::try_from(body.len()).unwrap();
            let header = [CLIENT_HELLO, 0, 0, size, 0, 0, 0, 0, 0, 0, 0, size];
            record(HANDSHAKE, 0, &[&header[..], &body].concat())
        };
        assert!(hello_offers(&hello(&[0, 1, 0, 7]), 7));
        assert!(!hello_offers(&hello(&[0, 1, 0, 8]), 7));
        assert!(!hello_offers(&hello(&[1, 0, 7, 0]), 7));
        let whole = hello(&[0, 7]);
        for cut in 0..whole.len() - 1 {
            assert!(!hello_offers(&whole[..cut], 7), "{cut}");
        }
    }

    #[test]
    fn repeats_are_seen_except_of_a_first_hello() {
        let mut repeats = Repeats::default();
        let mut is_repeat = |datagram: Vec<u8>| repeats.is_repeat(&read(&datagram).unwrap());
        assert!(!is_repeat(message(CLIENT_HELLO, 0)));
        assert!(!is_repeat(message(CLIENT_HELLO, 0)));
        assert!(!is_repeat(message(CLIENT_HELLO, 1)));
        assert!(is_repeat(message(CLIENT_HELLO, 1)));
        assert!(is_repeat(message(CLIENT_HELLO, 0)));
        assert!(!is_repeat([message(CLIENT_HELLO, 1), message(11, 2)].concat()));
        assert!(!is_repeat([message(11, 2), record(HANDSHAKE, 1, &[0])].concat()));
        assert!(is_repeat(message(11, 2)));
    }

    #[test]
    fn fuzz_dtls_records() {
        let mut repeats = Repeats::default();
        bolero::check!().with_iterations(20_000).for_each(|bytes: &[u8]| {
            let mut repeats = Repeats::default();
            hello_offers(bytes, 7);
            let hello = [&message(CLIENT_HELLO, 0)[..25], &[0; 34], bytes].concat();
            hello_offers(&hello, 7);
            if let Some(records) = read(bytes) {
                repeats.is_repeat(&records);
                assert!(repeats.seen.len() <= FRAGMENTS_MAX.min(bytes.len()));
            }
        });
        for sequence in 0..200 {
            repeats.is_repeat(&read(&message(11, sequence)).unwrap());
        }
        assert_eq!(repeats.seen.len(), FRAGMENTS_MAX);
    }
}
