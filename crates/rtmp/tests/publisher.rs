//! The publisher client against a session: what real encoders made, published once more, arrives as
//! it was.

use std::collections::BTreeSet;

use tally_media::{Frame, Timestamp, Track, TrackId};
use tally_rtmp::client::{Publisher, PublisherEvent, SendError, Target};
use tally_rtmp::{Event, Limits, Metadata, Session};

/// What is published: in the order it came.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    Metadata(Metadata),
    Track(Track),
    Frame(TrackId, Frame),
}

fn items(session: &mut Session, into: &mut Vec<Item>) {
    while let Some(event) = session.poll_event() {
        match event {
            Event::Publish(_) => session.accept_publish(),
            Event::Track(track) => into.push(Item::Track(track)),
            Event::Frame { track, frame } => into.push(Item::Frame(track, frame)),
            Event::Metadata(metadata) => into.push(Item::Metadata(metadata)),
            _ => {}
        }
    }
}

fn recorded(recording: &[u8]) -> Vec<Item> {
    let mut session = Session::new(Limits::default(), 0, [0; 1528]);
    session.handle_bytes(recording, 0).expect("a good recording");
    let mut recorded = Vec::new();
    items(&mut session, &mut recorded);
    recorded
}

/// A publisher and a session with a wire between them.
struct Pair {
    publisher: Publisher,
    session: Session,
    arrived: Vec<Item>,
}

impl Pair {
    fn new() -> Self {
        let target = Target {
            tc_url: "rtmp://127.0.0.1/live".to_owned(),
            app: "live".to_owned(),
            stream_key: "key".to_owned(),
        };
        Self {
            publisher: Publisher::new(target, &[1; 1528]),
            session: Session::new(Limits::default(), 0, [2; 1528]),
            arrived: Vec::new(),
        }
    }

    /// Moves bytes until both sides are silent.
    fn settle(&mut self) {
        loop {
            let sent = self.publisher.poll_transmit();
            if let Some(bytes) = &sent {
                self.session.handle_bytes(bytes, 0).expect("our own publisher");
            }
            items(&mut self.session, &mut self.arrived);
            let answered = self.session.poll_transmit();
            if let Some(bytes) = &answered {
                self.publisher.handle_bytes(bytes).expect("our own session");
            }
            if sent.is_none() && answered.is_none() {
                return;
            }
        }
    }
}

#[test]
fn what_encoders_made_arrives_unchanged() {
    let recordings: [&[u8]; 7] = [
        include_bytes!("fixtures/ff5_avc_aac.bin"),
        include_bytes!("fixtures/ff9_multitrack.bin"),
        include_bytes!("fixtures/ff9_av1_opus.bin"),
        include_bytes!("fixtures/ff9_vp9_ac3.bin"),
        include_bytes!("fixtures/ff9_avc_eac3.bin"),
        include_bytes!("fixtures/ff9_avc_flac.bin"),
        include_bytes!("fixtures/ff9_avc_mp3.bin"),
    ];
    let mut codecs = BTreeSet::new();
    for recording in recordings {
        let sent = recorded(recording);
        let mut pair = Pair::new();
        pair.settle();
        assert_eq!(pair.publisher.poll_event(), Some(PublisherEvent::Publishing));
        for item in &sent {
            match item {
                Item::Metadata(metadata) => pair.publisher.send_metadata(metadata),
                Item::Track(track) => {
                    codecs.insert(track.codec.rfc6381().to_owned());
                    pair.publisher.send_track(track, 0)
                }
                Item::Frame(track, frame) => pair.publisher.send_frame(*track, frame),
            }
            .expect("the session accepted the publish");
            pair.settle();
        }
        assert_eq!(pair.arrived, sent);
        assert_eq!(pair.session.damaged_bodies(), 0);
    }
    assert_eq!(codecs.len(), 9, "{codecs:?}");
}

/// ffmpeg's HEVC comes with colour metadata, which the publisher does not send.
#[test]
fn hevc_with_10_bits_and_surround_opus_arrive() {
    for recording in
        [&include_bytes!("fixtures/ff9_hevc_opus.bin")[..], include_bytes!("fixtures/ff9_51.bin")]
    {
        let mut sent = recorded(recording);
        for item in &mut sent {
            if let Item::Track(track) = item {
                track.color = None;
            }
        }
        let mut pair = Pair::new();
        pair.settle();
        for item in &sent {
            match item {
                Item::Metadata(metadata) => pair.publisher.send_metadata(metadata),
                Item::Track(track) => pair.publisher.send_track(track, 0),
                Item::Frame(track, frame) => pair.publisher.send_frame(*track, frame),
            }
            .expect("the session accepted the publish");
        }
        pair.settle();
        assert_eq!(pair.arrived, sent);
    }
}

/// A show of 50 days goes on.
#[test]
fn the_wire_clock_wraps_and_the_frames_go_on() {
    let sent = recorded(include_bytes!("fixtures/ff5_avc_aac.bin"));
    let mut pair = Pair::new();
    pair.settle();
    let start_ms = i64::from(u32::MAX) - 400;
    let mut times = Vec::new();
    for item in sent {
        match item {
            Item::Track(track) => pair.publisher.send_track(&track, u32::MAX - 400),
            Item::Frame(track, frame) => {
                let later = |time: Timestamp| Timestamp::from_ms(time.as_ms() + start_ms);
                times.push(later(frame.dts));
                let frame = Frame { dts: later(frame.dts), pts: later(frame.pts), ..frame };
                pair.publisher.send_frame(track, &frame)
            }
            Item::Metadata(_) => Ok(()),
        }
        .expect("the session accepted the publish");
        pair.settle();
    }
    let arrived = pair.arrived.iter().filter_map(|item| match item {
        Item::Frame(_, frame) => Some(frame.dts),
        _ => None,
    });
    assert_eq!(arrived.collect::<Vec<_>>(), times);
    assert!(times.last().is_some_and(|last| last.as_ms() > i64::from(u32::MAX)));
}

#[test]
fn media_waits_for_the_server_and_for_its_track() {
    let sent = recorded(include_bytes!("fixtures/ff5_avc_aac.bin"));
    let mut pair = Pair::new();
    let Some(Item::Track(track)) = sent.iter().find(|item| matches!(item, Item::Track(_))) else {
        panic!("no track")
    };
    let Some(Item::Frame(id, frame)) = sent.iter().find(|item| matches!(item, Item::Frame(..)))
    else {
        panic!("no frame")
    };
    assert_eq!(pair.publisher.send_track(track, 0), Err(SendError::NotPublishing));
    pair.settle();
    assert!(pair.publisher.is_publishing());
    assert_eq!(pair.publisher.send_frame(*id, frame), Err(SendError::UnknownTrack));
    assert_eq!(pair.publisher.send_track(track, 0), Ok(()));
    assert_eq!(pair.publisher.send_frame(*id, frame), Ok(()));
    pair.publisher.unpublish();
    assert_eq!(pair.publisher.send_frame(*id, frame), Err(SendError::NotPublishing));
    pair.settle();
    assert!(!pair.session.is_publishing());
}

#[test]
fn a_reconnect_request_reaches_the_publisher() {
    let mut pair = Pair::new();
    pair.settle();
    pair.publisher.poll_event();
    assert!(pair.session.request_reconnect(Some("rtmp://other/live"), "drain"));
    pair.settle();
    let tc_url = Some("rtmp://other/live".to_owned());
    assert_eq!(pair.publisher.poll_event(), Some(PublisherEvent::Reconnect { tc_url }));
    assert!(pair.publisher.is_publishing(), "it goes on until the caller moves");
}
