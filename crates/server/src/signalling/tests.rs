//! The rules of PROTOCOLS section 2 over the routes as they are served, without a peer.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::{HeaderMap, Request, header};
use serde_json::Value;
use tally_media::{Frame, Timestamp, Track, TrackId};
use tally_store::Store;
use tally_testsource::{Options, TestSource};
use tower::ServiceExt as _;

use super::testing::{CHROMIUM_WHEP, CHROMIUM_WHIP};
use super::*;
use crate::config::Config;
use crate::http::finish;
use crate::ingest::Auth;
use crate::metrics::Metrics;
use crate::shows::Publication;
use crate::shutdown::Trigger;

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// A server without listeners.
struct Bench {
    routes: Router,
    admin: Router,
    shows: Shows,
    playback: Playback,
    store: Store,
    trigger: Trigger,
    _folder: tempfile::TempDir,
}

/// What a server is like that is not as most tests want it.
#[derive(Default)]
struct Unlike {
    config: &'static str,
    keys: bool,
}

impl Bench {
    async fn new() -> Self {
        Self::unlike(Unlike::default()).await
    }

    async fn unlike(unlike: Unlike) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("tally.db").display());
        let store = Store::open(&url).await.unwrap();
        let config = Config::parse("tally.toml", unlike.config).unwrap();
        let (metrics, trigger) = (Metrics::new(), Trigger::new());
        let shows = crate::shows::testing::shows(&metrics);
        let auth = if unlike.keys { Auth::Key(store.clone()) } else { Auth::Open(store.clone()) };
        let shutdown = trigger.shutdown();
        let webrtc = testing::webrtc(&config.webrtc, &metrics, &shutdown, folder.path());
        let publishing = WhipService { auth, metrics, shutdown };
        let playback = testing::playback(config.auth.playback);
        let signalling =
            Signalling::new(shows.clone(), playback.clone(), publishing, webrtc, &config.webrtc);
        let signalling = Arc::new(signalling);
        let admin = admin_router(Arc::clone(&signalling));
        let routes = finish(router(signalling), config.http.body_bytes_max);
        Self { routes, admin, shows, playback, store, trigger, _folder: folder }
    }

    /// A show with pictures and sound that can be played.
    fn live(&self, handle: &str) -> Publication {
        let mut publication = self.shows.publish(handle).unwrap();
        let mut source = TestSource::new(Options::default()).unwrap();
        source.tracks().iter().for_each(|track| publication.track(track.clone()));
        for _ in 0..4 {
            let (track, frame) = source.next_frame();
            publication.write(track, frame).unwrap();
        }
        publication
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let connection = ConnectionContext::new("192.0.2.7:5".parse().unwrap(), false);
        let mut request = Request::builder().method(method).uri(path).extension(connection);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        Reply::of(self.routes.clone().oneshot(request).await.unwrap()).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    async fn offer(&self, path: &str, sdp: &str) -> Reply {
        self.send("POST", path, &[("content-type", SDP)], sdp).await
    }

    async fn patch(&self, path: &str, tag: &str, fragment: &str) -> Reply {
        let headers = [("content-type", FRAGMENT), ("if-match", tag)];
        self.send("PATCH", path, &headers, fragment).await
    }

    async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[("if-match", "\"stale\"")], "").await
    }
}

/// An answer, read whole.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Reply {
    /// Whatever the answer is: it may be read by pages of other sites (W3), and errors are problem
    /// documents (W13).
    async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let reply = Self { status: parts.status.as_u16(), headers: parts.headers, body };
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        for name in ["Location", "ETag", "Link", "Retry-After"] {
            assert!(reply.header("access-control-expose-headers").contains(name), "{name}");
        }
        if reply.status >= 400 && reply.header("content-type") != SDP {
            assert_eq!(reply.header("content-type"), "application/problem+json");
            let problem: Value = serde_json::from_str(&reply.body).unwrap();
            assert_eq!(problem["status"], reply.status, "{}", reply.body);
        }
        reply
    }

    /// A header that is there once; empty when it is not there.
    fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter().map(|value| value.to_str().unwrap());
        let value = values.next().unwrap_or_default();
        assert_eq!(values.next(), None, "{name} is there twice");
        value
    }

    fn links(&self) -> Vec<&str> {
        self.headers.get_all(header::LINK).iter().map(|link| link.to_str().unwrap()).collect()
    }

    /// Path and tag of a session that was made.
    fn session(&self) -> (&str, &str) {
        assert_eq!(self.status, 201, "{}", self.body);
        (self.header("location"), self.header("etag"))
    }
}

