//! The chunk layer: header forms, interleaving, limits, any split of the bytes.

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::{Error, Limits, message_type};

fn reader() -> ChunkReader {
    let mut reader = ChunkReader::new(Limits::default());
    reader.allow_media();
    reader
}

fn read_all(reader: &mut ChunkReader, mut input: &[u8]) -> Result<Vec<Message>, Error> {
    let mut messages = Vec::new();
    while let Some(message) = reader.read(&mut input)? {
        messages.push(message);
    }
    assert!(input.is_empty(), "everything is taken");
    Ok(messages)
}

fn message(timestamp_ms: u32, type_id: u8, stream_id: u32, payload: &[u8]) -> Message {
    Message { timestamp_ms, type_id, stream_id, payload: Bytes::copy_from_slice(payload) }
}

/// A type 0 header on a chunk stream below 64.
fn full(chunk_stream: u8, timestamp: u32, length: u32, type_id: u8, stream_id: u32) -> Vec<u8> {
    let mut header = BytesMut::new();
    header.put_u8(chunk_stream);
    header.put_uint(timestamp.into(), 3);
    header.put_uint(length.into(), 3);
    header.put_u8(type_id);
    header.put_u32_le(stream_id);
    header.to_vec()
}

#[test]
fn header_types_inherit_what_they_leave_out() {
    let input = [
        full(4, 1_000, 2, 8, 1),
        b"ab".to_vec(),
        vec![0x44, 0, 0, 20, 0, 0, 3, 9], // type 1: step, length, type
        b"cde".to_vec(),
        vec![0x84, 0, 0, 30], // type 2: step
        b"fgh".to_vec(),
        vec![0xc4], // type 3: the same step again
        b"ijk".to_vec(),
    ]
    .concat();
    let expected = vec![
        message(1_000, 8, 1, b"ab"),
        message(1_020, 9, 1, b"cde"),
        message(1_050, 9, 1, b"fgh"),
        message(1_080, 9, 1, b"ijk"),
    ];
    assert_eq!(read_all(&mut reader(), &input), Ok(expected));
}

/// 5.3.1.2.4: "If a Type 3 chunk follows a Type 0 chunk, then the timestamp delta for this Type 3
/// chunk is the same as the timestamp of the Type 0 chunk."
#[test]
fn type_3_after_type_0_steps_by_its_time() {
    let input = [full(4, 40, 1, 8, 1), b"a".to_vec(), vec![0xc4, b'b']].concat();
    let expected = vec![message(40, 8, 1, b"a"), message(80, 8, 1, b"b")];
    assert_eq!(read_all(&mut reader(), &input), Ok(expected));
}

#[test]
fn chunk_stream_ids_have_three_forms() {
    let one = full(4, 0, 1, 8, 1)[1..].to_vec();
    let input = [
        [&[0x00, 10][..], &one, b"a"].concat(),         // 64 + 10
        [&[0x01, 10, 0][..], &one, b"b"].concat(),      // the same, in three bytes
        [&[0x01, 0xff, 0xff][..], &one, b"c"].concat(), // 65,599
        [&[0xc0, 10][..], b"d"].concat(),               // type 3 on 74
    ]
    .concat();
    let mut reader = reader();
    let payloads: Vec<_> =
        read_all(&mut reader, &input).unwrap().into_iter().map(|m| m.payload).collect();
    assert_eq!(payloads, [&b"a"[..], b"b", b"c", b"d"]);
}

#[test]
fn messages_interleave_on_different_chunk_streams() {
    let (video, audio) = ([1; 300], [2; 150]);
    let input = [
        &full(6, 5, 300, 9, 1)[..],
        &video[..128],
        &full(4, 7, 150, 8, 1),
        &audio[..128],
        &[0xc6],
        &video[128..256],
        &[0xc4],
        &audio[128..],
        &[0xc6],
        &video[256..],
    ]
    .concat();
    let expected = vec![message(7, 8, 1, &audio), message(5, 9, 1, &video)];
    assert_eq!(read_all(&mut reader(), &input), Ok(expected));
}

/// What makes `rml_rtmp` panic with "capacity overflow".
#[test]
fn a_message_inside_another_on_one_chunk_stream_costs_the_older_one() {
    let input = [
        &full(6, 5, 300, 9, 1)[..],
        &[1; 128],
        &full(6, 7, 10, 8, 1), // shorter than what is there already
        &[2; 10],
        &full(6, 9, 3, 9, 1),
        b"xyz",
    ]
    .concat();
    let mut reader = reader();
    let expected = vec![message(7, 8, 1, &[2; 10]), message(9, 9, 1, b"xyz")];
    assert_eq!(read_all(&mut reader, &input), Ok(expected));
    assert_eq!(reader.abandoned(), 1);
}

