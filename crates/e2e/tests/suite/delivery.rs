//! Delivery directives and transport, request by request: D1-D12 and section 1.3.

use std::time::Duration;

use tally_e2e::http::{Request, Response};
use tally_e2e::playlist::MediaPlaylist;
use tally_e2e::record::{Recording, resolve};
use tally_e2e::{Server, Settings, need, wait};

use crate::shows;

/// A show with a window that has rolled on, so that something is gone and something can be skipped.
struct Fixture {
    server: Server,
    playlist: String,
    publisher: Option<tally_e2e::publish::Publisher>,
}

impl Fixture {
    fn get(&self, query: &str) -> Response {
        self.server.get(&format!("{}{query}", self.playlist))
    }

    fn now(&self) -> MediaPlaylist {
        MediaPlaylist::parse(self.get("").text()).unwrap()
    }

    fn file(&self, uri: &str) -> Request {
        Request::get(self.server.http, &resolve(&self.playlist, uri))
    }
}

/// All rules of delivery on one show, because each needs a window that has rolled on.
#[test]
fn delivery_directives_and_transport_hold_to_the_rules() {
    let settings = Settings::default().with("hls.window_s", "24");
    let (server, publisher) = need!(shows::server_with_show(&settings));
    let playlist = shows::media_playlist(&server, "alice");
    Recording::follow(server.http, &playlist, |playlist| playlist.media_sequence >= 2).unwrap();
    let mut fixture = Fixture { server, playlist, publisher: Some(publisher) };
    d1_a_reload_is_held_until_the_segment_is_there(&fixture);
    d2_a_reload_is_held_until_the_part_is_there(&fixture);
    d3_a_part_beyond_the_last_is_the_first_of_the_next(&fixture);
    d4_a_part_without_a_segment_is_refused(&fixture);
    d5_too_far_ahead_is_refused_at_once(&fixture);
    d7_what_is_gone_is_answered_at_once(&fixture);
    d9_a_delta_skips_what_is_old(&fixture);
    d10_a_hinted_part_is_held_and_comes_whole(&fixture);
    d11_what_is_not_there_is_not_found(&fixture);
    d12_unknown_directives_and_any_order_are_accepted(&fixture);
    cross_origin_headers_are_on_every_answer(&fixture);
    media_types_and_caching_are_stated(&fixture);
    playlists_are_compressed(&fixture);
    ranges_heads_and_conditions_are_answered(&fixture);
    fixture.publisher.take().unwrap().stop();
    d8_directives_are_ignored_after_the_end(&fixture);
}

fn d1_a_reload_is_held_until_the_segment_is_there(fixture: &Fixture) {
    let wanted = fixture.now().open.msn;
    let response = fixture.get(&format!("?_HLS_msn={wanted}"));
    assert_eq!(response.status, 200, "D1");
    let came = MediaPlaylist::parse(response.text()).unwrap();
    let listed = came.segments.iter().any(|segment| segment.msn == wanted);
    assert!(listed, "D1: segment {wanted} is not listed:\n{}", response.text());
}

fn d2_a_reload_is_held_until_the_part_is_there(fixture: &Fixture) {
    for _ in 0..10 {
        let wanted = fixture.now().next();
        let response = fixture.get(&format!("?_HLS_msn={}&_HLS_part={}", wanted.0, wanted.1));
        let came = MediaPlaylist::parse(response.text()).unwrap();
        assert!(came.next() > wanted, "D2: asked for {wanted:?}, got {:?}", came.next());
        // Held, and let go at once: not a whole part later.
        assert!(response.whole < Duration::from_millis(700), "D2: took {:?}", response.whole);
    }
}

fn d3_a_part_beyond_the_last_is_the_first_of_the_next(fixture: &Fixture) {
    let now = fixture.now();
    let whole = now.segments.last().unwrap();
    let beyond = whole.parts.len() as u64;
    let response = fixture.get(&format!("?_HLS_msn={}&_HLS_part={beyond}", whole.msn));
    assert_eq!(response.status, 200, "D3");
    let came = MediaPlaylist::parse(response.text()).unwrap();
    assert!(came.next() > (whole.msn + 1, 0), "D3: {:?}", came.next());
}

fn d4_a_part_without_a_segment_is_refused(fixture: &Fixture) {
    assert_eq!(fixture.get("?_HLS_part=1").status, 400, "D4");
}

