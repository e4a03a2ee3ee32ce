//! WHIP and WHEP over HTTP, request by request, with offers of real clients and no peer behind them:
//! W1-W17 of PROTOCOLS section 2. What needs a peer is in the tests of players and publishers.

use std::net::SocketAddr;

use tally_e2e::http::{Request, Response};
use tally_e2e::publish::ffmpeg::{self, Show};
use tally_e2e::server::add_creator;
use tally_e2e::{Server, Settings, need, tools};

use crate::shows;

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const PROBLEM: &str = "application/problem+json";

macro_rules! offer {
    ($name:literal) => {
        include_str!(concat!("../../../rtc/tests/offers/", $name, ".sdp"))
    };
}

const PLAY: &str = offer!("chromium-whep");
const PUBLISH: &str = offer!("chromium-whip");

/// Where requests go.
#[derive(Clone, Copy)]
struct Client(SocketAddr);

impl Client {
    fn send(self, method: &'static str, target: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::get(self.0, target).method(method);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send().unwrap()
    }

    fn offer(self, target: &str, sdp: &str) -> Response {
        Request::get(self.0, target).method("POST").body(SDP, sdp).send().unwrap()
    }

    /// PATCH of a fragment; without a tag there is no `If-Match`.
    fn patch(self, target: &str, tag: Option<&str>, fragment: &str) -> Response {
        let mut request = Request::get(self.0, target).method("PATCH").body(FRAGMENT, fragment);
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        request.send().unwrap()
    }
}

/// Path and tag of a session that was made.
fn session(response: &Response) -> (String, String) {
    assert_eq!(response.status, 201, "{}", response.text());
    let header = |name| response.header(name).unwrap().to_owned();
    (header("location"), header("etag"))
}

/// W13: refused with this status, as a problem document whose length is told.
fn refused(response: &Response, status: u16) {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(response.header("content-type"), Some(PROBLEM), "W13");
    assert_eq!(response.header("content-length"), Some(&*response.body.len().to_string()));
    assert_eq!(response.header("access-control-allow-origin"), Some("*"), "W3");
}

fn retry_after_s(response: &Response) -> u32 {
    response.header("retry-after").expect("Retry-After").parse().unwrap()
}

fn fragment(ufrag: &str) -> String {
    format!(
        "a=ice-ufrag:{ufrag}\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
         a=mid:0\r\na=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host generation 0\r\n"
    )
}

fn line<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text}"))
}

/// All rules of playing on one show.
#[test]
fn whep_holds_to_the_rules() {
    let (server, _publisher) = need!(shows::server_with_show(&Settings::default()));
    let client = Client(server.http);
    let endpoint = "/live/alice/whep";
    w1_an_offer_is_answered_with_a_session(client, endpoint, PLAY, "a=sendonly");
    w1_what_is_no_offer_is_refused(client, endpoint);
    w2_get_and_head_have_no_content(client, endpoint);
    w3_options_tell_what_is_taken(client, endpoint);
    w4_an_offer_that_cannot_be_answered_is_unprocessable(client, endpoint, PLAY);
    w7_delete_ends_the_session(client, endpoint, PLAY);
    w8_candidates_are_taken_under_the_present_tag(client, endpoint, PLAY);
    w9_a_restart_gives_credentials_and_a_tag(client, endpoint, PLAY);
    w12_layers_are_linked_and_chosen(client, endpoint);
    w15_what_cannot_be_played_is_countered(client, endpoint);
    w16_what_is_not_live_is_a_conflict(client);
    every_client_s_offer_is_answered(
        client,
        endpoint,
        &[
            offer!("aiortc-whep"),
            offer!("gstreamer-whep"),
            offer!("node-datachannel-whep"),
            offer!("pion-whep"),
            offer!("werift-whep"),
        ],
    );
}