/// Some encoders write full headers on every chunk of a message.
#[test]
fn a_header_that_says_the_same_again_goes_on() {
    let header = full(3, 0x12_3456, 200, 20, 0);
    let input = [&header[..], &[7; 128], &header, &[7; 72]].concat();
    let expected = vec![message(0x12_3456, 20, 0, &[7; 200])];
    assert_eq!(read_all(&mut reader(), &input), Ok(expected));
}

#[test]
fn extended_timestamps_repeat_on_type_3_chunks_or_not() {
    let time = 0x0100_0000u32;
    for repeated in [true, false] {
        let repeat = if repeated { time.to_be_bytes().to_vec() } else { Vec::new() };
        let header = full(6, EXTENDED_TIMESTAMP, 300, 9, 1);
        // Payload that begins like the timestamp does, to be hard to tell.
        let payload: Vec<u8> = [&[0x5a; 128][..], &[0x01, 0x00, 0x00, 0x77], &[0x5b; 168]].concat();
        let input = [
            &header[..],
            &time.to_be_bytes(),
            &payload[..128],
            &[0xc6],
            &repeat,
            &payload[128..256],
            &[0xc6],
            &repeat,
            &payload[256..],
        ]
        .concat();
        let expected = vec![message(time, 9, 1, &payload)];
        // In one piece and byte by byte: the reader must not take payload for a header.
        assert_eq!(read_all(&mut reader(), &input), Ok(expected.clone()), "{repeated}");
        let mut reader = reader();
        let single: Vec<_> =
            input.iter().flat_map(|&byte| read_all(&mut reader, &[byte]).unwrap()).collect();
        assert_eq!(single, expected, "{repeated}, byte by byte");
    }
}

/// Chunks of one byte, no repeated timestamp: what is taken for the start of one may hold whole
/// chunks.
#[test]
fn what_was_taken_for_a_timestamp_may_hold_whole_chunks() {
    // Equal to what follows the first type 3 header but for the last byte.
    let time = 0x01c6_02c7u32;
    let payload = [9, 0x01, 0x02, 0x03, 0x04];
    let mut input = full(6, EXTENDED_TIMESTAMP, 5, 9, 1);
    input.extend(time.to_be_bytes());
    input.push(payload[0]);
    for &byte in &payload[1..] {
        input.extend([0xc6, byte]);
    }
    input.extend(full(4, 1, 1, 8, 1));
    input.push(b'z');
    for step in 1..input.len() {
        let mut reader = reader();
        reader.set_chunk_size(1).unwrap();
        let messages: Vec<_> =
            input.chunks(step).flat_map(|piece| read_all(&mut reader, piece).unwrap()).collect();
        assert_eq!(messages, [message(time, 9, 1, &payload), message(1, 8, 1, b"z")], "{step}");
    }
}

#[test]
fn chunk_size_changes_between_chunks_of_a_message() {
    let mut reader = reader();
    let start = [&full(6, 0, 300, 9, 1)[..], &[1; 128]].concat();
    assert_eq!(read_all(&mut reader, &start), Ok(vec![]));
    reader.set_chunk_size(65_536).unwrap();
    let rest = [&[0xc6][..], &[1; 172]].concat();
    assert_eq!(read_all(&mut reader, &rest), Ok(vec![message(0, 9, 1, &[1; 300])]));
}

#[test]
fn chunk_sizes_outside_the_specification_are_refused() {
    assert_eq!(reader().set_chunk_size(0), Err(Error::ChunkSize { size: 0 }));
    assert_eq!(reader().set_chunk_size(1 << 31), Err(Error::ChunkSize { size: 1 << 31 }));
    assert_eq!(reader().set_chunk_size((1 << 31) - 1), Ok(()));
}

#[test]
fn an_aborted_message_is_dropped() {
    let mut reader = reader();
    let start = [&full(6, 0, 300, 9, 1)[..], &[1; 128]].concat();
    assert_eq!(read_all(&mut reader, &start), Ok(vec![]));
    reader.abort(6);
    reader.abort(6);
    reader.abort(77);
    let next = [full(6, 1, 2, 9, 1), b"ok".to_vec()].concat();
    assert_eq!(read_all(&mut reader, &next), Ok(vec![message(1, 9, 1, b"ok")]));
    assert_eq!(reader.abandoned(), 0);
}

#[test]
fn an_empty_message_is_a_message() {
    let input = full(4, 3, 0, 8, 1);
    assert_eq!(read_all(&mut reader(), &input), Ok(vec![message(3, 8, 1, b"")]));
}