fn d5_too_far_ahead_is_refused_at_once(fixture: &Fixture) {
    let (msn, part) = fixture.now().next();
    for query in [
        format!("?_HLS_msn={}", msn + 4),
        format!("?_HLS_msn={msn}&_HLS_part={}", part + 40),
        "?_HLS_msn=99999999999999".to_owned(),
    ] {
        let response = fixture.get(&query);
        assert_eq!(response.status, 400, "D5: {query}");
        assert!(response.whole < Duration::from_millis(200), "D5: took {:?}", response.whole);
    }
}

fn d7_what_is_gone_is_answered_at_once(fixture: &Fixture) {
    let response = fixture.get("?_HLS_msn=0&_HLS_part=0");
    assert_eq!(response.status, 200, "D7");
    assert!(response.whole < Duration::from_millis(200), "D7: took {:?}", response.whole);
}

fn d8_directives_are_ignored_after_the_end(fixture: &Fixture) {
    wait::until("the end", shows::SHOW_WITHIN, || fixture.now().ended.then_some(()));
    for query in ["?_HLS_msn=9999", "?_HLS_msn=1&_HLS_part=1&_HLS_skip=YES", "?_HLS_skip=v2"] {
        let response = fixture.get(query);
        assert_eq!(response.status, 200, "D8: {query}");
        let playlist = MediaPlaylist::parse(response.text()).unwrap();
        assert!(playlist.ended && playlist.skipped == 0, "D8: {query}:\n{}", response.text());
        assert!(response.whole < Duration::from_millis(200), "D8: took {:?}", response.whole);
    }
}

fn d9_a_delta_skips_what_is_old(fixture: &Fixture) {
    let whole = fixture.now();
    let response = fixture.get("?_HLS_skip=YES");
    let delta = MediaPlaylist::parse(response.text()).unwrap();
    assert_eq!(delta.version, 9, "P2: a delta needs version 9");
    assert!(delta.skipped > 0, "D9: nothing skipped:\n{}", response.text());
    assert!(delta.media_sequence >= whole.media_sequence, "D9: the media sequence changed");
    let listed = delta.skipped + delta.segments.len() as u64;
    assert!(listed >= whole.segments.len() as u64, "D9: {listed} segments in all");
    let boundary_us = delta.control_us("CAN-SKIP-UNTIL").unwrap();
    let kept_us: u64 = delta.segments.iter().map(|segment| segment.duration_us).sum();
    assert!(kept_us >= boundary_us, "D9: only {kept_us} us kept of {boundary_us}");
    for segment in &delta.segments {
        if let Some(twin) = whole.segments.iter().find(|twin| twin.msn == segment.msn) {
            assert_eq!((&twin.uri, twin.duration_us), (&segment.uri, segment.duration_us), "D9");
        }
    }
}

fn d10_a_hinted_part_is_held_and_comes_whole(fixture: &Fixture) {
    let mut held = 0;
    for _ in 0..6 {
        let now = fixture.now();
        let uri = now.hinted_part().unwrap().to_owned();
        let response = fixture.file(&uri).send().unwrap();
        assert_eq!(response.status, 200, "D10: {uri}");
        let samples = tally_e2e::mp4::read_fragments(&response.body);
        assert!(samples.is_ok(), "D10: {uri}: {samples:?}");
        let transfer = response.whole - response.first_byte;
        assert!(transfer < Duration::from_millis(50), "D10: {uri} came in {transfer:?}");
        held += u32::from(response.first_byte > Duration::from_millis(20));
    }
    assert!(held >= 3, "D10: only {held} of 6 requests were held");
}

fn d11_what_is_not_there_is_not_found(fixture: &Fixture) {
    let now = fixture.now();
    let later = format!("{}.0.m4s", now.open.msn + 9);
    for uri in [later.as_str(), "0.m4s.bak", "init77.mp4", "99999999999999999999.m4s", "x.m4s"] {
        assert_eq!(fixture.file(uri).send().unwrap().status, 404, "D11: {uri}");
    }
    for path in ["/live/nobody/index.m3u8", "/live/alice/none/v0/playlist.m3u8"] {
        assert_eq!(fixture.server.get(path).status, 404, "D11: {path}");
    }
}

fn d12_unknown_directives_and_any_order_are_accepted(fixture: &Fixture) {
    let (msn, part) = fixture.now().next();
    for query in [
        format!("?_HLS_part={part}&_HLS_msn={msn}"),
        "?_HLS_new=1".to_owned(),
        "?token=abc".to_owned(),
    ] {
        assert_eq!(fixture.get(&query).status, 200, "D12: {query}");
    }
    assert_eq!(fixture.get("?_HLS_msn=abc").status, 400, "D12: no number");
}

