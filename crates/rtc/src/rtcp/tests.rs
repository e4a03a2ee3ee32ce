//! Written RTCP against an independent reader, what others write, and round trips.

use bytes::Bytes;
use proptest::prelude::*;
use rtc_rtcp::extended_report::{DLRRReport, DLRRReportBlock, ExtendedReport};
use rtc_rtcp::goodbye::Goodbye;
use rtc_rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::source_description::SourceDescription;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc_rtcp::{Packet, packet};

use super::*;
use crate::egress::testing::message;

fn parse(bytes: &[u8]) -> Vec<Box<dyn Packet>> {
    packet::unmarshal(&mut &bytes[..]).unwrap()
}

fn all(bytes: &[u8]) -> Vec<Message> {
    read(bytes).collect()
}

#[test]
fn a_compound_packet_is_read_by_others() {
    let block = ReportBlock {
        ssrc: 7,
        fraction_lost: 12,
        cumulative_lost: 345,
        highest_sequence: 0x0001_0002,
        jitter: 99,
        last_sender_report: 0xabcd,
        delay: 65_536,
    };
    let mut writer = Writer::compound(1, &[block], "tally");
    writer.nack(7, &[65_534, 65_535, 3, 14, 15, 900]);
    writer.picture_loss(7);
    writer.full_intra(8, 255);
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
    let fir = packets[4].as_any().downcast_ref::<FullIntraRequest>().unwrap();
    assert_eq!((fir.sender_ssrc, fir.media_ssrc, fir.fir.len()), (1, 0, 1));
    assert_eq!((fir.fir[0].ssrc, fir.fir[0].sequence_number), (8, 255));
    let remb = packets[5].as_any().downcast_ref::<ReceiverEstimatedMaximumBitrate>().unwrap();
    assert!((remb.bitrate - 2_500_000.0).abs() < 20.0);
    assert_eq!(remb.ssrcs, [7, 8]);
    assert_eq!(packets.len(), 7);
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
        Message::SenderReport { ssrc: 5, ntp: 1 << 40, timestamp: 77 },
        Message::Delay { ssrc: 1, last: 2, delay: 3 },
        Message::Goodbye { ssrcs: vec![5, 6] },
    ];
    assert_eq!(all(&bytes), expected);
    // Cut anywhere: what is whole is read, the rest left out.
    for end in 0..bytes.len() {
        assert!(expected.starts_with(&all(&bytes[..end])));
    }
}

#[test]
fn a_compound_packet_gives_its_messages_in_order() {
    let mut block = vec![0, 0, 0, 9];
    block.extend([0, 0, 0, 7, 64, 0xff, 0xff, 0xfe, 0, 1, 0, 2, 0, 0, 0, 0]);
    block.extend([1, 2, 3, 4, 0, 1, 0, 0]);
    let mut bytes = message(1, 201, &block);
    bytes.extend(message(1, 205, &[0, 0, 0, 9, 0, 0, 0, 7, 0xff, 0xff, 0x80, 1]));
    bytes.extend(message(1, 206, &[0, 0, 0, 9, 0, 0, 0, 7]));
    let remb = [&[0, 0, 0, 9, 0, 0, 0, 0], &b"REMB"[..], &[1, 0b0000_1000, 0, 5]].concat();
    bytes.extend(message(15, 206, &remb));
    bytes.extend(message(0, 203, &[]));
    let report = ReportBlock {
        ssrc: 7,
        fraction_lost: 64,
        cumulative_lost: -2,
        highest_sequence: 0x1_0002,
        last_sender_report: 0x0102_0304,
        delay: 0x1_0000,
        jitter: 0,
    };
    let wanted = [
        Message::Report(report),
        Message::Nack { ssrc: 7, sequences: vec![0xffff, 0, 15] },
        Message::KeyframeWanted { ssrc: 7 },
        Message::Remb { bps: 20 },
        Message::Goodbye { ssrcs: vec![] },
    ];
    assert_eq!(all(&bytes), wanted);
}

#[test]
fn twcc_chunks_of_every_kind_are_read() {
    // Run of 2 small deltas; one-bit vector of 14; two-bit vector of 7, of which 2 are meant.
    let head = [0xff, 0xff, 0, 18, 0, 0, 3, 0];
    let chunks = [0x20, 2, 0xa0, 1, 0b1101_1000, 0];
    let deltas = [4, 8, 1, 2, 0xff, 0xfc, 12, 0];
    let feedback = TwccFeedback::read(&[&head[..], &chunks, &deltas].concat()).unwrap();
    assert_eq!(feedback.reference, 3);
    let arrived: Vec<_> =
        feedback.packets.iter().filter_map(|(sequence, at)| Some((*sequence, (*at)?))).collect();
    let early = [(0xffff, 1_000), (0, 3_000), (1, 3_250), (14, 3_750)];
    assert_eq!(arrived[..4], early);
    assert_eq!(arrived[4..], [(15, 67_500), (16, -185_500)]);
    assert_eq!(feedback.packets.len(), 18);
}

