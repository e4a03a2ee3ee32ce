//! Playing in a session: how one is had, and what its name opens.

use std::net::SocketAddr;
use std::time::Duration;

use crate::assembly::{Server, config, fetch, start};
use crate::publishers::Encoder;
use crate::support::{self, http2};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Two segments and a little.
const FRAMES: usize = 400;

struct Answer {
    status: u16,
    head: String,
    body: String,
}

async fn ask(address: SocketAddr, method: &str, path: &str) -> Answer {
    ask_with(address, method, path, "X-Nothing: more").await
}

async fn post(server: &Server, path: &str, body: &str) -> Answer {
    let length = format!("Content-Length: {}", body.len());
    send(server.http, &format!("POST {path} HTTP/1.1\r\n{length}"), body).await
}

async fn ask_with(address: SocketAddr, method: &str, path: &str, header: &str) -> Answer {
    send(address, &format!("{method} {path} HTTP/1.1\r\nContent-Length: 0\r\n{header}"), "").await
}

/// Asks, reads the beginning of the answer, and leaves.
async fn abandon(address: SocketAddr, path: &str) {
    let socket = TcpSocket::new_v4().unwrap();
    // So that the system does not take the rest on the viewer's behalf.
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut beginning = [0; 1_024];
    stream.read_exact(&mut beginning).await.unwrap();
    assert!(beginning.starts_with(b"HTTP/1.1 200 OK"));
}

async fn send(address: SocketAddr, head: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}\r\nHost: x\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let body = String::from_utf8_lossy(&answer[end + 4..]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body }
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap()
}

/// When a session began: what its token says of its number.
fn started_at_ms(session: &Value) -> i64 {
    let claims = session["token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["iat_ms"].as_i64().unwrap()
}

async fn get(server: &Server, path: &str) -> Answer {
    ask(server.http, "GET", path).await
}

/// A server that `alice` is live on.
async fn live(folder: &tempfile::TempDir, more: &str) -> (Server, Encoder) {
    let server = start(config(folder.path(), &format!("auth.publish = \"open\"\n{more}")));
    let mut encoder = Encoder::publish(server.rtmp).await;
    encoder.send(FRAMES).await;
    // It waits until there is something to play.
    assert_eq!(get(&server, "/live/alice/index.m3u8").await.status, 200);
    (server, encoder)
}

async fn open(server: &Server) -> Value {
    let answer = ask(server.http, "POST", "/api/v1/live/alice/sessions").await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert!(answer.head.contains("access-control-allow-origin: *"), "{}", answer.head);
    serde_json::from_str(&answer.body).unwrap()
}

async fn figures(server: &Server, show: &str) -> Value {
    let answer = get(server, &format!("/api/v1/shows/{show}/watch-time")).await;
    serde_json::from_str(&answer.body).unwrap()
}

/// The figures of `show` once `is_there` says so of them: evidence is joined for a second.
async fn wait_for(server: &Server, show: &str, is_there: impl Fn(&Value) -> bool) -> Value {
    let mut ask_again = tokio::time::interval(Duration::from_millis(100));
    let asked = async {
        loop {
            ask_again.tick().await;
            let figures = figures(server, show).await;
            if is_there(&figures) {
                return figures;
            }
        }
    };
    match tokio::time::timeout(Duration::from_secs(20), asked).await {
        Ok(figures) => figures,
        Err(_) => panic!("after 20 seconds: {}", figures(server, show).await),
    }
}

/// The start of a playlist's first segment, in Unix milliseconds.
fn start_ms(playlist: &str) -> i64 {
    let date = playlist.lines().find_map(|line| line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:"));
    date.unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// The first media playlist of a multivariant one, as a path.
fn first(index: &str, text: &str) -> String {
    let line = text.lines().find(|line| !line.starts_with('#')).unwrap();
    let mut path: Vec<&str> = index.split('/').collect();
    path.pop();
    for segment in line.split('/') {
        if segment == ".." { path.truncate(path.len() - 1) } else { path.push(segment) }
    }
    path.join("/")
}

#[tokio::test]
async fn one_text_serves_every_session_below_its_own_path() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _encoder) = live(&folder, "").await;
    let session = open(&server).await;
    let (index, show) = (session["hls"].as_str().unwrap(), session["show"].as_str().unwrap());
    let multivariant = get(&server, index).await;
    assert_eq!(multivariant.status, 200);
    assert!(multivariant.head.contains("\netag: "), "{}", multivariant.head);
    let playlist = first(index, &multivariant.body);
    assert_eq!(playlist, index.replace("index.m3u8", &format!("{show}/v0/playlist.m3u8")));
    let media = get(&server, &playlist).await;
    let plain = get(&server, &format!("/live/alice/{show}/v0/playlist.m3u8")).await;
    assert_eq!((media.status, plain.status), (200, 200));
    let segment = media.body.lines().find(|line| line.ends_with(".m4s")).unwrap();
    assert_eq!(get(&server, &playlist.replace("playlist.m3u8", segment)).await.status, 200);

    let name = session["session"].as_str().unwrap();
    for wrong in [name.replace(&name[..1], "_"), name.to_lowercase(), "x".to_owned()] {
        for path in [index, &playlist, &playlist.replace("playlist.m3u8", segment)] {
            assert_eq!(get(&server, &path.replace(name, &wrong)).await.status, 404, "{wrong}");
        }
    }
}

#[tokio::test]
async fn a_player_that_starts_at_the_index_gets_a_session_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _encoder) = live(&folder, "").await;
    let index = "/live/alice/index.m3u8";
    let [one, other] = [get(&server, index).await, get(&server, index).await];
    assert!(one.head.contains("cache-control: private, no-store"), "{}", one.head);
    assert!(!one.head.contains("\netag: "), "{}", one.head);
    let [one, other] = [first(index, &one.body), first(index, &other.body)];
    assert!(one != other && one.starts_with("/live/alice/s/"), "{one} {other}");
    assert_eq!(get(&server, &one).await.status, 200);
    assert_eq!(get(&server, &other).await.status, 200);
}

