//! The pages Tally shows to people, as bytes inside the binary.
//!
//! What this crate owns: the TypeScript under `ui/` (home page, watch page, the `<tally-player>`
//! element), how it is built, and the table of finished files that the server mounts. A server that
//! holds this crate needs no folder of files beside it and no host but itself: nothing here is
//! loaded from anywhere else, and [`CONTENT_SECURITY_POLICY`] makes the browser hold us to that.
//!
//! What it must never do: read files or the network at run time, know a route's handler, or depend
//! on another crate of this workspace. It only answers "which bytes are this page or this asset".
//!
//! # How the server uses it
//!
//! | route | answer |
//! |---|---|
//! | `/` | [`page`]`(`[`Page::Home`]`)` |
//! | `/live/{handle}` (no slash after it) | [`page`]`(`[`Page::Watch`]`)` |
//! | `/assets/{*path}` | [`asset`]`(path)`, 404 for `None` |
//!
//! Pages find their assets and playlists by relative addresses, so the whole site may sit below any
//! prefix of a reverse proxy. For each answer: the smallest of [`Asset::brotli`], [`Asset::gzip`]
//! and [`Asset::bytes`] that the request's `Accept-Encoding` allows, with `Vary: Accept-Encoding`,
//! `ETag`, `Content-Type` and [`Asset::cache_control`]; pages also carry
//! [`CONTENT_SECURITY_POLICY`].
//!
//! # The script for other people's pages
//!
//! `/assets/tally-heartbeats.js` opens playback sessions and sends heartbeats for any player on any
//! page (`README.md`). Its address stays: it is one line, asked for each time, that names the file with
//! a hash in its name which the watch page loads too.
//!
//! # Without Node
//!
//! The pages are built by `build/main.rs` with Node and npm. Where those are missing the crate
//! still builds: then the same two pages say what is missing, how to get it, and how to watch the
//! show meanwhile. [`build_note`] tells the server what to log.
//!
//! # What the watch page tells a test
//!
//! The `<tally-player>` element keeps these attributes up to date four times a second:
//! `data-state` (`checking`, `waiting`, `connecting`, `live`, `buffering`, `reconnecting`, `ended`,
//! `error`), `data-reason`, `data-engine` (`hls.js` or `native`), `data-latency-ms` (time of day
//! now minus the `EXT-X-PROGRAM-DATE-TIME` of the picture shown, never less than the next),
//! `data-edge-latency-ms` (distance to the newest media the playlist names), `data-frames` and
//! `data-dropped-frames` (decoded since the page opened), `data-stalls`, `data-errors` (everything
//! hls.js reported) and `data-fatal-errors`; `data-sound-only` and `data-picture-only` stand while
//! the show's codecs are of one medium. `document.querySelector("tally-player").stats` has the same as an object,
//! with resolution, bit rate and the text of the last error.

mod embed;

pub use embed::{Asset, Page, asset, build_note, is_built, page};

/// The `Content-Security-Policy` header the pages are written for and must be sent with.
///
/// Everything comes from the server itself; there is no inline script or style. `blob:` media is
/// how Media Source Extensions hand media to a `<video>`; pictures may be `data:` because the icons
/// are. The pages may be framed by their own site only.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; img-src 'self' data:; media-src 'self' blob:; connect-src 'self'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'self'";