fn fragment(ufrag: &str) -> String {
    format!(
        "a=ice-ufrag:{ufrag}\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
         a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\na=end-of-candidates\r\n"
    )
}

#[tokio::test]
async fn w1_an_offer_is_answered_with_a_session() {
    let bench = Bench::new().await;
    let _alice = bench.live("alice");
    let (whep, whip) = ("/live/alice/whep", "/live/bob/whip");
    for (path, offer) in [(whep, CHROMIUM_WHEP), (whip, CHROMIUM_WHIP)] {
        let reply = bench.offer(path, offer).await;
        let (location, tag) = reply.session();
        assert!(location.starts_with(&format!("{path}/")), "{location}");
        assert!(location.len() >= path.len() + 1 + 32, "W14: {location}");
        assert!(tag.starts_with('"') && tag.ends_with('"'), "W6: {tag}");
        assert_eq!(reply.header("content-type"), SDP);
        assert_eq!(reply.header("content-length"), reply.body.len().to_string());
        assert_eq!(reply.header("cache-control"), "no-store");
        assert!(reply.body.starts_with("v=0\r\n"), "{}", reply.body);
        let direction = if path == whep { "a=sendonly" } else { "a=recvonly" };
        assert!(reply.body.contains(direction), "W4: {}", reply.body);
        assert!(reply.body.contains("a=candidate:") && reply.body.contains("a=end-of-candidates"));
    }
}

#[tokio::test]
async fn w1_sessions_and_their_tags_differ() {
    let bench = Bench::new().await;
    let _alice = bench.live("alice");
    let one = bench.offer("/live/alice/whep", CHROMIUM_WHEP).await;
    let other = bench.offer("/live/alice/whep", CHROMIUM_WHEP).await;
    assert_ne!(one.session().0, other.session().0);
    assert_ne!(one.session().1, other.session().1);
}

#[tokio::test]
async fn w1_what_is_no_offer_is_refused() {
    let bench = Bench::new().await;
    let _alice = bench.live("alice");
    for path in ["/live/alice/whep", "/live/bob/whip"] {
        let plain = bench.send("POST", path, &[("content-type", "text/plain")], "v=0").await;
        assert_eq!((plain.status, plain.header("accept-post")), (415, SDP));
        assert_eq!(bench.send("POST", path, &[], "v=0").await.status, 415);
        assert_eq!(bench.offer(path, "hello").await.status, 400);
        assert_eq!(bench.offer(path, "").await.status, 400);
        let long = format!("{CHROMIUM_WHEP}{}", "a=x\r\n".repeat(20_000));
        assert_eq!(bench.offer(path, &long).await.status, 413);
    }
}

#[tokio::test]
async fn w2_get_is_answered_without_content() {
    let bench = Bench::new().await;
    let _alice = bench.live("alice");
    let viewer = bench.offer("/live/alice/whep", CHROMIUM_WHEP).await;
    for path in ["/live/alice/whep", "/live/alice/whip", viewer.session().0] {
        let reply = bench.get(path).await;
        assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{path}");
    }
    assert_eq!(bench.get("/live/alice/whep/nosuchsession").await.status, 404);
    let head = bench.send("HEAD", "/live/alice/whep", &[], "").await;
    assert_eq!((head.status, head.header("content-type")), (200, SDP));
}

