//! Whole sessions in virtual time: commands, control messages, deadlines, hostile peers.

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::amf::write;
use crate::chunk::ChunkWriter;
use crate::client::{Publisher, PublisherEvent, Target};
use crate::testing::{AVCC, FRAME_IDR, FRAME_P, aac_track, avc_track};
use crate::{Capabilities, PublishRequest};

/// A peer that says anything, in virtual time.
struct Peer {
    session: Session,
    writer: ChunkWriter,
    reader: ChunkReader,
    now_ms: u64,
}

const RANDOM: [u8; 1528] = [0x42; 1528];

impl Peer {
    /// Past the handshake.
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let mut session = Session::new(limits, 0, RANDOM);
        let mut c0_c1_c2 = vec![0; 1 + 2 * 1_536];
        c0_c1_c2[0] = 3;
        session.handle_bytes(&c0_c1_c2, 0).unwrap();
        assert_eq!(session.poll_transmit().unwrap().len(), 1 + 2 * 1_536);
        let reader = ChunkReader::new(Limits::default());
        Self { session, writer: ChunkWriter::new(), reader, now_ms: 0 }
    }

    fn send(&mut self, type_id: u8, stream_id: u32, payload: &[u8]) -> Result<(), Error> {
        let payload = Bytes::copy_from_slice(payload);
        let mut wire = BytesMut::new();
        let message = Message { timestamp_ms: 0, type_id, stream_id, payload };
        self.writer.write(&mut wire, &message);
        self.session.handle_bytes(&wire, self.now_ms)
    }

    fn command(&mut self, name: &str, transaction: f64, arguments: &[Value]) {
        let mut payload = BytesMut::new();
        write(&mut payload, &Value::text(name));
        write(&mut payload, &Value::Number(transaction));
        arguments.iter().for_each(|value| write(&mut payload, value));
        self.send(message_type::COMMAND_AMF0, 0, &payload).unwrap();
    }

    /// Up to the accepted publish.
    fn publish(&mut self) {
        self.command("connect", 1.0, &[Value::object([("app", Value::text("live"))])]);
        self.command("createStream", 2.0, &[Value::Null]);
        self.command("publish", 3.0, &[Value::Null, Value::text("key"), Value::text("live")]);
        self.session.accept_publish();
        self.answers();
        while self.session.poll_event().is_some() {}
    }

    /// What the session sends: control messages as they are, commands as their values.
    fn answers(&mut self) -> Vec<(u8, u32, Vec<Value>)> {
        let mut answers = Vec::new();
        while let Some(bytes) = self.session.poll_transmit() {
            let mut rest = &bytes[..];
            while let Some(message) = self.reader.read(&mut rest).unwrap() {
                let values = match message.type_id {
                    message_type::COMMAND_AMF0 => {
                        amf::read_all(&message.payload, Encoding::Amf0).unwrap()
                    }
                    message_type::SET_CHUNK_SIZE => {
                        let size = u32::from_be_bytes(message.payload[..].try_into().unwrap());
                        self.reader.set_chunk_size(size).unwrap();
                        Vec::new()
                    }
                    _ => vec![Value::text(&format!("{:x}", message.payload))],
                };
                answers.push((message.type_id, message.stream_id, values));
            }
        }
        answers
    }

    fn commands(&mut self) -> Vec<Vec<Value>> {
        let is_command = |type_id| type_id == message_type::COMMAND_AMF0;
        self.answers().into_iter().filter(|a| is_command(a.0)).map(|a| a.2).collect()
    }

    /// Codes of the status messages and results in what the session sends.
    fn codes(&mut self) -> Vec<String> {
        let code = |values: &Vec<Value>| {
            let code = values.get(3)?.property("code")?.as_text()?.to_owned();
            Some(code)
        };
        self.commands().iter().filter_map(code).collect()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }
}

fn result(transaction: f64, object: Value, value: Value) -> Vec<Value> {
    vec![Value::text("_result"), Value::Number(transaction), object, value]
}

