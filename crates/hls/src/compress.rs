//! A playlist's bytes in every content coding, each made at most once.

use std::io::Write;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// gzip level. A default window's 3.5 kB become 599 bytes in 19 µs; level 1 gives 740 in 7, level 9
/// 580 in 25 (`benches/playlist.rs`). All fit one packet, so there is little left to gain.
const GZIP_LEVEL: u32 = 6;
/// zstd level. 536 bytes in 15 µs; level 5 gives 513 in 20 (`benches/playlist.rs`).
const ZSTD_LEVEL: i32 = 3;

/// How a playlist is sent (`Content-Encoding`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// gzip, which every player must accept. // A10.1
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Encoding {
    /// The `Content-Encoding` value; `None` for identity.
    #[must_use]
    pub const fn token(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// A rendered playlist. Compressed by the first request that accepts the coding, shared by all.
#[derive(Debug)]
pub struct Rendered {
    tag: String,
    identity: Bytes,
    gzip: OnceLock<Bytes>,
    zstd: OnceLock<Bytes>,
}

impl Rendered {
    /// `tag` names the text uniquely among all texts ever sent from its address.
    /// Also for multivariant playlists.
    #[must_use]
    pub fn new(text: String, tag: String) -> Self {
        let (gzip, zstd) = (OnceLock::new(), OnceLock::new());
        Self { tag, identity: Bytes::from(text), gzip, zstd }
    }

    /// The bytes to send.
    #[must_use]
    pub fn body(&self, encoding: Encoding) -> Bytes {
        let bytes = match encoding {
            Encoding::Identity => &self.identity,
            Encoding::Gzip => self.gzip.get_or_init(|| gzip(&self.identity)),
            Encoding::Zstd => self.zstd.get_or_init(|| zstd(&self.identity)),
        };
        bytes.clone()
    }

    /// The strong entity tag of [`Rendered::body`], with its quotes. Each coding has its own, as
    /// its bytes differ (RFC 9110, 8.8.3).
    #[must_use]
    pub fn etag(&self, encoding: Encoding) -> String {
        format!("\"{}-{}\"", self.tag, encoding.token().unwrap_or("i"))
    }
}

fn gzip(text: &[u8]) -> Bytes {
    let out = Vec::with_capacity(text.len() / 4);
    let mut encoder = GzEncoder::new(out, Compression::new(GZIP_LEVEL));
    encoder.write_all(text).expect("writing to a Vec cannot fail");
    Bytes::from(encoder.finish().expect("writing to a Vec cannot fail"))
}

fn zstd(text: &[u8]) -> Bytes {
    let out = zstd::bulk::compress(text, ZSTD_LEVEL);
    Bytes::from(out.expect("the level is legal and the output buffer as large as it may need"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn every_coding_gives_the_text_back() {
        let text = "#EXTM3U\n".repeat(1_000);
        let rendered = Rendered::new(text.clone(), "1".into());
        assert_eq!(rendered.body(Encoding::Identity), text);
        let mut unzipped = String::new();
        let gzip = rendered.body(Encoding::Gzip);
        flate2::read::GzDecoder::new(&gzip[..]).read_to_string(&mut unzipped).unwrap();
        assert_eq!(unzipped, text);
        let zstd = rendered.body(Encoding::Zstd);
        assert_eq!(zstd::bulk::decompress(&zstd, text.len()).unwrap(), text.as_bytes());
        assert!(gzip.len() < 200 && zstd.len() < 200, "{} {}", gzip.len(), zstd.len());
    }

    #[test]
    fn a_coding_is_made_once() {
        let rendered = Rendered::new("#EXTM3U\n".into(), "1".into());
        for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
            let (one, other) = (rendered.body(encoding), rendered.body(encoding));
            assert_eq!(one.as_ptr(), other.as_ptr(), "{encoding:?}");
        }
    }

    #[test]
    fn codings_have_their_own_strong_tags() {
        let rendered = Rendered::new(String::new(), "7-2-0".into());
        assert_eq!(rendered.etag(Encoding::Identity), "\"7-2-0-i\"");
        assert_eq!(rendered.etag(Encoding::Gzip), "\"7-2-0-gzip\"");
        assert_eq!(rendered.etag(Encoding::Zstd), "\"7-2-0-zstd\"");
    }
}