/// All rules of publishing, each by a creator of its own.
#[test]
fn whip_holds_to_the_rules() {
    let server = need!(shows::server());
    let client = Client(server.http);
    let endpoint = "/live/alice/whip";
    w4_an_offer_that_cannot_be_answered_is_unprocessable(client, endpoint, PUBLISH);
    refused(&client.offer("/live/alice/whep", PLAY), 409);
    w1_an_offer_is_answered_with_a_session(client, endpoint, PUBLISH, "a=recvonly");
    w1_what_is_no_offer_is_refused(client, endpoint);
    w2_get_and_head_have_no_content(client, endpoint);
    w3_options_tell_what_is_taken(client, endpoint);
    w7_delete_ends_the_session(client, endpoint, PUBLISH);
    w8_candidates_are_taken_under_the_present_tag(client, endpoint, PUBLISH);
    w9_a_restart_gives_credentials_and_a_tag(client, endpoint, PUBLISH);
    w17_simulcast_is_answered_layer_by_layer(client, endpoint);
    every_client_s_offer_is_answered(
        client,
        endpoint,
        &[
            offer!("aiortc-whip"),
            offer!("ffmpeg-whip"),
            offer!("ffmpeg8-whip"),
            offer!("firefox-whip"),
            offer!("gstreamer-whip"),
            offer!("obs-whip"),
            offer!("werift-whip"),
        ],
    );
}

