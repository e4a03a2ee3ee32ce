//! What ingest costs: `cargo bench -p tally-rtmp`.
//!
//! `chunks` reads 1 MiB of video messages, next to `rml_rtmp`'s reader on the same bytes in the same
//! run. `session` is everything from bytes to frame events, per frame.

use bytes::{Bytes, BytesMut};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use rml_rtmp::chunk_io::ChunkDeserializer;
use tally_rtmp::chunk::{ChunkReader, ChunkWriter, Message};
use tally_rtmp::{Event, Limits, Session, message_type};

const MEBIBYTE: usize = 1024 * 1024;
/// A frame of 5 Mbit/s at 30 fps.
const FRAME_BYTES: usize = 20_833;
/// What one read of a socket gives.
const READ_BYTES: usize = 64 * 1024;
/// 128 is the protocol's default, 4,096 what OBS sends, 65,536 what some hardware sends.
const CHUNK_SIZES: [u32; 3] = [128, 4_096, 65_536];

fn main() {
    divan::main();
}

/// AVC frames of `FRAME_BYTES` that add up to at least `bytes`; gives their number too.
fn frames(bytes: usize, chunk_size: u32) -> (usize, Vec<u8>) {
    let mut writer = ChunkWriter::new();
    writer.set_chunk_size(chunk_size);
    let mut wire = BytesMut::new();
    let count = bytes.div_ceil(FRAME_BYTES);
    let length = (FRAME_BYTES as u32 - 4).to_be_bytes();
    let picture = vec![0x41; FRAME_BYTES - 4];
    let payload = Bytes::from([b"\x27\x01\x00\x00\x00", &length[..], &picture].concat());
    for number in 0..count {
        let message = Message {
            timestamp_ms: number as u32 * 33,
            type_id: message_type::VIDEO,
            stream_id: 1,
            payload: payload.clone(),
        };
        writer.write(&mut wire, &message);
    }
    (count, wire.to_vec())
}

#[divan::bench(args = CHUNK_SIZES)]
fn chunks_tally(bencher: Bencher<'_, '_>, chunk_size: u32) {
    let (count, wire) = frames(MEBIBYTE, chunk_size);
    bencher.counter(BytesCount::from(wire.len())).bench_local(|| {
        let mut reader = ChunkReader::new(Limits::default());
        reader.allow_media();
        reader.set_chunk_size(chunk_size).expect("a legal size");
        let mut read = 0;
        for mut piece in wire.chunks(READ_BYTES) {
            while let Some(message) = reader.read(&mut piece).expect("our own writer") {
                black_box(message);
                read += 1;
            }
        }
        assert_eq!(read, count);
    });
}

#[divan::bench(args = CHUNK_SIZES)]
fn chunks_rml_rtmp(bencher: Bencher<'_, '_>, chunk_size: u32) {
    let (count, wire) = frames(MEBIBYTE, chunk_size);
    bencher.counter(BytesCount::from(wire.len())).bench_local(|| {
        let mut reader = ChunkDeserializer::new();
        reader.set_max_chunk_size(chunk_size as usize).expect("a legal size");
        let mut read = 0;
        for piece in wire.chunks(READ_BYTES) {
            let mut input = piece;
            while let Some(message) = reader.get_next_message(input).expect("our own writer") {
                black_box(message);
                input = &[];
                read += 1;
            }
        }
        assert_eq!(read, count);
    });
}

/// A session that publishes H.264, from a recording of ffmpeg up to its first frame.
fn publishing(chunk_size: u32) -> Session {
    let recording = include_bytes!("../tests/fixtures/ff5_avc_aac.bin");
    let mut session = Session::new(Limits::default(), 0, [0; 1528]);
    // Byte by byte, so that the session stands between two messages when the frame is there.
    'recording: for piece in recording.chunks(1) {
        session.handle_bytes(piece, 0).expect("a good recording");
        while let Some(event) = session.poll_event() {
            match event {
                Event::Publish(_) => session.accept_publish(),
                Event::Frame { .. } => break 'recording,
                _ => {}
            }
        }
    }
    while session.poll_transmit().is_some() {}
    let header = b"\x02\0\0\0\0\0\x04\x01\0\0\0\0";
    let set_chunk_size = [&header[..], &chunk_size.to_be_bytes()].concat();
    session.handle_bytes(&set_chunk_size, 0).expect("a legal size");
    session
}

#[divan::bench(args = CHUNK_SIZES)]
fn session_per_frame(bencher: Bencher<'_, '_>, chunk_size: u32) {
    let (count, wire) = frames(MEBIBYTE, chunk_size);
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| publishing(chunk_size))
        .bench_local_refs(|session| {
            let mut read = 0;
            for piece in wire.chunks(READ_BYTES) {
                session.handle_bytes(piece, 0).expect("our own writer");
                while let Some(event) = session.poll_event() {
                    read += usize::from(matches!(event, Event::Frame { .. }));
                    black_box(event);
                }
            }
            assert_eq!(read, count);
        });
}
