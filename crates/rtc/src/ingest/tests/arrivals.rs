//! Arrivals told, read by somebody else.

use std::time::Duration;

use proptest::prelude::*;
use rtc_rtcp::packet;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, SymbolTypeTcc, TransportLayerCc,
};

use crate::egress::testing::anchor;
use crate::ingest::arrivals::Arrivals;
use crate::rtcp::Writer;

fn parse(bytes: &[u8]) -> TransportLayerCc {
    let packets = packet::unmarshal(&mut &bytes[..]).unwrap();
    packets[0].as_any().downcast_ref::<TransportLayerCc>().unwrap().clone()
}

/// The arrivals (sequence number, 250 us ticks) one feedback packet tells.
fn told(bytes: &[u8]) -> Vec<(u16, i64)> {
    let feedback = parse(bytes);
    let mut symbols = Vec::new();
    for chunk in &feedback.packet_chunks {
        match chunk {
            PacketStatusChunk::RunLengthChunk(run) => {
                symbols.extend(vec![run.packet_status_symbol; usize::from(run.run_length)]);
            }
            PacketStatusChunk::StatusVectorChunk(vector) => symbols.extend(&vector.symbol_list),
        }
    }
    symbols.truncate(usize::from(feedback.packet_status_count));
    assert_eq!(symbols.len(), usize::from(feedback.packet_status_count));
    let mut at = i64::from(feedback.reference_time) * 256;
    let mut deltas = feedback.recv_deltas.iter();
    let mut told = Vec::new();
    for (n, symbol) in (0_u16..).zip(symbols) {
        if symbol != SymbolTypeTcc::PacketNotReceived {
            at += deltas.next().unwrap().delta / 250;
            told.push((feedback.base_sequence_number.wrapping_add(n), at));
        }
    }
    assert!(deltas.next().is_none());
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each arrival is told once, to 250 us, in datagrams that fit.
    #[test]
    fn transport_feedback_round_trips(
        first in any::<u16>(),
        packets in prop::collection::vec(
            (prop_oneof![8 => Just(1_u16), 2 => 2..20_u16, 1 => 900..1_100_u16],
             prop_oneof![8 => 0..2_000_u64, 2 => 0..200_000_u64, 1 => 0..20_000_000_u64]),
            1..900,
        ),
    ) {
        let zero = anchor();
        let mut arrivals = Arrivals::new(zero);
        let (mut sequence, mut at_us) = (first, 0);
        let mut expected = Vec::new();
        for (step, wait_us) in packets {
            sequence = sequence.wrapping_add(step);
            at_us += wait_us;
            arrivals.handle_packet(zero + Duration::from_micros(at_us), sequence);
            expected.push((sequence, i64::try_from(at_us / 250).unwrap()));
        }
        let mut got = Vec::new();
        while arrivals.is_due() {
            let mut writer = Writer::reduced(1);
            arrivals.write(&mut writer, 2);
            let bytes = writer.finish();
            prop_assert!(bytes.len() <= 1_200, "{} bytes", bytes.len());
            got.extend(told(&bytes));
        }
        prop_assert_eq!(got, expected);
    }
}

#[test]
fn transport_feedback_tells_what_was_lost_between_reports() {
    let zero = anchor();
    let mut arrivals = Arrivals::new(zero);
    let mut write = |sequences: &[u16]| {
        for &sequence in sequences {
            arrivals.handle_packet(zero, sequence);
        }
        let mut writer = Writer::reduced(1);
        arrivals.write(&mut writer, 2);
        let feedback = parse(&writer.finish());
        (feedback.base_sequence_number, feedback.packet_status_count, feedback.fb_pkt_count)
    };
    assert_eq!(write(&[10, 11]), (10, 2, 0));
    assert_eq!(write(&[14]), (12, 3, 1));
    // Late: told again on its own.
    assert_eq!(write(&[13]), (13, 1, 2));
}