#[test]
fn connect_is_answered_with_its_transaction_and_our_abilities() {
    let mut peer = Peer::new();
    let object = Value::EcmaArray(vec![
        ("app".to_owned(), Value::text("live?tok=1")),
        ("tcUrl".to_owned(), Value::text("rtmp://h/live")),
        ("flashVer".to_owned(), Value::text("FMLE/3.0")),
        ("objectEncoding".to_owned(), Value::Number(3.0)),
        ("capsEx".to_owned(), Value::Number(5.0)),
        ("fourCcList".to_owned(), Value::Array(vec![Value::text("*"), Value::text("av01")])),
        ("videoFourCcInfoMap".to_owned(), Value::object([("hvc1", Value::Number(1.0))])),
    ]);
    peer.command("connect", 7.0, &[object]);
    let capabilities = Capabilities {
        reconnect: true,
        multitrack: false,
        mod_ex: true,
        timestamp_nano_offset: false,
        four_ccs: ["*", "av01", "hvc1"].map(str::to_owned).into(),
    };
    let info = crate::ConnectInfo {
        app: "live".to_owned(),
        tc_url: "rtmp://h/live".to_owned(),
        flash_version: "FMLE/3.0".to_owned(),
        capabilities,
    };
    assert_eq!(peer.events(), [Event::Connected(info)]);
    let answers = peer.answers();
    let types: Vec<u8> = answers.iter().map(|answer| answer.0).collect();
    assert_eq!(types, [5, 6, 1, 4, 20], "window, bandwidth, chunk size, stream begin, result");
    let values = &answers[4].2;
    assert_eq!(values[..2], [Value::text("_result"), Value::Number(7.0)]);
    for object in &values[2..] {
        assert_eq!(object.property("capsEx"), Some(&Value::Number(15.0)));
        let video = object.property("videoFourCcInfoMap").unwrap();
        assert_eq!(video.property("hvc1"), Some(&Value::Number(4.0)));
        let audio = object.property("audioFourCcInfoMap").unwrap();
        assert_eq!(audio.property("Opus"), Some(&Value::Number(4.0)));
    }
    assert_eq!(values[3].property("code"), Some(&Value::text("NetConnection.Connect.Success")));
    assert_eq!(values[3].property("objectEncoding"), Some(&Value::Number(3.0)));
}

#[test]
fn commands_are_answered_with_their_transactions() {
    let mut peer = Peer::new();
    peer.command("connect", 1.0, &[Value::Null]);
    peer.answers();
    let key = Value::text("key");
    peer.command("releaseStream", 2.0, &[Value::Null, key.clone()]);
    peer.command("FCPublish", 3.0, &[Value::Null, key.clone()]);
    peer.command("createStream", 4.0, &[Value::Null]);
    peer.command("_checkbw", 5.0, &[Value::Null]);
    peer.command("getStreamLength", 6.0, &[Value::Null, key]);
    peer.command("somethingNew", 7.0, &[]);
    peer.command("somethingSilent", 0.0, &[]);
    peer.command("createStream", 8.0, &[Value::Null]);
    let commands = peer.commands();
    // PROTOCOLS 3: onFCPublish must carry a transaction id.
    assert_eq!(commands[1][..2], [Value::text("onFCPublish"), Value::Number(3.0)]);
    let results: Vec<_> = [&commands[..1], &commands[2..]].concat();
    let expected = [
        result(2.0, Value::Null, Value::Undefined),
        result(3.0, Value::Null, Value::Undefined),
        result(4.0, Value::Null, Value::Number(1.0)),
        result(5.0, Value::Null, Value::Undefined),
        result(6.0, Value::Null, Value::Number(0.0)),
        result(7.0, Value::Null, Value::Undefined),
        result(8.0, Value::Null, Value::Number(2.0)),
    ];
    assert_eq!(results, expected);
}

