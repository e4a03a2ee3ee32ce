//! Digests inside handshake packets, as Flash Player 9 and later, ffmpeg and FMLE send them.
//!
//! No specification was published. A packet holds an HMAC-SHA-256 of its other bytes, at a place
//! that four of its bytes give, in the first half (scheme 1) or the second (scheme 0). They prove
//! nothing but good manners: the keys are the names of Adobe's products.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{PACKET_BYTES, RANDOM_BYTES};

const DIGEST_BYTES: usize = 32;
/// Places a digest can start at, counted from the scheme's first one.
const PLACES: usize = 728;
/// The version S1 carries with a digest. ffmpeg looks for digests from 3 on.
const SERVER_VERSION: [u8; 4] = [4, 5, 0, 1];

const PLAYER_NAME: &[u8] = b"Genuine Adobe Flash Player 001";
const SERVER_NAME: &[u8] = b"Genuine Adobe Flash Media Server 001";
/// Follows a name in the keys of C2 and S2.
const KEY_TAIL: [u8; 32] = [
    0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57,
    0x6e, 0xec, 0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae,
];

/// Where a packet says where its digest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Four bytes at 8.
    First,
    /// Four bytes at 772.
    Second,
}

/// A digest that fits its packet.
pub(super) struct Found {
    pub(super) scheme: Scheme,
    pub(super) digest: [u8; DIGEST_BYTES],
}

impl Scheme {
    /// Where the digest of `packet` starts.
    fn place(self, packet: &[u8]) -> usize {
        let pointer = match self {
            Self::First => 8,
            Self::Second => 772,
        };
        let sum: usize = packet[pointer..pointer + 4].iter().map(|&byte| usize::from(byte)).sum();
        pointer + 4 + sum % PLACES
    }
}

/// The digest in a C1, if it has one that fits.
pub(super) fn find(c1: &[u8]) -> Option<Found> {
    if c1.len() != PACKET_BYTES || c1[4..8] == [0; 4] {
        return None;
    }
    [Scheme::First, Scheme::Second].into_iter().find_map(|scheme| {
        let place = scheme.place(c1);
        let digest = around(PLAYER_NAME, c1, place);
        (c1[place..place + DIGEST_BYTES] == digest).then_some(Found { scheme, digest })
    })
}

/// An S1 with a digest where the client had its own.
pub(super) fn s1(random: &[u8; RANDOM_BYTES], scheme: Scheme) -> [u8; PACKET_BYTES] {
    signed(random, scheme, SERVER_VERSION, SERVER_NAME)
}

fn signed(
    random: &[u8; RANDOM_BYTES],
    scheme: Scheme,
    version: [u8; 4],
    name: &[u8],
) -> [u8; PACKET_BYTES] {
    let mut packet = [0; PACKET_BYTES];
    packet[4..8].copy_from_slice(&version);
    packet[8..].copy_from_slice(random);
    let place = scheme.place(&packet);
    let digest = around(name, &packet, place);
    packet[place..place + DIGEST_BYTES].copy_from_slice(&digest);
    packet
}

/// An S2 that answers a C1's digest: random bytes, signed with a key made of the digest.
pub(super) fn s2(
    random: &[u8; RANDOM_BYTES],
    c1_digest: &[u8; DIGEST_BYTES],
) -> [u8; PACKET_BYTES] {
    let mut packet = [0; PACKET_BYTES];
    packet[..RANDOM_BYTES].copy_from_slice(random);
    let key = hmac(&[SERVER_NAME, &KEY_TAIL].concat(), &[c1_digest]);
    let (message, place) = packet.split_at_mut(PACKET_BYTES - DIGEST_BYTES);
    place.copy_from_slice(&hmac(&key, &[message]));
    packet
}

/// The HMAC of everything in `packet` but the digest at `place`.
fn around(key: &[u8], packet: &[u8], place: usize) -> [u8; DIGEST_BYTES] {
    hmac(key, &[&packet[..place], &packet[place + DIGEST_BYTES..]])
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; DIGEST_BYTES] {
    let mut hmac =
        Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length (RFC 2104)");
    for part in parts {
        hmac.update(part);
    }
    hmac.finalize().into_bytes().into()
}

/// A C1 with a digest, as ffmpeg and FMLE send it.
#[cfg(test)]
pub(super) fn c1(random: &[u8; RANDOM_BYTES], scheme: Scheme) -> [u8; PACKET_BYTES] {
    signed(random, scheme, [9, 0, 124, 2], PLAYER_NAME)
}
