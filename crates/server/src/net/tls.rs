//! TLS: certificates from PEM files, read again on request, and handshakes with a deadline.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Tls;

/// Why a certificate cannot be used. The operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file is missing, unreadable or not PEM.
    #[error(
        "{config_key} = {path}: {reason}; {config_key} must name a PEM file that holds {expected} \
         and that this user may read"
    )]
    File {
        /// The config key that named the file.
        config_key: String,
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
        /// What has to be in it.
        expected: &'static str,
    },
    /// The two files do not belong together, or the kind of key is not supported.
    #[error(
        "{section}.cert = {cert} and {section}.key = {key}: {reason}; the key must be the one the \
         certificate was made for"
    )]
    Pair {
        /// The config section.
        section: &'static str,
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What went wrong.
        reason: Box<rustls::Error>,
    },
}

/// The certificate of one listener: handed to every handshake, replaced as a whole by
/// [`Certificate::reload`].
pub struct Certificate {
    section: &'static str,
    files: Tls,
    current: ArcSwap<CertifiedKey>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("cert", &self.files.cert).finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads the files; `section` is the config section that named them.
    ///
    /// # Errors
    /// When a file cannot be read or the two do not fit.
    pub fn load(section: &'static str, files: &Tls) -> Result<Arc<Self>, CertificateError> {
        let current = ArcSwap::from_pointee(read(section, files)?);
        Ok(Arc::new(Self { section, files: files.clone(), current }))
    }

    /// Reads the files again. Handshakes from now on use the new certificate; open connections
    /// keep theirs.
    ///
    /// # Errors
    /// When the new files are bad. The old certificate stays in use.
    pub fn reload(&self) -> Result<(), CertificateError> {
        self.current.store(Arc::new(read(self.section, &self.files)?));
        Ok(())
    }

    /// The config section whose files these are.
    pub fn section(&self) -> &'static str {
        self.section
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn read(section: &'static str, files: &Tls) -> Result<CertifiedKey, CertificateError> {
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) })
        .map_err(|error| {
            let expected = "the certificate and its chain";
            file_error(format!("{section}.cert"), &files.cert, &error, expected)
        })?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| {
        file_error(format!("{section}.key"), &files.key, &error, "the private key")
    })?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider()).map_err(
        |reason| CertificateError::Pair {
            section,
            cert: files.cert.clone(),
            key: files.key.clone(),
            reason: Box::new(reason),
        },
    )
}

fn file_error(
    config_key: String,
    path: &Path,
    error: &pem::Error,
    expected: &'static str,
) -> CertificateError {
    let reason = match error {
        pem::Error::NoItemsFound => format!("holds nothing of {expected}"),
        pem::Error::Io(error) => error.to_string(),
        other => format!("not valid PEM: {other}"),
    };
    CertificateError::File { config_key, path: path.into(), reason, expected }
}

/// A listener whose connections begin with a TLS handshake.
#[derive(Clone)]
pub struct TlsListener {
    /// Where connections come in.
    pub listener: Arc<TcpListener>,
    /// What is shown to them; reload it here.
    pub certificate: Arc<Certificate>,
    /// Makes the handshakes.
    pub acceptor: TlsAcceptor,
}

impl fmt::Debug for TlsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsListener")
            .field("listener", &self.listener)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl TlsListener {
    /// Puts TLS 1.2 and 1.3 on a listener. `protocols` are offered by ALPN, best first; empty
    /// offers none.
    pub fn new(listener: TcpListener, certificate: Arc<Certificate>, protocols: &[&str]) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider supports TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self { listener: Arc::new(listener), certificate, acceptor }
    }
}

/// Why a handshake came to nothing. The other side's fault, or the network's.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// It broke off or was refused.
    #[error("TLS handshake failed: {0}")]
    Failed(#[from] std::io::Error),
    /// It was not complete in time.
    #[error("TLS handshake took longer than {} s", .0.as_secs())]
    TooSlow(Duration),
}

/// Makes the handshake on an accepted connection, within `deadline`.
///
/// # Errors
/// When the handshake fails or is too slow.
pub async fn accept(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    deadline: Duration,
) -> Result<TlsStream<TcpStream>, HandshakeError> {
    match tokio::time::timeout(deadline, acceptor.accept(stream)).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(HandshakeError::TooSlow(deadline)),
    }
}