#[tokio::test]
async fn w3_preflights_and_options() {
    let config = "webrtc.ice_servers = \"stun:stun.example.com\"";
    let bench = Bench::unlike(Unlike { config, keys: true }).await;
    for path in ["/live/alice/whep", "/live/alice/whip", "/live/alice/whep/some"] {
        let asked = [("origin", "https://a"), ("access-control-request-method", "PATCH")];
        let preflight = bench.send("OPTIONS", path, &asked, "").await;
        assert_eq!(preflight.status, 204);
        for method in ["POST", "PATCH", "DELETE", "OPTIONS"] {
            assert!(preflight.header("access-control-allow-methods").contains(method), "{method}");
        }
        for name in ["Authorization", "Content-Type", "If-Match"] {
            assert!(preflight.header("access-control-allow-headers").contains(name), "{name}");
        }
        assert!(preflight.links().is_empty(), "W12: none in a preflight");
    }
    for path in ["/live/alice/whep", "/live/alice/whip"] {
        let options = bench.send("OPTIONS", path, &[], "").await;
        assert_eq!((options.status, options.header("accept-post")), (200, SDP));
        assert_eq!(options.links(), ["<stun:stun.example.com>; rel=\"ice-server\""], "W12");
        assert!(options.header("allow").contains("POST"));
    }
    let options = bench.send("OPTIONS", "/live/alice/whep/some", &[], "").await;
    assert_eq!((options.status, options.header("accept-patch")), (200, FRAGMENT));
}

#[tokio::test]
async fn w4_an_offer_that_cannot_be_answered_is_refused_and_touches_no_show() {
    let bench = Bench::new().await;
    let mut alice = bench.live("alice");
    let unmuxed = |offer: &str| offer.replace("a=rtcp-mux\r\n", "").replace("a=rtcp-mux\n", "");
    assert_eq!(bench.offer("/live/alice/whep", &unmuxed(CHROMIUM_WHEP)).await.status, 422);
    assert_eq!(bench.offer("/live/bob/whip", &unmuxed(CHROMIUM_WHIP)).await.status, 422);
    assert!(bench.shows.by_handle("bob").is_none());
    assert_eq!(bench.offer("/live/alice/whip", &unmuxed(CHROMIUM_WHIP)).await.status, 422);
    let evicted = tokio::time::timeout(std::time::Duration::ZERO, alice.evicted()).await;
    assert!(evicted.is_err(), "alice lost her show");
}

#[tokio::test]
async fn w7_delete_ends_a_session_whatever_if_match_says() {
    let bench = Bench::new().await;
    let _alice = bench.live("alice");
    for (path, offer) in [("/live/alice/whep", CHROMIUM_WHEP), ("/live/bob/whip", CHROMIUM_WHIP)] {
        let reply = bench.offer(path, offer).await;
        let session = reply.session().0;
        let other = session.replace("alice", "carol").replace("bob", "carol");
        assert_eq!(bench.delete(&other).await.status, 404, "another creator's session");
        let deleted = bench.delete(session).await;
        assert_eq!((deleted.status, deleted.header("content-length")), (200, "0"));
        assert_eq!(bench.delete(session).await.status, 404);
        assert_eq!(bench.get(session).await.status, 404);
        assert_eq!(bench.patch(session, "*", &fragment("ysXw")).await.status, 404);
    }
}

#[tokio::test]
async fn w8_candidates_are_added_under_the_present_tag() {
    let bench = Bench::new().await;
    let _alice = bench.live("alice");
    let reply = bench.offer("/live/alice/whep", CHROMIUM_WHEP).await;
    let (session, tag) = reply.session();
    let candidates = "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n";
    let added = bench.patch(session, tag, candidates).await;
    assert_eq!((added.status, added.body.as_str(), added.header("etag")), (204, "", ""));
    let useless = "a=candidate:1 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active\r\n";
    assert_eq!(bench.patch(session, tag, useless).await.status, 204);
    assert_eq!(bench.patch(session, "\"stale\"", candidates).await.status, 412);
    let headers = [("content-type", FRAGMENT)];
    assert_eq!(bench.send("PATCH", session, &headers, candidates).await.status, 428);
    assert_eq!(bench.patch(session, tag, "hello").await.status, 400);
    for other in ["text/plain", SDP] {
        let headers = [("content-type", other), ("if-match", tag)];
        let refused = bench.send("PATCH", session, &headers, candidates).await;
        assert_eq!((refused.status, refused.header("accept-patch")), (415, FRAGMENT), "{other}");
    }
    assert_eq!(bench.patch("/live/alice/whep/none", "*", candidates).await.status, 404);
}

