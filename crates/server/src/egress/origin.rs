//! What LL-HLS requests read of one show: immutable versions, published by the pump.

use std::sync::Arc;
use std::time::Duration;

use tally_cmaf::{Plan, RenditionId};
use tally_hls::{Rendered, RenditionReport, Snapshot};
use tally_media::Medium;
use tokio::sync::watch;

use crate::config::HlsAudio;

/// How shows are packaged.
#[derive(Clone, Copy, Debug)]
pub struct HlsOptions {
    /// Wished length of a part in milliseconds.
    pub part_ms: u32,
    /// Wished length of a segment in milliseconds; segments are cut at keyframes.
    pub segment_ms: u32,
    /// How far back a playlist reaches, in milliseconds.
    pub window_ms: u32,
    /// What becomes of Opus.
    pub audio: HlsAudio,
}

/// What requests read of one show. Every version is immutable and shared by all who ask.
#[derive(Debug)]
pub struct HlsOrigin {
    options: HlsOptions,
    /// `None` until the first part can be played.
    presentation: watch::Sender<Option<Arc<Presentation>>>,
}

/// The multivariant playlist and the renditions it names.
#[derive(Clone, Debug)]
pub struct Presentation {
    /// The show's constants.
    pub(crate) plan: Plan,
    /// The multivariant playlist, rendered and compressed once.
    pub(crate) multivariant: Arc<Rendered>,
    /// The renditions, few enough to be searched in order.
    pub(crate) renditions: Vec<Arc<RenditionOrigin>>,
}

/// One version of a rendition's playlist.
#[derive(Clone, Debug)]
pub struct Version {
    /// The window.
    pub(crate) snapshot: Arc<Snapshot>,
    /// Where the other renditions are at the same moment (P12).
    pub(crate) reports: Arc<[RenditionReport]>,
}

/// One rendition as requests see it.
#[derive(Debug)]
pub struct RenditionOrigin {
    id: RenditionId,
    name: String,
    hold_max: Duration,
    target_duration_s: u32,
    versions: watch::Sender<Version>,
}

impl HlsOrigin {
    pub(crate) fn new(options: HlsOptions) -> Self {
        Self { options, presentation: watch::Sender::new(None) }
    }

    /// How the show is packaged.
    #[must_use]
    pub const fn options(&self) -> HlsOptions {
        self.options
    }

    /// What can be played now; `None` before the first part.
    #[must_use]
    pub fn presentation(&self) -> Option<Arc<Presentation>> {
        self.presentation.borrow().clone()
    }

    /// Follows the presentation.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Option<Arc<Presentation>>> {
        self.presentation.subscribe()
    }

    /// How long an ended show must still be playable (P19).
    #[must_use]
    pub fn linger(&self) -> Duration {
        let Some(presentation) = self.presentation() else { return Duration::ZERO };
        let lingers = presentation.renditions.iter().map(|r| r.current().snapshot.linger_ms());
        Duration::from_millis(lingers.max().unwrap_or(0))
    }

    pub(crate) fn publish(&self, presentation: Presentation) {
        self.presentation.send_replace(Some(Arc::new(presentation)));
    }
}

impl Presentation {
    /// A rendition by the name it has in URIs.
    #[must_use]
    pub fn rendition(&self, name: &str) -> Option<&Arc<RenditionOrigin>> {
        self.renditions.iter().find(|rendition| rendition.name == name)
    }
}

impl RenditionOrigin {
    pub(crate) fn new(id: RenditionId, first: Version) -> Self {
        let options = *first.snapshot.options();
        Self {
            id,
            name: id.to_string(),
            hold_max: Duration::from_millis(options.hold_ms_max()),
            target_duration_s: options.target_duration_s,
            versions: watch::Sender::new(first),
        }
    }

    /// Which rendition it is.
    #[must_use]
    pub const fn id(&self) -> RenditionId {
        self.id
    }

    /// Whether it has pictures.
    #[must_use]
    pub fn has_video(&self) -> bool {
        self.id.0.medium() == Medium::Video
    }

    /// How long a request may be held (D6).
    #[must_use]
    pub const fn hold_max(&self) -> Duration {
        self.hold_max
    }

    /// EXT-X-TARGETDURATION.
    #[must_use]
    pub const fn target_duration_s(&self) -> u32 {
        self.target_duration_s
    }

    /// The newest version.
    #[must_use]
    pub fn current(&self) -> Version {
        self.versions.borrow().clone()
    }

    /// Follows the versions.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Version> {
        self.versions.subscribe()
    }

    pub(crate) fn publish(&self, version: Version) {
        self.versions.send_replace(version);
    }
}
