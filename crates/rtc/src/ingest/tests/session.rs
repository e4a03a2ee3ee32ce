//! Sound and pictures of one publisher, its reports and its restarts.

use std::time::Instant;

use bytes::Bytes;
use rtc_rtcp::extended_report::{DLRRReport, DLRRReportBlock, ExtendedReport};
use rtc_rtcp::goodbye::Goodbye;
use rtc_rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc_rtcp::{Packet, packet};
use tally_media::codec::VideoRecord;
use tally_media::{Codec, Frame, Medium, Timescale, Timestamp, Track, TrackId};

use super::peer::{Random, config, ms, start, video_section};
use crate::depacketize::{Depacketizer, Format, starts_picture};
use crate::ingest::receiver::{PICTURES_MAX, REPORT_INTERVAL};
use crate::ingest::sources::{PayloadFormat, Section};
use crate::ingest::{Config, Receiver};
use crate::packetize::Packetizer;
use crate::rtp::{Header, HeaderWriter};

const VIDEO: (u32, u8) = (10, 96);
const AUDIO: (u32, u8) = (20, 111);

fn both() -> Config {
    let formats = vec![PayloadFormat { payload_type: 111, clock_rate: 48_000, rtx: None }];
    let audio = Section { medium: Medium::Audio, formats, nack: false, ..video_section() };
    config(vec![Section { mid: Some("a".to_owned()), ..audio }, video_section()])
}

fn send(
    receiver: &mut Receiver,
    now: Instant,
    (ssrc, payload_type): (u32, u8),
    sequence: u16,
    timestamp: u32,
) {
    let header = Header { marker: true, payload_type, sequence, timestamp, ssrc };
    let writer = HeaderWriter::new(header).extension(4, &sequence.to_be_bytes());
    let mut bytes = vec![0; writer.written_bytes()];
    writer.write(&mut bytes);
    bytes.push(1);
    receiver.handle_rtp(now, Bytes::from(bytes));
}

fn feed(receiver: &mut Receiver, now: Instant, packet: impl Packet + 'static) {
    let packets: Vec<Box<dyn Packet>> = vec![Box::new(packet)];
    receiver.handle_rtcp(now, &packet::marshal(&packets).unwrap());
}

fn feedback(receiver: &mut Receiver, now: Instant) -> Vec<Box<dyn Packet>> {
    receiver.handle_timeout(now);
    let mut packets = Vec::new();
    while let Some(bytes) = receiver.poll_rtcp() {
        packets.extend(packet::unmarshal(&mut &bytes[..]).unwrap());
    }
    packets
}

fn find<T: 'static>(packets: &[Box<dyn Packet>]) -> &T {
    packets.iter().find_map(|packet| packet.as_any().downcast_ref()).unwrap()
}

#[test]
fn the_round_trip_comes_of_reference_times() {
    let zero = start();
    let mut receiver = Receiver::new(zero, Config { reference_times: true, ..both() });
    let sent = feedback(&mut receiver, zero + REPORT_INTERVAL);
    let report: &ExtendedReport = find(&sent);
    let bytes = {
        let time = report.reports[0].as_any();
        let time: &rtc_rtcp::extended_report::ReceiverReferenceTimeReportBlock =
            time.downcast_ref().unwrap();
        time.ntp_timestamp
    };
    let last_rr = u32::try_from(bytes >> 16 & 0xffff_ffff).unwrap();
    // The publisher kept it for 250 ms; it was 330 ms until the answer came.
    let answer = DLRRReportBlock { reports: vec![DLRRReport { ssrc: 1, last_rr, dlrr: 16_384 }] };
    let answer = ExtendedReport { sender_ssrc: 10, reports: vec![Box::new(answer)] };
    feed(&mut receiver, zero + REPORT_INTERVAL + ms(330), answer);
    let rtt = receiver.rtt();
    assert!(rtt > ms(79) && rtt < ms(81), "{rtt:?}");
}

#[test]
fn reports_and_transport_feedback_tell_what_came() {
    let zero = start();
    let mut receiver = Receiver::new(zero, both());
    for n in [1_u16, 2, 4] {
        send(&mut receiver, zero + ms(20 * u64::from(n)), AUDIO, n, u32::from(n) * 960);
    }
    let sr = SenderReport { ssrc: AUDIO.0, ntp_time: 0x5_0000_0000, ..Default::default() };
    feed(&mut receiver, zero + ms(500), sr);
    let told = feedback(&mut receiver, zero + ms(500));
    let transport: &TransportLayerCc = find(&told);
    assert_eq!((transport.base_sequence_number, transport.packet_status_count), (1, 4));
    assert_eq!(told.len(), 1, "nothing may be asked for again in sound that has no NACK");
    let told = feedback(&mut receiver, zero + REPORT_INTERVAL);
    let report = &find::<ReceiverReport>(&told).reports[0];
    assert_eq!((report.ssrc, report.fraction_lost, report.total_lost), (AUDIO.0, 64, 1));
    assert_eq!((report.last_sender_report, report.delay), (0x5_0000, 32_768));
}