#[test]
fn a_report_on_too_many_packets_is_ignored() {
    let body = [0, 0, 0xff, 0xff, 0, 0, 0, 0, 0x1f, 0xff, 0x1f, 0xff];
    assert_eq!(TwccFeedback::read(&body), None);
}

/// Blocks as they go over the wire: 24 bits of what was lost.
fn blocks() -> impl Strategy<Value = ReportBlock> {
    (any::<(u32, u8, u32, u32)>(), any::<(u32, u32)>(), -0x80_0000..0x80_0000_i32).prop_map(
        |((ssrc, fraction_lost, highest_sequence, jitter), (last_sender_report, delay), lost)| {
            ReportBlock {
                ssrc,
                fraction_lost,
                cumulative_lost: lost,
                highest_sequence,
                jitter,
                last_sender_report,
                delay,
            }
        },
    )
}

/// Steps between arrivals in ticks, some of them backwards, and packets that did not come.
fn feedback() -> impl Strategy<Value = TwccFeedback> {
    let step = prop_oneof![
        4 => (0..256_i64).prop_map(Some),
        1 => (-0x8000..0x8000_i64).prop_map(Some),
        2 => Just(None),
    ];
    let steps = prop::collection::vec((step, 1..20_usize), 0..300);
    (0..1_u32 << 24, any::<u16>(), steps).prop_map(|(reference, base, steps)| {
        let mut arrival_us = 0;
        let runs = steps.into_iter().flat_map(|(step, times)| std::iter::repeat_n(step, times));
        let packets = runs.enumerate().map(|(index, step)| {
            arrival_us += step.unwrap_or(0) * TICK_US;
            (base.wrapping_add(u16::try_from(index).unwrap()), step.map(|_| arrival_us))
        });
        TwccFeedback { reference, packets: packets.take(TWCC_PACKETS_MAX).collect() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(
        reports in prop::collection::vec(blocks(), 0..32),
        feedback in feedback(),
        missing in prop::collection::btree_set(0..3_000_u16, 1..300),
        bps in any::<u64>(),
        (ssrc, ntp, timestamp) in any::<(u32, u64, u32)>(),
    ) {
        let mut writer = Writer::reduced(ssrc);
        writer.sender_report(ntp, timestamp, 1, 2);
        let mut bytes = writer.finish();
        let sequences: Vec<u16> = missing.iter().map(|it| it.wrapping_add(64_000)).collect();
        let mut writer = Writer::compound(9, &reports, "tally");
        writer.nack(ssrc, &sequences);
        writer.picture_loss(ssrc);
        writer.full_intra(!ssrc, 3);
        writer.transport_wide(ssrc, 200, &feedback);
        writer.remb(bps, &[ssrc]);
        bytes.extend(writer.finish());
        let mut messages = all(&bytes);
        // The estimate has 18 bits of precision, and loses only downward.
        let Some(Message::Remb { bps: read }) = messages.pop() else { panic!() };
        prop_assert!(read <= bps && bps - read <= bps >> 17, "{} read as {}", bps, read);
        let mut wanted = vec![Message::SenderReport { ssrc, ntp, timestamp }];
        wanted.extend(reports.into_iter().map(Message::Report));
        let nack = Message::Nack { ssrc, sequences };
        wanted.extend([nack, Message::KeyframeWanted { ssrc }]);
        wanted.extend([Message::KeyframeWanted { ssrc: !ssrc }, Message::Twcc(feedback)]);
        prop_assert_eq!(messages, wanted);
    }

    #[test]
    fn any_bytes_are_read_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
        for kind in 200..=207 {
            check(&message(bytes.first().map_or(15, |it| it & 31), kind, &bytes));
        }
    }
}

#[test]
fn fuzz_rtcp_reading() {
    bolero::check!().with_iterations(20_000).for_each(|input: &[u8]| {
        check(input);
        check(&message(15, TRANSPORT_FEEDBACK, input));
    });
}

fn check(bytes: &[u8]) {
    let messages = all(bytes);
    assert!(messages.len() <= bytes.len() / 4);
    for message in messages {
        match message {
            Message::Twcc(feedback) => assert!(feedback.packets.len() <= TWCC_PACKETS_MAX),
            Message::Nack { sequences, .. } => assert!(sequences.len() <= NACKS_MAX),
            Message::Goodbye { ssrcs } => assert!(ssrcs.len() <= 31),
            _ => {}
        }
    }
}

#[test]
fn reports_count_time_in_parts_of_a_second() {
    assert_eq!(ntp_middle(0x1234_5678_9abc_def0), 0x5678_9abc);
    assert_eq!(from_units(1 << 15).as_millis(), 500);
    assert_eq!(to_units(from_units(0x8000_0000)), 0x8000_0000);
    assert_eq!(to_units(std::time::Duration::MAX / 2), u32::MAX);
}
