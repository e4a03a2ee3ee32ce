//! Playing in a session: how one is had, and what its name opens.

use std::net::SocketAddr;

use crate::assembly::{Server, config, start};
use crate::publishers::Encoder;
use crate::support::read_to_end;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Two segments and a little.
const FRAMES: usize = 400;

struct Answer {
    status: u16,
    head: String,
    body: String,
}

async fn ask(address: SocketAddr, method: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
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
