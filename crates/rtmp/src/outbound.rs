//! What is said to the peer: control messages, commands and their answers, status.

use bytes::{BufMut, Bytes, BytesMut};

use crate::amf::{self, Value};
use crate::chunk::{ChunkWriter, Message};
use crate::message_type;

/// Chunk size of what we send: our longest answer in one chunk, and what OBS sends media with.
const CHUNK_SIZE: u32 = 4_096;

/// `level` of a status.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Level {
    Status,
    Error,
}

/// Bytes waiting to be sent. Bounded by the session with `Limits::transmit_bytes_max`.
#[derive(Default)]
pub(crate) struct Outbound {
    writer: ChunkWriter,
    queue: BytesMut,
}

/// The properties of a status object.
pub(crate) fn info(level: Level, code: &str, description: &str) -> Vec<(String, Value)> {
    let level = match level {
        Level::Status => "status",
        Level::Error => "error",
    };
    [("level", level), ("code", code), ("description", description)]
        .map(|(name, value)| (name.to_owned(), Value::text(value)))
        .into()
}

impl Outbound {
    pub(crate) fn poll(&mut self) -> Option<Bytes> {
        (!self.queue.is_empty()).then(|| self.queue.split().freeze())
    }

    pub(crate) fn waiting_bytes(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.queue.put_slice(bytes);
    }

    /// A whole message.
    pub(crate) fn message(&mut self, message: &Message) {
        self.writer.write(&mut self.queue, message);
    }

    fn timeless(&mut self, type_id: u8, stream_id: u32, payload: Bytes) {
        self.message(&Message { timestamp_ms: 0, type_id, stream_id, payload });
    }

    /// Set Chunk Size (5.4.1), and what follows obeys it.
    pub(crate) fn chunk_size(&mut self) {
        let size = Bytes::copy_from_slice(&CHUNK_SIZE.to_be_bytes());
        self.timeless(message_type::SET_CHUNK_SIZE, 0, size);
        self.writer.set_chunk_size(CHUNK_SIZE);
    }

    /// Acknowledgement (5.4.3).
    pub(crate) fn acknowledgement(&mut self, sequence_number: u32) {
        let payload = Bytes::copy_from_slice(&sequence_number.to_be_bytes());
        self.timeless(message_type::ACKNOWLEDGEMENT, 0, payload);
    }

    /// Window Acknowledgement Size, Set Peer Bandwidth and Set Chunk Size (5.4): what opens the
    /// answer to `connect`.
    pub(crate) fn connection_parameters(&mut self, window_bytes: u32) {
        let window = window_bytes.to_be_bytes();
        self.timeless(
            message_type::WINDOW_ACKNOWLEDGEMENT_SIZE,
            0,
            Bytes::copy_from_slice(&window),
        );
        let mut bandwidth = BytesMut::from(&window[..]);
        bandwidth.put_u8(2); // dynamic: hard or soft, as the peer likes
        self.timeless(message_type::SET_PEER_BANDWIDTH, 0, bandwidth.freeze());
        self.chunk_size();
    }

    /// Stream Begin (7.1.7).
    pub(crate) fn stream_begin(&mut self, stream_id: u32) {
        self.user_control(0, stream_id);
    }

    /// Ping Response (7.1.7).
    pub(crate) fn pong(&mut self, timestamp_ms: u32) {
        self.user_control(7, timestamp_ms);
    }

    fn user_control(&mut self, event: u16, value: u32) {
        let mut payload = BytesMut::with_capacity(6);
        payload.put_u16(event);
        payload.put_u32(value);
        self.timeless(message_type::USER_CONTROL, 0, payload.freeze());
    }

    /// A command or the answer to one.
    pub(crate) fn command(&mut self, stream_id: u32, values: &[Value]) {
        let mut payload = BytesMut::new();
        for value in values {
            amf::write(&mut payload, value);
        }
        self.timeless(message_type::COMMAND_AMF0, stream_id, payload.freeze());
    }

    /// `_result` for `transaction`, with what the command gives back.
    pub(crate) fn result(&mut self, transaction: f64, values: [Value; 2]) {
        let [object, value] = values;
        self.command(0, &[Value::text("_result"), Value::Number(transaction), object, value]);
    }

    /// `onStatus` on a message stream (0: the connection).
    pub(crate) fn status(&mut self, stream_id: u32, level: Level, code: &str, description: &str) {
        self.on_status(stream_id, Value::Object(info(level, code, description)));
    }

    /// `onStatus` with this info object.
    pub(crate) fn on_status(&mut self, stream_id: u32, info: Value) {
        let values = [Value::text("onStatus"), Value::Number(0.0), Value::Null, info];
        self.command(stream_id, &values);
    }
}
