//! The vectors of RFC 3711 appendix B and RFC 7714 sections 16 and 17, and a packet that other
//! implementations seal with the key of appendix B.3.

use super::super::cipher::{Cipher, cm_block, gcm_nonce};
use super::super::derive::{Purpose, SessionKeys, session_keys};
use super::{DirectionKey, OpenError, Opener, Profile, Sealer, SrtpKeys, hex};

/// The master key of RFC 3711 appendix B.3.
fn master() -> DirectionKey {
    DirectionKey {
        key: hex("E1F97A0D3E018BE0D64FA32C06DE4139").try_into().unwrap(),
        salt: hex("0EC675AD498AFEEBB6960B3AABE6"),
    }
}

/// Both ends with the session keys of RFC 7714 section 15.
fn rfc7714(rtcp_index: u32) -> (Sealer, Opener) {
    let profile = Profile::AeadAes128Gcm;
    let mut salt = [0; 14];
    salt[..12].copy_from_slice(b"Quid pro quo");
    let cipher = hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
    let keys = SessionKeys { cipher, auth: [0; 20], salt };
    let new = || Cipher::new(profile, &keys);
    let sealer = Sealer::from_ciphers(profile, new(), new(), rtcp_index);
    (sealer, Opener::from_ciphers(profile, new(), new()))
}

#[test]
fn session_keys_are_those_of_rfc_3711_b_3() {
    let keys = session_keys(Profile::Aes128CmHmacSha1_80, &master(), Purpose::Rtp).unwrap();
    assert_eq!(keys.cipher[..], hex("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(keys.auth[..], hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    assert_eq!(keys.salt[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
}

#[test]
fn the_keystream_is_that_of_rfc_3711_b_2() {
    let keys = SessionKeys {
        cipher: hex("2B7E151628AED2A6ABF7158809CF4F3C").try_into().unwrap(),
        auth: [0; 20],
        salt: hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap(),
    };
    let block = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000");
    assert_eq!(cm_block(&keys.salt, 0, 0)[..], block);
    let Cipher::Cm(cm) = Cipher::new(Profile::Aes128CmHmacSha1_80, &keys) else { panic!("CM") };
    let mut stream = [0; 48];
    cm.crypt(0, 0, &mut stream).unwrap();
    let wanted = "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB
                  41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(stream[..], hex(wanted));
}

#[test]
fn a_cm_packet_is_what_others_make_of_it() {
    let profile = Profile::Aes128CmHmacSha1_80;
    let header = hex("800f1234decafbadcafebabe");
    let mut out = [0; 100];
    let sealer = Sealer::new(profile, &master()).unwrap();
    let len = sealer.seal_rtp(&header, &[&[0xAB; 16]], 0, &mut out).unwrap();
    let wanted = "800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402
                  b78d6acc 99ea179b 8dbb";
    assert_eq!(out[..len], hex(wanted));
    let opened = Opener::new(profile, &master()).unwrap().open_rtp(&mut out[..len]).unwrap();
    assert_eq!(out[..opened.len_bytes], [header, vec![0xAB; 16]].concat());
}

#[test]
fn a_cm_rtcp_packet_is_what_others_make_of_it() {
    let profile = Profile::Aes128CmHmacSha1_80;
    let plain = [hex("81c8000bcafebabe"), vec![0xAB; 16]].concat();
    let mut sealer = Sealer::new(profile, &master()).unwrap();
    let mut out = Vec::new();
    sealer.seal_rtcp(&plain, &mut out).unwrap();
    out.clear();
    sealer.seal_rtcp(&plain, &mut out).unwrap();
    let wanted = "81c8000b cafebabe 7128035b e487b9bd bef89041 f977a5a8 80000001
                  993e08cd 54d6c123 0798";
    assert_eq!(out, hex(wanted));
}

#[test]
fn a_gcm_packet_is_that_of_rfc_7714_16_1() {
    let header = hex("8040f17b8041f8d35501a0b2");
    let text = b"Gallia est omnis divisa in partes tres";
    let nonce = gcm_nonce(b"Quid pro quo", 0x5501_a0b2, 0xf17b);
    assert_eq!(nonce[..], hex("51753c6580c2726f20718414"));
    let wanted = hex("8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
                      0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439
                      0cce");
    let slices: [&[&[u8]]; 4] = [
        &[text],
        &[&text[..5], &text[5..]],
        &[&text[..33], &text[33..]],
        &[&text[..1], &text[1..20], &[], &text[20..]],
    ];
    let (sealer, mut opener) = rfc7714(0);
    for payload in slices {
        let mut out = [0; 100];
        let len = sealer.seal_rtp(&header, payload, 0, &mut out).unwrap();
        assert_eq!(out[..len], wanted, "in {} slices", payload.len());
    }
    let mut sealed = wanted;
    let opened = opener.open_rtp(&mut sealed).unwrap();
    assert_eq!(
        (opened.index, &sealed[..opened.len_bytes]),
        (0xf17b, &[&header, &text[..]].concat()[..])
    );
}

#[test]
fn a_gcm_rtcp_packet_is_that_of_rfc_7714_17_1() {
    let plain = hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
                     deadbeef deadbeef deadbeef deadbeef deadbeef");
    let wanted = hex("81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
                      c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872
                      45d9eade 800005d4");
    let (mut sealer, mut opener) = rfc7714(0x5d4);
    let mut out = Vec::new();
    sealer.seal_rtcp(&plain, &mut out).unwrap();
    assert_eq!(out, wanted);
    let len = opener.open_rtcp(&mut out).unwrap();
    assert_eq!(out[..len], plain);
}

#[test]
fn rtcp_in_the_clear_is_refused_though_authentic() {
    let tagged = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef
                  deadbeef deadbeef deadbeef deadbeef 841dd968 3dd78ec9 2ae58790 125f62b3 000005d4";
    let (_, mut opener) = rfc7714(0);
    assert_eq!(opener.open_rtcp(&mut hex(tagged)), Err(OpenError::Malformed));
}

#[test]
fn the_exporter_gives_keys_before_salts_and_the_client_before_the_server() {
    let profile = Profile::AeadAes128Gcm;
    let material = [vec![1; 16], vec![2; 16], vec![3; 12], vec![4; 12]].concat();
    let client = DirectionKey { key: [1; 16], salt: vec![3; 12] };
    let server = DirectionKey { key: [2; 16], salt: vec![4; 12] };
    let keys = SrtpKeys::from_exporter(profile, &material, true).unwrap();
    assert_eq!((keys.sending, keys.receiving), (client.clone(), server.clone()));
    let keys = SrtpKeys::from_exporter(profile, &material, false).unwrap();
    assert_eq!((keys.sending, keys.receiving), (server, client));
    for wrong in [&material[1..], &[0; 60], &[0; 31], &[]] {
        let error = SrtpKeys::from_exporter(profile, wrong, true).unwrap_err();
        assert_eq!((error.len, error.expected), (wrong.len(), 56));
    }
    assert_eq!(Profile::Aes128CmHmacSha1_80.exporter_bytes(), 60);
}
