//! Files with secrets in them: signing keys, a certificate's private key.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Of every file with a secret: only its user reads and writes it.
pub const PRIVATE_MODE: u32 = 0o600;

/// Makes `path` hold `contents`, for the eyes of its user only. Written beside it and moved over it, so
/// that a crash leaves the old contents or the new ones.
///
/// # Errors
/// When the folder cannot be written to.
pub fn write_private(path: &Path, contents: &[u8]) -> io::Result<()> {
    let beside = path.with_added_extension("new");
    // Left behind by such a crash, if it is there: its mode is not known to be right.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(PRIVATE_MODE).open(&beside)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}
