//! Sealed here and opened there: wraps, replays, damage, bounds.

use std::collections::HashSet;

use proptest::prelude::*;

use super::super::cipher::{Cipher, cm_block, gcm_nonce};
use super::super::derive::{Purpose, session_keys};
use super::*;
use crate::rtp;

const SSRC: u32 = 0x1234_5678;
/// A receiver report without blocks.
const REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 9];

fn header(ssrc: u32, sequence: u16) -> Vec<u8> {
    let header = rtp::Header { payload_type: 96, sequence, ssrc, ..Default::default() };
    let mut bytes = vec![0; rtp::HEADER_BYTES_MAX];
    let len = rtp::HeaderWriter::new(header).extension(1, &[7; 3]).write(&mut bytes);
    bytes.truncate(len);
    bytes
}

fn sealed(sealer: &Sealer, ssrc: u32, index: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 2_000];
    let (roc, sequence) = ((index >> 16) as u32, index as u16);
    let len = sealer.seal_rtp(&header(ssrc, sequence), &[payload], roc, &mut out).unwrap();
    out.truncate(len);
    out
}

/// The plain packet, and its index, of a sealed one.
fn open(opener: &mut Opener, mut packet: Vec<u8>) -> Result<(u64, Vec<u8>), OpenError> {
    let opened = opener.open_rtp(&mut packet)?;
    packet.truncate(opened.len_bytes);
    Ok((opened.index, packet))
}

#[test]
fn packets_survive_the_wrap_of_the_sequence_in_any_order() {
    for profile in PROFILES {
        let (sealer, mut opener) = pair(profile);
        for index in [65_532, 65_530, 65_537, 65_535, 65_536, 65_534, 65_538] {
            let plain = [header(SSRC, index as u16), b"payload".to_vec()].concat();
            let packet = sealed(&sealer, SSRC, index, b"payload");
            assert_eq!(packet.len(), plain.len() + profile.rtp_overhead_bytes());
            assert_eq!(open(&mut opener, packet), Ok((index, plain)), "{profile:?}");
        }
    }
}

#[test]
fn the_rollover_counter_follows_through_many_wraps_and_much_loss() {
    for profile in PROFILES {
        let (sealer, mut opener) = pair(profile);
        for index in (0..9 << 16).step_by(9_973) {
            let packet = sealed(&sealer, SSRC, index, b"");
            assert_eq!(open(&mut opener, packet).unwrap().0, index, "{profile:?}");
        }
    }
}

#[test]
fn no_packet_allocates() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile);
        let mut out = [0; 1_300];
        let mut report = Vec::with_capacity(100);
        let mut exchange = |sequence| {
            let mut bytes = [0; rtp::HEADER_BYTES_MAX];
            let header = rtp::Header { ssrc: SSRC, sequence, ..Default::default() };
            let len = rtp::HeaderWriter::new(header).extension(1, &[7]).write(&mut bytes);
            for payload in [&[&[1; 1_000][..]][..], &[&[2; 3], &[3; 1_000]], &[&[4], &[5], &[6]]] {
                let sealed = sealer.seal_rtp(&bytes[..len], payload, 0, &mut out).unwrap();
                let _ = opener.open_rtp(&mut out[..sealed]);
            }
            report.clear();
            sealer.seal_rtcp(&REPORT, &mut report).unwrap();
            opener.open_rtcp(&mut report).unwrap();
        };
        exchange(1); // Makes the sources known.
        let counted = allocation_counter::measure(|| (2..20).for_each(&mut exchange));
        assert_eq!(counted.count_total, 0, "{profile:?}");
    }
}

#[test]
fn a_replay_is_refused_and_so_is_what_is_too_old() {
    for profile in PROFILES {
        let (sealer, mut opener) = pair(profile);
        let mut outcome =
            |index| open(&mut opener, sealed(&sealer, SSRC, index, b"x")).map(|(index, _)| index);
        for index in [1, 500, 1_024] {
            assert_eq!(outcome(index), Ok(index));
            assert_eq!(outcome(index), Err(OpenError::Replayed));
        }
        assert_eq!(outcome(500), Err(OpenError::Replayed));
        assert_eq!(outcome(0), Err(OpenError::TooOld));
        assert_eq!(outcome(499), Ok(499));
        assert_eq!(outcome(1_530), Ok(1_530));
        assert_eq!(outcome(1_524), Ok(1_524), "the slot of 500, skipped a window later");
        assert_eq!(outcome(507), Ok(507));
        assert_eq!(outcome(30_000), Ok(30_000));
        assert_eq!(outcome(29_500), Ok(29_500), "a jump clears the window");
        assert_eq!(outcome(65_535), Err(OpenError::TooOld), "before the first wrap");
    }
}