#[test]
fn many_asks_go_in_datagrams_that_fit() {
    let zero = start();
    let rids = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let section = Section { rids, ssrcs: vec![10, 11, 12, 13], ..video_section() };
    let mut receiver = Receiver::new(zero, Config { reduced_size: false, ..config(vec![section]) });
    // Far enough apart for an entry each.
    for n in (0..1_900_u16).filter(|n| n % 18 != 1) {
        for ssrc in 10..14 {
            send(&mut receiver, zero, (ssrc, 96), n, u32::from(n) * 3_000);
        }
    }
    receiver.handle_timeout(zero + ms(20));
    let mut asked = 0;
    while let Some(bytes) = receiver.poll_rtcp() {
        assert!(bytes.len() <= 1_200, "{} bytes", bytes.len());
        for packet in packet::unmarshal(&mut &bytes[..]).unwrap() {
            if let Some(nack) = packet.as_any().downcast_ref::<TransportLayerNack>() {
                asked += nack.nacks.iter().map(|pair| pair.packet_list().len()).sum::<usize>();
            }
        }
    }
    assert_eq!((asked, receiver.stats().asked), (4 * 106, 4 * 106));
}

#[test]
fn sound_goes_on_after_a_lost_packet() {
    let zero = start();
    let mut receiver = Receiver::new(zero, both());
    for n in [1_u16, 2, 4, 5] {
        send(&mut receiver, zero + ms(20 * u64::from(n)), AUDIO, n, u32::from(n) * 960);
    }
    receiver.handle_timeout(zero + ms(140));
    let mut got = Vec::new();
    while let Some((track, picture)) = receiver.poll_picture() {
        got.push((track, picture.time.ticks / 960, picture.after_loss));
    }
    let audio = TrackId::Audio(0);
    let expected = [(audio, 0, true), (audio, 1, false), (audio, 3, true), (audio, 4, false)];
    assert_eq!(got, expected);
}

#[test]
fn simulcast_layers_are_repaired_each_by_its_own_stream() {
    let mut now = start();
    let rids = vec!["h".to_owned(), "l".to_owned()];
    let section = Section { rids, ..video_section() };
    let mut receiver = Receiver::new(now, config(vec![section]));
    let mut send = |ssrc, payload_type, (id, rid): (u8, &[u8]), sequence, payload: &[u8]| {
        let timestamp = u32::from(sequence) * 3_000;
        let header = Header { marker: true, payload_type, sequence, timestamp, ssrc };
        let writer = HeaderWriter::new(header).extension(1, b"v").extension(id, rid);
        let mut bytes = vec![0; writer.written_bytes()];
        writer.write(&mut bytes);
        bytes.extend(payload);
        now += ms(10);
        receiver.handle_rtp(now, Bytes::from(bytes));
    };
    for sequence in [1, 2, 4] {
        send(10, 96, (2, b"h"), sequence, b"high");
        send(20, 96, (2, b"l"), sequence, b"low");
    }
    send(21, 97, (3, b"l"), 900, b"\x00\x03back");
    // A probe of the path without a packet inside.
    send(21, 97, (3, b"l"), 901, b"");
    let mut got = [Vec::new(), Vec::new()];
    while let Some((track, picture)) = receiver.poll_picture() {
        let TrackId::Video(layer) = track else { panic!("{track:?}") };
        got[usize::from(layer)].push(picture.payloads[0].clone());
    }
    assert_eq!(got[0], ["high", "high"]);
    assert_eq!(got[1], ["low", "low", "back", "low"]);
}

#[test]
fn an_encoder_that_begins_anew_goes_on_in_time() {
    let zero = start();
    let mut receiver = Receiver::new(zero, both());
    send(&mut receiver, zero, VIDEO, 7, 1_000);
    send(&mut receiver, zero + ms(40), VIDEO, 8, 4_600);
    feed(&mut receiver, zero + ms(50), Goodbye { sources: vec![VIDEO.0], reason: Bytes::new() });
    assert_eq!(receiver.open_streams(), 0);
    send(&mut receiver, zero + ms(5_000), (11, 96), 60_000, 3_000_000_000);
    send(&mut receiver, zero + ms(5_040), (11, 96), 60_001, 3_000_003_600);
    let mut times = Vec::new();
    while let Some((track, picture)) = receiver.poll_picture() {
        assert_eq!(track, TrackId::Video(0));
        times.push(picture.time.as_ms());
    }
    assert_eq!(times, [0, 40, 5_000, 5_040]);
}

#[test]
fn pictures_nobody_polls_are_bounded() {
    let zero = start();
    let mut receiver = Receiver::new(zero, both());
    for n in 0..2_000_u16 {
        send(&mut receiver, zero + ms(u64::from(n) * 20), AUDIO, n, u32::from(n) * 960);
    }
    let mut polled = 0;
    while receiver.poll_picture().is_some() {
        polled += 1;
    }
    assert_eq!(polled, PICTURES_MAX);
    assert_eq!(receiver.stats().pictures_unpolled, 2_000 - u64::try_from(PICTURES_MAX).unwrap());
}

