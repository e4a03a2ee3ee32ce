//! Written RTCP against an independent reader, and the other way round.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use rtc_rtcp::extended_report::{DLRRReport, DLRRReportBlock, ExtendedReport};
use rtc_rtcp::goodbye::Goodbye;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::source_description::SourceDescription;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, SymbolTypeTcc, TransportLayerCc,
};
use rtc_rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc_rtcp::{Packet, packet};

use super::{Incoming, Reception, ReportBlock, Twcc, Writer, ntp_middle, read, round_trip};

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "any instant serves as zero of virtual time")]
    Instant::now()
}

fn parse(bytes: &[u8]) -> Vec<Box<dyn Packet>> {
    packet::unmarshal(&mut &bytes[..]).unwrap()
}

/// The arrivals (sequence number, 250 us ticks) one feedback packet tells.
fn told(bytes: &[u8]) -> Vec<(u16, i64)> {
    let packets = parse(bytes);
    let feedback = packets[0].as_any().downcast_ref::<TransportLayerCc>().unwrap();
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
    let mut arrivals = Vec::new();
    for (n, symbol) in (0_u16..).zip(symbols) {
        if symbol != SymbolTypeTcc::PacketNotReceived {
            at += deltas.next().unwrap().delta / 250;
            arrivals.push((feedback.base_sequence_number.wrapping_add(n), at));
        }
    }
    assert!(deltas.next().is_none());
    arrivals
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
        let zero = start();
        let mut twcc = Twcc::new(zero);
        let (mut sequence, mut at_us) = (first, 0);
        let mut expected = Vec::new();
        for (step, wait_us) in packets {
            sequence = sequence.wrapping_add(step);
            at_us += wait_us;
            twcc.handle_packet(zero + Duration::from_micros(at_us), sequence);
            expected.push((sequence, i64::try_from(at_us / 250).unwrap()));
        }
        let mut got = Vec::new();
        while twcc.is_due() {
            let mut writer = Writer::reduced(1);
            twcc.write(&mut writer, 2);
            let bytes = writer.finish();
            prop_assert!(bytes.len() <= 1_200, "{} bytes", bytes.len());
            got.extend(told(&bytes));
        }
        prop_assert_eq!(got, expected);
    }
}

#[test]
fn transport_feedback_tells_what_was_lost_between_reports() {
    let zero = start();
    let mut twcc = Twcc::new(zero);
    let mut write = |sequences: &[u16]| {
        for &sequence in sequences {
            twcc.handle_packet(zero, sequence);
        }
        let mut writer = Writer::reduced(1);
        twcc.write(&mut writer, 2);
        let packets = parse(&writer.finish());
        let feedback = packets[0].as_any().downcast_ref::<TransportLayerCc>().unwrap();
        (feedback.base_sequence_number, feedback.packet_status_count, feedback.fb_pkt_count)
    };
    assert_eq!(write(&[10, 11]), (10, 2, 0));
    assert_eq!(write(&[14]), (12, 3, 1));
    // Late: told again on its own.
    assert_eq!(write(&[13]), (13, 1, 2));
}