fn w1_an_offer_is_answered_with_a_session(
    client: Client,
    endpoint: &str,
    offer: &str,
    direction: &str,
) {
    let response = client.offer(endpoint, offer);
    let (location, tag) = session(&response);
    let name = location.strip_prefix(&format!("{endpoint}/")).unwrap();
    assert!(name.len() * 5 >= 128, "W14: 128 bits of base 32: {location}");
    assert!(tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"'), "W6: strong: {tag}");
    assert_eq!(response.header("content-type"), Some(SDP));
    assert_eq!(response.header("content-length"), Some(&*response.body.len().to_string()));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let exposed = response.header("access-control-expose-headers").unwrap();
    for name in ["Location", "ETag", "Link", "Retry-After"] {
        assert!(exposed.contains(name), "W3: {exposed}");
    }
    let answer = response.text();
    line(answer, direction); // W4
    line(answer, "a=group:BUNDLE ");
    line(answer, "a=rtcp-mux-only");
    line(answer, "a=candidate:"); // W5
    line(answer, "a=end-of-candidates");
    let next = session(&client.offer(endpoint, offer));
    assert_ne!((&next.0, &next.1), (&location, &tag));
    assert_ne!(next.1, tag, "W6");
}

fn w1_what_is_no_offer_is_refused(client: Client, endpoint: &str) {
    let plain = Request::get(client.0, endpoint).method("POST").body("text/plain", PLAY);
    let plain = plain.send().unwrap();
    refused(&plain, 415);
    assert_eq!(plain.header("accept-post"), Some(SDP));
    refused(&client.offer(endpoint, "hello"), 400);
    refused(&client.offer(endpoint, ""), 400);
    let long = [("content-type", SDP), ("content-length", "100000")];
    refused(&client.send("POST", endpoint, &long), 413);
    let put = client.send("PUT", endpoint, &[]);
    refused(&put, 405);
    assert!(put.header("allow").unwrap().contains("POST"));
}

fn w2_get_and_head_have_no_content(client: Client, endpoint: &str) {
    let get = client.send("GET", endpoint, &[]);
    assert_eq!((get.status, get.body.len()), (204, 0));
    if endpoint.ends_with("whep") {
        let head = client.send("HEAD", endpoint, &[]);
        assert_eq!((head.status, head.header("content-type")), (200, Some(SDP)));
    }
    refused(&client.send("GET", &format!("{endpoint}/none"), &[]), 404);
}

fn w3_options_tell_what_is_taken(client: Client, endpoint: &str) {
    let asked = [("origin", "https://a.example"), ("access-control-request-method", "PATCH")];
    for target in [endpoint.to_owned(), format!("{endpoint}/some")] {
        let preflight = client.send("OPTIONS", &target, &asked);
        assert!((200..300).contains(&preflight.status), "{}", preflight.status);
        let methods = preflight.header("access-control-allow-methods").unwrap();
        for method in ["POST", "PATCH", "DELETE", "OPTIONS"] {
            assert!(methods.contains(method), "{methods}");
        }
        let headers = preflight.header("access-control-allow-headers").unwrap();
        for name in ["Authorization", "Content-Type", "If-Match"] {
            assert!(headers.contains(name), "{headers}");
        }
    }
    let options = client.send("OPTIONS", endpoint, &[]);
    assert_eq!((options.status, options.header("accept-post")), (200, Some(SDP)));
}

fn w4_an_offer_that_cannot_be_answered_is_unprocessable(
    client: Client,
    endpoint: &str,
    offer: &str,
) {
    let without = |line: &str| {
        let kept = offer.lines().filter(|it| !it.starts_with(line));
        kept.map(|line| format!("{line}\r\n")).collect::<String>()
    };
    for lacking in ["a=rtcp-mux", "a=fingerprint", "a=ice-", "a=group:BUNDLE"] {
        refused(&client.offer(endpoint, &without(lacking)), 422);
    }
}

fn w7_delete_ends_the_session(client: Client, endpoint: &str, offer: &str) {
    let (session, _) = session(&client.offer(endpoint, offer));
    assert_eq!(client.send("GET", &session, &[]).status, 204, "W2");
    refused(&client.send("DELETE", &session.replace("alice", "mallory"), &[]), 404);
    // W6: whatever the tag.
    let deleted = client.send("DELETE", &session, &[("if-match", "\"stale\"")]);
    assert_eq!((deleted.status, deleted.header("content-length")), (200, Some("0")));
    refused(&client.send("DELETE", &session, &[]), 404);
    refused(&client.send("GET", &session, &[]), 404);
    refused(&client.patch(&session, Some("*"), &fragment("ysXw")), 404);
}

fn w8_candidates_are_taken_under_the_present_tag(client: Client, endpoint: &str, offer: &str) {
    let (session, current) = session(&client.offer(endpoint, offer));
    let tag = Some(current.as_str());
    let candidates = "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host generation 0\r\n\
                      a=candidate:2 1 udp 2122194687 5f9a.local 61765 typ host generation 0\r\n\
                      a=candidate:3 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active\r\n\
                      a=end-of-candidates\r\n";
    let added = client.patch(&session, tag, candidates);
    assert_eq!((added.status, added.body.len(), added.header("etag")), (204, 0, None));
    refused(&client.patch(&session, None, candidates), 428);
    refused(&client.patch(&session, Some("\"stale\""), candidates), 412);
    refused(&client.patch(&session, tag, "hello"), 400);
    let text = Request::get(client.0, &session).method("PATCH").body("text/plain", candidates);
    let text = text.header("if-match", &current).send().unwrap();
    refused(&text, 415);
    assert_eq!(text.header("accept-patch"), Some(FRAGMENT));
    assert_eq!(client.send("DELETE", &session, &[]).status, 200, "it has outlived all that");
}

fn w9_a_restart_gives_credentials_and_a_tag(client: Client, endpoint: &str, offer: &str) {
    let response = client.offer(endpoint, offer);
    let (session, first) = session(&response);
    // As the drafts write it, and as RFC 9110 does.
    for (any, ufrag) in [("\"*\"", "ysXw"), ("*", "zzzz")] {
        let restarted = client.patch(&session, Some(any), &fragment(ufrag));
        assert_eq!((restarted.status, restarted.header("content-type")), (200, Some(FRAGMENT)));
        assert_ne!(restarted.header("etag").unwrap(), first);
        let (before, after) = (response.text(), restarted.text());
        assert_ne!(line(before, "a=ice-ufrag:"), line(after, "a=ice-ufrag:"));
        assert_ne!(line(before, "a=ice-pwd:"), line(after, "a=ice-pwd:"));
        assert_eq!(line(before, "a=ice-options:"), line(after, "a=ice-options:"));
        line(after, "a=candidate:");
        refused(&client.patch(&session, Some(&first), &fragment(ufrag)), 412);
    }
    assert_eq!(client.send("DELETE", &session, &[]).status, 200);
}

/// WHEP draft, video layer selection.
fn w12_layers_are_linked_and_chosen(client: Client, endpoint: &str) {
    let response = client.offer(endpoint, PLAY);
    let (session, _) = session(&response);
    let [link] = response.all("link")[..] else { panic!("{:?}", response.headers) };
    assert_eq!(link, format!("<{session}/layer>; rel=\"urn:ietf:params:whep:ext:core:layer\""));
    let choose = |json: &str| {
        let request = Request::get(client.0, &format!("{session}/layer")).method("POST");
        request.body("application/json", json).send().unwrap()
    };
    assert_eq!(choose("{\"encodingId\":\"0\"}").status, 200);
    assert_eq!(choose("{}").status, 200, "the server chooses again");
    refused(&choose("{\"encodingId\":\"7\"}"), 422);
    refused(&choose("hd"), 400);
}

/// An answer to an offer of one audio and one video section: sound only.
const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\n\
    a=ice-ufrag:qW3e\r\na=ice-pwd:zX81kLmN02pQrStUvWxY45ab\r\n\
    a=fingerprint:sha-256 9A:41:0C:77:E2:5B:13:D8:60:AF:34:92:1E:C5:0B:7D:48:F6:2A:81:BC:03:59:\
    EE:17:64:D0:8F:A5:3C:72:1B\r\na=setup:active\r\na=rtpmap:111 opus/48000/2\r\n\
    m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=inactive\r\n";

fn w15_what_cannot_be_played_is_countered(client: Client, endpoint: &str) {
    let offered = client.offer(endpoint, &PLAY.replace("H264/90000", "VP6/90000"));
    assert_eq!((offered.status, offered.header("content-type")), (406, Some(SDP)));
    line(offered.text(), "a=setup:actpass");
    assert!(offered.text().contains("H264/90000"), "{}", offered.text());
    let location = offered.header("location").unwrap();
    let answer =
        |sdp: &str| Request::get(client.0, location).method("PATCH").body(SDP, sdp).send().unwrap();
    refused(&answer("hello"), 400);
    refused(&answer(&ANSWER.replace("setup:active", "setup:actpass")), 422);
    let accepted = answer(ANSWER);
    assert_eq!((accepted.status, accepted.body.len()), (204, 0));
    assert_eq!(client.send("DELETE", location, &[]).status, 200);
}

fn w16_what_is_not_live_is_a_conflict(client: Client) {
    let response = client.offer("/live/nobody/whep", PLAY);
    refused(&response, 409);
    assert!(retry_after_s(&response) > 0);
}

fn w17_simulcast_is_answered_layer_by_layer(client: Client, endpoint: &str) {
    let response = client.offer(endpoint, PUBLISH);
    session(&response);
    let rids = |text: &str| text.lines().filter(|line| line.starts_with("a=rid:")).count();
    assert_eq!((rids(PUBLISH), rids(response.text())), (3, 3));
    line(response.text(), "a=simulcast:recv ");
}

fn every_client_s_offer_is_answered(client: Client, endpoint: &str, offers: &[&str]) {
    for offer in offers {
        let (session, _) = session(&client.offer(endpoint, offer));
        assert_eq!(client.send("DELETE", &session, &[]).status, 200);
    }
}

/// W10
#[test]
fn whip_takes_the_creators_own_key() {
    let binary = need!(tools::tally());
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let alice = add_creator(&binary, &data, "alice").unwrap();
    let bob = add_creator(&binary, &data, "bob").unwrap();
    let settings = Settings::default()
        .with("auth.publish", "key")
        .with("server.log", "trace")
        .with("server.data_dir", &data.display().to_string());
    let server = Server::start(&binary, &settings);
    let publish = |key: Option<&str>| {
        let request = Request::get(server.http, "/live/alice/whip").method("POST");
        let mut request = request.body(SDP, PUBLISH);
        if let Some(key) = key {
            request = request.header("authorization", &format!("Bearer {key}"));
        }
        request.send().unwrap()
    };
    let challenge = |response: &Response| response.header("www-authenticate").unwrap().to_owned();
    let nobody = publish(None);
    refused(&nobody, 401);
    assert!(challenge(&nobody).starts_with("Bearer"));
    let unknown = publish(Some("nobodys"));
    refused(&unknown, 401);
    assert!(challenge(&unknown).contains("invalid_token"), "{}", challenge(&unknown));
    let another = publish(Some(&bob));
    refused(&another, 403);
    assert!(challenge(&another).contains("insufficient_scope"), "{}", challenge(&another));
    let (session, _) = session(&publish(Some(&alice)));
    let asked = [("origin", "https://a.example"), ("access-control-request-method", "POST")];
    let preflight = Client(server.http).send("OPTIONS", "/live/alice/whip", &asked);
    assert!((200..300).contains(&preflight.status), "preflights carry no key");
    let log = server.process.printed();
    for secret in [&alice, &bob, session.rsplit('/').next().unwrap()] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

/// W11
#[test]
fn a_full_server_says_when_to_come_back() {
    let binary = need!(tools::tally());
    let server = Server::start(&binary, &Settings::default().with("webrtc.sessions_max", "1"));
    let client = Client(server.http);
    let (first, _) = session(&client.offer("/live/alice/whip", PUBLISH));
    let second = client.offer("/live/bob/whip", PUBLISH);
    refused(&second, 503);
    assert!(retry_after_s(&second) > 0);
    assert_eq!(client.send("DELETE", &first, &[]).status, 200);
}

/// W12
#[test]
fn ice_servers_are_linked_with_credentials_of_their_own() {
    let binary = need!(tools::tally());
    let settings = Settings::default()
        .with("webrtc.ice_servers", "stun:stun.example.com,turn:turn.example.com?transport=udp")
        .with("webrtc.turn_secret", "a secret of the operator's");
    let server = Server::start(&binary, &settings);
    let client = Client(server.http);
    let made = client.offer("/live/alice/whip", PUBLISH);
    session(&made);
    let options = client.send("OPTIONS", "/live/alice/whep", &[]);
    for response in [&made, &options] {
        let [stun, turn] = response.all("link")[..] else { panic!("{:?}", response.headers) };
        assert_eq!(stun, "<stun:stun.example.com>; rel=\"ice-server\"");
        let start = "<turn:turn.example.com?transport=udp>; rel=\"ice-server\"; username=\"";
        assert!(turn.starts_with(start), "{turn}");
        assert!(turn.contains("; credential=\"") && turn.contains("credential-type=\"password\""));
    }
    assert_ne!(made.all("link")[1], options.all("link")[1], "each client has its own");
    let asked = [("origin", "https://a.example"), ("access-control-request-method", "POST")];
    assert!(client.send("OPTIONS", "/live/alice/whep", &asked).all("link").is_empty());
}

/// W14
#[test]
fn one_address_cannot_make_sessions_without_end() {
    let binary = need!(tools::tally());
    let settings = Settings::default().with("webrtc.requests_per_second_max", "1");
    let server = Server::start(&binary, &settings);
    let client = Client(server.http);
    let mut offers = (0..100).map(|_| client.offer("/live/nobody/whep", PLAY));
    let limited = offers.find(|response| response.status != 409).expect("a limit");
    refused(&limited, 429);
    assert!(retry_after_s(&limited) > 0);
    refused(&client.send("DELETE", "/live/nobody/whep/some", &[]), 429);
    assert_eq!(client.send("GET", "/live/nobody/whep", &[]).status, 204, "reading is free");
    assert!(server.metrics().value("tally_signalling_limited_total") >= 2.0);
}

/// What no WebRTC player can show is not sent as if it could: the answer says why, and where to watch.
#[test]
fn a_show_with_b_frames_is_offered_over_ll_hls() {
    let server = need!(shows::server());
    let show = Show { video: ffmpeg::H264_B_FRAMES, ..Show::default() };
    let _publisher = need!(show.publish(&server.publish_url("alice")));
    server.wait_for_show("alice", shows::SHOW_WITHIN);
    let answer = Client(server.http).offer("/live/alice/whep", PLAY);
    refused(&answer, 422);
    assert!(answer.text().contains("B-frames"), "{}", answer.text());
    let link = answer.header("link").expect("the other way to watch");
    let playlist = link.strip_prefix('<').and_then(|link| link.split_once('>')).unwrap().0;
    assert_eq!(Request::get(server.http, playlist).send().unwrap().status, 200);
}
