//! The routes as a client sees them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::body::{Body, to_bytes};
use http::{Method, Request};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use tally_watch::Basis;
use tower::ServiceExt as _;

use super::*;
use crate::identity::show_id;
use crate::outside::tests::outside_at;
use crate::{LiveShow, LiveState, PlaybackAuth, PlaybackOptions, SessionKind, SigningKeys};

const NOW_MS: i64 = 1_795_000_000_123;
const SECRET: &[u8] = b"a secret that the shop and the server share";

/// Every operation the router has. The document has the same.
const OPERATIONS: [(Method, &str); 3] = [
    (Method::GET, "/api/openapi.json"),
    (Method::GET, "/api/v1/live/{handle}"),
    (Method::POST, "/api/v1/live/{handle}/sessions"),
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

fn api(auth: PlaybackAuth, requests_per_second_max: u32) -> Api {
    let outside = outside_at(NOW_MS);
    let keys = Arc::new(SigningKeys::ephemeral(&outside));
    let options = PlaybackOptions { auth, basis: Basis::Direct };
    let playback = Playback::new(Arc::clone(&keys), options, outside);
    let tokens = Tokens::new(keys, Some(SECRET));
    Api::new(Arc::new(OneShow), playback, tokens, requests_per_second_max)
}

async fn ask(api: &Api, method: Method, path: &str, body: &str) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = request.extension(Peer(IpAddr::from([192, 0, 2, 1])));
    let response = api.routes().oneshot(request.body(Body::from(body.to_owned())).unwrap());
    let response = response.await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(response.headers().get(CACHE_CONTROL).unwrap(), "no-store");
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
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
    let api = api(PlaybackAuth::Open, 0);
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
        let request = Request::builder().method(method.clone()).uri(path);
        let request = request.extension(Peer(IpAddr::from([192, 0, 2, 1])));
        let routes = api.routes().fallback(async || StatusCode::IM_A_TEAPOT);
        let response = routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert!(![405, 418].contains(&response.status().as_u16()), "{method} {path}");
    }
}

#[tokio::test]
async fn who_is_live_is_told() {
    let api = api(PlaybackAuth::Open, 0);
    let (status, show) = ask(&api, Method::GET, "/api/v1/live/alice", "").await;
    assert_eq!((status, &show["show"], &show["state"]), (200, &json!("show1"), &json!("live")));
    assert_eq!(show["started_at"], "2026-11-18T11:06:35.123Z");
    let (status, problem) = ask(&api, Method::GET, "/api/v1/live/bob", "").await;
    assert_eq!((status, &problem["title"]), (404, &json!("Not Found")));
}

#[tokio::test]
async fn a_session_is_opened_with_all_a_player_needs() {
    let api = api(PlaybackAuth::Open, 0);
    let (status, first) = ask(&api, Method::POST, "/api/v1/live/alice/sessions", "").await;
    assert_eq!(status, 201, "{first}");
    let name = first["session"].as_str().unwrap();
    assert_eq!(first["hls"], format!("/live/alice/s/{name}/index.m3u8"));
    assert_eq!(first["heartbeats"], format!("/api/v1/playback/{name}/heartbeats"));
    assert_eq!(first["heartbeat_interval_ms"], 10_000);
    let session = api.0.playback.admit("show1", Some(name)).unwrap().unwrap();
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
    let api = api(PlaybackAuth::Open, 0);
    assert_eq!(ask(&api, Method::POST, "/api/v1/live/bob/sessions", "").await.0, 404);
    assert_eq!(ask(&api, Method::POST, "/api/v1/live/alice/sessions", "{").await.0, 400);
    assert_eq!(open(&api, &json!({ "viewer": 1 })).await.0, 400);
    assert_eq!(open(&api, &json!({ "viewer": "" })).await.0, 400);
    assert_eq!(open(&api, &json!({ "viewer": "eyJ0.e30.AA" })).await.0, 401);
}

#[tokio::test]
async fn only_signed_viewers_play_where_tokens_are_asked_for() {
    let api = api(PlaybackAuth::Token, 0);
    assert_eq!(open(&api, &json!({})).await.0, 401);
    assert_eq!(open(&api, &json!({ "viewer": "ann" })).await.0, 401);
    let (status, first) = open(&api, &json!({ "viewer": account("1") })).await;
    assert_eq!(status, 201);
    let admitted = |answer: &Value| {
        api.0.playback.admit("show1", Some(answer["session"].as_str().unwrap())).is_ok()
    };
    let (_, other) = open(&api, &json!({ "viewer": account("2") })).await;
    assert!(admitted(&first) && admitted(&other), "each token has its session");
    let (_, second) = open(&api, &json!({ "viewer": account("1") })).await;
    assert!(!admitted(&first) && admitted(&second) && admitted(&other));
}

#[tokio::test]
async fn an_address_that_asks_for_too_much_has_to_wait() {
    let api = api(PlaybackAuth::Open, 1);
    for _ in 0..4 {
        assert_eq!(open(&api, &json!({})).await.0, 201);
    }
    assert_eq!(open(&api, &json!({})).await.0, 429);
}
