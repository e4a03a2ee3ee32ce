//! HTTP connections over real loopback sockets: protocols, answers, deadlines, caps, the end.
//!
//! Tests wait for what they look for; the test runner's own timeout ends one that never sees it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::support::{GENEROUS, Served, get, http2, read_to_end, serve, text};
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path};
use axum::routing::{get as on_get, post};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt as _;
use tally_server::http::connection::ConnectionContext;
use tally_server::http::{Deadlines, Limits};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// A deadline that a test waits out.
const SOON: Duration = Duration::from_millis(200);

fn routes() -> Router {
    Router::new()
        .route("/hello", on_get(|| async { "hello" }))
        .route("/echo", post(|body: String| async { body }))
        .route("/named/{name}", on_get(|Path(name): Path<String>| async { name }))
        .route(
            "/peer",
            on_get(|Extension(connection): Extension<ConnectionContext>| async move {
                format!("{} {}", connection.peer(), connection.is_secure())
            }),
        )
        .route("/large", on_get(|| async { Body::new(Large { frames: 256 }) }))
}

/// A body much larger than what sockets and HTTP/2 windows hold; each frame is there at once.
struct Large {
    frames: usize,
}

impl http_body::Body for Large {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        static FRAME: [u8; 128 * 1024] = [7; 128 * 1024];
        let Some(left) = self.frames.checked_sub(1) else { return Poll::Ready(None) };
        self.frames = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&FRAME)))))
    }
}

fn with_deadlines(change: impl FnOnce(&mut Deadlines)) -> Limits {
    let mut limits = GENEROUS;
    change(&mut limits.deadlines);
    limits
}

/// Sends text as it is and gives everything that comes back until the server closes.
async fn exchange(served: &Served, request: &str) -> String {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    read_to_end(&mut stream).await
}

/// Lets the server's tasks, which share this test's thread, run until a number is what it should
/// become. A number that never becomes it hangs the test until the runner ends it.
async fn until(reached: impl Fn() -> bool) {
    while !reached() {
        tokio::task::yield_now().await;
    }
}

/// A route that answers when told to, and says when it was asked.
struct Waits {
    routes: Router,
    asked: Arc<Notify>,
    answer: Arc<Notify>,
}

