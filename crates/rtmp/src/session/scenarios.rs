//! What encoders say that we have no recording of, written down message by message: PROTOCOLS
//! section 3 and 4.

use bytes::{Bytes, BytesMut};
use tally_media::TrackId;

use super::{RejectReason, Session};
use crate::amf::{self, Encoding, Value};
use crate::chunk::{ChunkReader, ChunkWriter, Message};
use crate::handshake::digest_c1;
use crate::testing::{ASC, AVCC, FRAME_IDR, FRAME_P};
use crate::{Event, Limits, message_type};

const RANDOM: [u8; 1528] = [0x42; 1528];

/// An encoder played by hand.
struct Encoder {
    session: Session,
    writer: ChunkWriter,
    reader: ChunkReader,
}

impl Encoder {
    fn after(c1: &[u8]) -> (Self, Bytes) {
        let mut session = Session::new(Limits::default(), 0, RANDOM);
        session.handle_bytes(&[&[3], c1].concat(), 0).unwrap();
        let answer = session.poll_transmit().unwrap();
        // S1 comes back as C2; a digest in it is not looked at.
        session.handle_bytes(&answer[1..1 + 1_536], 0).unwrap();
        let reader = ChunkReader::new(Limits::default());
        (Self { session, writer: ChunkWriter::new(), reader }, answer)
    }

    fn wire(&mut self, type_id: u8, stream_id: u32, timestamp_ms: u32, payload: &[u8]) -> BytesMut {
        let mut wire = BytesMut::new();
        let payload = Bytes::copy_from_slice(payload);
        self.writer.write(&mut wire, &Message { timestamp_ms, type_id, stream_id, payload });
        wire
    }

    fn command(&mut self, stream_id: u32, values: &[Value]) -> BytesMut {
        let payload = encode(values);
        self.wire(message_type::COMMAND_AMF0, stream_id, 0, &payload)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.session.handle_bytes(bytes, 0).unwrap();
    }

    /// Names and transaction ids of the commands that came, and the code of each that has one.
    fn heard(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        while let Some(bytes) = self.session.poll_transmit() {
            let mut rest = &bytes[..];
            while let Some(message) = self.reader.read(&mut rest).unwrap() {
                if message.type_id == message_type::SET_CHUNK_SIZE {
                    self.reader.set_chunk_size(4_096).unwrap();
                }
                if message.type_id == message_type::COMMAND_AMF0 {
                    let values = amf::read_all(&message.payload, Encoding::Amf0).unwrap();
                    let code = values.get(3).and_then(|info| info.property("code")?.as_text());
                    let name = values[0].as_text().unwrap();
                    let transaction = values[1].as_number().unwrap();
                    let line = format!("{name} {transaction} {}", code.unwrap_or_default());
                    heard.push(line.trim_end().to_owned());
                }
            }
        }
        heard
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }
}

fn encode(values: &[Value]) -> BytesMut {
    let mut payload = BytesMut::new();
    values.iter().for_each(|value| amf::write(&mut payload, value));
    payload
}

fn text(text: &str) -> Value {
    Value::text(text)
}

fn number(number: f64) -> Value {
    Value::Number(number)
}

fn plain_c1() -> Vec<u8> {
    let mut c1 = vec![0; 8];
    c1.extend([0x5a; 1_528]);
    c1
}