#[tokio::test]
async fn w9_a_restart_gives_new_credentials_and_a_new_tag() {
    let bench = Bench::new().await;
    let _alice = bench.live("alice");
    let reply = bench.offer("/live/alice/whep", CHROMIUM_WHEP).await;
    let (session, first) = reply.session();
    assert_eq!(bench.patch(session, "\"stale\"", &fragment("ysXw")).await.status, 412);
    let restarted = bench.patch(session, "\"*\"", &fragment("ysXw")).await;
    assert_eq!((restarted.status, restarted.header("content-type")), (200, FRAGMENT));
    let second = restarted.header("etag");
    assert_ne!(second, first);
    let ufrag =
        |text: &str| text.lines().find(|l| l.starts_with("a=ice-ufrag:")).map(str::to_owned);
    assert!(ufrag(&restarted.body).is_some() && ufrag(&restarted.body) != ufrag(&reply.body));
    assert!(restarted.body.contains("a=candidate:") && restarted.body.contains("a=mid:0"));
    assert_eq!(bench.patch(session, first, &fragment("ysXw")).await.status, 412, "too late");
    assert_eq!(bench.patch(session, second, &fragment("ysXw")).await.status, 204, "no other ones");
    assert_eq!(bench.patch(session, "*", &fragment("zzzz")).await.status, 200);
}

#[tokio::test]
async fn w10_publishing_takes_the_creators_own_key() {
    let bench = Bench::unlike(Unlike { keys: true, ..Unlike::default() }).await;
    let add = async |handle: &str| bench.store.creators().add(&handle.parse().unwrap()).await;
    let alice = add("alice").await.unwrap();
    let bob = add("bob").await.unwrap();
    let publish = async |key: Option<&str>| {
        let value = key.map(|key| format!("Bearer {key}")).unwrap_or_default();
        let mut headers = vec![("content-type", SDP)];
        headers.extend(key.map(|_| ("authorization", value.as_str())));
        bench.send("POST", "/live/alice/whip", &headers, CHROMIUM_WHIP).await
    };
    let nobody = publish(None).await;
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, "Bearer realm=\"tally\""));
    let unknown = publish(Some("nobodys")).await;
    assert_eq!(unknown.status, 401);
    assert!(unknown.header("www-authenticate").contains("error=\"invalid_token\""));
    let another = publish(Some(bob.reveal())).await;
    assert_eq!(another.status, 403);
    assert!(another.header("www-authenticate").contains("error=\"insufficient_scope\""));
    assert!(bench.shows.all().is_empty());
    publish(Some(alice.reveal())).await.session();
    assert!(bench.shows.by_handle("alice").is_some());
}

#[tokio::test]
async fn w10_open_publishing_takes_the_paths_name_and_any_key() {
    let bench = Bench::new().await;
    let headers = [("content-type", SDP), ("authorization", "Bearer whatever")];
    bench.send("POST", "/live/carol/whip", &headers, CHROMIUM_WHIP).await.session();
    assert!(bench.shows.by_handle("carol").is_some());
    assert_eq!(bench.offer("/live/No%20Name/whip", CHROMIUM_WHIP).await.status, 404);
}

#[tokio::test]
async fn w11_a_server_that_goes_down_lets_nobody_in() {
    let bench = Bench::new().await;
    let _alice = bench.live("alice");
    let viewer = bench.offer("/live/alice/whep", CHROMIUM_WHEP).await;
    bench.trigger.drain();
    for (path, offer) in [("/live/alice/whep", CHROMIUM_WHEP), ("/live/bob/whip", CHROMIUM_WHIP)] {
        let refused = bench.offer(path, offer).await;
        assert_eq!(refused.status, 503);
        assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    }
    assert_eq!(bench.delete(viewer.session().0).await.status, 200);
}