#[test]
fn sources_do_not_share_a_window() {
    let (sealer, mut opener) = pair(Profile::AeadAes128Gcm);
    for ssrc in 0..SOURCES_MAX as u32 {
        assert!(open(&mut opener, sealed(&sealer, ssrc, 7, b"x")).is_ok());
    }
    let one_more = sealed(&sealer, SOURCES_MAX as u32, 7, b"x");
    assert_eq!(open(&mut opener, one_more), Err(OpenError::Sources));
    assert!(open(&mut opener, sealed(&sealer, 3, 8, b"x")).is_ok());
}

#[test]
fn any_changed_byte_is_refused_and_leaves_the_original_welcome() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile);
        let packet = sealed(&sealer, SSRC, 5, b"payload");
        for at in 0..packet.len() {
            let mut changed = packet.clone();
            changed[at] ^= 1;
            assert!(open(&mut opener, changed).is_err(), "{profile:?}, byte {at}");
            assert!(open(&mut opener, packet[..at].to_vec()).is_err(), "{profile:?}, {at} bytes");
        }
        assert!(open(&mut opener, packet).is_ok());
        let mut packet = Vec::new();
        sealer.seal_rtcp(&[REPORT, REPORT].concat(), &mut packet).unwrap();
        for at in 0..packet.len() {
            let mut changed = packet.clone();
            changed[at] ^= 1;
            assert!(opener.open_rtcp(&mut changed).is_err(), "{profile:?}, byte {at}");
            assert!(opener.open_rtcp(&mut packet[..at].to_vec()).is_err(), "{at} bytes");
        }
        assert_eq!(opener.open_rtcp(&mut packet), Ok(16));
    }
}

#[test]
fn rtcp_is_opened_once() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile);
        let mut packets = vec![Vec::new(), b"in front".to_vec()];
        for out in &mut packets {
            sealer.seal_rtcp(&REPORT, out).unwrap();
        }
        for mut packet in [packets[1][8..].to_vec(), packets.remove(0)] {
            let again = packet.clone();
            assert_eq!(opener.open_rtcp(&mut packet), Ok(REPORT.len()));
            assert_eq!(packet[..8], REPORT);
            assert_eq!(opener.open_rtcp(&mut again.clone()), Err(OpenError::Replayed));
        }
    }
}

#[test]
fn the_last_rtcp_index_is_used_and_none_after_it() {
    for profile in PROFILES {
        let master = keys(profile).0.sending;
        let new = |purpose| Cipher::new(profile, &session_keys(profile, &master, purpose).unwrap());
        let (rtp, rtcp) = (new(Purpose::Rtp), new(Purpose::Rtcp));
        let mut sealer = Sealer::from_ciphers(profile, rtp, rtcp, (1 << 31) - 1);
        let mut out = Vec::new();
        sealer.seal_rtcp(&REPORT, &mut out).unwrap();
        assert_eq!(Opener::new(profile, &master).unwrap().open_rtcp(&mut out.clone()), Ok(8));
        let before = out.clone();
        assert_eq!(sealer.seal_rtcp(&REPORT, &mut out), Err(SealError::Exhausted));
        assert_eq!(out, before);
    }
}

#[test]
fn what_is_no_packet_is_not_sealed() {
    let (mut sealer, _) = pair(Profile::AeadAes128Gcm);
    let mut out = [0; 100];
    let header = header(SSRC, 1);
    let long = [&header[..], &[0]].concat();
    for wrong in [&header[..11], &long, &[0; 12], &[]] {
        assert_eq!(sealer.seal_rtp(wrong, &[], 0, &mut out), Err(SealError::Header));
    }
    let short = sealer.seal_rtp(&header, &[&[0; 65]], 0, &mut out);
    assert_eq!(short, Err(SealError::Buffer { needed: 101, len: 100 }));
    assert_eq!(sealer.seal_rtp(&header, &[&[0; 64]], 0, &mut out), Ok(100));
    let long = vec![0; PACKET_BYTES_MAX];
    let refused = sealer.seal_rtp(&header, &[&long], 0, &mut out);
    assert_eq!(refused, Err(SealError::TooLong(PACKET_BYTES_MAX + 36)));
    for wrong in [&REPORT[..7], &[0x80, 96, 0, 0, 0, 0, 0, 0], &[0, 201, 0, 0, 0, 0, 0, 0]] {
        assert_eq!(sealer.seal_rtcp(wrong, &mut Vec::new()), Err(SealError::Header));
    }
}

#[test]
fn a_salt_of_the_other_profile_is_refused() {
    let master = keys(Profile::AeadAes128Gcm).0.sending;
    let error = KeyError { len: 12, expected: 14 };
    assert_eq!(Sealer::new(Profile::Aes128CmHmacSha1_80, &master).unwrap_err(), error);
    assert_eq!(Opener::new(Profile::Aes128CmHmacSha1_80, &master).unwrap_err(), error);
}