/// OBS 32.2.2 as measured: no Enhanced RTMP fields in `connect`, two commands in one segment,
/// track 0 with legacy tags, track 1 with OneTrack multitrack packets, a key with a query.
#[test]
fn obs_32_publishes_multitrack_without_announcing_it() {
    let (mut obs, _) = Encoder::after(&plain_c1());
    let mut first = obs.wire(message_type::SET_CHUNK_SIZE, 0, 0, &4_096u32.to_be_bytes());
    obs.writer.set_chunk_size(4_096);
    let object = Value::object([
        ("app", text("live")),
        ("type", text("nonprivate")),
        ("flashVer", text("FMLE/3.0 (compatible; FMSc/1.0)")),
        ("swfUrl", text("rtmp://127.0.0.1/live")),
        ("tcUrl", text("rtmp://127.0.0.1/live")),
    ]);
    first.unsplit(obs.command(0, &[text("connect"), number(1.0), object]));
    obs.send(&first);
    assert_eq!(obs.heard(), ["_result 1 NetConnection.Connect.Success"]);

    let key = text("key?clientConfigId=x");
    let release = obs.command(0, &[text("releaseStream"), number(2.0), Value::Null, key.clone()]);
    obs.send(&release);
    let mut two = obs.command(0, &[text("FCPublish"), number(3.0), Value::Null, key.clone()]);
    two.unsplit(obs.command(0, &[text("createStream"), number(4.0), Value::Null]));
    obs.send(&two);
    let expected = ["_result 2", "onFCPublish 3 NetStream.Publish.Start", "_result 3", "_result 4"];
    assert_eq!(obs.heard(), expected);

    let publish = [text("publish"), number(5.0), Value::Null, key.clone(), text("live")];
    let publish = obs.command(1, &publish);
    obs.send(&publish);
    let events = obs.events();
    let [Event::Connected(info), Event::Publish(request)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(info.capabilities, crate::Capabilities::default());
    assert_eq!((request.stream_key.as_str(), request.query.as_str()), ("key", "clientConfigId=x"));
    obs.session.accept_publish();
    assert_eq!(obs.heard(), ["onStatus 0 NetStream.Publish.Start"]);

    obs_media(&mut obs);

    let mut end = obs.command(1, &[text("FCUnpublish"), number(6.0), Value::Null, key]);
    end.unsplit(obs.command(1, &[text("deleteStream"), number(7.0), Value::Null, number(1.0)]));
    obs.send(&end);
    assert_eq!(obs.events(), [Event::Unpublish]);
    assert_eq!(obs.session.damaged_bodies(), 0);
}

fn obs_media(obs: &mut Encoder) {
    let metadata = Value::EcmaArray(vec![
        ("duration".to_owned(), number(0.0)),
        ("fileSize".to_owned(), number(0.0)),
        ("width".to_owned(), number(1_920.0)),
        ("height".to_owned(), number(1_080.0)),
        ("videocodecid".to_owned(), number(7.0)),
        ("videodatarate".to_owned(), number(6_000.0)),
        ("framerate".to_owned(), number(30.0)),
        ("audiocodecid".to_owned(), number(10.0)),
        ("encoder".to_owned(), text("obs-output module (libobs version 32.2.2)")),
    ]);
    let metadata = encode(&[text("@setDataFrame"), text("onMetaData"), metadata]);
    let one_track =
        |packet_type: u8, bytes: &[u8]| [&[0x96, packet_type][..], b"avc1", &[1], bytes].concat();
    let messages = [
        (message_type::DATA_AMF0, 0, metadata.to_vec()),
        (message_type::AUDIO, 0, [b"\xaf\x00", ASC].concat()),
        (message_type::VIDEO, 0, [b"\x17\x00\x00\x00\x00", AVCC].concat()),
        (message_type::VIDEO, 0, one_track(0, AVCC)),
        (message_type::VIDEO, 0, [b"\x17\x01\x00\x00\x43", FRAME_IDR].concat()),
        (message_type::VIDEO, 0, one_track(3, FRAME_IDR)),
        (message_type::AUDIO, 21, b"\xaf\x01\x21\x1b".to_vec()),
        (message_type::VIDEO, 33, [b"\x27\x01\x00\x00\x43", FRAME_P].concat()),
        (message_type::VIDEO, 33, one_track(3, FRAME_P)),
        (message_type::VIDEO, 66, b"\x17\x02\x00\x00\x00".to_vec()),
        (message_type::VIDEO, 66, one_track(2, b"")),
    ];
    for (type_id, timestamp_ms, payload) in messages {
        let wire = obs.wire(type_id, 1, timestamp_ms, &payload);
        obs.send(&wire);
    }
    let events = obs.events();
    let frames = |id| {
        let of_track = |event: &&Event| matches!(event, Event::Frame { track, .. } if *track == id);
        events.iter().filter(of_track).count()
    };
    let (main, extra, audio) = (TrackId::Video(0), TrackId::Video(1), TrackId::Audio(0));
    assert_eq!([main, extra, audio].map(frames), [2, 2, 1]);
    assert!(matches!(&events[0], Event::Metadata(metadata) if metadata.frame_rate == Some(30.0)));
    let ends = [Event::TrackEnded(main), Event::TrackEnded(extra)];
    assert_eq!(events[events.len() - 2..], ends);
}

/// FMLE and hardware encoders in its likeness: digest handshake, AMF0 in chunks of 128 bytes, and
/// nothing more until `onFCPublish` came with a transaction id.
#[test]
fn fmle_waits_for_on_fc_publish() {
    let c1 = digest_c1(&[0x33; 1_528]);
    let (mut fmle, answer) = Encoder::after(&c1);
    assert_ne!(answer[5..9], [0; 4], "S1 carries a version, as an answer to a digest does");
    assert_ne!(answer[1 + 1_536..], c1[..], "S2 is signed, not an echo");

    let object = Value::object([
        ("app", text("live")),
        ("flashVer", text("FMLE/3.0 (compatible; FMSc/1.0)")),
        ("swfUrl", text("rtmp://127.0.0.1/live")),
        ("tcUrl", text("rtmp://127.0.0.1/live")),
        ("fpad", Value::Boolean(false)),
        ("capabilities", number(239.0)),
        ("audioCodecs", number(3_575.0)),
        ("videoCodecs", number(252.0)),
        ("videoFunction", number(1.0)),
        ("pageUrl", Value::Undefined),
        ("objectEncoding", number(0.0)),
    ]);
    let connect = fmle.command(0, &[text("connect"), number(1.0), object]);
    assert!(connect.len() > 2 * 128, "more than one chunk");
    fmle.send(&connect);
    assert_eq!(fmle.heard(), ["_result 1 NetConnection.Connect.Success"]);

    let name = text("key");
    for (number_, command) in [(2.0, "releaseStream"), (3.0, "FCPublish")] {
        let values = [text(command), number(number_), Value::Null, name.clone()];
        let wire = fmle.command(0, &values);
        fmle.send(&wire);
    }
    let expected = ["_result 2", "onFCPublish 3 NetStream.Publish.Start", "_result 3"];
    assert_eq!(fmle.heard(), expected);
    let create = fmle.command(0, &[text("createStream"), number(4.0), Value::Null]);
    fmle.send(&create);
    let check = fmle.command(0, &[text("_checkbw"), number(5.0), Value::Null]);
    fmle.send(&check);
    assert_eq!(fmle.heard(), ["_result 4", "_result 5"]);
    let publish = [text("publish"), number(0.0), Value::Null, name, text("live")];
    let publish = fmle.command(1, &publish);
    fmle.send(&publish);
    assert!(matches!(fmle.events().last(), Some(Event::Publish(_))));
    fmle.session.reject_publish(RejectReason::BadName, "wrong key");
    assert_eq!(fmle.heard(), ["onStatus 0 NetStream.Publish.BadName"]);
}

/// An aggregate message (type 22) is as good as the messages in it.
#[test]
fn aggregates_feed_the_tracks() {
    let (mut encoder, _) = Encoder::after(&plain_c1());
    let connect = encoder.command(0, &[text("connect"), number(1.0), Value::Null]);
    encoder.send(&connect);
    let publish = [text("publish"), number(2.0), Value::Null, text("key")];
    let publish = encoder.command(1, &publish);
    encoder.send(&publish);
    encoder.session.accept_publish();
    encoder.events();
    let tag = |type_id: u8, time: u8, payload: &[u8]| {
        let length = payload.len() as u8;
        let head = [type_id, 0, 0, length, 0, 0, time, 0, 0, 0, 0];
        [&head[..], payload, &[0, 0, 0, length + 11]].concat()
    };
    let aggregate = [
        tag(message_type::AUDIO, 10, &[b"\xaf\x00", ASC].concat()),
        tag(message_type::AUDIO, 10, b"\xaf\x01one"),
        tag(message_type::AUDIO, 33, b"\xaf\x01two"),
    ]
    .concat();
    let wire = encoder.wire(message_type::AGGREGATE, 1, 5_000, &aggregate);
    encoder.send(&wire);
    let times: Vec<_> = encoder
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::Frame { frame, .. } => Some(frame.dts.as_ms()),
            _ => None,
        })
        .collect();
    assert_eq!(times, [5_000, 5_023]);
    assert_eq!(encoder.session.damaged_bodies(), 0);
}
