//! A publisher: the client's side of a session, for the demo, tests and load generation.
//!
//! It behaves like OBS: plain handshake, `connect`, `releaseStream`, `FCPublish`, `createStream`,
//! `publish`, metadata, media, `FCUnpublish`, `deleteStream`. Media of track 0 goes out as legacy
//! FLV where that can carry it, everything else as Enhanced RTMP.

mod body;

use std::collections::VecDeque;
use std::fmt;

use bytes::{Bytes, BytesMut};
use tally_media::{Frame, Medium, Timescale, Track, TrackId};

use crate::amf::{self, Encoding, Value};
use crate::chunk::{ChunkReader, Message};
use crate::handshake::{PACKET_BYTES, VERSION};
use crate::outbound::Outbound;
use crate::{Error, Limits, Metadata, message_type};

/// Transaction ids of the commands that are answered.
const CONNECT: f64 = 1.0;
const CREATE_STREAM: f64 = 4.0;
/// `capsEx`: reconnect, multitrack.
const CAPABILITIES: f64 = 3.0;
/// Most events that wait to be polled: a server that sends more status than this is broken.
const EVENTS_MAX: usize = 256;

/// Where to publish. `Debug` leaves the key out.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// The URL without the stream key, e.g. `rtmp://127.0.0.1/live`.
    pub tc_url: String,
    /// The application, e.g. `live`.
    pub app: String,
    /// The stream key, with a query if wanted.
    pub stream_key: String,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("tc_url", &self.tc_url).finish_non_exhaustive()
    }
}

/// What a [`Publisher`] tells its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublisherEvent {
    /// The server takes media now.
    Publishing,
    /// The server said no, or ended the stream.
    Refused {
        /// Status code, e.g. `NetStream.Publish.BadName`.
        code: String,
        /// For people.
        description: String,
    },
    /// The server asks to connect anew (Enhanced RTMP).
    Reconnect {
        /// Where to; `None`: to the same place.
        tc_url: Option<String>,
    },
}

/// Why something was not sent: the caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The server has not accepted the publish, or it ended.
    #[error("not publishing")]
    NotPublishing,
    /// The frame's track was not sent before.
    #[error("frame of a track that was not sent")]
    UnknownTrack,
    /// A message ends at 16 MiB.
    #[error("a frame of {bytes} bytes does not fit into a message")]
    TooLong {
        /// Length of the frame.
        bytes: usize,
    },
}

/// A publisher without a socket: bytes in, bytes and events out, like [`crate::Session`]. Its
/// `Debug` tells the state only, because buffers hold the stream key.
pub struct Publisher {
    target: Target,
    state: State,
    /// S0, S1 and S2 as far as they came; at most those.
    handshake: Vec<u8>,
    reader: ChunkReader,
    outbound: Outbound,
    events: VecDeque<PublisherEvent>,
    stream_id: u32,
    tracks: Vec<Track>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Handshake,
    Connecting,
    CreatingStream,
    Asking,
    Publishing,
    Ended,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Publisher {
    /// A publisher that has its first handshake bytes to send. `random` fills the handshake.
    #[must_use]
    pub fn new(target: Target, random: &[u8; 1528]) -> Self {
        let mut outbound = Outbound::default();
        outbound.raw(&[VERSION, 0, 0, 0, 0, 0, 0, 0, 0]);
        outbound.raw(random);
        Self {
            target,
            state: State::Handshake,
            handshake: Vec::with_capacity(1 + 2 * PACKET_BYTES),
            reader: ChunkReader::new(Limits::default()),
            outbound,
            events: VecDeque::new(),
            stream_id: 0,
            tracks: Vec::new(),
        }
    }

    /// Takes bytes that arrived.
    ///
    /// # Errors
    /// When the server breaks the protocol.
    pub fn handle_bytes(&mut self, mut input: &[u8]) -> Result<(), Error> {
        if self.state == State::Handshake {
            let missing = 1 + 2 * PACKET_BYTES - self.handshake.len();
            let (taken, rest) = input.split_at(missing.min(input.len()));
            self.handshake.extend_from_slice(taken);
            input = rest;
            if taken.len() < missing {
                return Ok(());
            }
            self.outbound.raw(&self.handshake[1..=PACKET_BYTES]);
            self.handshake = Vec::new();
            self.connect();
        }
        while let Some(message) = self.reader.read(&mut input)? {
            self.handle_message(&message)?;
            if self.events.len() > EVENTS_MAX {
                return Err(Error::EventsUnread { count: self.events.len() });
            }
        }
        Ok(())
    }

    /// Bytes to send, if any. Poll after every call that sends: nothing else empties the queue.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.outbound.poll()
    }