#[test]
fn limits_end_it() {
    let limits = Limits {
        message_bytes_max: 1_000,
        command_bytes_max: 100,
        buffered_bytes_max: 1_500,
        chunk_streams_max: 3,
        ..Limits::default()
    };
    let read = |reader: &mut ChunkReader, input: &[u8]| read_all(reader, input).unwrap_err();

    let mut early = ChunkReader::new(limits);
    let error = read(&mut early, &full(3, 0, 101, 20, 0));
    assert_eq!(error, Error::MessageTooLong { bytes: 101, max: 100 });

    let mut reader = ChunkReader::new(limits);
    reader.allow_media();
    let error = read(&mut reader, &full(3, 0, 1_001, 9, 0));
    assert_eq!(error, Error::MessageTooLong { bytes: 1_001, max: 1_000 });

    let mut reader = ChunkReader::new(limits);
    reader.allow_media();
    let two = [&full(4, 0, 800, 9, 1)[..], &[0; 128], &full(5, 0, 800, 9, 1)].concat();
    assert_eq!(read(&mut reader, &two), Error::TooMuchBuffered { bytes: 1_600, max: 1_500 });

    let mut reader = ChunkReader::new(limits);
    let four: Vec<u8> = (4..8).flat_map(|id| full(id, 0, 0, 8, 1)).collect();
    assert_eq!(read(&mut reader, &four), Error::TooManyChunkStreams { max: 3 });
}

#[test]
fn a_header_without_context_is_refused() {
    let error = read_all(&mut reader(), &[0xc5]).unwrap_err();
    assert_eq!(error, Error::HeaderWithoutContext { id: 5, format: 3 });
    // librtmp answers a ping on a fresh chunk stream with type 1.
    let ping = [0x42, 0, 0, 0, 0, 0, 6, 4, 0, 7, 0, 0, 0, 1];
    let expected = vec![message(0, 4, 0, &[0, 7, 0, 0, 0, 1])];
    assert_eq!(read_all(&mut reader(), &ping), Ok(expected));
}

fn any_message() -> impl Strategy<Value = Message> {
    let type_id = prop_oneof![
        Just(message_type::AUDIO),
        Just(message_type::VIDEO),
        Just(message_type::COMMAND_AMF0),
    ];
    let time = prop_oneof![0..200u32, any::<u32>(), Just(EXTENDED_TIMESTAMP - 1)];
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..400),
        (0..3usize).prop_map(|length| vec![7; length]),
    ];
    (time, type_id, 0..3u32, payload).prop_map(|(timestamp_ms, type_id, stream_id, payload)| {
        Message { timestamp_ms, type_id, stream_id, payload: payload.into() }
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_in_any_split(
        messages in prop::collection::vec(any_message(), 0..20),
        chunk_size in 1..300u32,
        cuts in prop::collection::vec(1..200usize, 1..20),
    ) {
        let mut writer = ChunkWriter::new();
        writer.set_chunk_size(chunk_size);
        let mut wire = BytesMut::new();
        for message in &messages {
            writer.write(&mut wire, message);
        }
        let mut reader = reader();
        reader.set_chunk_size(chunk_size).unwrap();
        let mut read = Vec::new();
        let mut rest = &wire[..];
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            read.extend(read_all(&mut reader, piece).unwrap());
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(read, messages);
    }
}

/// `rml_rtmp` reads what we write: an independent opinion on header compression.
#[test]
fn an_independent_reader_understands_the_writer() {
    use rml_rtmp::chunk_io::ChunkDeserializer;

    let mut writer = ChunkWriter::new();
    let mut wire = BytesMut::new();
    let messages: Vec<_> = (0..50u32)
        .map(|n| {
            message(n * 40 + n / 7, 8 + (n % 2) as u8, 1, &vec![n as u8; 100 + n as usize % 90])
        })
        .collect();
    for message in &messages {
        writer.write(&mut wire, message);
    }
    let mut peer = ChunkDeserializer::new();
    let mut input = &wire[..];
    let mut read = Vec::new();
    while let Some(payload) = peer.get_next_message(input).unwrap() {
        input = &[];
        read.push(Message {
            timestamp_ms: payload.timestamp.value,
            type_id: payload.type_id,
            stream_id: payload.message_stream_id,
            payload: payload.data,
        });
    }
    assert_eq!(read, messages);
}

#[test]
fn fuzz_chunks() {
    bolero::check!().with_iterations(20_000).for_each(|bytes: &[u8]| {
        let read = |step: usize| {
            let mut reader = reader();
            let mut messages = Vec::new();
            for mut piece in bytes.chunks(step) {
                loop {
                    match reader.read(&mut piece) {
                        Ok(Some(message)) => messages.push(message),
                        Ok(None) => break,
                        Err(error) => return (messages, Some(error)),
                    }
                }
            }
            (messages, None)
        };
        assert_eq!(read(usize::MAX), read(1), "any split gives the same");
    });
}
