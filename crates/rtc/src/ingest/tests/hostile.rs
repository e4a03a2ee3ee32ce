//! Whatever comes: bounded memory, order, no panic.

use bytes::Bytes;
use proptest::prelude::*;

use super::peer::{config, ms, start, video_section};
use crate::ingest::Receiver;
use crate::ingest::nack::{MISSING_MAX, Nack};
use crate::ingest::reorder::{HELD_PACKETS_MAX, Packet, Place, Reorder, START_WAIT};
use crate::rtp::{Header, HeaderWriter};

fn rtp(header: Header, payload: &[u8]) -> Bytes {
    let writer = HeaderWriter::new(header);
    let mut bytes = vec![0; writer.written_bytes()];
    writer.write(&mut bytes);
    bytes.extend(payload);
    Bytes::from(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Pictures come in the order of their packets and never twice, whatever the numbers.
    #[test]
    fn order_holds_for_any_sequence_numbers(
        packets in prop::collection::vec((any::<u16>(), 0_u64..200, any::<bool>()), 1..400),
    ) {
        let mut now = start();
        let mut reorder = Reorder::new(ms(100), true);
        let mut nack = Nack::new();
        let mut taken = Vec::new();
        for (n, &(sequence, wait_ms, near)) in packets.iter().enumerate() {
            now += ms(wait_ms);
            let sequence = if near { sequence % 50 } else { sequence };
            let payload = Bytes::copy_from_slice(&n.to_be_bytes());
            let packet = Packet { payload_type: 96, sequence, timestamp: 0, marker: false, payload };
            match reorder.handle_packet(now, packet) {
                Place::Taken(full) => {
                    nack.handle_arrival(now, full);
                    taken.push((full, n));
                }
                Place::Restarted(full) => {
                    nack.restart(full);
                    taken.push((full, n));
                }
                Place::Useless | Place::Stray => {}
            }
            prop_assert!(reorder.held_packets() <= HELD_PACKETS_MAX);
            prop_assert!(nack.missing() <= MISSING_MAX);
        }
        reorder.handle_timeout(now + ms(101));
        let mut got = Vec::new();
        while let Some(picture) = reorder.poll_picture() {
            got.push(usize::from_be_bytes(*picture.payloads[0].first_chunk().unwrap()));
        }
        taken.sort_unstable();
        let expected: Vec<usize> = taken.into_iter().map(|(_, n)| n).collect();
        prop_assert_eq!(got, expected);
    }
}

#[test]
fn a_gap_behind_which_too_much_comes_is_given_up() {
    let now = start();
    let mut reorder = Reorder::new(ms(1_000_000), false);
    for sequence in (0..1).chain(2..2_900) {
        let payload = Bytes::from_static(b"x");
        let packet = Packet {
            payload_type: 96,
            sequence,
            timestamp: sequence.into(),
            marker: true,
            payload,
        };
        reorder.handle_packet(now, packet);
        assert!(reorder.held_packets() <= HELD_PACKETS_MAX);
    }
    assert_eq!(reorder.counts().lost, 1);
    assert_eq!(reorder.counts().pictures, 2_899);
}

#[test]
fn the_first_packet_may_be_overtaken() {
    let now = start();
    let mut reorder = Reorder::new(ms(100), false);
    for (sequence, marker) in [(1, true), (u16::MAX, false), (0, false)] {
        let payload = Bytes::from_static(b"x");
        reorder.handle_packet(
            now,
            Packet { payload_type: 96, sequence, timestamp: 9, marker, payload },
        );
        assert!(reorder.poll_picture().is_none());
    }
    assert_eq!(reorder.poll_timeout(), Some(now + START_WAIT));
    reorder.handle_timeout(now + START_WAIT);
    assert_eq!(reorder.poll_picture().unwrap().payloads.len(), 3);
    assert_eq!((reorder.counts().lost, reorder.poll_timeout()), (0, None));
}

#[test]
fn a_retransmission_from_nowhere_starts_nothing() {
    let now = start();
    let mut reorder = Reorder::new(ms(100), true);
    let packet = |sequence| Packet {
        payload_type: 96,
        sequence,
        timestamp: 0,
        marker: true,
        payload: Bytes::from_static(b"x"),
    };
    assert_eq!(reorder.handle_repair(now, packet(1)), Place::Useless);
    reorder.handle_packet(now, packet(1));
    for sequence in 30_000..30_010 {
        assert_eq!(reorder.handle_repair(now, packet(sequence)), Place::Useless);
    }
    // Two packets of the stream itself do.
    assert_eq!(reorder.handle_packet(now, packet(30_000)), Place::Stray);
    assert!(matches!(reorder.handle_packet(now, packet(30_001)), Place::Restarted(_)));
    assert_eq!((reorder.counts().restarts, reorder.counts().pictures), (1, 2));
}

#[test]
fn a_picture_without_marker_is_whole_when_the_next_begins() {
    let now = start();
    let mut reorder = Reorder::new(ms(100), false);
    for (sequence, timestamp) in [(10, 1), (11, 1), (12, 2)] {
        let payload = Bytes::from_static(b"x");
        reorder.handle_packet(
            now,
            Packet { payload_type: 96, sequence, timestamp, marker: false, payload },
        );
    }
    reorder.handle_timeout(now + START_WAIT);
    let picture = reorder.poll_picture().unwrap();
    assert_eq!((picture.rtp_ticks, picture.payloads.len()), (1, 2));
    assert!(reorder.poll_picture().is_none());
}

#[test]
fn a_picture_with_a_hole_is_left_out_and_the_next_says_so() {
    let now = start();
    let mut reorder = Reorder::new(ms(100), false);
    for (sequence, timestamp, marker) in [(1, 1, false), (3, 1, true), (4, 2, true)] {
        let payload = Bytes::from_static(b"x");
        reorder
            .handle_packet(now, Packet { payload_type: 96, sequence, timestamp, marker, payload });
    }
    reorder.handle_timeout(now + START_WAIT);
    assert!(reorder.poll_picture().is_none());
    assert_eq!(reorder.poll_timeout(), Some(now + ms(100)));
    reorder.handle_timeout(now + ms(100));
    let picture = reorder.poll_picture().unwrap();
    assert_eq!((picture.rtp_ticks, picture.after_loss), (2, true));
    assert_eq!(reorder.counts().pictures_broken, 1);
    assert_eq!(reorder.poll_timeout(), None);
}

#[test]
fn a_flood_of_ssrcs_opens_no_more_than_the_tracks() {
    let mut now = start();
    let mut receiver = Receiver::new(now, config(vec![video_section()]));
    for ssrc in 0..20_000 {
        now += ms(1);
        let header = Header { marker: true, payload_type: 96, sequence: 1, timestamp: 1, ssrc };
        receiver.handle_rtp(now, rtp(header, b"x"));
        receiver.handle_timeout(now);
        assert!(receiver.open_streams() <= 1);
    }
    // One SSRC may take over each two seconds of silence.
    assert!((5..=11).contains(&receiver.stats().reorder.pictures));
    assert!(receiver.stats().unknown >= 19_989);
}

#[test]
fn fuzz_receiver() {
    bolero::check!().with_iterations(5_000).for_each(|bytes: &[u8]| {
        let mut now = start();
        let mut receiver = Receiver::new(now, config(vec![video_section()]));
        let first = Header { payload_type: 96, sequence: 1, ssrc: 1, ..Header::default() };
        receiver.handle_rtp(now, rtp(first, b"x"));
        for piece in bytes.chunks(24) {
            now += ms(u64::from(piece[0]));
            receiver.handle_rtcp(now, piece);
            receiver.handle_rtp(now, Bytes::copy_from_slice(piece));
            // The same as media, so that the parts behind the header see arbitrary numbers.
            let word = |at: usize| piece.get(at).copied().unwrap_or(0);
            let header = Header {
                marker: word(1) & 1 == 1,
                payload_type: 96 + (word(1) >> 1 & 1),
                sequence: u16::from_be_bytes([word(2), word(3)]),
                timestamp: u32::from_be_bytes([word(4), word(5), word(6), word(7)]),
                ssrc: u32::from(word(8) % 3),
            };
            receiver.handle_rtp(now, rtp(header, piece));
            receiver.handle_timeout(now);
        }
        while receiver.poll_rtcp().is_some() {}
        while receiver.poll_picture().is_some() {}
    });
}
