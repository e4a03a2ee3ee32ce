//! A session description read into values.

use super::attribute::SectionReader;
use super::section::{Direction, Section};
use super::security::credentials;
use super::{OfferError, TransportAttributes};

/// Longest description read, in bytes: the longest of a browser, with all codecs and simulcast, is
/// about 12,000.
pub const SDP_BYTES_MAX: usize = 64 * 1024;
/// Most lines read: a browser's longest offer has about 300.
pub(super) const LINES_MAX: usize = 2_000;
/// Most media sections: audio, video, data, and some that a client stopped.
pub(super) const SECTIONS_MAX: usize = 16;

/// A session description of a client: its offer, or its answer to a counter-offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The `mid`s of the first BUNDLE group, in order.
    pub bundle: Vec<String>,
    /// Whether the client only answers connectivity checks.
    pub ice_lite: bool,
    /// Whether one- and two-byte header extensions may be mixed (RFC 8285 section 6).
    pub extmap_allow_mixed: bool,
    /// The media sections, in order.
    pub sections: Vec<Section>,
}

impl Offer {
    /// Reads a description. Lines and attributes that are not used are skipped, however malformed,
    /// and line ends may be CRLF, LF or CR.
    ///
    /// # Errors
    /// See [`OfferError`].
    pub fn parse(text: &str) -> Result<Self, OfferError> {
        if is_too_long(text) {
            return Err(OfferError::TooLong);
        }
        let mut lines = lines(text);
        if lines.next().map(str::trim_end) != Some("v=0") {
            return Err(OfferError::NotSdp);
        }
        let mut offer = Self {
            bundle: Vec::new(),
            ice_lite: false,
            extmap_allow_mixed: false,
            sections: Vec::new(),
        };
        let mut session = SessionReader::default();
        let mut section: Option<SectionReader> = None;
        let mut number = 0;
        for line in lines {
            match (line.split_once('='), &mut section) {
                (Some(("m", value)), _) => {
                    number += 1;
                    if number > SECTIONS_MAX {
                        return Err(OfferError::TooManySections);
                    }
                    let next = SectionReader::new(value, number)?;
                    if let Some(done) = section.replace(next) {
                        offer.sections.push(done.finish(session.direction)?);
                    }
                }
                (Some(("a", value)), Some(section)) => section.read(value)?,
                (Some(("a", value)), None) => session.read(&mut offer, value)?,
                _ => {}
            }
        }
        offer.sections.extend(section.map(|last| last.finish(session.direction)).transpose()?);
        session.finish(&mut offer)?;
        Ok(offer)
    }
}

/// Whether text is beyond the bounds, before any of it is looked at.
pub(super) fn is_too_long(text: &str) -> bool {
    text.len() > SDP_BYTES_MAX || lines(text).nth(LINES_MAX).is_some()
}

/// The lines that are not empty.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\r', '\n']).filter(|line| !line.is_empty())
}

/// The attributes before the first section.
#[derive(Default)]
struct SessionReader {
    transport: TransportAttributes,
    ufrag: String,
    pwd: String,
    /// For sections that have none (RFC 8866 section 6.7).
    direction: Direction,
}

impl SessionReader {
    fn read(&mut self, offer: &mut Offer, attribute: &str) -> Result<(), OfferError> {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match name {
            "group" if offer.bundle.is_empty() => {
                let mut words = value.split_ascii_whitespace();
                if words.next() == Some("BUNDLE") {
                    offer.bundle = words.take(SECTIONS_MAX).map(str::to_owned).collect();
                }
            }
            "ice-lite" => offer.ice_lite = true,
            "extmap-allow-mixed" => offer.extmap_allow_mixed = true,
            "ice-ufrag" => value.clone_into(&mut self.ufrag),
            "ice-pwd" => value.clone_into(&mut self.pwd),
            name => match Direction::named(name) {
                Some(direction) => self.direction = direction,
                None => self.transport.read(name, value)?,
            },
        }
        Ok(())
    }

    fn finish(mut self, offer: &mut Offer) -> Result<(), OfferError> {
        if offer.sections.is_empty() {
            return Err(OfferError::Empty);
        }
        self.transport.ice = credentials(&self.ufrag, &self.pwd);
        for section in &mut offer.sections {
            section.transport.inherit(&self.transport);
        }
        let mut mids: Vec<_> = offer.sections.iter().filter_map(|s| s.mid.as_deref()).collect();
        mids.sort_unstable();
        match mids.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err(OfferError::DuplicateMid),
            false => Ok(()),
        }
    }
}
