//! Payload bytes are copied once: into the one buffer that a frame is a slice of.
//!
//! An allocator that counts shows it from outside: what a session allocates while frames go through
//! it is the frames' own bytes and a little per frame. A second copy would need a second buffer.

use allocation_counter::measure;
use bytes::{Bytes, BytesMut};
use tally_rtmp::chunk::{ChunkReader, ChunkWriter, Message};
use tally_rtmp::{Event, Limits, Session, message_type};

fn allocated_by(work: impl FnOnce()) -> u64 {
    measure(work).bytes_total
}

const FRAMES: usize = 100;
const FRAME_BYTES: usize = 50_000;
/// What a frame may cost besides its bytes: reference counts, its place in the event queue.
const OVERHEAD_BYTES: usize = 512;

/// That much for all frames, when this much is their payload.
fn bound(payload: usize) -> u64 {
    (payload + FRAMES * OVERHEAD_BYTES) as u64
}

fn video(writer: &mut ChunkWriter, wire: &mut BytesMut, time: u32, parts: &[&[u8]]) {
    let message = Message {
        timestamp_ms: time,
        type_id: message_type::VIDEO,
        stream_id: 1,
        payload: Bytes::from(parts.concat()),
    };
    writer.write(wire, &message);
}

/// `FRAMES` AVC frames of `FRAME_BYTES`, in chunks of 4,096 bytes.
fn frames(writer: &mut ChunkWriter) -> BytesMut {
    let mut wire = BytesMut::new();
    writer.set_chunk_size(4_096);
    let length = (FRAME_BYTES as u32 - 4).to_be_bytes();
    for number in 0..FRAMES {
        let picture = vec![0x41; FRAME_BYTES - 4];
        let time = number as u32 * 40;
        video(writer, &mut wire, time, &[b"\x27\x01\x00\x00\x00", &length, &picture]);
    }
    wire
}

#[test]
fn dechunking_allocates_each_payload_byte_once() {
    let wire = frames(&mut ChunkWriter::new());
    let mut reader = ChunkReader::new(Limits::default());
    reader.allow_media();
    reader.set_chunk_size(4_096).unwrap();
    let mut messages = Vec::with_capacity(FRAMES);
    let allocated = allocated_by(|| {
        for mut piece in wire.chunks(1_460) {
            while let Some(message) = reader.read(&mut piece).unwrap() {
                messages.push(message);
            }
        }
    });
    assert_eq!(messages.len(), FRAMES);
    let payload = messages.iter().map(|message| message.payload.len()).sum::<usize>();
    assert!(allocated >= payload as u64, "the counter counts");
    assert!(allocated <= bound(payload), "{allocated} for {payload}");
}

#[test]
fn a_session_allocates_each_payload_byte_once() {
    let mut session = publishing();
    let mut writer = ChunkWriter::new();
    let mut wire = BytesMut::from(&b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\0\0\x10\0"[..]);
    wire.unsplit(frames(&mut writer));
    let mut kept = Vec::with_capacity(FRAMES);
    let allocated = allocated_by(|| {
        for piece in wire.chunks(65_536) {
            session.handle_bytes(piece, 0).unwrap();
            while let Some(event) = session.poll_event() {
                if let Event::Frame { frame, .. } = event {
                    kept.push(frame.payload);
                }
            }
        }
    });
    assert_eq!(kept.len(), FRAMES);
    assert!(kept.iter().all(|payload| payload.len() == FRAME_BYTES));
    let payload = FRAMES * FRAME_BYTES;
    assert!(allocated >= payload as u64, "the counter counts");
    assert!(allocated <= bound(payload), "{allocated} for {payload}");
}

/// A session that publishes H.264: the start of a recording of ffmpeg, up to its first frame.
fn publishing() -> Session {
    let recording = include_bytes!("fixtures/ff5_avc_aac.bin");
    let mut session = Session::new(Limits::default(), 0, [0; 1528]);
    // Byte by byte, so that the session stands between two messages when the frame is there.
    for piece in recording.chunks(1) {
        session.handle_bytes(piece, 0).expect("a good recording");
        while let Some(event) = session.poll_event() {
            match event {
                Event::Publish(_) => session.accept_publish(),
                Event::Frame { .. } => return session,
                _ => {}
            }
        }
        while session.poll_transmit().is_some() {}
    }
    panic!("no frame in the recording");
}
