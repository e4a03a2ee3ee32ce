//! The routes as a client sees them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{Method, Request};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use tally_store::Store;
use tally_watch::{Basis, DeliveryKind, Interval, NodeId};
use tower::ServiceExt as _;

use super::*;
use crate::books::BooksOptions;
use crate::identity::show_id;
use crate::outside::tests::outside_at;
use crate::{
    LiveShow, LiveState, Outside, PlaybackAuth, PlaybackOptions, SESSION_TOKEN_MS, SessionKind,
    SigningKeys,
};

const NOW_MS: i64 = 1_795_000_000_123;
const SECRET: &[u8] = b"a secret that the shop and the server share";

/// Every operation the router has. The document has the same.
const OPERATIONS: [(Method, &str); 6] = [
    (Method::GET, "/api/openapi.json"),
    (Method::GET, "/api/v1/live/{handle}"),
    (Method::POST, "/api/v1/live/{handle}/sessions"),
    (Method::POST, "/api/v1/playback/{session}/heartbeats"),
    (Method::POST, "/api/v1/playback/{session}/cmcd"),
    (Method::GET, "/api/v1/shows/{show}/watch-time"),
];

struct OneShow;

impl LiveShows for OneShow {
    fn by_handle(&self, handle: &str) -> Option<LiveShow> {
        (handle == "alice").then(|| LiveShow {
            id: "show1".into(),
            handle: handle.into(),
            state: LiveState::Live,
            started_at_unix_ms: NOW_MS - 5_000,
        })
    }
}