#[test]
fn the_key_is_found_wherever_the_encoder_put_it() {
    let request = |app: &str, name: Value| {
        let mut peer = Peer::new();
        peer.command("connect", 1.0, &[Value::object([("app", Value::text(app))])]);
        peer.command("createStream", 2.0, &[Value::Null]);
        peer.command("publish", 3.0, &[Value::Null, name, Value::text("live")]);
        let event = peer.events().pop().unwrap();
        let Event::Publish(request) = event else { panic!("{event:?}") };
        let PublishRequest { app, stream_key, query } = request;
        [app, stream_key, query]
    };
    let name = |name: &str| Value::text(name);
    assert_eq!(request("live", name("key")), ["live", "key", ""]);
    assert_eq!(
        request("live", name("key?clientConfigId=9&a=?b")),
        ["live", "key", "clientConfigId=9&a=?b"]
    );
    assert_eq!(request("live/key", name("")), ["live", "key", ""]);
    assert_eq!(request("live/key", Value::Null), ["live", "key", ""]);
    assert_eq!(request("live/key?a=1", name("")), ["live", "key", "a=1"]);
    assert_eq!(request("live?a=1", name("key")), ["live", "key", "a=1"]);
    assert_eq!(request("live?a=1", name("key?b=2")), ["live", "key", "b=2"]);
    assert_eq!(request("/live/", name("/key")), ["live", "key", ""]);
    assert_eq!(request("a/b", name("key")), ["a/b", "key", ""]);
    assert_eq!(request("key", name("")), ["", "key", ""]);
}

#[test]
fn secrets_stay_out_of_debug_output() {
    let mut peer = Peer::new();
    let object = [("app", Value::text("live/secret")), ("tcUrl", Value::text("rtmp://h/secret"))];
    peer.command("connect", 1.0, &[Value::object(object)]);
    peer.command("publish", 3.0, &[Value::Null, Value::text("secret?token=secret")]);
    let events = format!("{:?} {:?}", peer.events(), peer.session);
    assert!(!events.contains("secret"), "{events}");
}

#[test]
fn rejecting_tells_why_and_closes() {
    for (reason, code) in [
        (RejectReason::BadName, "NetStream.Publish.BadName"),
        (RejectReason::Denied, "NetStream.Publish.Denied"),
    ] {
        let mut peer = Peer::new();
        peer.command("connect", 1.0, &[Value::Null]);
        peer.command("publish", 3.0, &[Value::Null, Value::text("key")]);
        peer.answers();
        peer.session.reject_publish(reason, "no such stream key");
        assert!(peer.session.is_closed());
        let commands = peer.commands();
        let info = &commands[0][3];
        assert_eq!(info.property("code"), Some(&Value::text(code)));
        assert_eq!(info.property("level"), Some(&Value::text("error")));
        assert_eq!(info.property("description"), Some(&Value::text("no such stream key")));
        assert_eq!(peer.send(message_type::VIDEO, 1, b"late"), Ok(()), "ignored");
        assert_eq!(peer.session.poll_timeout(), None);
    }
}

#[test]
fn a_session_that_is_closed_tells_why() {
    let mut peer = Peer::new();
    peer.publish();
    peer.session.close(CloseReason::TakenOver, "Another encoder took over.");
    assert_eq!(peer.codes(), ["NetStream.Publish.BadName"]);
    assert!(peer.session.is_closed());
    peer.session.close(CloseReason::Shutdown, "again");
    assert_eq!(peer.codes(), [""; 0]);

    let mut before_handshake = Session::new(Limits::default(), 0, RANDOM);
    before_handshake.close(CloseReason::Shutdown, "bye");
    assert_eq!((before_handshake.is_closed(), before_handshake.poll_transmit()), (true, None));
}