#[test]
fn what_is_printed_holds_no_secret() {
    for profile in PROFILES {
        let (client, _) = keys(profile);
        let (sealer, opener) = pair(profile);
        let printed = format!("{client:?} {sealer:?} {opener:?}");
        let wanted = format!(
            "SrtpKeys {{ profile: {profile:?}, sending: DirectionKey(..), receiving: \
             DirectionKey(..) }} Sealer {{ profile: {profile:?}, rtcp_index: 0, .. }} Opener {{ \
             profile: {profile:?}, sources: 0, .. }}"
        );
        assert_eq!(printed, wanted);
    }
}

/// Sequence walks near wraps of both halves of the index: a start, then steps back or ahead.
fn walks() -> impl Strategy<Value = Vec<(u32, u64)>> {
    let start =
        prop_oneof![0_u64..40, 65_500_u64..65_560, (1_u64 << 48) - 4_000..(1 << 48) - 2_000];
    let steps = proptest::collection::vec((0_u32..3, -20_i64..30), 1..100);
    (any::<u32>(), start, steps).prop_map(|(ssrc, start, steps)| {
        let mut index = start;
        let step = |(source, by): (u32, i64)| {
            index = index.saturating_add_signed(by);
            (ssrc.wrapping_add(source), index)
        };
        steps.into_iter().map(step).collect()
    })
}

proptest! {
    #[test]
    fn no_nonce_repeats_over_any_walk_and_any_wrap(
        walk in walks(), cycles in proptest::collection::vec(0_u64..1 << 32, 1..5), salt: [u8; 14],
    ) {
        let gcm_salt = salt[..12].try_into().unwrap();
        // Each packet of the walk again with the same sequence number, whole wraps later.
        let later = |(ssrc, index): (u32, u64)| {
            let wraps = [0, 1, 1 << 16].into_iter().chain(cycles.clone());
            wraps.map(move |wraps| (ssrc, (index + (wraps << 16)) % (1 << 48)))
        };
        let packets: HashSet<(u32, u64)> = walk.into_iter().flat_map(later).collect();
        let gcm: HashSet<[u8; 12]> =
            packets.iter().map(|(ssrc, index)| gcm_nonce(&gcm_salt, *ssrc, *index)).collect();
        // Counter blocks of a packet differ in the last two bytes, which all start at zero.
        let cm: HashSet<[u8; 16]> =
            packets.iter().map(|(ssrc, index)| cm_block(&salt, *ssrc, *index)).collect();
        prop_assert_eq!((gcm.len(), cm.len()), (packets.len(), packets.len()));
        prop_assert!(cm.iter().all(|block| block[14..] == [0, 0]));
    }

    #[test]
    fn what_is_sealed_opens_once_whatever_the_order(
        gcm: bool, walk in walks(), payload in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let profile = PROFILES[usize::from(gcm)];
        let (sealer, mut opener) = pair(profile);
        let mut known = HashSet::new();
        let mut opened = HashSet::new();
        for (ssrc, index) in walk {
            if known.insert(ssrc) && index >= 65_536 {
                // A receiver that joins does not know of wraps.
                prop_assert!(open(&mut opener, sealed(&sealer, ssrc, index, &payload)).is_err());
                return Ok(());
            }
            let outcome = open(&mut opener, sealed(&sealer, ssrc, index, &payload));
            if opened.insert((ssrc, index)) {
                let plain = [&header(ssrc, index as u16)[..], &payload].concat();
                prop_assert_eq!(outcome, Ok((index, plain)));
            } else {
                prop_assert_eq!(outcome, Err(OpenError::Replayed));
            }
        }
    }
}

#[test]
fn fuzz_srtp() {
    let mut ends = PROFILES.map(pair);
    let packets = [0, 1].map(|at| {
        let (sealer, opener): &mut (Sealer, Opener) = &mut ends[at];
        let rtp = sealed(sealer, SSRC, 9, &[3; 40]);
        let mut rtcp = Vec::new();
        sealer.seal_rtcp(&REPORT, &mut rtcp).unwrap();
        // Used up, so that nothing that opens can be but a forgery.
        opener.open_rtp(&mut rtp.clone()).unwrap();
        opener.open_rtcp(&mut rtcp.clone()).unwrap();
        [rtp, rtcp]
    });
    let ends = std::cell::RefCell::new(ends);
    let ends = std::panic::AssertUnwindSafe(&ends);
    bolero::check!().with_iterations(5_000).for_each(|bytes: &[u8]| {
        for (at, (_, opener)) in ends.borrow_mut().iter_mut().enumerate() {
            assert!(opener.open_rtp(&mut bytes.to_vec()).is_err());
            assert!(opener.open_rtcp(&mut bytes.to_vec()).is_err());
            // Real packets with the input laid over them.
            for packet in &packets[at] {
                let mut packet = packet.clone();
                packet.iter_mut().zip(bytes).for_each(|(byte, other)| *byte ^= other);
                assert!(opener.open_rtp(&mut packet.clone()).is_err());
                assert!(opener.open_rtcp(&mut packet).is_err());
            }
        }
    });
}