#[tokio::test]
async fn w11_a_full_server_takes_no_show_from_anybody() {
    let config = "webrtc.sessions_max = 1";
    let bench = Bench::unlike(Unlike { config, ..Unlike::default() }).await;
    let mut alice = bench.live("alice");
    bench.offer("/live/alice/whep", CHROMIUM_WHEP).await.session();
    for (path, offer) in [("/live/alice/whep", CHROMIUM_WHEP), ("/live/alice/whip", CHROMIUM_WHIP)]
    {
        let refused = bench.offer(path, offer).await;
        assert_eq!(refused.status, 503);
        assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    }
    let evicted = tokio::time::timeout(std::time::Duration::ZERO, alice.evicted()).await;
    assert!(evicted.is_err(), "alice lost her show");
}

#[tokio::test]
async fn operators_see_how_sessions_do_but_not_their_names() {
    let bench = Bench::new().await;
    let alice = bench.live("alice");
    let viewer = bench.offer("/live/alice/whep", CHROMIUM_WHEP).await;
    bench.offer("/live/bob/whip", CHROMIUM_WHIP).await.session();
    let request = Request::get("/api/v1/webrtc/sessions").body(Body::empty()).unwrap();
    let response = bench.admin.clone().oneshot(request).await.unwrap();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let name = viewer.session().0.rsplit('/').next().unwrap();
    assert!(!String::from_utf8_lossy(&body).contains(name));
    let list: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(list["total"], 2);
    let sessions = list["sessions"].as_array().unwrap();
    let of = |kind: &str| sessions.iter().find(|session| session["kind"] == kind).unwrap();
    assert_eq!(of("whep")["handle"], "alice");
    assert_eq!(of("whep")["show"], alice.show().id());
    assert!(of("whep")["estimate_bps"].as_u64().unwrap() > 0);
    assert_eq!((&of("whip")["handle"], &of("whip")["frames"]), (&"bob".into(), &0.into()));
}

#[tokio::test]
async fn w12_ice_servers_and_extensions_are_linked() {
    let config = "webrtc.ice_servers = \"stun:stun.example.com,turn:turn.example.com\"\n\
                  webrtc.turn_secret = \"correct horse\"";
    let bench = Bench::unlike(Unlike { config, ..Unlike::default() }).await;
    let _alice = bench.live("alice");
    let viewer = bench.offer("/live/alice/whep", CHROMIUM_WHEP).await;
    let layer =
        format!("<{}/layer>; rel=\"urn:ietf:params:whep:ext:core:layer\"", viewer.session().0);
    let [stun, turn, extension] = viewer.links()[..] else { panic!("{:?}", viewer.links()) };
    assert_eq!(stun, "<stun:stun.example.com>; rel=\"ice-server\"");
    assert!(turn.starts_with("<turn:turn.example.com>; rel=\"ice-server\"; username=\""), "{turn}");
    assert!(turn.ends_with("\"; credential-type=\"password\""), "{turn}");
    assert_eq!(extension, layer);
    let publisher = bench.offer("/live/bob/whip", CHROMIUM_WHIP).await;
    assert_eq!(publisher.links().len(), 2);
}

#[tokio::test]
async fn w14_one_address_may_not_ask_for_ever() {
    let config = "webrtc.requests_per_second_max = 1";
    let bench = Bench::unlike(Unlike { config, ..Unlike::default() }).await;
    for _ in 0..20 {
        assert_eq!(bench.offer("/live/alice/whep", CHROMIUM_WHEP).await.status, 409);
    }
    for method in ["POST", "PATCH", "DELETE"] {
        let path = if method == "POST" { "/live/alice/whip" } else { "/live/alice/whep/none" };
        let refused = bench.send(method, path, &[], "").await;
        assert_eq!(refused.status, 429, "{method}");
        assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    }
    assert_eq!(bench.get("/live/alice/whep").await.status, 204);
    assert_eq!(bench.send("OPTIONS", "/live/alice/whep", &[], "").await.status, 200);
}

/// The offer of a viewer that cannot play H.264.
fn without_h264() -> String {
    CHROMIUM_WHEP.replace("H264/90000", "VP6/90000")
}

