//! Headers there and back, hostile packets, numbers over their wraps.

use proptest::prelude::*;

use super::*;

const HEADER: Header = Header {
    marker: true,
    payload_type: 96,
    sequence: 0x1234,
    timestamp: 0xDEAD_BEEF,
    ssrc: 0xCAFE_BABE,
};

/// What a writer makes, followed by `payload`.
fn packet(writer: &HeaderWriter, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xFF; HEADER_BYTES_MAX];
    let len = writer.write(&mut bytes);
    bytes.truncate(len);
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn a_plain_header_is_twelve_bytes() {
    let bytes = packet(&HeaderWriter::new(HEADER), b"hi");
    assert_eq!(bytes[..4], [0x80, 0xE0, 0x12, 0x34]);
    assert_eq!(bytes.len(), 14);
    let read = Packet::parse(&bytes).unwrap();
    assert_eq!((read.header(), read.payload_range()), (HEADER, 12..14));
}

#[test]
fn short_elements_take_the_one_byte_form() {
    let writer = HeaderWriter::new(HEADER).extension(3, &[0xAA, 0xBB]).extension(1, &[0xCC]);
    let bytes = packet(&writer, b"");
    assert_eq!(bytes[12..], [0xBE, 0xDE, 0, 2, 0x31, 0xAA, 0xBB, 0x10, 0xCC, 0, 0, 0]);
}

#[test]
fn one_element_that_does_not_fit_the_one_byte_form_moves_all_to_the_two_byte_form() {
    let writer = HeaderWriter::new(HEADER).extension(3, &[0xAA, 0xBB]).extension(15, &[]);
    let bytes = packet(&writer, b"");
    assert_eq!(bytes[12..], [0x10, 0, 0, 2, 3, 2, 0xAA, 0xBB, 15, 0, 0, 0]);
    let read = Packet::parse(&bytes).unwrap();
    assert_eq!(read.extension(15), Some(&[][..]));
    assert_eq!(read.extension(3), Some(&[0xAA, 0xBB][..]));
}

#[test]
fn contributing_sources_and_padding_are_read() {
    let mut bytes = packet(&HeaderWriter::new(HEADER), b"");
    bytes[0] |= 0x20 | 2;
    bytes.extend_from_slice(&[0, 0, 0, 7, 0, 0, 0, 9, b'x', 0, 0, 3]);
    let read = Packet::parse(&bytes).unwrap();
    assert_eq!(read.csrcs().collect::<Vec<_>>(), [7, 9]);
    assert_eq!(read.payload_range(), 20..21);
    for (last, payload) in [(0, 4), (5, 4)] {
        *bytes.last_mut().unwrap() = last;
        let wanted = ParseError::Padding { padding: usize::from(last), payload };
        assert_eq!(Packet::parse(&bytes).unwrap_err(), wanted);
    }
}

#[test]
fn bytes_that_end_early_are_refused() {
    let bytes = packet(&HeaderWriter::new(HEADER).extension(1, &[1, 2, 3]), b"");
    for len in 0..bytes.len() {
        let cut = Packet::parse(&bytes[..len]);
        assert!(matches!(cut, Err(ParseError::Truncated { .. })), "{len} bytes: {cut:?}");
    }
    assert_eq!(Packet::parse(&[0x40; 12]).unwrap_err(), ParseError::Version(1));
}

#[test]
fn elements_after_a_stop_or_of_another_profile_are_ignored() {
    let mut bytes = packet(&HeaderWriter::new(HEADER).extension(2, &[9]).extension(1, &[8]), b"");
    assert_eq!(Packet::parse(&bytes).unwrap().extension(1), Some(&[8][..]));
    for stop in [0xF0, 0x01] {
        bytes[16] = stop;
        assert_eq!(Packet::parse(&bytes).unwrap().extension(1), None, "after {stop:#x}");
    }
    bytes[16] = 0x2F;
    assert_eq!(Packet::parse(&bytes).unwrap().extension(2), None, "longer than there is");
    bytes[12] = 0;
    assert_eq!(Packet::parse(&bytes).unwrap().extension(1), None, "an unknown profile");
}

