//! The server's side of one connection.

mod command;
mod connect;
mod control;

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;

use crate::amf::{self, Encoding, Value};
use crate::chunk::{ChunkReader, Message};
use crate::handshake::Handshake;
use crate::ingest::Ingest;
use crate::outbound::{self, Level, Outbound};
use crate::{Error, Event, Limits, message_type};
use control::Acknowledgements;

/// One publisher's connection, without a socket: see the crate documentation for the calling order.
/// Its `Debug` tells the phase only, because buffers may hold a stream key.
pub struct Session {
    limits: Limits,
    phase: Phase,
    handshake: Handshake,
    reader: ChunkReader,
    outbound: Outbound,
    acknowledgements: Acknowledgements,
    connection: Option<connect::Connection>,
    /// The last message stream handed out by `createStream`. Streams have no state of their own.
    last_stream_id: u32,
    ingest: Ingest,
    events: VecDeque<Event>,
}

/// Where the session is, and the times its deadline counts from, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Handshake {
        since_ms: u64,
    },
    /// Commands, but nothing published.
    Commands {
        since_ms: u64,
    },
    /// A publish command waits for the caller's answer.
    Asked {
        since_ms: u64,
        stream_id: u32,
    },
    Publishing {
        last_media_ms: u64,
        stream_id: u32,
    },
    Closed,
}

/// Why [`Session::reject_publish`] says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectReason {
    /// No such stream key, or the name is not usable (`NetStream.Publish.BadName`).
    BadName,
    /// The key is good, but not now (`NetStream.Publish.Denied`).
    Denied,
}

/// Why [`Session::close`] ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Another publisher took the show over (`NetStream.Publish.BadName`, which encoders show as
    /// "already in use").
    TakenOver,
    /// The server goes away (`NetConnection.Connect.AppShutdown`).
    Shutdown,
    /// The operator or creator ended it (`NetStream.Publish.Denied`).
    Ended,
    /// Something the publisher sends cannot be worked with (`NetStream.Publish.Failed`).
    Failed,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("phase", &self.phase).finish_non_exhaustive()
    }
}

impl Session {
    /// A session that waits for the first handshake byte. `random` becomes part of the handshake:
    /// any bytes do, good random ones are customary.
    #[must_use]
    pub fn new(limits: Limits, now_ms: u64, random: [u8; 1528]) -> Self {
        Self {
            limits,
            phase: Phase::Handshake { since_ms: now_ms },
            handshake: Handshake::new(random),
            reader: ChunkReader::new(limits),
            outbound: Outbound::default(),
            acknowledgements: Acknowledgements::default(),
            connection: None,
            last_stream_id: 0,
            ingest: Ingest::new(limits),
            events: VecDeque::new(),
        }
    }

    /// Takes bytes that arrived. After the session closed they are ignored.
    ///
    /// # Errors
    /// When the peer breaks the protocol or exceeds a limit. The session is closed then; events
    /// from before are still there to be polled.
    pub fn handle_bytes(&mut self, input: &[u8], now_ms: u64) -> Result<(), Error> {
        if self.is_closed() {
            return Ok(());
        }
        let result = self.process(input, now_ms);
        if result.is_err() {
            self.phase = Phase::Closed;
        }
        result
    }

    /// Tells that the time of [`Session::poll_timeout`] may have come.
    ///
    /// # Errors
    /// When the deadline of the phase passed; the session is closed then.
    pub fn handle_timeout(&mut self, now_ms: u64) -> Result<(), Error> {
        match self.poll_timeout() {
            Some(deadline_ms) if now_ms >= deadline_ms => {}
            _ => return Ok(()),
        }
        let error = match self.phase {
            Phase::Handshake { .. } => Error::HandshakeTimeout { ms: self.limits.handshake_ms_max },
            Phase::Commands { .. } => Error::PublishTimeout { ms: self.limits.publish_ms_max },
            _ => Error::IdleTimeout { ms: self.limits.idle_ms_max },
        };
        self.phase = Phase::Closed;
        Err(error)
    }