/// An answer to an offer of one audio and one video section.
const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\n\
    a=ice-ufrag:qW3e\r\na=ice-pwd:zX81kLmN02pQrStUvWxY45ab\r\n\
    a=fingerprint:sha-256 9A:41:0C:77:E2:5B:13:D8:60:AF:34:92:1E:C5:0B:7D:48:F6:2A:81:BC:03:59:EE:17:64:D0:8F:A5:3C:72:1B\r\n\
    a=setup:active\r\na=rtpmap:111 opus/48000/2\r\n\
    m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=inactive\r\n";

#[tokio::test]
async fn w15_a_viewer_that_can_play_nothing_is_offered_what_there_is() {
    let bench = Bench::new().await;
    let _alice = bench.live("alice");
    let offered = bench.offer("/live/alice/whep", &without_h264()).await;
    assert_eq!((offered.status, offered.header("content-type")), (406, SDP));
    assert!(offered.body.contains("H264/90000") && offered.body.contains("a=setup:actpass"));
    let session = offered.header("location");
    let answer =
        async |sdp: &str| bench.send("PATCH", session, &[("content-type", SDP)], sdp).await;
    let candidates = bench.patch(session, offered.header("etag"), &fragment("qW3e")).await;
    assert_eq!(candidates.status, 409, "the answer comes first");
    assert_eq!(answer("hello").await.status, 400);
    let roleless = ANSWER.replace("setup:active", "setup:actpass");
    assert_eq!(answer(&roleless).await.status, 422, "and the offer stands");
    let accepted = answer(ANSWER).await;
    assert_eq!((accepted.status, accepted.body.as_str()), (204, ""));
    assert_eq!(answer(ANSWER).await.status, 415, "it is answered");
    let headers = [("content-type", FRAGMENT), ("if-match", offered.header("etag"))];
    let candidates = "a=end-of-candidates\r\n";
    assert_eq!(bench.send("PATCH", session, &headers, candidates).await.status, 204);
    assert_eq!(bench.delete(session).await.status, 200);
}

#[tokio::test]
async fn w15_an_offer_of_ours_stands_for_half_a_minute() {
    let bench = Bench::new().await;
    let _alice = bench.live("alice");
    let offered = bench.offer("/live/alice/whep", &without_h264()).await;
    let other = bench.offer("/live/alice/whep", &without_h264()).await;
    assert_eq!(bench.delete(other.header("location")).await.status, 200);
    tokio::time::pause();
    tokio::time::advance(sessions::COUNTER_OFFER_LIFETIME).await;
    let headers = [("content-type", SDP)];
    let late = bench.send("PATCH", offered.header("location"), &headers, ANSWER).await;
    assert_eq!(late.status, 404);
}

#[tokio::test]
async fn w16_a_show_that_is_not_live_is_a_conflict_whoever_it_may_be_of() {
    let bench = Bench::new().await;
    let starting = bench.shows.publish("alice").unwrap();
    let ended = bench.live("bob");
    ended.end();
    for handle in ["alice", "bob", "nobody"] {
        let reply = bench.offer(&format!("/live/{handle}/whep"), CHROMIUM_WHEP).await;
        assert_eq!((reply.status, reply.header("retry-after")), (409, "2"), "{handle}");
        let problem: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(problem["detail"], format!("{handle} is not live"));
    }
    drop(starting);
}

#[tokio::test]
async fn a_show_with_b_frames_is_refused_with_the_reason_and_another_way() {
    let bench = Bench::new().await;
    let mut alice = bench.live("alice");
    let mut source = TestSource::new(Options::default()).unwrap();
    let (video, first) = loop {
        let (track, frame) = source.next_frame();
        if track == TrackId::Video(0) {
            break (track, frame);
        }
    };
    // Two more pictures, the second shown before the first.
    for (dts_ms, pts_ms) in [(1_000, 1_200), (1_033, 1_100)] {
        let [dts, pts] =
            [dts_ms, pts_ms].map(|ms| Timestamp::from_ms(ms).rescale(first.pts.timescale));
        alice.write(video, Frame { dts, pts, keyframe: false, ..first.clone() }).unwrap();
    }
    let reply = bench.offer("/live/alice/whep", CHROMIUM_WHEP).await;
    assert_eq!(reply.status, 422);
    assert!(reply.body.contains("B-frames"), "{}", reply.body);
    let link = r#"</live/alice/index.m3u8>; rel="alternate"; type="application/vnd.apple.mpegurl""#;
    assert_eq!(reply.links(), [link]);
}