#[tokio::test]
async fn behind_a_cache_only_playlists_name_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _encoder) = live(&folder, "hls.delivery = \"cached\"").await;
    let session = open(&server).await;
    let (index, show) = (session["hls"].as_str().unwrap(), session["show"].as_str().unwrap());
    let name = session["session"].as_str().unwrap();
    let playlist = first(index, &get(&server, index).await.body);
    assert_eq!(playlist, format!("/live/alice/{show}/v0/playlist.m3u8?session={name}"));
    assert_eq!(get(&server, &playlist).await.status, 200);
    assert_eq!(get(&server, &playlist.replace(name, "x")).await.status, 404);
    let index = "/live/alice/index.m3u8";
    let stranger = first(index, &get(&server, index).await.body);
    assert!(stranger.starts_with(&format!("/live/alice/{show}/v0/playlist.m3u8?session=")));
    assert_eq!(get(&server, &stranger).await.status, 200);
}

#[tokio::test]
async fn where_tokens_are_asked_for_nothing_plays_without_a_session() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("viewers.key");
    std::fs::write(&key, "a secret that the shop and the server share\n").unwrap();
    let token = format!("auth.playback = \"token\"\nauth.viewer_key_file = {key:?}");
    let server = start(config(folder.path(), &format!("auth.publish = \"open\"\n{token}")));
    let mut encoder = Encoder::publish(server.rtmp).await;
    encoder.send(FRAMES).await;
    let refused = get(&server, "/live/alice/index.m3u8").await;
    assert_eq!(refused.status, 401, "{}", refused.body);
    assert!(refused.head.contains("www-authenticate: bearer"), "{}", refused.head);
    let asked = ask(server.http, "POST", "/api/v1/live/alice/sessions").await;
    assert_eq!(asked.status, 401, "{}", asked.body);
}

#[tokio::test]
async fn what_is_written_whole_to_a_session_is_its_delivery() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _encoder) = live(&folder, "").await;
    let session = open(&server).await;
    let (index, show) = (session["hls"].as_str().unwrap(), session["show"].as_str().unwrap());
    let playlist = index.replace("index.m3u8", &format!("{show}/v0/playlist.m3u8"));
    let segment = playlist.replace("playlist.m3u8", "0.m4s");
    let whole = get(&server, &segment).await;
    assert_eq!(whole.status, 200);
    let length: usize = header(&whole.head, "content-length").parse().unwrap();

    // One session asks for it and leaves: what was on its way is no delivery.
    let left = open(&server).await["session"].as_str().unwrap().to_owned();
    abandon(server.http, &segment.replace(session["session"].as_str().unwrap(), &left)).await;

    // Another session gets the head, half of it, and the init segment.
    let other = open(&server).await;
    let name = |session: &Value| session["session"].as_str().unwrap().to_owned();
    let (theirs, ours) = (name(&other), name(&session));
    let segment = segment.replace(&ours, &theirs);
    assert_eq!(ask(server.http, "HEAD", &segment).await.status, 200);
    assert_eq!(get(&server, &segment.replace("0.m4s", "init0.mp4")).await.status, 200);
    let range = |from: usize, to: usize| format!("Range: bytes={from}-{to}");
    let half = ask_with(server.http, "GET", &segment, &range(0, length / 2)).await;
    assert_eq!(half.status, 206);
    let one = wait_for(&server, show, |figures| figures["delivered_ms"] != 0).await;
    assert_eq!(one["delivered_ms"], 2_000, "one session has one segment: {one}");
    assert!(one["live_ms"].as_u64().unwrap() >= 4_000, "{one}");
    assert_eq!((&one["counted_ms"], &one["assurance_ms"]["D"]), (&0.into(), &2_000.into()));

    let rest = ask_with(server.http, "GET", &segment, &range(length / 2, length - 1)).await;
    assert_eq!(rest.status, 206);
    wait_for(&server, show, |figures| figures["delivered_ms"] == 4_000).await;
}

