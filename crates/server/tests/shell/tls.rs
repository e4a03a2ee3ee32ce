//! HTTPS: ALPN, certificates and their reload, handshakes that go nowhere.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{
    GENEROUS, Served, connect_tls, get, http2, read_to_end, serve_on, text, tls_listener,
    write_certificate,
};
use axum::Router;
use axum::routing::get as on_get;
use tally_server::config::Tls;
use tally_server::http::Limits;
use tally_server::net::{Certificate, Incoming};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

fn serve_tls(certificate: &Arc<Certificate>, limits: Limits) -> Served {
    let routes = Router::new().route("/hello", on_get(|| async { "hello" }));
    serve_on(routes, limits, Incoming::Tls(tls_listener(certificate)))
}

#[tokio::test]
async fn alpn_chooses_http2_and_falls_back_to_http1() {
    let folder = tempfile::tempdir().unwrap();
    let (files, root) = write_certificate(folder.path());
    let served = serve_tls(&Certificate::load("http.tls", &files).unwrap(), GENEROUS);

    let stream = connect_tls(served.address, &root, &["http/1.1", "h2"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, _) = http2(stream).await;
    assert_eq!(text(client.send_request(get("/hello")).await.unwrap()).await, "hello");

    let mut stream = connect_tls(served.address, &root, &["http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let request = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with("hello"));
}

#[tokio::test]
async fn a_reloaded_certificate_is_used_from_the_next_handshake_on() {
    let folder = tempfile::tempdir().unwrap();
    let (files, old) = write_certificate(folder.path());
    let certificate = Certificate::load("http.tls", &files).unwrap();
    let served = serve_tls(&certificate, GENEROUS);
    let open = connect_tls(served.address, &old, &["h2"]).await.unwrap();
    let (mut open, _) = http2(open).await;

    let (_, new) = write_certificate(folder.path());
    connect_tls(served.address, &old, &[]).await.expect("nothing changes before the reload");
    certificate.reload().unwrap();
    connect_tls(served.address, &old, &[]).await.expect_err("the old one is gone");
    connect_tls(served.address, &new, &[]).await.unwrap();
    let response = open.send_request(get("/hello")).await.unwrap();
    assert_eq!(text(response).await, "hello", "open connections go on");
}

#[tokio::test]
async fn a_bad_new_file_keeps_the_old_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (files, root) = write_certificate(folder.path());
    let certificate = Certificate::load("http.tls", &files).unwrap();
    let served = serve_tls(&certificate, GENEROUS);
    std::fs::write(&files.cert, "half a certifi").unwrap();
    let said = certificate.reload().unwrap_err().to_string();
    assert!(said.contains("http.tls.cert = ") && said.contains("cert.pem"), "{said}");
    connect_tls(served.address, &root, &[]).await.unwrap();
}

#[test]
fn certificate_errors_name_key_file_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let (files, _) = write_certificate(folder.path());
    let said = |files: &Tls| Certificate::load("rtmp.tls", files).unwrap_err().to_string();

    let missing = Tls { cert: folder.path().join("none.pem"), ..files.clone() };
    let said_missing = said(&missing);
    assert!(said_missing.starts_with("rtmp.tls.cert = "), "{said_missing}");
    assert!(said_missing.contains("none.pem: No such file"), "{said_missing}");
    assert!(said_missing.contains("must name a PEM file that holds"), "{said_missing}");

    let swapped = Tls { key: files.cert.clone(), ..files.clone() };
    assert!(said(&swapped).contains("rtmp.tls.key = "), "{}", said(&swapped));
    assert!(said(&swapped).contains("holds nothing of the private key"), "{}", said(&swapped));

    let other = tempfile::tempdir().unwrap();
    let (other_files, _) = write_certificate(other.path());
    let mixed = Tls { key: other_files.key, ..files };
    let said_mixed = said(&mixed);
    assert!(said_mixed.contains("the one the certificate was made for"), "{said_mixed}");
}

#[tokio::test]
async fn a_handshake_that_goes_nowhere_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (files, _) = write_certificate(folder.path());
    let mut limits = GENEROUS;
    limits.deadlines.head = Duration::from_millis(200);
    let served = serve_tls(&Certificate::load("http.tls", &files).unwrap(), limits);

    let mut silent = TcpStream::connect(served.address).await.unwrap();
    assert_eq!(read_to_end(&mut silent).await, "");
    assert_eq!(served.metrics.tls_handshakes_failed_total.get(), 1);

    let mut plain = TcpStream::connect(served.address).await.unwrap();
    plain.write_all(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let answer = read_to_end(&mut plain).await;
    assert!(!answer.contains("hello"), "{answer}");
    assert_eq!(served.metrics.tls_handshakes_failed_total.get(), 2);
}