#[tokio::test]
async fn a_viewer_plays_in_the_name_of_its_playback_session() {
    let bench = Bench::new().await;
    let alice = bench.live("alice");
    let name = bench.playback.stranger(alice.show().id()).unwrap();
    let path = format!("/live/alice/whep?other=1&session={name}");
    bench.offer(&path, CHROMIUM_WHEP).await.session();
    let made_up = bench.offer("/live/alice/whep?session=made-up", CHROMIUM_WHEP).await;
    assert_eq!(made_up.status, 404);
    let config = "auth.playback = \"token\"\nauth.viewer_key_file = \"key\"";
    let bench = Bench::unlike(Unlike { config, ..Unlike::default() }).await;
    let _alice = bench.live("alice");
    let nobody = bench.offer("/live/alice/whep", CHROMIUM_WHEP).await;
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, "Bearer"));
}

#[tokio::test]
async fn w17_simulcast_is_answered_layer_by_layer() {
    let bench = Bench::new().await;
    let simulcast = CHROMIUM_WHIP;
    let reply = bench.offer("/live/bob/whip", simulcast).await;
    reply.session();
    let sent = simulcast.lines().filter(|line| line.starts_with("a=rid:")).count();
    let taken = reply.body.lines().filter(|line| line.starts_with("a=rid:")).count();
    assert_eq!((sent, taken), (3, 3), "{}", reply.body);
    assert!(reply.body.contains("a=simulcast:recv "));
}

#[tokio::test]
async fn other_methods_are_told_which_there_are() {
    let bench = Bench::new().await;
    for (method, path, allowed) in [
        ("PUT", "/live/alice/whep", "POST"),
        ("DELETE", "/live/alice/whip", "POST"),
        ("POST", "/live/alice/whep/some", "PATCH"),
        ("GET", "/live/alice/whep/some/layer", "POST"),
    ] {
        let refused = bench.send(method, path, &[], "").await;
        assert_eq!(refused.status, 405, "{method} {path}");
        assert!(refused.header("allow").contains(allowed), "{}", refused.header("allow"));
    }
}

#[tokio::test]
async fn a_viewer_chooses_a_layer_the_show_has() {
    let bench = Bench::new().await;
    let mut alice = bench.live("alice");
    let source = TestSource::new(Options::default()).unwrap();
    alice.track(Track { id: TrackId::Video(1), ..source.tracks()[0].clone() });
    let viewer = bench.offer("/live/alice/whep", CHROMIUM_WHEP).await;
    let layer = format!("{}/layer", viewer.session().0);
    let choose = async |json: &str| {
        bench.send("POST", &layer, &[("content-type", "application/json")], json).await.status
    };
    let mid = viewer.body.split("m=video").nth(1).unwrap().split("a=mid:").nth(1).unwrap();
    let mid = mid.lines().next().unwrap();
    assert_eq!(choose(&format!("{{\"mediaId\":\"{mid}\",\"encodingId\":\"1\"}}")).await, 200);
    assert_eq!(choose("{}").await, 200);
    assert_eq!(choose("{\"encodingId\":\"2\"}").await, 422);
    assert_eq!(choose("{\"mediaId\":\"9\",\"encodingId\":\"1\"}").await, 422);
    assert_eq!(choose("hd").await, 400);
    let refused = bench.send("POST", &layer, &[("content-type", SDP)], "{}").await;
    assert_eq!((refused.status, refused.header("accept-post")), (415, "application/json"));
    bench.delete(viewer.session().0).await;
    assert_eq!(choose("{}").await, 404);
}
