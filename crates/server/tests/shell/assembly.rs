//! A whole server in this process: ports of the test's own, health, readiness, drain, reload.

use std::net::SocketAddr;
use std::path::Path;

use crate::support::read_to_end;
use tally_server::assembly::{self, BoundListeners};
use tally_server::config::Config;
use tally_server::shutdown::Trigger;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

pub(crate) struct Server {
    pub(crate) http: SocketAddr,
    pub(crate) rtmp: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) trigger: Trigger,
    pub(crate) task: JoinHandle<anyhow::Result<()>>,
}

pub(crate) fn config(folder: &Path, more: &str) -> Config {
    let text = format!(
        "server.data_dir = {folder:?}\nserver.drain_s = 2\nhttp.listen = \"127.0.0.1:0\"\n\
         rtmp.listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\nwebrtc.listen = \"127.0.0.1:0\"\n{more}"
    );
    Config::parse("test", &text).unwrap()
}

pub(crate) fn start(config: Config) -> Server {
    let listeners = BoundListeners::bind(&config).unwrap();
    let http = listeners.http.as_ref().unwrap().local_addr().unwrap();
    let rtmp = listeners.rtmp.as_ref().unwrap().local_addr().unwrap();
    let admin = listeners.admin.local_addr().unwrap();
    let trigger = Trigger::new();
    let task = tokio::spawn(assembly::run(config, listeners, trigger.clone()));
    Server { http, rtmp, admin, trigger, task }
}

/// Status line and body. Connections queue from the moment listeners are bound, so that no start
/// has to be waited for.
pub(crate) async fn fetch(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

#[tokio::test]
async fn a_server_starts_answers_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(config(folder.path(), ""));
    assert_eq!(fetch(server.admin, "/healthz").await, ("HTTP/1.1 200 OK".into(), "ok\n".into()));
    let (status, _) = fetch(server.http, "/no/such/page").await;
    assert_eq!(status, "HTTP/1.1 404 Not Found");
    let (status, _) = fetch(server.http, "/metrics").await;
    assert_eq!(status, "HTTP/1.1 404 Not Found", "numbers stay on the admin listener");

    let (status, text) = fetch(server.admin, "/metrics").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(text.contains("tally_http_responses_total{class=\"4xx\"} 2\n"), "{text}");
    assert!(text.contains("\nprocess_open_fds "), "{text}");
    assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");

    server.trigger.drain();
    server.task.await.unwrap().unwrap();
    assert!(TcpStream::connect(server.http).await.is_err());
    assert!(TcpStream::connect(server.admin).await.is_err());
    assert!(folder.path().join("tally.db").exists());
}

#[tokio::test]
async fn a_server_is_ready_until_it_drains() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(config(folder.path(), ""));
    // A viewer who stays keeps the drain open.
    let mut viewer = TcpStream::connect(server.http).await.unwrap();
    viewer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let ready = fetch(server.admin, "/readyz").await;
    assert_eq!(ready, ("HTTP/1.1 200 OK".into(), "ready\n".into()));

    server.trigger.drain();
    let (status, problem) = fetch(server.admin, "/readyz").await;
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!(problem.contains("the server is shutting down"), "{problem}");
    assert_eq!(fetch(server.admin, "/healthz").await.0, "HTTP/1.1 200 OK");
    server.task.await.unwrap().unwrap();
}

/// Players may open a connection for each request: at the moment of the stop none is open.
#[tokio::test]
async fn a_drain_answers_players_between_two_connections() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(config(folder.path(), ""));
    assert_eq!(fetch(server.http, "/no/such/page").await.0, "HTTP/1.1 404 Not Found");
    server.trigger.drain();
    let told = fetch(server.admin, "/readyz").await.0;
    assert_eq!(told, "HTTP/1.1 503 Service Unavailable");
    for _ in 0..20 {
        assert_eq!(fetch(server.http, "/no/such/page").await.0, "HTTP/1.1 404 Not Found");
    }
    server.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_busy_port_ends_the_start_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let taken = crate::support::any_port();
    let address = taken.local_addr().unwrap();
    let text = format!("server.data_dir = {:?}\nhttp.listen = \"{address}\"", folder.path());
    let said = BoundListeners::bind(&Config::parse("test", &text).unwrap()).unwrap_err();
    let said = said.to_string();
    assert!(said.starts_with(&format!("http.listen: cannot listen on {address}: ")), "{said}");
    assert!(!said.contains('\n'), "{said}");
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tally.db"), "this is no database").unwrap();
    let server = start(config(folder.path(), ""));
    let said = format!("{:#}", server.task.await.unwrap().unwrap_err());
    assert!(said.starts_with("server.data_dir: ") && said.contains("tally.db"), "{said}");
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_made_is_told_once_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let server = start(config(&file.join("data"), ""));
    let said = format!("{:#}", server.task.await.unwrap().unwrap_err());
    assert!(said.starts_with("server.data_dir: cannot open the database "), "{said}");
    assert_eq!(said.matches("os error").count(), 1, "{said}");
}