#[test]
fn reconnect_is_asked_only_of_those_who_know_it() {
    let mut peer = Peer::new();
    peer.publish();
    assert!(!peer.session.request_reconnect(None, "drain"));
    assert_eq!(peer.codes(), [""; 0]);

    let mut peer = Peer::new();
    let object = Value::object([("capsEx", Value::Number(1.0))]);
    peer.command("connect", 1.0, &[object]);
    peer.answers();
    assert!(peer.session.request_reconnect(Some("rtmp://other/live"), "drain"));
    let status = peer.answers().remove(0);
    assert_eq!(status.1, 0, "on the connection");
    let info = &status.2[3];
    let text = |name| info.property(name).and_then(Value::as_text);
    assert_eq!(text("code"), Some("NetConnection.Connect.ReconnectRequest"));
    assert_eq!(text("level"), Some("status"));
    assert_eq!(text("tcUrl"), Some("rtmp://other/live"));
    assert!(!peer.session.is_closed(), "it goes on until the encoder leaves");
}

#[test]
fn a_second_publish_and_a_play_are_refused_and_the_first_goes_on() {
    let mut peer = Peer::new();
    peer.publish();
    peer.command("publish", 9.0, &[Value::Null, Value::text("other")]);
    assert_eq!(peer.codes(), ["NetStream.Publish.BadName"]);
    peer.command("play", 10.0, &[Value::Null, Value::text("other")]);
    assert_eq!(peer.codes(), ["NetStream.Play.Failed"]);
    assert_eq!(peer.events(), []);
    assert!(peer.session.is_publishing());
}

#[test]
fn unpublishing_is_told_once_and_leaves_room_for_another_publish() {
    let mut peer = Peer::new();
    peer.publish();
    peer.command("FCUnpublish", 6.0, &[Value::Null, Value::text("key")]);
    peer.command("deleteStream", 7.0, &[Value::Null, Value::Number(1.0)]);
    assert_eq!(peer.events(), [Event::Unpublish]);
    assert_eq!(peer.codes(), ["NetStream.Unpublish.Success"; 2], "onFCUnpublish and onStatus");
    assert_eq!(peer.send(message_type::VIDEO, 1, b"\x17late"), Ok(()));
    assert_eq!(peer.session.damaged_bodies(), 0);
    peer.publish();
    assert!(peer.session.is_publishing());
}

#[test]
fn media_that_does_not_wait_for_the_answer_is_kept() {
    let mut peer = Peer::new();
    peer.command("connect", 1.0, &[Value::Null]);
    peer.command("publish", 3.0, &[Value::Null, Value::text("key")]);
    peer.send(message_type::VIDEO, 1, &[&b"\x17\x00\x00\x00\x00"[..], AVCC].concat()).unwrap();
    peer.send(message_type::VIDEO, 1, &[&b"\x17\x01\x00\x00\x00"[..], FRAME_IDR].concat()).unwrap();
    peer.session.accept_publish();
    let events = peer.events();
    assert_eq!(events.len(), 4, "{events:?}");
    assert_eq!(events[2], Event::Track(avc_track(0)));
}

#[test]
fn commands_out_of_order_end_the_session() {
    let mut peer = Peer::new();
    let mut payload = BytesMut::new();
    write(&mut payload, &Value::text("publish"));
    let error = peer.send(message_type::COMMAND_AMF0, 0, &payload).unwrap_err();
    assert_eq!(error.to_string(), "publish before connect");
    assert!(peer.session.is_closed());
}

/// The other named case: a 500 kB message of nested AMF0 before authentication. It is too long for
/// that phase already; what fits is refused by its depth.
#[test]
fn nested_amf_before_authentication_is_refused() {
    let nested = [3, 0, 1, b'a'].repeat(100_000);
    let mut peer = Peer::new();
    let error = peer.send(message_type::COMMAND_AMF0, 0, &nested).unwrap_err();
    assert_eq!(error, Error::MessageTooLong { bytes: 400_000, max: 65_536 });
    let mut peer = Peer::new();
    let error = peer.send(message_type::COMMAND_AMF0, 0, &nested[..65_536]).unwrap_err();
    assert_eq!(error, Error::Command(crate::AmfError::TooDeep));
    let mut peer = Peer::new();
    peer.publish();
    let error = peer.send(message_type::COMMAND_AMF0, 0, &nested).unwrap_err();
    assert_eq!(error, Error::Command(crate::AmfError::TooDeep));
}

