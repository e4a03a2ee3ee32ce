//! SRTP against the RFCs' vectors, against itself, and against hostile packets.

mod exchange;
mod vectors;

use super::*;

const PROFILES: [Profile; 2] = [Profile::AeadAes128Gcm, Profile::Aes128CmHmacSha1_80];

/// Keys of both ends: what the client sends with is what the server receives with.
fn keys(profile: Profile) -> (SrtpKeys, SrtpKeys) {
    let material: Vec<u8> = (0..).take(profile.exporter_bytes()).collect();
    let of = |is_client| SrtpKeys::from_exporter(profile, &material, is_client).unwrap();
    (of(true), of(false))
}

/// One direction: a sealer and the opener of what it seals.
fn pair(profile: Profile) -> (Sealer, Opener) {
    let (client, server) = keys(profile);
    let sealer = Sealer::new(profile, &client.sending).unwrap();
    (sealer, Opener::new(profile, &server.receiving).unwrap())
}

/// Bytes from hexadecimal digits.
fn hex(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}
