//! Commands (RTMP 1.0, section 7.2, and what encoders send beyond it).

use super::{Phase, Session, connect};
use crate::amf::{AmfError, Value};
use crate::outbound::{Level, info};
use crate::{Error, Event, PublishRequest};

/// A command as it was received.
pub(super) struct Command<'a> {
    name: &'a str,
    /// 0: no answer is expected.
    transaction: f64,
    object: &'a Value,
    /// What follows the command object.
    arguments: &'a [Value],
    stream_id: u32,
}

impl<'a> Command<'a> {
    pub(super) fn new(values: &'a [Value], stream_id: u32) -> Result<Self, AmfError> {
        let name = values.first().and_then(Value::as_text).ok_or(AmfError::NoName)?;
        Ok(Self {
            name,
            transaction: values.get(1).and_then(Value::as_number).unwrap_or(0.0),
            object: values.get(2).unwrap_or(&Value::Null),
            arguments: values.get(3..).unwrap_or_default(),
            stream_id,
        })
    }
}

impl Session {
    pub(super) fn run(&mut self, command: &Command<'_>, now_ms: u64) -> Result<(), Error> {
        match command.name {
            "connect" => self.connect(command),
            "createStream" => return self.create_stream(command),
            "publish" => return self.publish(command, now_ms),
            "FCPublish" => self.fc_publish(command),
            "FCUnpublish" => self.fc_unpublish(command, now_ms),
            "deleteStream" | "closeStream" => self.unpublish(now_ms),
            "getStreamLength" => {
                // Live: no length.
                self.outbound.result(command.transaction, [Value::Null, Value::Number(0.0)]);
            }
            "play" | "play2" => self.outbound.status(
                command.stream_id,
                Level::Error,
                "NetStream.Play.Failed",
                "Shows are not played over RTMP here, only published.",
            ),
            // Answers to commands we never send, and notices.
            "_result" | "_error" | "onStatus" => {}
            // "releaseStream", "_checkbw" and whatever else wants an answer: an empty result is
            // what no encoder stumbles over, where an error ends some sessions.
            _ => self.empty_result(command),
        }
        Ok(())
    }

    fn empty_result(&mut self, command: &Command<'_>) {
        if command.transaction != 0.0 {
            self.outbound.result(command.transaction, [Value::Null, Value::Undefined]);
        }
    }

    fn connect(&mut self, command: &Command<'_>) {
        let (connection, info) = connect::read(command.object);
        connect::answer(&mut self.outbound, command.transaction, command.object);
        self.connection = Some(connection);
        self.events.push_back(Event::Connected(info));
    }

    fn create_stream(&mut self, command: &Command<'_>) -> Result<(), Error> {
        if self.connection.is_none() {
            return Err(Error::OutOfOrder { command: "createStream", missing: "connect" });
        }
        // Zero is the connection itself; four billion streams later it would come up again.
        self.last_stream_id = self.last_stream_id.wrapping_add(1).max(1);
        let id = Value::Number(f64::from(self.last_stream_id));
        self.outbound.result(command.transaction, [Value::Null, id]);
        Ok(())
    }

    fn publish(&mut self, command: &Command<'_>, now_ms: u64) -> Result<(), Error> {
        let Some(connection) = &self.connection else {
            return Err(Error::OutOfOrder { command: "publish", missing: "connect" });
        };
        if !matches!(self.phase, Phase::Commands { .. }) {
            self.outbound.status(
                command.stream_id,
                Level::Error,
                "NetStream.Publish.BadName",
                "This connection already publishes a stream.",
            );
            return Ok(());
        }
        let name = command.arguments.first().and_then(Value::as_text).unwrap_or_default();
        let request = publish_request(connection, name);
        self.phase = Phase::Asked { since_ms: now_ms, stream_id: command.stream_id };
        self.reader.allow_media();
        self.ingest.restart();
        self.events.push_back(Event::Publish(request));
        Ok(())
    }

    /// FMLE and hardware encoders wait for `onFCPublish`, which must carry a transaction id.
    fn fc_publish(&mut self, command: &Command<'_>) {
        let info = info(Level::Status, "NetStream.Publish.Start", "Ready to publish.");
        self.fc_notice("onFCPublish", command, info);
        self.empty_result(command);
    }

    fn fc_unpublish(&mut self, command: &Command<'_>, now_ms: u64) {
        let info = info(Level::Status, "NetStream.Unpublish.Success", "Publishing has ended.");
        self.fc_notice("onFCUnpublish", command, info);
        self.empty_result(command);
        self.unpublish(now_ms);
    }

    fn fc_notice(&mut self, name: &str, command: &Command<'_>, info: Vec<(String, Value)>) {
        let transaction = Value::Number(command.transaction);
        let values = [Value::text(name), transaction, Value::Null, Value::Object(info)];
        self.outbound.command(command.stream_id, &values);
    }

    fn unpublish(&mut self, now_ms: u64) {
        let (Phase::Asked { stream_id, .. } | Phase::Publishing { stream_id, .. }) = self.phase
        else {
            return;
        };
        self.phase = Phase::Commands { since_ms: now_ms };
        self.outbound.status(
            stream_id,
            Level::Status,
            "NetStream.Unpublish.Success",
            "Publishing has ended.",
        );
        self.events.push_back(Event::Unpublish);
    }
}

/// Finds application, key and query in the places encoders put them:
///
/// | URL and key given to the encoder | `app` | name |
/// |---|---|---|
/// | `rtmp://h/live`, `key?query` | `live` | `key?query` |
/// | `rtmp://h/live/key`, nothing | `live/key` | empty |
/// | `rtmp://h/live?query`, `key` | `live?query` | `key` |
/// | `rtmp://h/live`, `/key` | `live` | `/key` |
fn publish_request(connection: &connect::Connection, name: &str) -> PublishRequest {
    let (key, own_query) = connect::split_query(name);
    let key = key.trim_matches('/');
    let query = if own_query.is_empty() { connection.query.as_str() } else { own_query };
    let (app, stream_key) = if key.is_empty() {
        connection.app.rsplit_once('/').unwrap_or(("", connection.app.as_str()))
    } else {
        (connection.app.as_str(), key)
    };
    PublishRequest {
        app: app.to_owned(),
        stream_key: stream_key.to_owned(),
        query: query.to_owned(),
    }
}