    /// Bytes that wait in [`Publisher::poll_transmit`].
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.outbound.waiting_bytes()
    }

    /// The next event, if any.
    pub fn poll_event(&mut self) -> Option<PublisherEvent> {
        self.events.pop_front()
    }

    /// Whether the server takes media.
    #[must_use]
    pub fn is_publishing(&self) -> bool {
        self.state == State::Publishing
    }

    /// Describes the stream (`@setDataFrame`, `onMetaData`).
    ///
    /// # Errors
    /// [`SendError::NotPublishing`].
    pub fn send_metadata(&mut self, metadata: &Metadata) -> Result<(), SendError> {
        let number = |name: &str, value: Option<f64>| {
            value.map(|value| (name.to_owned(), Value::Number(value)))
        };
        let properties = [
            number("width", metadata.width.map(f64::from)),
            number("height", metadata.height.map(f64::from)),
            number("framerate", metadata.frame_rate),
            number("videocodecid", metadata.has_video.then_some(7.0)),
            number("audiocodecid", metadata.has_audio.then_some(10.0)),
            metadata.encoder.as_deref().map(|name| ("encoder".to_owned(), Value::text(name))),
        ];
        let values = [
            Value::text("@setDataFrame"),
            Value::text("onMetaData"),
            Value::EcmaArray(properties.into_iter().flatten().collect()),
        ];
        let mut payload = BytesMut::new();
        for value in &values {
            amf::write(&mut payload, value);
        }
        self.send(message_type::DATA_AMF0, 0, payload.freeze())
    }

    /// Sends a track's decoder record; again when its parameters change.
    ///
    /// # Errors
    /// [`SendError::NotPublishing`].
    pub fn send_track(&mut self, track: &Track, timestamp_ms: u32) -> Result<(), SendError> {
        if let Some(payload) = body::sequence_start(track) {
            self.send(media_type(track.id), timestamp_ms, payload)?;
        } else if self.state != State::Publishing {
            return Err(SendError::NotPublishing);
        }
        self.tracks.retain(|known| known.id != track.id);
        self.tracks.push(track.clone());
        Ok(())
    }

    /// Sends a frame. Its times are rounded to whole milliseconds and wrap at 2^32 ms, as they do
    /// with every encoder.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_frame(&mut self, id: TrackId, frame: &Frame) -> Result<(), SendError> {
        let track =
            self.tracks.iter().find(|track| track.id == id).ok_or(SendError::UnknownTrack)?;
        let payload = body::frame(track, frame);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "wraps")]
        let timestamp_ms = frame.dts.ticks_in(Timescale::MILLIS) as u32;
        self.send(media_type(id), timestamp_ms, payload)
    }

    /// Ends the stream, politely.
    pub fn unpublish(&mut self) {
        if self.state != State::Publishing {
            return;
        }
        let key = Value::text(&self.target.stream_key);
        self.command("FCUnpublish", 6.0, &[Value::Null, key]);
        let stream_id = Value::Number(self.stream_id.into());
        self.command("deleteStream", 7.0, &[Value::Null, stream_id]);
        self.state = State::Ended;
    }

    fn send(&mut self, type_id: u8, timestamp_ms: u32, payload: Bytes) -> Result<(), SendError> {
        if self.state != State::Publishing {
            return Err(SendError::NotPublishing);
        }
        if payload.len() > 0xff_ffff {
            return Err(SendError::TooLong { bytes: payload.len() });
        }
        let stream_id = self.stream_id;
        self.outbound.message(&Message { timestamp_ms, type_id, stream_id, payload });
        Ok(())
    }

    fn command(&mut self, name: &str, transaction: f64, arguments: &[Value]) {
        let mut values = vec![Value::text(name), Value::Number(transaction)];
        values.extend_from_slice(arguments);
        self.outbound.command(0, &values);
    }

    fn connect(&mut self) {
        self.state = State::Connecting;
        self.outbound.chunk_size();
        let object = Value::object([
            ("app", Value::text(&self.target.app)),
            ("type", Value::text("nonprivate")),
            ("flashVer", Value::text("FMLE/3.0 (compatible; tally)")),
            ("tcUrl", Value::text(&self.target.tc_url)),
            ("capsEx", Value::Number(CAPABILITIES)),
            ("fourCcList", Value::Array(vec![Value::text("*")])),
        ]);
        self.command("connect", CONNECT, &[object]);
    }

    fn handle_message(&mut self, message: &Message) -> Result<(), Error> {
        let number = message.payload.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes));
        match (message.type_id, number) {
            (message_type::SET_CHUNK_SIZE, Some(size)) => self.reader.set_chunk_size(size),
            (message_type::USER_CONTROL, _) => {
                if let Some([0, 6, rest @ ..]) = message.payload.first_chunk::<6>() {
                    self.outbound.pong(u32::from_be_bytes(*rest));
                }
                Ok(())
            }
            (message_type::COMMAND_AMF0, _) => {
                let values = amf::read_all(&message.payload, Encoding::Amf0)?;
                self.handle_command(&values);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn handle_command(&mut self, values: &[Value]) {
        let transaction = values.get(1).and_then(Value::as_number);
        let info = values.get(3);
        let text = |name| {
            info.and_then(|info| info.property(name)?.as_text()).unwrap_or_default().to_owned()
        };
        match (values.first().and_then(Value::as_text), transaction) {
            (Some("_result"), Some(CONNECT)) if self.state == State::Connecting => {
                self.create_stream();
            }
            (Some("_result"), Some(CREATE_STREAM)) if self.state == State::CreatingStream => {
                self.publish(info.and_then(Value::as_number).unwrap_or(1.0));
            }
            (Some("_error"), _) => self.end(text("code"), text("description")),
            (Some("onStatus"), _) => {
                let code = text("code");
                match code.as_str() {
                    "NetStream.Publish.Start" if self.state == State::Asking => {
                        self.state = State::Publishing;
                        self.events.push_back(PublisherEvent::Publishing);
                    }
                    "NetConnection.Connect.ReconnectRequest" => {
                        let tc_url = Some(text("tcUrl")).filter(|url| !url.is_empty());
                        self.events.push_back(PublisherEvent::Reconnect { tc_url });
                    }
                    _ if text("level") == "error" => self.end(code, text("description")),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn create_stream(&mut self) {
        let key = Value::text(&self.target.stream_key);
        self.command("releaseStream", 2.0, &[Value::Null, key.clone()]);
        self.command("FCPublish", 3.0, &[Value::Null, key]);
        self.command("createStream", CREATE_STREAM, &[Value::Null]);
        self.state = State::CreatingStream;
    }

    fn publish(&mut self, stream_id: f64) {
        // A saturating cast: nonsense from the server becomes a stream id it will not know.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let stream_id = stream_id as u32;
        self.stream_id = stream_id;
        let values = [
            Value::text("publish"),
            Value::Number(5.0),
            Value::Null,
            Value::text(&self.target.stream_key),
            Value::text("live"),
        ];
        self.outbound.command(stream_id, &values);
        self.state = State::Asking;
    }

    fn end(&mut self, code: String, description: String) {
        if self.state != State::Ended {
            self.state = State::Ended;
            self.events.push_back(PublisherEvent::Refused { code, description });
        }
    }
}

const fn media_type(id: TrackId) -> u8 {
    match id.medium() {
        Medium::Video => message_type::VIDEO,
        Medium::Audio => message_type::AUDIO,
    }
}
