//! What the tests of the HTTP shell share: a server on loopback, certificates, clients.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use tally_server::config::Tls;
use tally_server::http::{self, Deadlines, HttpServer, Limits};
use tally_server::metrics::{HttpMetrics, Metrics};
use tally_server::net::{Certificate, Incoming, TlsListener, listen};
use tally_server::shutdown::Trigger;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A deadline long enough never to be reached in a test that is about another one.
pub(crate) const NEVER: Duration = Duration::from_secs(600);

/// Limits that no test reaches by accident.
pub(crate) const GENEROUS: Limits = Limits {
    connections_max: 100,
    streams_per_connection_max: 100,
    header_bytes_max: 16 * 1024,
    deadlines: Deadlines { head: NEVER, idle: NEVER, write_stall: NEVER },
};

/// A server under test with one listener.
pub(crate) struct Served {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) trigger: Trigger,
    pub(crate) metrics: HttpMetrics,
    pub(crate) task: JoinHandle<()>,
}

pub(crate) fn serve_on(routes: Router, limits: Limits, incoming: Incoming) -> Served {
    let listener = match &incoming {
        Incoming::Plain(listener) => listener,
        Incoming::Tls(tls) => &tls.listener,
    };
    let address = listener.local_addr().unwrap();
    let metrics = Metrics::new().http;
    let trigger = Trigger::new();
    let server = HttpServer::new(http::finish(routes, 1024), &limits, metrics.clone());
    let task = tokio::spawn(server.run(incoming, trigger.shutdown()));
    Served { address, trigger, metrics, task }
}

pub(crate) fn serve(routes: Router, limits: Limits) -> Served {
    serve_on(routes, limits, Incoming::Plain(Arc::new(any_port())))
}

pub(crate) fn any_port() -> TcpListener {
    listen("test", "127.0.0.1:0".parse().unwrap()).unwrap()
}

/// Writes a new self-signed certificate for `localhost` and gives its DER.
pub(crate) fn write_certificate(folder: &Path) -> (Tls, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = Tls {
        listen: "127.0.0.1:0".parse().unwrap(),
        cert: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&tls.cert, made.cert.pem()).unwrap();
    std::fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
    (tls, made.cert.der().clone())
}

pub(crate) fn tls_listener(certificate: &Arc<Certificate>) -> TlsListener {
    TlsListener::new(any_port(), Arc::clone(certificate), http::ALPN)
}

pub(crate) type TlsClient = tokio_rustls::client::TlsStream<TcpStream>;

/// Connects over TLS, trusting exactly `root` and offering `protocols`.
pub(crate) async fn connect_tls(
    address: std::net::SocketAddr,
    root: &CertificateDer<'static>,
    protocols: &[&str],
) -> std::io::Result<TlsClient> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(address).await?;
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
}

pub(crate) type H2 = hyper::client::conn::http2::SendRequest<Empty<Bytes>>;

/// Speaks HTTP/2 on a stream, with prior knowledge.
pub(crate) async fn http2<S>(stream: S) -> (H2, JoinHandle<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let task = tokio::spawn(async move {
        // How it ended shows in what the requests got.
        let _ = connection.await;
    });
    (sender, task)
}

pub(crate) fn get(path: &str) -> hyper::Request<Empty<Bytes>> {
    hyper::Request::get(format!("http://localhost{path}")).body(Empty::new()).unwrap()
}

pub(crate) async fn text(response: hyper::Response<hyper::body::Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Everything the server sends until it closes.
pub(crate) async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    // A reset is an end like any other here.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}