fn cross_origin_headers_are_on_every_answer(fixture: &Fixture) {
    let now = fixture.now();
    let init = now.open.map.clone().unwrap();
    let segment = now.segments.last().unwrap().uri.clone();
    let mut answers =
        vec![fixture.get(""), fixture.get("?_HLS_part=1"), fixture.get("?_HLS_msn=0")];
    for uri in [
        init.as_str(),
        &segment,
        "x.m4s",
        &now.open.parts.first().map_or(segment.clone(), |p| p.uri.clone()),
    ] {
        let request = fixture.file(uri).header("origin", "https://shop.example");
        answers.push(request.send().unwrap());
    }
    answers.push(fixture.server.get("/live/nobody/index.m3u8"));
    answers.push(fixture.server.get("/live/alice/index.m3u8"));
    for answer in answers {
        let origin = answer.header("access-control-allow-origin");
        assert_eq!(origin, Some("*"), "{} {:?}", answer.status, answer.headers);
    }
}

fn media_types_and_caching_are_stated(fixture: &Fixture) {
    let now = fixture.now();
    let playlist = fixture.get("");
    let segment = fixture.file(&now.segments.last().unwrap().uri).send().unwrap();
    let init = fixture.file(now.open.map.as_ref().unwrap()).send().unwrap();
    assert_eq!(playlist.header("content-type"), Some("application/vnd.apple.mpegurl"));
    for media in [&segment, &init] {
        let kind = media.header("content-type").unwrap();
        assert!(["video/mp4", "video/iso.segment"].contains(&kind), "{kind}");
        assert!(media.header("content-length").is_some(), "{:?}", media.headers);
    }
    for answer in [&playlist, &segment, &init] {
        assert!(answer.header("cache-control").is_some(), "{:?}", answer.headers);
        assert_eq!(answer.header("age"), None, "an origin must not send Age");
    }
    // video.js asks again with the same directives; a browser's cache would keep it standing.
    let caching = playlist.header("cache-control").unwrap();
    assert!(caching.starts_with("max-age=0, s-maxage="), "{caching}");
}

fn playlists_are_compressed(fixture: &Fixture) {
    let request = || Request::get(fixture.server.http, &fixture.playlist);
    let plain = request().send().unwrap();
    assert_eq!(plain.header("content-encoding"), None);
    let small = request().header("accept-encoding", "gzip").send().unwrap();
    assert_eq!(small.header("content-encoding"), Some("gzip"), "A10.1");
    assert!(small.body.starts_with(&[0x1f, 0x8b]) && small.body.len() < plain.body.len());
    let varies = small.header("vary").unwrap_or_default().to_ascii_lowercase();
    assert!(varies.contains("accept-encoding"), "{:?}", small.headers);
    let refused = request().header("accept-encoding", "gzip;q=0").send().unwrap();
    assert_eq!(refused.header("content-encoding"), None, "gzip was refused");
}

fn ranges_heads_and_conditions_are_answered(fixture: &Fixture) {
    let uri = fixture.now().segments.last().unwrap().uri.clone();
    let whole = fixture.file(&uri).send().unwrap();
    let part = fixture.file(&uri).header("range", "bytes=10-19").send().unwrap();
    assert_eq!((part.status, part.body.as_slice()), (206, &whole.body[10..20]));
    let expected = format!("bytes 10-19/{}", whole.body.len());
    assert_eq!(part.header("content-range"), Some(expected.as_str()));
    let tail = fixture.file(&uri).header("range", "bytes=-7").send().unwrap();
    assert_eq!((tail.status, tail.body.as_slice()), (206, &whole.body[whole.body.len() - 7..]));
    let beyond = fixture.file(&uri).header("range", "bytes=999999999-").send().unwrap();
    assert_eq!(beyond.status, 416);
    let head = fixture.file(&uri).method("HEAD").send().unwrap();
    assert_eq!((head.status, head.header("content-length")), (200, whole.header("content-length")));
    let etag = whole.header("etag").expect("a segment has an ETag");
    let same = fixture.file(&uri).header("if-none-match", etag).send().unwrap();
    assert_eq!(same.status, 304);
    let posted = fixture.file(&uri).method("POST").send().unwrap();
    assert_eq!(posted.status, 405);
}