#[test]
fn amf3_commands_and_data_are_understood() {
    let mut peer = Peer::new();
    let mut connect = BytesMut::from(&[0][..]);
    write(&mut connect, &Value::text("connect"));
    write(&mut connect, &Value::Number(1.0));
    // avmplus marker, dynamic object {app: "live"}
    connect.put_slice(b"\x11\x0a\x0b\x01\x07app\x06\x09live\x01");
    peer.send(message_type::COMMAND_AMF3, 0, &connect).unwrap();
    let events = peer.events();
    assert!(matches!(&events[..], [Event::Connected(info)] if info.app == "live"), "{events:?}");
    peer.command("publish", 3.0, &[Value::Null, Value::text("key")]);
    peer.session.accept_publish();
    let mut data = BytesMut::from(&[0][..]);
    write(&mut data, &Value::text("onMetaData"));
    write(&mut data, &Value::object([("framerate", Value::Number(30.0))]));
    peer.send(message_type::DATA_AMF3, 1, &data).unwrap();
    let metadata = peer.events().pop();
    assert!(
        matches!(&metadata, Some(Event::Metadata(metadata)) if metadata.frame_rate == Some(30.0)),
        "{metadata:?}"
    );
}

#[test]
fn control_messages_are_obeyed() {
    let mut peer = Peer::new();
    peer.publish();
    // Ping
    peer.send(message_type::USER_CONTROL, 0, &[0, 6, 1, 2, 3, 4]).unwrap();
    assert_eq!(peer.answers()[0].2, [Value::text("000701020304")]);
    // Chunk size
    peer.send(message_type::SET_CHUNK_SIZE, 0, &[0, 1, 0, 0]).unwrap();
    peer.writer.set_chunk_size(65_536);
    let audio = [&b"\xaf\x01"[..], &[0; 10_000]].concat();
    peer.send(message_type::AUDIO, 1, b"\xaf\x00\x12\x10").unwrap();
    peer.send(message_type::AUDIO, 1, &audio).unwrap();
    assert_eq!(peer.events().len(), 2);
    // Window: an acknowledgement comes once half of it has been received.
    peer.send(message_type::WINDOW_ACKNOWLEDGEMENT_SIZE, 0, &[0, 0, 0x80, 0]).unwrap();
    for _ in 0..4 {
        peer.send(message_type::AUDIO, 1, &audio).unwrap();
    }
    let acknowledgements: Vec<_> = peer.answers();
    assert_eq!(acknowledgements.len(), 2, "{acknowledgements:?}");
    assert!(acknowledgements.iter().all(|answer| answer.0 == message_type::ACKNOWLEDGEMENT));
    // Everything else is let through.
    for type_id in [0, 3, 6, 7, 16, 19, 21, 255] {
        peer.send(type_id, 0, b"").unwrap();
    }
    let error = peer.send(message_type::SET_CHUNK_SIZE, 0, &[0, 0]).unwrap_err();
    assert_eq!(error, Error::ShortControlMessage { type_id: 1 });
}

#[test]
fn an_abort_drops_the_message_it_names() {
    let mut peer = Peer::new();
    peer.publish();
    let header = [0x06, 0, 0, 0, 0, 1, 0, 9, 1, 0, 0, 0];
    let start = [&header[..], &[0x9f; 128]].concat();
    peer.session.handle_bytes(&start, 0).unwrap();
    peer.send(message_type::ABORT, 0, &[0, 0, 0, 6]).unwrap();
    // Type 3 begins a message anew, of 256 bytes.
    let rest = [&[0xc6][..], &[0x9f; 128]].concat();
    peer.session.handle_bytes(&rest, 0).unwrap();
    assert_eq!(peer.session.damaged_bodies(), 0);
    peer.session.handle_bytes(&rest, 0).unwrap();
    assert_eq!(peer.session.damaged_bodies(), 1);
}