    /// When [`Session::handle_timeout`] should be called, in ms on the caller's clock; `None` once
    /// closed.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<u64> {
        let (since_ms, ms) = match self.phase {
            Phase::Handshake { since_ms } => (since_ms, self.limits.handshake_ms_max),
            Phase::Commands { since_ms } => (since_ms, self.limits.publish_ms_max),
            Phase::Asked { since_ms, .. } => (since_ms, self.limits.idle_ms_max),
            Phase::Publishing { last_media_ms, .. } => (last_media_ms, self.limits.idle_ms_max),
            Phase::Closed => return None,
        };
        Some(since_ms.saturating_add(ms))
    }

    /// Bytes to send, if any.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.outbound.poll()
    }

    /// The next event, if any.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether the session is over: send what [`Session::poll_transmit`] still gives, then close
    /// the connection.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether a publish was accepted and has not ended.
    #[must_use]
    pub const fn is_publishing(&self) -> bool {
        matches!(self.phase, Phase::Publishing { .. })
    }

    /// How many media messages were damaged and dropped so far.
    #[must_use]
    pub const fn damaged_bodies(&self) -> u64 {
        self.ingest.damaged()
    }

    /// Answers [`Event::Publish`] with yes. Without a publish that waits it does nothing: the peer
    /// may have given up meanwhile.
    pub fn accept_publish(&mut self) {
        let Phase::Asked { since_ms, stream_id } = self.phase else { return };
        self.phase = Phase::Publishing { last_media_ms: since_ms, stream_id };
        self.outbound.stream_begin(stream_id);
        self.outbound.status(
            stream_id,
            Level::Status,
            "NetStream.Publish.Start",
            "Publishing has started.",
        );
    }

    /// Answers [`Event::Publish`] with no and closes the session. `description` is shown to the
    /// creator by many encoders.
    pub fn reject_publish(&mut self, reason: RejectReason, description: &str) {
        let Phase::Asked { stream_id, .. } = self.phase else { return };
        let code = match reason {
            RejectReason::BadName => "NetStream.Publish.BadName",
            RejectReason::Denied => "NetStream.Publish.Denied",
        };
        self.outbound.status(stream_id, Level::Error, code, description);
        self.phase = Phase::Closed;
    }

    /// Ends the session and tells the peer why, as far as it is in a state to be told.
    pub fn close(&mut self, reason: CloseReason, description: &str) {
        let stream_id = match self.phase {
            Phase::Asked { stream_id, .. } | Phase::Publishing { stream_id, .. } => stream_id,
            Phase::Commands { .. } => 0,
            Phase::Handshake { .. } | Phase::Closed => {
                self.phase = Phase::Closed;
                return;
            }
        };
        let (stream_id, code) = match reason {
            CloseReason::TakenOver => (stream_id, "NetStream.Publish.BadName"),
            CloseReason::Shutdown => (0, "NetConnection.Connect.AppShutdown"),
            CloseReason::Ended => (stream_id, "NetStream.Publish.Denied"),
            CloseReason::Failed => (stream_id, "NetStream.Publish.Failed"),
        };
        self.outbound.status(stream_id, Level::Error, code, description);
        self.phase = Phase::Closed;
    }

    /// Asks the peer to connect anew, to `tc_url` or where it is connected now (Enhanced RTMP,
    /// "Reconnect Request"). The session goes on until the peer leaves. False, and nothing is sent,
    /// when the peer did not say that it knows how.
    pub fn request_reconnect(&mut self, tc_url: Option<&str>, description: &str) -> bool {
        let able = self.connection.as_ref().is_some_and(|peer| peer.capabilities.reconnect);
        if !able || self.is_closed() {
            return false;
        }
        let mut info =
            outbound::info(Level::Status, "NetConnection.Connect.ReconnectRequest", description);
        if let Some(url) = tc_url {
            info.push(("tcUrl".to_owned(), Value::text(url)));
        }
        self.outbound.on_status(0, Value::Object(info));
        true
    }

    fn process(&mut self, mut input: &[u8], now_ms: u64) -> Result<(), Error> {
        if let Phase::Handshake { .. } = self.phase {
            if let Some(answer) = self.handshake.read(&mut input)? {
                self.outbound.raw(&answer);
            }
            if !self.handshake.is_done() {
                return Ok(());
            }
            self.phase = Phase::Commands { since_ms: now_ms };
        }
        self.acknowledgements.received(input.len());
        while !self.is_closed() {
            let Some(message) = self.reader.read(&mut input)? else { break };
            self.handle_message(&message, now_ms)?;
            if self.events.len() > self.limits.events_max {
                return Err(Error::EventsUnread { count: self.events.len() });
            }
            self.check_transmit()?;
        }
        if let Some(sequence_number) = self.acknowledgements.due() {
            self.outbound.acknowledgement(sequence_number);
        }
        self.check_transmit()
    }

    fn check_transmit(&self) -> Result<(), Error> {
        let bytes = self.outbound.waiting_bytes();
        if bytes > self.limits.transmit_bytes_max {
            return Err(Error::PeerNotReading { bytes });
        }
        Ok(())
    }

    fn handle_message(&mut self, message: &Message, now_ms: u64) -> Result<(), Error> {
        match message.type_id {
            message_type::AUDIO
            | message_type::VIDEO
            | message_type::AGGREGATE
            | message_type::DATA_AMF0
            | message_type::DATA_AMF3 => self.handle_media(message, now_ms),
            message_type::COMMAND_AMF0 => self.handle_command(message, Encoding::Amf0, now_ms),
            message_type::COMMAND_AMF3 => self.handle_command(message, Encoding::Amf3, now_ms),
            // Shared objects and what nobody defined: nothing here depends on them.
            _ => self.handle_control(message),
        }
    }

    /// Audio, video, data and lists of them. Media outside a publish is ignored: encoders send the
    /// rest of their queue after they ended the stream.
    fn handle_media(&mut self, message: &Message, now_ms: u64) -> Result<(), Error> {
        match &mut self.phase {
            Phase::Publishing { last_media_ms, .. } => *last_media_ms = now_ms,
            Phase::Asked { .. } => {}
            _ => return Ok(()),
        }
        self.ingest.handle(message, &mut self.events)
    }

    fn handle_command(
        &mut self,
        message: &Message,
        encoding: Encoding,
        now_ms: u64,
    ) -> Result<(), Error> {
        let values = amf::read_all(&message.payload, encoding)?;
        let command = command::Command::new(&values, message.stream_id)?;
        self.run(&command, now_ms)
    }
}

#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod tests;