#[tokio::test]
async fn behind_a_cache_a_written_listing_stands_for_delivery() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _encoder) = live(&folder, "hls.delivery = \"cached\"").await;
    let session = open(&server).await;
    let (index, show) = (session["hls"].as_str().unwrap(), session["show"].as_str().unwrap());
    let playlist = first(index, &get(&server, index).await.body);
    let text = get(&server, &playlist).await.body;
    let start_ms = start_ms(&text);
    let clock_ms = tally_server::clock::unix_ms() - started_at_ms(&session);
    let body = serde_json::json!({
        "token": session["token"],
        "heartbeats": [{
            "sn": 1, "media_ms": [start_ms, start_ms + 400 + clock_ms], "clock_ms": [0, clock_ms],
            "state": "playing", "rate": 1, "visible": true, "pip": false, "audible": true,
        }],
    });
    let receipt = post(&server, session["heartbeats"].as_str().unwrap(), &body.to_string()).await;
    assert!(receipt.body.contains("\"admitted\":1"), "{}", receipt.body);
    let (_, numbers) = fetch(server.admin, "/metrics").await;
    assert!(numbers.contains("\ntally_watch_heartbeats_total 1\n"), "{numbers}");
    assert!(numbers.contains("\ntally_api_sessions_total 1\n"), "{numbers}");
    assert!(numbers.contains("\ntally_watch_log_degraded 0\n"), "{numbers}");
    let counted = wait_for(&server, show, |figures| figures["counted_ms"] != 0).await;
    assert_eq!(counted["assurance_ms"]["B"], counted["counted_ms"]);
    assert_eq!(counted["assurance_ms"]["A"], 0);
}

#[tokio::test]
async fn what_a_player_says_with_its_requests_is_gross_time() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _encoder) = live(&folder, "").await;
    let index = "/live/alice/index.m3u8";
    let playlist = first(index, &get(&server, index).await.body);
    let text = get(&server, &playlist).await.body;
    let (start_ms, show) = (start_ms(&text), playlist.split('/').nth(5).unwrap());
    let segment = playlist.replace("playlist.m3u8", "0.m4s");
    for (way, offset_ms) in [("query", 0), ("header", 1_000)] {
        let before = figures(&server, show).await["assurance_ms"]["C"].as_u64().unwrap_or(0);
        let mut ask_again = tokio::time::interval(Duration::from_millis(100));
        let said = async {
            for step in 0.. {
                ask_again.tick().await;
                let said = format!("sta=p,pt={},v=2", start_ms + offset_ms + 50 * step);
                let asked = if way == "query" {
                    let said = said.replace('=', "%3D").replace(',', "%2C");
                    ask(server.http, "HEAD", &format!("{segment}?CMCD={said}")).await
                } else {
                    let header = format!("CMCD-Session: {said}");
                    ask_with(server.http, "HEAD", &segment, &header).await
                };
                assert_eq!(asked.status, 200);
                let now = figures(&server, show).await;
                if now["assurance_ms"]["C"].as_u64().unwrap_or(0) > before {
                    assert_eq!((&now["counted_ms"], &now["delivered_ms"]), (&0.into(), &0.into()));
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), said).await.expect(way);
    }
}

#[tokio::test]
async fn over_http_2_a_stream_that_is_reset_is_no_delivery_and_a_whole_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _encoder) = live(&folder, "").await;
    let session = open(&server).await;
    let (index, show) = (session["hls"].as_str().unwrap(), session["show"].as_str().unwrap());
    let segment = |msn: u32| index.replace("index.m3u8", &format!("{show}/v0/{msn}.m4s"));
    let (mut client, _connection) = http2(TcpStream::connect(server.http).await.unwrap()).await;
    let reset = client.send_request(support::get(&segment(0))).await.unwrap();
    assert_eq!(reset.status(), 200);
    drop(reset);
    let whole = client.send_request(support::get(&segment(1))).await.unwrap();
    let length: usize = whole.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert_eq!(whole.into_body().collect().await.unwrap().to_bytes().len(), length);
    let figures = wait_for(&server, show, |figures| figures["delivered_ms"] != 0).await;
    assert_eq!(figures["delivered_ms"], 2_000, "{figures}");
}