impl Waits {
    fn new() -> Self {
        let (asked, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (says, waits) = (Arc::clone(&asked), Arc::clone(&answer));
        let handler = on_get(move || async move {
            says.notify_one();
            waits.notified().await;
            "the media"
        });
        let routes = Router::new().route("/wait", handler);
        Self { routes, asked, answer }
    }
}

#[tokio::test]
async fn http1_keeps_the_connection_for_the_next_request() {
    let served = serve(routes(), GENEROUS);
    let twice = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n\
                 GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = exchange(&served, twice).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    assert!(answers.to_lowercase().contains("\r\ndate: "), "players set their clock by it");
}

#[tokio::test]
async fn http2_in_the_clear_needs_no_upgrade() {
    let served = serve(routes(), GENEROUS);
    let (mut client, _) = http2(TcpStream::connect(served.address).await.unwrap()).await;
    let response = client.send_request(get("/hello")).await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert_eq!(text(response).await, "hello");
}

#[tokio::test]
async fn handlers_know_the_connection() {
    let served = serve(routes(), GENEROUS);
    let stream = TcpStream::connect(served.address).await.unwrap();
    let wanted = format!("{} false", stream.local_addr().unwrap());
    let (mut client, _) = http2(stream).await;
    assert_eq!(text(client.send_request(get("/peer")).await.unwrap()).await, wanted);
}

#[tokio::test]
async fn every_answer_can_be_read_by_pages_of_other_sites() {
    let served = serve(routes(), GENEROUS);
    for (request, status) in [
        ("GET /hello", "200 OK"),
        ("GET /nothing", "404 Not Found"),
        ("POST /hello", "405 Method Not Allowed"),
        ("POST /echo", "413 Payload Too Large"),
        ("OPTIONS /hello", "204 No Content"),
    ] {
        let length = if status.starts_with("413") { 5000 } else { 0 };
        let head = format!(
            "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        let answer = exchange(&served, &head).await.to_lowercase();
        assert!(answer.starts_with(&format!("http/1.1 {}", status.to_lowercase())), "{answer}");
        for header in [
            "access-control-allow-origin: *",
            "timing-allow-origin: *",
            "access-control-expose-headers: ",
        ] {
            assert!(answer.contains(header), "{request}: no {header} in {answer}");
        }
    }
}

#[tokio::test]
async fn a_preflight_is_answered_for_any_path() {
    let served = serve(routes(), GENEROUS);
    let request = "OPTIONS /nothing HTTP/1.1\r\nHost: x\r\nOrigin: https://p.example\r\n\
                   Access-Control-Request-Method: GET\r\n\
                   Access-Control-Request-Headers: range\r\nConnection: close\r\n\r\n";
    let answer = exchange(&served, request).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    let answer = answer.to_lowercase();
    let allowed = answer.lines().find(|line| line.starts_with("access-control-allow-headers:"));
    assert!(allowed.unwrap().contains("range"), "{answer}");
    assert!(answer.contains("access-control-max-age: "), "{answer}");
}

#[tokio::test]
async fn errors_are_problem_documents() {
    let served = serve(routes(), GENEROUS);
    for (method, path, status, title) in
        [("GET", "/nothing", 404, "Not Found"), ("POST", "/hello", 405, "Method Not Allowed")]
    {
        let (mut client, _) = http2(TcpStream::connect(served.address).await.unwrap()).await;
        let mut request = get(path);
        *request.method_mut() = method.parse().unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let allow = response.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned());
        assert_eq!(allow, (status == 405).then(|| "GET,HEAD".into()));
        let problem: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["title"], title);
        assert!(problem["detail"].as_str().unwrap().contains(path), "{problem}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_with_and_without_a_length() {
    let served = serve(routes(), GENEROUS);
    let within = "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                  Content-Length: 2\r\n\r\nhi";
    assert!(exchange(&served, within).await.ends_with("hi"));
    let chunk = format!("800\r\n{}\r\n0\r\n\r\n", "x".repeat(0x800));
    let chunked = format!(
        "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n{chunk}"
    );
    let answer = exchange(&served, &chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_head_beyond_the_limit_is_refused() {
    let served = serve(routes(), GENEROUS);
    let head = format!("GET /hello HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let answer = exchange(&served, &head).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");

    let (mut client, _) = http2(TcpStream::connect(served.address).await.unwrap()).await;
    let mut request = get("/hello");
    request.headers_mut().insert("x", "x".repeat(20_000).parse().unwrap());
    let status = client.send_request(request).await.map(|response| response.status().as_u16());
    assert_eq!(status.unwrap(), 431);
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let served = serve(routes(), with_deadlines(|deadlines| deadlines.head = SOON));
    assert_eq!(exchange(&served, "").await, "");
    assert_eq!(served.metrics.cut.head.get(), 1);
}

#[tokio::test]
async fn a_head_that_drips_is_closed_and_an_idle_connection_is_not_taken_for_one() {
    let served = serve(routes(), with_deadlines(|deadlines| deadlines.head = SOON));
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hel").await.unwrap();
    let mut drips = tokio::time::interval(SOON / 10);
    let mut dripped = 0;
    // Bytes keep coming, but the head they belong to never ends.
    while stream.write_all(b"l").await.is_ok() && served.metrics.cut.head.get() == 0 {
        drips.tick().await;
        dripped += 1;
    }
    assert!(dripped > 5, "the deadline counts from the head's first byte, not from the start");
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn an_idle_connection_is_closed_on_http1_and_http2() {
    let served = serve(routes(), with_deadlines(|deadlines| deadlines.idle = SOON));
    let answer = exchange(&served, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.ends_with("hello"), "{answer}");

    let (mut client, connection) = http2(TcpStream::connect(served.address).await.unwrap()).await;
    assert_eq!(text(client.send_request(get("/hello")).await.unwrap()).await, "hello");
    connection.await.unwrap();
    assert_eq!(served.metrics.cut.idle.get(), 2);
}

#[tokio::test]
async fn a_waiting_request_is_not_idle() {
    let waits = Waits::new();
    let both = |deadlines: &mut Deadlines| (deadlines.head, deadlines.idle) = (SOON, SOON);
    let served = serve(waits.routes, with_deadlines(both));
    let (mut client, _) = http2(TcpStream::connect(served.address).await.unwrap()).await;
    let request = tokio::spawn(async move { client.send_request(get("/wait")).await });
    waits.asked.notified().await;
    // Others come, miss their deadlines and are closed, while the waiting one stays.
    for _ in 0..3 {
        assert_eq!(exchange(&served, "").await, "");
    }
    assert_eq!(served.metrics.cut.head.get(), 3);
    waits.answer.notify_one();
    assert_eq!(text(request.await.unwrap().unwrap()).await, "the media");
}

#[tokio::test]
async fn an_http1_viewer_that_stops_reading_is_closed() {
    let served = serve(routes(), with_deadlines(|deadlines| deadlines.write_stall = SOON));
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    until(|| served.metrics.cut.stalled.get() == 1).await;
    until(|| served.metrics.requests_in_flight.get() == 0).await;
    until(|| served.metrics.connections.get() == 0).await;
}

#[tokio::test]
async fn an_http2_viewer_that_grants_no_window_is_closed() {
    let served = serve(routes(), with_deadlines(|deadlines| deadlines.write_stall = SOON));
    let (mut client, connection) = http2(TcpStream::connect(served.address).await.unwrap()).await;
    // The body is never read, so its window stays closed while the connection itself is alive.
    let response = client.send_request(get("/large")).await.unwrap();
    connection.await.unwrap();
    assert_eq!(served.metrics.cut.stalled.get(), 1);
    drop(response);
}

#[tokio::test]
async fn a_viewer_that_reads_gets_everything_under_the_same_deadline() {
    let served = serve(routes(), with_deadlines(|deadlines| deadlines.write_stall = SOON));
    let (mut client, _) = http2(TcpStream::connect(served.address).await.unwrap()).await;
    let response = client.send_request(get("/large")).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body.len(), 256 * 128 * 1024);
    assert_eq!(served.metrics.cut.stalled.get(), 0);
}

#[tokio::test]
async fn connections_beyond_the_cap_are_closed_and_places_come_back() {
    let served = serve(routes(), Limits { connections_max: 1, ..GENEROUS });
    let (mut client, connection) = http2(TcpStream::connect(served.address).await.unwrap()).await;
    assert_eq!(text(client.send_request(get("/hello")).await.unwrap()).await, "hello");
    assert_eq!(exchange(&served, "").await, "");
    assert_eq!(served.metrics.connections_refused_total.get(), 1);

    drop(client);
    connection.await.unwrap();
    until(|| served.metrics.connections.get() == 0).await;
    let answer =
        exchange(&served, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn closing_finishes_what_is_in_flight_and_frees_the_port() {
    let waits = Waits::new();
    let served = serve(waits.routes, GENEROUS);
    let (mut client, connection) = http2(TcpStream::connect(served.address).await.unwrap()).await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    let request = tokio::spawn(async move { client.send_request(get("/wait")).await });
    waits.asked.notified().await;

    served.trigger.drain();
    let late = TcpStream::connect(served.address).await;
    assert!(late.is_ok(), "viewers still come in while draining");
    drop(late);
    drop(served.trigger);
    assert_eq!(read_to_end(&mut idle).await, "", "idle connections are closed");
    assert!(TcpStream::connect(served.address).await.is_err(), "nobody new is let in");

    waits.answer.notify_one();
    assert_eq!(text(request.await.unwrap().unwrap()).await, "the media");
    connection.await.unwrap();
    served.task.await.unwrap();
}

#[tokio::test]
async fn a_handler_that_panics_costs_its_connection_only() {
    let routes = routes().route("/bug", on_get(|| async { panic!("a bug, on purpose") as &str }));
    let served = serve(routes, GENEROUS);
    assert_eq!(exchange(&served, "GET /bug HTTP/1.1\r\nHost: x\r\n\r\n").await, "");
    let hello = "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(exchange(&served, hello).await.ends_with("hello"));
    until(|| served.metrics.requests_in_flight.get() == 0).await;
}

#[tokio::test]
async fn every_error_is_a_problem_that_no_cache_keeps() {
    let served = serve(routes(), GENEROUS);
    for (request, status) in
        [("GET /no/such/page", 404), ("DELETE /hello", 405), ("GET /named/%ff", 400)]
    {
        let request = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = exchange(&served, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
        assert!(answer.contains("cache-control: no-store\r\n"), "{answer}");
        assert!(answer.contains("access-control-allow-origin: *\r\n"), "{answer}");
        assert!(answer.contains(&format!("\"status\":{status}")), "{answer}");
    }
}
