//! The certificate of all sessions, kept over restarts: a client may have pinned its fingerprint, and
//! a restart leaves no session of the old one confused about who answers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tally_rtc::transport::{Certificate, CertificateError};

/// Its name in `server.data_dir`.
const FILE: &str = "webrtc-certificate.pem";

/// Why there is no certificate. The operator's to mend.
#[derive(Debug, thiserror::Error)]
#[error("server.data_dir: the WebRTC certificate {path} cannot be {what}: {reason}; {remedy}")]
pub struct StoredCertificateError {
    /// The file.
    pub path: PathBuf,
    /// `"read"`, `"used"`, `"made"` or `"written"`.
    pub what: &'static str,
    /// What went wrong. Part of the message, so not told again as its source.
    pub reason: String,
    /// What to do.
    pub remedy: &'static str,
}

/// The certificate in `folder`, made at the first start.
///
/// # Errors
/// When the file is there and unreadable or damaged (making another one would hide that), or when it
/// cannot be made.
pub fn load_or_make(folder: &Path) -> Result<Certificate, StoredCertificateError> {
    let path = folder.join(FILE);
    let failed = |what, reason: &dyn std::fmt::Display, remedy| StoredCertificateError {
        path: path.clone(),
        what,
        reason: reason.to_string(),
        remedy,
    };
    match fs::read_to_string(&path) {
        Ok(pem) => Certificate::from_pem(&pem).map_err(|error| {
            failed("used", &error, "restore it, or delete it to get a new one at the next start")
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (certificate, pem) = make()
                .map_err(|error| failed("made", &error, "report this: it should not happen"))?;
            let written = fs::create_dir_all(folder)
                .and_then(|()| tally_store::write_private(&path, pem.as_bytes()));
            written.map_err(|error| {
                failed("written", &error, "the folder must be one that this user may write to")
            })?;
            Ok(certificate)
        }
        Err(error) => Err(failed("read", &error, "this user must be allowed to read it")),
    }
}

fn make() -> Result<(Certificate, String), CertificateError> {
    let certificate = Certificate::generate()?;
    let pem = certificate.to_pem()?;
    Ok((certificate, pem))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_certificate_is_made_once_and_only_its_user_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("data");
        let made = load_or_make(&inner).unwrap();
        let read = load_or_make(&inner).unwrap();
        assert_eq!(made.fingerprint(), read.fingerprint());
        let mode = fs::metadata(inner.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, tally_store::PRIVATE_MODE);
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn a_damaged_certificate_is_told_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(&path, "not a certificate").unwrap();
        let error = load_or_make(folder.path()).unwrap_err();
        assert_eq!((error.what, &error.path), ("used", &path));
        assert_eq!(fs::read_to_string(&path).unwrap(), "not a certificate");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(load_or_make(folder.path()).unwrap_err().what, "read");
    }
}