#[test]
fn a_wanted_keyframe_is_asked_for_until_it_comes() {
    let zero = start();
    let mut receiver = Receiver::new(zero, both());
    let video = TrackId::Video(0);
    receiver.want_keyframe(video);
    // Nobody to ask yet.
    assert_eq!(receiver.poll_timeout(zero), zero + REPORT_INTERVAL);
    send(&mut receiver, zero, VIDEO, 1, 0);
    receiver.want_keyframe(video);
    assert_eq!(receiver.poll_timeout(zero), zero);
    // The round trip assumed, and a margin; then as seldom as ever.
    for at in [0, 100, 199, 200, 699, 700, 1_000] {
        receiver.handle_timeout(zero + ms(at));
    }
    assert_eq!(receiver.stats().keyframe_requests, 3);
    receiver.keyframe_arrived(video);
    receiver.handle_timeout(zero + ms(2_000));
    assert_eq!(receiver.stats().keyframe_requests, 3);
}

#[test]
fn a_publisher_that_knows_no_pli_is_sent_fir() {
    let zero = start();
    let sections = vec![Section { fir: true, ..video_section() }];
    let mut receiver = Receiver::new(zero, config(sections));
    send(&mut receiver, zero, VIDEO, 1, 0);
    receiver.want_keyframe(TrackId::Video(0));
    let mut numbers = Vec::new();
    for at in [0, 200] {
        let sent = feedback(&mut receiver, zero + ms(at));
        assert!(sent.iter().all(|it| !it.as_any().is::<PictureLossIndication>()));
        let fir: &FullIntraRequest = find(&sent);
        numbers.extend(fir.fir.iter().map(|it| (it.ssrc, it.sequence_number)));
    }
    assert_eq!(numbers, [(VIDEO.0, 1); 2], "a repeat is the same demand");
}

/// A VP8 keyframe of 322x182 with `len` bytes of picture behind its header.
fn vp8_keyframe(len: usize, fill: u8) -> Bytes {
    let mut frame = b"\xf0\x67\x00\x9d\x01\x2a\x42\x01\xb6\x00".to_vec();
    frame.resize(frame.len() + len, fill);
    Bytes::from(frame)
}

#[test]
fn frames_come_out_as_they_went_in_over_a_link_that_loses_and_swaps() {
    let record = VideoRecord {
        record: Bytes::new(),
        width: 322,
        height: 182,
        rfc6381: String::new(),
        color: None,
    };
    let id = TrackId::Video(0);
    let codec = Codec::Vp8(record);
    let track = Track { id, codec, timescale: Timescale::VIDEO, language: None, color: None };
    let mut packetizer = Packetizer::new(&track, 1_100).unwrap();
    let mut depacketizer = Depacketizer::new(Format::Vp8);
    let zero = start();
    let mut receiver = Receiver::new(zero, config(vec![video_section()]));
    let mut random = Random(3);
    let (mut sequence, mut sent, mut got) = (60_000_u16, Vec::new(), Vec::new());
    let mut packets = Vec::new();
    for n in 0..200_u8 {
        let payload = vp8_keyframe(usize::from(n) * 50, n);
        let time = Timestamp::new(i64::from(n) * 3_000, Timescale::VIDEO);
        let frame = Frame { dts: time, pts: time, duration_ticks: None, keyframe: true, payload };
        let made = packetizer.packetize(&frame).unwrap();
        for payload in &made.payloads {
            sequence = sequence.wrapping_add(1);
            let timestamp = u32::from(n) * 3_000;
            let header =
                Header { marker: payload.marker, payload_type: 96, sequence, timestamp, ssrc: 10 };
            let mut bytes = vec![0; 12];
            HeaderWriter::new(header).write(&mut bytes);
            bytes.extend(payload.prefix.as_slice());
            bytes.extend(&payload.body);
            // One in ten comes 30 to 90 ms late, as if sent again.
            let late = if random.below(10) == 0 && n > 0 { 30 + random.below(60) } else { 0 };
            packets.push((u64::from(n) * 33 + late, packets.len(), Bytes::from(bytes)));
        }
        sent.push(frame.payload);
    }
    packets.sort();
    for (at_ms, _, bytes) in packets {
        receiver.handle_rtp(zero + ms(at_ms), bytes);
    }
    receiver.handle_timeout(zero + ms(10_000));
    while let Some((_, picture)) = receiver.poll_picture() {
        if picture.after_loss {
            assert!(starts_picture(Format::Vp8, &picture.payloads[0]));
        }
        got.push(depacketizer.assemble(&picture.payloads).unwrap().unwrap().payload);
    }
    assert_eq!(got, sent);
}