#[test]
fn a_compound_packet_is_read_by_others() {
    let block = ReportBlock {
        ssrc: 7,
        fraction_lost: 12,
        lost: 345,
        highest_sequence: 0x0001_0002,
        jitter: 99,
        last_sender_report: 0xabcd,
        delay: 65_536,
    };
    let mut writer = Writer::compound(1, &[block], "tally");
    writer.nack(7, &[65_534, 65_535, 3, 14, 15, 900]);
    writer.picture_loss(7);
    writer.remb(2_500_000, &[7, 8]);
    writer.reference_time(0x0123_4567_89ab_cdef);
    let packets = parse(&writer.finish());
    let report = packets[0].as_any().downcast_ref::<ReceiverReport>().unwrap();
    let read = &report.reports[0];
    assert_eq!((report.ssrc, read.ssrc, read.fraction_lost, read.total_lost), (1, 7, 12, 345));
    assert_eq!((read.last_sequence_number, read.jitter), (0x0001_0002, 99));
    assert_eq!((read.last_sender_report, read.delay), (0xabcd, 65_536));
    let names = packets[1].as_any().downcast_ref::<SourceDescription>().unwrap();
    assert_eq!(names.chunks[0].items[0].text, "tally");
    let nack = packets[2].as_any().downcast_ref::<TransportLayerNack>().unwrap();
    let asked: Vec<u16> = nack.nacks.iter().flat_map(|pair| pair.packet_list()).collect();
    assert_eq!(asked, [65_534, 65_535, 3, 14, 15, 900]);
    assert_eq!(nack.nacks.len(), 3);
    let loss = packets[3].as_any().downcast_ref::<PictureLossIndication>().unwrap();
    assert_eq!((loss.sender_ssrc, loss.media_ssrc), (1, 7));
    let remb = packets[4].as_any().downcast_ref::<ReceiverEstimatedMaximumBitrate>().unwrap();
    assert!((remb.bitrate - 2_500_000.0).abs() < 20.0);
    assert_eq!(remb.ssrcs, [7, 8]);
    assert_eq!(packets.len(), 6);
}

#[test]
fn what_others_write_is_read() {
    let packets: Vec<Box<dyn Packet>> = vec![
        Box::new(SenderReport { ssrc: 5, ntp_time: 1 << 40, rtp_time: 77, ..Default::default() }),
        Box::new(ExtendedReport {
            sender_ssrc: 5,
            reports: vec![Box::new(DLRRReportBlock {
                reports: vec![DLRRReport { ssrc: 1, last_rr: 2, dlrr: 3 }],
            })],
        }),
        Box::new(Goodbye { sources: vec![5, 6], reason: Bytes::from_static(b"done") }),
    ];
    let bytes = packet::marshal(&packets).unwrap();
    let expected = [
        Incoming::SenderReport { ssrc: 5, ntp: 1 << 40, rtp: 77 },
        Incoming::Delay { ssrc: 1, last: 2, delay: 3 },
        Incoming::Goodbye { ssrc: 5 },
        Incoming::Goodbye { ssrc: 6 },
    ];
    assert_eq!(read(&bytes), expected);
    // Cut anywhere: what is whole is read, the rest left out.
    for end in 0..bytes.len() {
        assert!(expected.starts_with(&read(&bytes[..end])));
    }
}

#[test]
fn reports_count_loss_jitter_and_delay() {
    let zero = start();
    let mut reception = Reception::new(7, 90_000, 65_536 + 10);
    for n in (0..100_u64).filter(|n| n % 4 != 1) {
        // Every second packet is 2 ms late.
        let at = zero + Duration::from_millis(n * 10 + (n / 2 % 2) * 2);
        reception.handle_packet(at, 65_536 + 10 + n, u32::try_from(n * 900).unwrap());
    }
    reception.handle_sender_report(zero, 0x1_8000_0000);
    let report = reception.take_report(zero + Duration::from_millis(1_500));
    assert_eq!((report.fraction_lost, report.lost, report.highest_sequence), (64, 25, 109));
    assert_eq!((report.last_sender_report, report.delay), (0x1_8000, 98_304));
    assert!((60..180).contains(&report.jitter), "{}", report.jitter);
    let report = reception.take_report(zero);
    assert_eq!((report.fraction_lost, report.lost), (0, 25));
}

#[test]
fn the_round_trip_is_what_is_left_of_the_delay() {
    let second = 65_536;
    assert_eq!(round_trip(10 * second, 9 * second, second / 2), Some(Duration::from_millis(500)));
    assert_eq!(round_trip(second, 0xffff_0000, second), Some(Duration::from_secs(1)));
    assert_eq!(round_trip(10 * second, 9 * second, 2 * second), None);
    assert_eq!(ntp_middle(0x1234_5678_9abc_def0), 0x5678_9abc);
}

#[test]
fn fuzz_rtcp_reading() {
    bolero::check!().with_iterations(20_000).for_each(|bytes: &[u8]| {
        let said = read(bytes);
        assert!(said.len() <= bytes.len() / 4);
    });
}