#[test]
fn every_phase_has_a_deadline() {
    let limits = Limits::default();
    let mut session = Session::new(limits, 1_000, RANDOM);
    assert_eq!(session.poll_timeout(), Some(1_000 + limits.handshake_ms_max));
    assert_eq!(session.handle_timeout(1_000 + limits.handshake_ms_max - 1), Ok(()));
    let error = session.handle_timeout(1_000 + limits.handshake_ms_max).unwrap_err();
    assert_eq!(error, Error::HandshakeTimeout { ms: limits.handshake_ms_max });
    assert!(session.is_closed());

    let mut peer = Peer::new();
    peer.now_ms = 5_000;
    peer.command("connect", 1.0, &[Value::Null]);
    assert_eq!(peer.session.poll_timeout(), Some(limits.publish_ms_max), "from the handshake on");
    let error = peer.session.handle_timeout(limits.publish_ms_max).unwrap_err();
    assert_eq!(error, Error::PublishTimeout { ms: limits.publish_ms_max });

    let mut peer = Peer::new();
    peer.publish();
    peer.now_ms = 20_000;
    peer.send(message_type::AUDIO, 1, b"\xaf\x00\x12\x10").unwrap();
    peer.now_ms = 40_000;
    peer.send(message_type::USER_CONTROL, 0, &[0, 6, 0, 0, 0, 0]).unwrap();
    assert_eq!(
        peer.session.poll_timeout(),
        Some(20_000 + limits.idle_ms_max),
        "pings are no media"
    );
    let error = peer.session.handle_timeout(20_000 + limits.idle_ms_max).unwrap_err();
    assert_eq!(error, Error::IdleTimeout { ms: limits.idle_ms_max });
}

#[test]
fn a_peer_that_asks_and_never_reads_is_dropped() {
    let mut peer = Peer::new();
    peer.publish();
    let ping = [0, 6, 0, 0, 0, 0];
    let error = (0..100_000).find_map(|_| peer.send(message_type::USER_CONTROL, 0, &ping).err());
    assert!(matches!(error, Some(Error::PeerNotReading { .. })), "{error:?}");
}

#[test]
fn a_caller_that_does_not_poll_events_is_told() {
    let mut peer = Peer::with(Limits { events_max: 10, ..Limits::default() });
    peer.publish();
    peer.send(message_type::AUDIO, 1, b"\xaf\x00\x12\x10").unwrap();
    let error = (0..20).find_map(|_| peer.send(message_type::AUDIO, 1, b"\xaf\x01x").err());
    assert_eq!(error, Some(Error::EventsUnread { count: 11 }));
}

/// A publisher and a session on a link that cuts the bytes anywhere.
fn publish_over(cuts: &[usize]) -> Vec<Event> {
    let target = Target {
        tc_url: "rtmp://h/live".to_owned(),
        app: "live".to_owned(),
        stream_key: "key?a=1".to_owned(),
    };
    let mut publisher = Publisher::new(target, &RANDOM);
    let mut session = Session::new(Limits::default(), 0, RANDOM);
    let mut events = Vec::new();
    let mut cuts = cuts.iter().copied().cycle();
    let mut sent = 0;
    loop {
        let mut moved = false;
        while let Some(bytes) = publisher.poll_transmit() {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                session.handle_bytes(piece, 0).unwrap();
                rest = after;
            }
            moved = true;
        }
        while let Some(event) = session.poll_event() {
            if let Event::Publish(_) = event {
                session.accept_publish();
            }
            events.push(event);
        }
        while let Some(bytes) = session.poll_transmit() {
            for piece in bytes.chunks(cuts.next().unwrap()) {
                publisher.handle_bytes(piece).unwrap();
            }
            moved = true;
        }
        if moved {
            continue;
        }
        assert!(publisher.is_publishing() || sent == 20, "stuck before publishing");
        if sent == 0 {
            assert_eq!(publisher.poll_event(), Some(PublisherEvent::Publishing));
            publisher.send_track(&avc_track(0), 0).unwrap();
            publisher.send_track(&avc_track(1), 0).unwrap();
            publisher.send_track(&aac_track(0), 0).unwrap();
        }
        if sent == 20 {
            assert_eq!(events.pop(), Some(Event::Unpublish));
            return events;
        }
        send_frames(&mut publisher, sent);
        sent += 1;
        if sent == 20 {
            publisher.unpublish();
        }
    }
}