#[test]
fn rtcp_is_told_from_rtp_by_its_second_byte() {
    assert!(is_rtcp(&[0x80, 200]) && is_rtcp(&[0x80, 206]));
    assert!(!is_rtcp(&[0x80, 0xE0]) && !is_rtcp(&[0x80, 111]) && !is_rtcp(&[0x80]));
}

#[test]
fn a_sequence_runs_on_over_its_wrap_in_both_directions() {
    let mut sequence = ExtendedSequence::new();
    let seen = [65_534, 1, 65_535, 0, 2, 65_533].map(|number| sequence.unwrap(number));
    assert_eq!(
        seen.map(|number| number - 65_536),
        [65_534, 65_537, 65_535, 65_536, 65_538, 65_533]
    );
    assert_eq!(sequence.highest(), Some(65_536 + 65_538));
    let mut sequence = ExtendedSequence::new();
    assert_eq!([0, 65_535, 32_768].map(|n| sequence.unwrap(n)), [65_536, 65_535, 32_768]);
}

#[test]
fn ticks_run_on_over_their_wrap_in_both_directions() {
    assert_eq!(unwrap_ticks(u32::MAX.into(), 5), i64::from(u32::MAX) + 6);
    assert_eq!(unwrap_ticks(3, u32::MAX - 1), -2);
    assert_eq!(unwrap_ticks(-2, 4), 4);
}

proptest! {
    #[test]
    fn headers_survive_writing(
        marker: bool, payload_type in 0_u8..128, sequence: u16, timestamp: u32, ssrc: u32,
        elements in proptest::collection::btree_map(
            1_u8.., proptest::collection::vec(any::<u8>(), 0..20), 0..5),
        payload in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let used: usize = elements.values().map(|bytes| bytes.len() + 2).sum();
        prop_assume!(used <= EXTENSION_BYTES_MAX);
        let header = Header { marker, payload_type, sequence, timestamp, ssrc };
        let writer = elements.iter()
            .fold(HeaderWriter::new(header), |writer, (id, bytes)| writer.extension(*id, bytes));
        let bytes = packet(&writer, &payload);
        let read = Packet::parse(&bytes).unwrap();
        prop_assert_eq!(read.header(), header);
        prop_assert_eq!(&bytes[read.payload_range()], &payload[..]);
        prop_assert_eq!(read.payload_range().start, writer.written_bytes());
        for id in 1..=255 {
            prop_assert_eq!(read.extension(id), elements.get(&id).map(Vec::as_slice));
        }
    }

    #[test]
    fn unwrapped_numbers_keep_their_low_bits(near in -(1_i64 << 40)..1 << 40, ticks: u32,
        numbers in proptest::collection::vec(any::<u16>(), 1..100)) {
        let unwrapped = unwrap_ticks(near, ticks);
        prop_assert_eq!(unwrapped.rem_euclid(1 << 32), i64::from(ticks));
        prop_assert!((unwrapped - near).abs() <= 1 << 31);
        let mut sequence = ExtendedSequence::new();
        for number in numbers {
            prop_assert_eq!(sequence.unwrap(number) % (1 << 16), u64::from(number));
        }
    }
}

#[test]
fn fuzz_rtp() {
    bolero::check!().with_iterations(10_000).for_each(|bytes: &[u8]| {
        let Ok(packet) = Packet::parse(bytes) else { return };
        let range = packet.payload_range();
        assert!(range.start <= range.end && range.end <= bytes.len());
        assert!(packet.csrcs().len() <= 15);
        for id in 0..=255 {
            assert!(packet.extension(id).is_none_or(|element| element.len() <= 255));
        }
    });
}
