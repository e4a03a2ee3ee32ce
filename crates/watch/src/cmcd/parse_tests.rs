//! Records as players send them, and as nobody should.

use super::super::{CmcdRecord, EventKind, ObjectType, PlayState};
use super::*;

fn clean(text: &str) -> CmcdRecord {
    let parsed = parse(text);
    assert_eq!(parsed.dropped, 0, "{text}");
    parsed.record
}

#[test]
fn version_1_query_as_hls_js_sends_it() {
    let query = "_HLS_msn=4&CMCD=bl%3D21300%2Cbr%3D3200%2Cbs%2Ccid%3D%22faec%5C%22-5178%22%2Cd%3D4004\
                 %2Cdl%3D18500%2Cmtp%3D48100%2Cnor%3D%22..%252F300kbps%252Ftrack.m4v%22%2Cot%3Dv\
                 %2Cpr%3D1.08%2Cpt%3D1%2Csf%3Dh%2Csid%3D%226e2fb550-c457%22%2Cst%3Dl%2Csu%2Ctb%3D6000";
    let Parsed { record, dropped } = parse_query(query).unwrap();
    let expected = CmcdRecord {
        buffer_ms: Some(21_300),
        starved: true,
        content_id: Some("faec\"-5178".into()),
        duration_ms: Some(4_004),
        object_type: Some(ObjectType::Video),
        rate_permille: Some(1_080),
        playhead_ms: Some(1),
        session_id: Some("6e2fb550-c457".into()),
        startup: true,
        ..CmcdRecord::default()
    };
    assert_eq!((record, dropped), (expected, 0));
    assert_eq!(parse_query("_HLS_msn=4"), None);
}

#[test]
fn version_1_headers_are_one_record() {
    let headers = ["br=3200,d=4004,ot=av", "bl=2300", "sid=\"a\",v=1", "bs"];
    let expected = CmcdRecord {
        duration_ms: Some(4_004),
        object_type: Some(ObjectType::Muxed),
        buffer_ms: Some(2_300),
        session_id: Some("a".into()),
        version: Some(1),
        starved: true,
        ..CmcdRecord::default()
    };
    assert_eq!(parse_headers(headers), Parsed { record: expected, dropped: 0 });
}

#[test]
fn version_2_lists_and_flags() {
    let record = clean("bl=(2400;v 2300;a),bg,br=(3200;v 128;a),pt=1700000000123,sta=p,v=2,su=?0");
    assert_eq!(record.buffer_ms, Some(2_300));
    assert_eq!((record.background, record.startup), (true, false));
    assert_eq!(record.playhead_ms, Some(1_700_000_000_123));
    assert_eq!((record.state, record.version), (Some(PlayState::Playing), Some(2)));
}

#[test]
fn event_mode_is_a_record_a_line() {
    let body = "e=ps,sta=s,ts=1700000000000,sid=\"a\",sn=0,v=2\r\n\n\
                e=t,sta=p,pt=1700000001000,ts=1700000010000,sid=\"a\",sn=1,v=2\n\
                e=zz,ts=1700000011000,v=2";
    let records: Vec<_> = parse_events(body).map(|parsed| parsed.record).collect();
    let events: Vec<_> = records.iter().map(|record| record.event).collect();
    let expected = [EventKind::PlayState, EventKind::Interval, EventKind::Other];
    assert_eq!(events, expected.map(Some));
    assert_eq!(records[1].playhead_ms, Some(1_700_000_001_000));
    assert_eq!((records[0].sequence, records[1].sequence), (Some(0), Some(1)));
}

#[test]
fn unknown_keys_are_ignored_and_bad_values_dropped_one_by_one() {
    let parsed = parse("com.example-x=\"a,b\",zz,d=abc,ot=zz,sta,bl=(x y),pr=-1,sid=\"open,pt=5");
    assert_eq!(parsed.dropped, 6);
    assert_eq!(parsed.record, CmcdRecord::default());
    let parsed = parse("d=abc,bl=100,sid=\"\",ot=a");
    assert_eq!((parsed.dropped, parsed.record.buffer_ms), (2, Some(100)));
    assert_eq!(parsed.record.object_type, Some(ObjectType::Audio));
}

#[test]
fn what_is_too_much_is_cut() {
    let long = format!("sid=\"{}\"", "x".repeat(65));
    assert_eq!(parse(&long), Parsed { dropped: 1, ..Parsed::default() });
    let keys = format!("{}pt=5", "zz=1,".repeat(KEYS_MAX));
    assert_eq!(parse(&keys), Parsed { dropped: 1, ..Parsed::default() });
    let text = format!("bl=5,cid=\"{}\"", "é".repeat(TEXT_BYTES_MAX));
    assert_eq!((parse(&text).record.buffer_ms, parse(&text).dropped), (Some(5), 2));
    assert_eq!(parse_events(&"v=2\n".repeat(EVENTS_MAX + 5)).count(), EVENTS_MAX);
}