fn send_frames(publisher: &mut Publisher, number: i64) {
    use tally_media::{Frame, Timestamp, TrackId};
    let dts = Timestamp::from_ms(number * 40);
    let payload = if number == 0 { FRAME_IDR } else { FRAME_P };
    let picture = Frame {
        dts,
        pts: dts.offset(80),
        duration_ticks: None,
        keyframe: number == 0,
        payload: Bytes::from_static(payload),
    };
    publisher.send_frame(TrackId::Video(0), &picture).unwrap();
    publisher.send_frame(TrackId::Video(1), &picture).unwrap();
    let packet = Frame {
        dts,
        pts: dts,
        duration_ticks: None,
        keyframe: true,
        payload: Bytes::from(vec![number as u8; 300]),
    };
    publisher.send_frame(TrackId::Audio(0), &packet).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_split_of_the_bytes_gives_the_same_events(
        cuts in prop::collection::vec(1..2_000usize, 1..20),
    ) {
        let whole = publish_over(&[usize::MAX]);
        prop_assert_eq!(whole.len(), 2 + 3 + 60);
        prop_assert_eq!(publish_over(&cuts), whole);
    }
}

#[test]
fn the_publisher_hears_a_refusal() {
    let target = Target {
        tc_url: "rtmp://h/live".to_owned(),
        app: "live".to_owned(),
        stream_key: "bad".to_owned(),
    };
    assert!(!format!("{target:?}").contains("bad"));
    let mut publisher = Publisher::new(target, &RANDOM);
    let mut session = Session::new(Limits::default(), 0, RANDOM);
    while !session.is_closed() {
        while let Some(bytes) = publisher.poll_transmit() {
            session.handle_bytes(&bytes, 0).unwrap();
        }
        while let Some(event) = session.poll_event() {
            if let Event::Publish(_) = event {
                session.reject_publish(RejectReason::BadName, "no such key");
            }
        }
        while let Some(bytes) = session.poll_transmit() {
            publisher.handle_bytes(&bytes).unwrap();
        }
    }
    let code = "NetStream.Publish.BadName".to_owned();
    let description = "no such key".to_owned();
    assert_eq!(publisher.poll_event(), Some(PublisherEvent::Refused { code, description }));
    assert!(!publisher.is_publishing());
}

#[test]
fn fuzz_session() {
    // Behind handshake, connect and publish, where most of the code is.
    bolero::check!().with_iterations(5_000).for_each(|bytes: &[u8]| {
        let mut peer = Peer::new();
        if bytes.first().is_some_and(|byte| byte & 1 == 0) {
            peer.publish();
        }
        for piece in bytes.chunks(100) {
            if peer.session.handle_bytes(piece, 0).is_err() {
                assert!(peer.session.is_closed());
                break;
            }
            while peer.session.poll_event().is_some() {}
            while peer.session.poll_transmit().is_some() {}
        }
    });
}

#[test]
fn fuzz_session_from_the_first_byte() {
    bolero::check!().with_iterations(5_000).for_each(|bytes: &[u8]| {
        let mut session = Session::new(Limits::default(), 0, RANDOM);
        let _ = session.handle_bytes(bytes, 0);
        while session.poll_event().is_some() {}
    });
}