/// An API with books of its own.
struct Server {
    api: Api,
    now_ms: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

impl std::ops::Deref for Server {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

async fn api(auth: PlaybackAuth, requests_per_second_max: u32) -> Server {
    let now_ms = Arc::new(AtomicI64::new(NOW_MS));
    let clock = Arc::clone(&now_ms);
    let outside =
        Outside { unix_ms: Arc::new(move || clock.load(Ordering::Relaxed)), ..outside_at(0) };
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite:{}", folder.path().join("db").display())).await;
    let options = BooksOptions {
        directory: folder.path().join("watch"),
        node: NodeId(1),
        final_after_ms: 60_000,
        basis: Basis::Direct,
        sync_every: Duration::from_millis(1),
        outside: outside.clone(),
    };
    let (books, _) = Books::open(options, store.unwrap()).await.unwrap();
    let keys = Arc::new(SigningKeys::ephemeral(&outside));
    let options = PlaybackOptions { auth, basis: Basis::Direct };
    let playback = Playback::new(Arc::clone(&keys), options, outside);
    let tokens = Tokens::new(keys, Some(SECRET));
    let evidence = Evidence::new(books, playback);
    let api = Api::new(Arc::new(OneShow), evidence, tokens, requests_per_second_max);
    Server { api, now_ms, _folder: folder }
}

fn request(method: Method, path: &str) -> http::request::Builder {
    let request = Request::builder().method(method).uri(path);
    request.extension(Peer(IpAddr::from([192, 0, 2, 1])))
}

async fn send(api: &Api, request: Request<Body>) -> (u16, String) {
    let response = api.routes().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn ask(api: &Api, method: Method, path: &str, body: &str) -> (u16, Value) {
    let request = request(method, path).body(Body::from(body.to_owned()));
    let (status, body) = send(api, request.unwrap()).await;
    (status, serde_json::from_str(&body).unwrap())
}

async fn open(api: &Api, body: &Value) -> (u16, Value) {
    ask(api, Method::POST, "/api/v1/live/alice/sessions", &body.to_string()).await
}

fn account(id: &str) -> String {
    let claims = json!({ "aud": "tally", "sub": "ann", "jti": id, "exp": NOW_MS / 1000 + 60 });
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
}

#[tokio::test]
async fn the_document_has_the_routes_there_are() {
    let api = api(PlaybackAuth::Open, 0).await;
    let (_, document) = ask(&api, Method::GET, "/api/openapi.json", "").await;
    let documented: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let routed = OPERATIONS.iter().map(|(method, path)| format!("{method} {path}")).collect();
    assert_eq!(documented, routed);
    for (method, path) in OPERATIONS {
        let routes = api.routes().fallback(async || StatusCode::IM_A_TEAPOT);
        let request = request(method.clone(), path).body(Body::empty()).unwrap();
        let response = routes.oneshot(request).await.unwrap();
        assert!(![405, 418].contains(&response.status().as_u16()), "{method} {path}");
    }
}

#[tokio::test]
async fn who_is_live_is_told() {
    let api = api(PlaybackAuth::Open, 0).await;
    let (status, show) = ask(&api, Method::GET, "/api/v1/live/alice", "").await;
    assert_eq!((status, &show["show"], &show["state"]), (200, &json!("show1"), &json!("live")));
    assert_eq!(show["started_at"], "2026-11-18T11:06:35.123Z");
    let (status, problem) = ask(&api, Method::GET, "/api/v1/live/bob", "").await;
    assert_eq!((status, &problem["title"]), (404, &json!("Not Found")));
}

#[tokio::test]
async fn a_session_is_opened_with_all_a_player_needs() {
    let api = api(PlaybackAuth::Open, 0).await;
    let (status, first) = ask(&api, Method::POST, "/api/v1/live/alice/sessions", "").await;
    assert_eq!(status, 201, "{first}");
    let name = first["session"].as_str().unwrap();
    assert_eq!(first["hls"], format!("/live/alice/s/{name}/index.m3u8"));
    assert_eq!(first["heartbeats"], format!("/api/v1/playback/{name}/heartbeats"));
    assert_eq!(first["heartbeat_interval_ms"], 10_000);
    let session = api.playback().admit("show1", Some(name)).unwrap().unwrap();
    assert_eq!(SessionKind::of(session), SessionKind::Asked);
    let grant = |answer: &Value| {
        api.0.tokens.read_session(answer["token"].as_str().unwrap(), NOW_MS).unwrap()
    };
    assert_eq!((grant(&first).session.id, grant(&first).show), (session, show_id("show1")));
    assert_eq!(grant(&first).session.started_at_ms, NOW_MS);

    let (_, again) = open(&api, &json!({ "viewer": first["viewer"] })).await;
    assert_eq!(grant(&again).session.viewer, grant(&first).session.viewer);
    assert_ne!(grant(&again).session.id, session);
    let (_, stranger) = open(&api, &json!({})).await;
    assert_ne!(grant(&stranger).session.viewer, grant(&first).session.viewer);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said() {
    let api = api(PlaybackAuth::Open, 0).await;
    assert_eq!(ask(&api, Method::POST, "/api/v1/live/bob/sessions", "").await.0, 404);
    assert_eq!(ask(&api, Method::POST, "/api/v1/live/alice/sessions", "{").await.0, 400);
    assert_eq!(open(&api, &json!({ "viewer": 1 })).await.0, 400);
    assert_eq!(open(&api, &json!({ "viewer": "" })).await.0, 400);
    assert_eq!(open(&api, &json!({ "viewer": "eyJ0.e30.AA" })).await.0, 401);
}

#[tokio::test]
async fn only_signed_viewers_play_where_tokens_are_asked_for() {
    let api = api(PlaybackAuth::Token, 0).await;
    assert_eq!(open(&api, &json!({})).await.0, 401);
    assert_eq!(open(&api, &json!({ "viewer": "ann" })).await.0, 401);
    let (status, first) = open(&api, &json!({ "viewer": account("1") })).await;
    assert_eq!(status, 201);
    let admitted = |answer: &Value| {
        api.playback().admit("show1", Some(answer["session"].as_str().unwrap())).is_ok()
    };
    let (_, other) = open(&api, &json!({ "viewer": account("2") })).await;
    assert!(admitted(&first) && admitted(&other), "each token has its session");
    let (_, second) = open(&api, &json!({ "viewer": account("1") })).await;
    assert!(!admitted(&first) && admitted(&second) && admitted(&other));
}

#[tokio::test]
async fn an_address_that_asks_for_too_much_has_to_wait() {
    let api = api(PlaybackAuth::Open, 1).await;
    for _ in 0..4 {
        assert_eq!(open(&api, &json!({})).await.0, 201);
    }
    assert_eq!(open(&api, &json!({})).await.0, 429);
    let wanted = ApiHealth { limited_requests: 1, opened_sessions: 4, lost_leases: 0 };
    assert_eq!(api.health(), wanted);
}

/// Ten seconds of media from the moment the session was opened on.
fn heartbeat(sn: u64) -> Value {
    let from_ms = i64::try_from(sn).unwrap() * 10_000 - 10_000;
    json!({
        "sn": sn, "media_ms": [NOW_MS + from_ms, NOW_MS + from_ms + 10_000],
        "clock_ms": [from_ms, from_ms + 10_000], "state": "playing", "rate": 1.0,
        "visible": true, "pip": false, "audible": true,
    })
}

async fn beat(api: &Api, session: &Value, token: &Value, batch: &[Value]) -> (u16, Value) {
    let request = request(Method::POST, session["heartbeats"].as_str().unwrap())
        .header("authorization", format!("Bearer {}", token.as_str().unwrap()));
    let body = json!({ "heartbeats": batch }).to_string();
    let (status, body) = send(api, request.body(Body::from(body)).unwrap()).await;
    (status, serde_json::from_str(&body).unwrap())
}

/// What reached the session's player, as the media routes report it.
fn deliver(api: &Api, session: &Value, seconds: i64) {
    let (show, id) = api.named(session["session"].as_str().unwrap()).unwrap();
    let media = Interval::new(NOW_MS, NOW_MS + seconds * 1_000).unwrap();
    api.0.evidence.published(show, media);
    api.0.evidence.delivered(show, id, DeliveryKind::Media, media);
}

async fn figures(api: &Api) -> Value {
    api.books().settle().await.unwrap();
    ask(api, Method::GET, "/api/v1/shows/show1/watch-time", "").await.1
}

#[tokio::test]
async fn what_is_delivered_and_attested_counts_once() {
    let api = api(PlaybackAuth::Open, 0).await;
    assert_eq!(ask(&api, Method::GET, "/api/v1/shows/show1/watch-time", "").await.0, 404);
    let (_, session) = open(&api, &json!({})).await;
    deliver(&api, &session, 15);
    api.now_ms.fetch_add(20_000, Ordering::Relaxed);
    let batch = [heartbeat(1), heartbeat(2)];
    for _ in 0..2 {
        let (status, receipt) = beat(&api, &session, &session["token"], &batch).await;
        assert_eq!(status, 200, "{receipt}");
        assert_eq!((&receipt["acknowledged"], &receipt["admitted"]), (&json!(2), &json!(2)));
    }
    let counted = figures(&api).await;
    assert_eq!((&counted["counted_ms"], &counted["live_ms"]), (&json!(15_000), &json!(15_000)));
    assert_eq!(counted["assurance_ms"]["A"], 15_000);
    assert_eq!((&counted["provisional"], &counted["acv"]), (&json!(true), &json!(1.0)));
    assert_eq!(ask(&api, Method::GET, "/api/v1/live/alice", "").await.0, 200);

    let csv = request(Method::GET, "/api/v1/shows/show1/watch-time").header("accept", "text/csv");
    let (status, text) = send(&api, csv.body(Body::empty()).unwrap()).await;
    assert_eq!((status, text.lines().count()), (200, 3), "{text}");
}

#[tokio::test]
async fn who_may_not_speak_for_a_session_changes_nothing() {
    let api = api(PlaybackAuth::Open, 0).await;
    let (_, session) = open(&api, &json!({})).await;
    let (_, other) = open(&api, &json!({})).await;
    deliver(&api, &session, 10);
    api.now_ms.fetch_add(10_000, Ordering::Relaxed);
    let batch = [heartbeat(1)];
    let none = json!("x.y.z");
    assert_eq!(beat(&api, &session, &none, &batch).await.0, 401);
    assert_eq!(beat(&api, &session, &other["token"], &batch).await.0, 403);
    assert_eq!(
        beat(
            &api,
            &json!({ "heartbeats": "/api/v1/playback/x/heartbeats" }),
            &session["token"],
            &batch
        )
        .await
        .0,
        404
    );
    let path = session["heartbeats"].as_str().unwrap();
    assert_eq!(ask(&api, Method::POST, path, "{\"heartbeats\":[]}").await.0, 401);
    assert_eq!(ask(&api, Method::POST, path, "{\"heartbeats\":[{}]}").await.0, 400);
    api.now_ms.fetch_add(SESSION_TOKEN_MS, Ordering::Relaxed);
    assert_eq!(beat(&api, &session, &session["token"], &batch).await.0, 401);
    assert_eq!(figures(&api).await["counted_ms"], 0);
}

#[tokio::test]
async fn a_beacon_has_its_token_in_the_body_and_a_token_is_renewed_on_the_way() {
    let api = api(PlaybackAuth::Open, 0).await;
    let (_, session) = open(&api, &json!({})).await;
    api.now_ms.fetch_add(10_000, Ordering::Relaxed);
    let body = json!({ "token": session["token"], "heartbeats": [heartbeat(1)] }).to_string();
    let path = session["heartbeats"].as_str().unwrap();
    let (status, receipt) = ask(&api, Method::POST, path, &body).await;
    assert_eq!(
        (status, &receipt["acknowledged"], &receipt["token"]),
        (200, &json!(1), &json!(null))
    );
    api.now_ms.fetch_add(SESSION_TOKEN_MS - 11_000, Ordering::Relaxed);
    let (_, receipt) = beat(&api, &session, &session["token"], &[]).await;
    api.now_ms.fetch_add(SESSION_TOKEN_MS - 1_000, Ordering::Relaxed);
    assert_eq!(beat(&api, &session, &session["token"], &[]).await.0, 401);
    assert_eq!(beat(&api, &session, &receipt["token"], &[]).await.0, 200);
}

#[tokio::test]
async fn a_session_whose_lease_was_taken_stops_earning() {
    let api = api(PlaybackAuth::Token, 0).await;
    let (_, first) = open(&api, &json!({ "viewer": account("1") })).await;
    deliver(&api, &first, 5);
    let (_, second) = open(&api, &json!({ "viewer": account("1") })).await;
    deliver(&api, &first, 10);
    api.now_ms.fetch_add(10_000, Ordering::Relaxed);
    assert_eq!(beat(&api, &first, &first["token"], &[heartbeat(1)]).await.0, 409);
    assert_eq!(beat(&api, &second, &second["token"], &[heartbeat(1)]).await.0, 200);
    let figures = figures(&api).await;
    assert_eq!((&figures["counted_ms"], &figures["delivered_ms"]), (&json!(0), &json!(5_000)));
}

#[tokio::test]
async fn cmcd_events_are_taken_and_count_as_gross_time_only() {
    let api = api(PlaybackAuth::Open, 0).await;
    let name = api.playback().stranger("show1").unwrap();
    let path = format!("/api/v1/playback/{name}/cmcd");
    let report = async |path: &str, kind: &str, offset_ms: i64| {
        let body = format!("e=ps,sta=p,pt={},ts=1,v=2,x-y=1\n", NOW_MS + offset_ms);
        let request = request(Method::POST, path).header("content-type", kind);
        send(&api, request.body(Body::from(body)).unwrap()).await.0
    };
    assert_eq!(report(&path, "text/cmcd", 0).await, 204);
    api.now_ms.fetch_add(10_000, Ordering::Relaxed);
    assert_eq!(report(&path, "application/cmcd; charset=utf-8", 10_000).await, 204);
    assert_eq!(report(&path, "application/json", 10_000).await, 415);
    assert_eq!(report("/api/v1/playback/x/cmcd", "text/cmcd", 0).await, 404);
    deliver(&api, &json!({ "session": name }), 10);
    let figures = figures(&api).await;
    assert_eq!((&figures["counted_ms"], &figures["gross_ms"]), (&json!(0), &json!(10_000)));
    assert_eq!(figures["assurance_ms"]["C"], 10_000);
}
