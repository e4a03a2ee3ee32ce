//! The table of embedded files and the look-ups in it.
//!
//! The table itself is written by `build/main.rs`, sorted by path, as `include_bytes!` of files in
//! Cargo's output folder; nothing is unpacked or compressed at run time.

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// One embedded file, ready to be sent.
#[derive(Debug)]
pub struct Asset {
    /// Path below `/assets/`, or the page's file name.
    path: &'static str,
    /// The file as it is (`Content-Encoding: identity`).
    pub bytes: &'static [u8],
    /// The same compressed with gzip, where that makes it smaller.
    pub gzip: Option<&'static [u8]>,
    /// The same compressed with Brotli (`br`), where that makes it smaller.
    pub brotli: Option<&'static [u8]>,
    /// The `Content-Type` header, with a charset where the type has one.
    pub content_type: &'static str,
    /// A strong entity tag of [`Asset::bytes`], with its quotes. A compressed answer is another
    /// representation (RFC 9110 section 8.8.3.3): the server marks its tag with the coding.
    pub etag: &'static str,
    /// True where the name contains a hash of the content, so that it can never change.
    pub immutable: bool,
}

impl Asset {
    /// The `Cache-Control` header: a year for files whose name holds their hash, else asked again
    /// each time (and answered with 304 by [`Asset::etag`]).
    pub fn cache_control(&self) -> &'static str {
        if self.immutable { "public, max-age=31536000, immutable" } else { "no-cache" }
    }
}

/// The pages this crate has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// `/`: what this server is and how to open a show.
    Home,
    /// `/live/{handle}`: one creator's show. The page reads the handle from its own address.
    Watch,
}

impl Page {
    fn asset(self) -> &'static Asset {
        match self {
            Page::Home => &HOME,
            Page::Watch => &WATCH,
        }
    }
}

/// The HTML of a page.
pub fn page(page: Page) -> &'static Asset {
    page.asset()
}

/// The file at `/assets/{path}`; `None` where there is none (answer 404).
///
/// `path` is what follows `/assets/`, percent-decoded or not: our names need no escaping.
pub fn asset(path: &str) -> Option<&'static Asset> {
    let index = ASSETS.binary_search_by(|asset| asset.path.cmp(path)).ok()?;
    Some(&ASSETS[index])
}

/// True where the real pages are inside, false where only the page that says what is missing is.
pub fn is_built() -> bool {
    BUILD_NOTE.is_none()
}

/// Why the real pages are not inside, in one sentence; `None` where they are.
pub fn build_note() -> Option<&'static str> {
    BUILD_NOTE
}
