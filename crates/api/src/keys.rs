//! The keys that sign sessions and tokens, kept in one file that only the server may read.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use jsonwebtoken::{DecodingKey, EncodingKey};

use crate::Outside;
use crate::identity::prefix;

/// How long a key signs. The next start after it makes a new one.
const ROTATE_AFTER_MS: i64 = 90 * 24 * 3600 * 1000;

/// Keys that are kept to verify with: two years of them, longer than any token lives.
const KEYS_MAX: usize = 8;

/// 256 bits, the length of the hash (RFC 7518 section 3.2).
const SECRET_BYTES: usize = 32;

const HEAD: &str = "# Keys that sign playback sessions and viewers' tokens, newest last: Unix time in\n\
                    # milliseconds, and the secret. Without this file every token is void.\n";

/// The keys: the newest one signs, all verify.
pub struct SigningKeys {
    /// Never empty; newest last.
    keys: Vec<Key>,
}

/// One key in the forms it is used in.
pub(crate) struct Key {
    created_ms: i64,
    secret: [u8; SECRET_BYTES],
    /// Names it in tokens (RFC 7515 section 4.1.4) without telling anything of it.
    pub(crate) id: String,
    pub(crate) encoding: EncodingKey,
    pub(crate) decoding: DecodingKey,
    /// For names of sessions, apart from tokens.
    pub(crate) names: hmac::Key,
}

/// Why the keys could not be had. The operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or written.
    #[error("cannot use the signing keys in {file}: {source}")]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read the file.
    #[error(
        "{file} can be read by others (mode {mode:o}): chmod 600 it, or remove it to void its keys"
    )]
    Exposed {
        /// The file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line that is no key.
    #[error("{file} line {line} is no key: restore the file, or remove it to void every token")]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
    },
}

impl SigningKeys {
    /// Reads the file, makes it when it is missing, and adds a key when the newest is old.
    ///
    /// # Errors
    /// [`KeysError`]: a server that cannot keep its keys must not start, or all tokens would be void
    /// with its next start.
    pub fn open(file: &Path, outside: &Outside) -> Result<Self, KeysError> {
        let mut keys = match fs::read_to_string(file) {
            Ok(text) => parse(file, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(KeysError::File { file: file.into(), source }),
        };
        let now_ms = outside.now_ms();
        if keys.last().is_none_or(|newest| now_ms - newest.created_ms >= ROTATE_AFTER_MS) {
            keys.push(Key::new(now_ms, outside.random()));
            keys.drain(..keys.len().saturating_sub(KEYS_MAX));
            write(file, &keys).map_err(|source| KeysError::File { file: file.into(), source })?;
        }
        Ok(Self { keys })
    }

    /// One key that lives as long as the process: for tests.
    #[must_use]
    pub fn ephemeral(outside: &Outside) -> Self {
        Self { keys: vec![Key::new(outside.now_ms(), outside.random())] }
    }

    pub(crate) fn newest(&self) -> &Key {
        self.keys.last().expect("there is always a key")
    }

    /// All keys, the newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().rev()
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }
}

impl Key {
    fn new(created_ms: i64, secret: [u8; SECRET_BYTES]) -> Self {
        let of = |purpose: &str| {
            let derived =
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), purpose.as_bytes());
            derived.as_ref().to_vec()
        };
        let tokens = of("tokens");
        Self {
            created_ms,
            secret,
            id: hex(&prefix::<8>(&["key id", &hex(&secret)])),
            encoding: EncodingKey::from_secret(&tokens),
            decoding: DecodingKey::from_secret(&tokens),
            names: hmac::Key::new(hmac::HMAC_SHA256, &of("session names")),
        }
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys").field("keys", &self.keys.len()).finish()
    }
}

fn parse(file: &Path, text: &str) -> Result<Vec<Key>, KeysError> {
    let mode = fs::metadata(file).map(|metadata| metadata.permissions().mode() & 0o777);
    let mode = mode.map_err(|source| KeysError::File { file: file.into(), source })?;
    if mode & 0o077 != 0 {
        return Err(KeysError::Exposed { file: file.into(), mode });
    }
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| {
            let key = line.split_once(' ').and_then(|(created_ms, secret)| {
                Some(Key::new(created_ms.parse().ok()?, unhex(secret.trim())?))
            });
            key.ok_or_else(|| KeysError::Damaged { file: file.into(), line: index + 1 })
        })
        .collect()
}

fn write(file: &Path, keys: &[Key]) -> io::Result<()> {
    let lines = keys.iter().map(|key| format!("{} {}\n", key.created_ms, hex(&key.secret)));
    let text: String = std::iter::once(HEAD.to_owned()).chain(lines).collect();
    tally_store::write_private(file, text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; SECRET_BYTES]> {
    let digits = text.len() == 2 * SECRET_BYTES && text.bytes().all(|b| b.is_ascii_hexdigit());
    let mut bytes = [0; SECRET_BYTES];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = digits.then(|| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok())??;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::tests::outside_at;

    #[test]
    fn keys_survive_a_restart_and_only_their_owner_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("playback.keys");
        let first = SigningKeys::open(&file, &outside_at(1_000)).unwrap();
        let again = SigningKeys::open(&file, &outside_at(2_000)).unwrap();
        assert_eq!(first.newest().id, again.newest().id);
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            tally_store::PRIVATE_MODE
        );

        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = SigningKeys::open(&file, &outside_at(3_000)).unwrap_err();
        assert!(matches!(refused, KeysError::Exposed { mode: 0o640, .. }), "{refused}");
    }

    #[test]
    fn an_old_key_still_verifies_and_a_new_one_signs() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("playback.keys");
        let old = SigningKeys::open(&file, &outside_at(0)).unwrap().newest().id.clone();
        let mut now_ms = 0;
        for _ in 0..KEYS_MAX - 1 {
            now_ms += ROTATE_AFTER_MS;
            let keys = SigningKeys::open(&file, &outside_at(now_ms)).unwrap();
            assert!(keys.newest().id != old && keys.by_id(&old).is_some());
        }
        let keys = SigningKeys::open(&file, &outside_at(now_ms + ROTATE_AFTER_MS)).unwrap();
        assert!(keys.by_id(&old).is_none() && keys.keys.len() == KEYS_MAX);
    }

    #[test]
    fn a_damaged_file_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("playback.keys");
        SigningKeys::open(&file, &outside_at(0)).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.trim_end().strip_suffix(|_: char| true).unwrap()).unwrap();
        let error = SigningKeys::open(&file, &outside_at(0)).unwrap_err();
        assert!(matches!(error, KeysError::Damaged { line: 3, .. }), "{error}");
        assert!(!format!("{error:?}").contains(&text[text.len() - 10..]));
    }
}
