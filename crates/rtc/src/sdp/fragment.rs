//! `application/trickle-ice-sdpfrag` (RFC 8840 section 9): bodies of PATCH requests and answers.

use super::attribute::CANDIDATES_MAX;
use super::offer::{is_too_long, lines};
use super::security::credentials;
use super::write::{self, Text};
use super::{Candidate, FragmentError, Local};
use crate::transport::Credentials;

/// More of a peer's candidates, or new credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The credentials the candidates belong to; other ones than the session's ask for an ICE
    /// restart. // W9
    pub credentials: Option<Credentials>,
    /// The candidates this side can use; others are dropped in silence. // W8
    pub candidates: Vec<Candidate>,
    /// Whether there will be no more.
    pub end_of_candidates: bool,
}

impl Fragment {
    /// Reads a PATCH body. // W8
    ///
    /// # Errors
    /// See [`FragmentError`].
    pub fn parse(text: &str) -> Result<Self, FragmentError> {
        if is_too_long(text) {
            return Err(FragmentError::TooLong);
        }
        let (mut ufrag, mut pwd) = (None, None);
        let mut fragment =
            Self { credentials: None, candidates: Vec::new(), end_of_candidates: false };
        let mut is_empty = true;
        for (index, line) in lines(text).enumerate() {
            let Some((kind, value)) = line.split_once('=').filter(|(kind, _)| kind.len() == 1)
            else {
                return Err(FragmentError::Line(index + 1));
            };
            let (name, value) = value.split_once(':').unwrap_or((value, ""));
            match name {
                _ if kind != "a" => continue,
                "ice-ufrag" => ufrag = Some(value),
                "ice-pwd" => pwd = Some(value),
                "candidate" if fragment.candidates.len() < CANDIDATES_MAX => {
                    fragment.candidates.extend(Candidate::parse(value));
                }
                "candidate" => {}
                "end-of-candidates" => fragment.end_of_candidates = true,
                _ => continue,
            }
            is_empty = false;
        }
        fragment.credentials = match (ufrag, pwd) {
            (None, None) => None,
            (ufrag, pwd) => Some(
                credentials(ufrag.unwrap_or_default(), pwd.unwrap_or_default())
                    .ok_or(FragmentError::Credentials)?,
            ),
        };
        if is_empty { Err(FragmentError::Empty) } else { Ok(fragment) }
    }

    /// Whether it asks for an ICE restart of a session whose peer has these credentials. // W9
    #[must_use]
    pub fn is_restart(&self, current: &Credentials) -> bool {
        self.credentials.as_ref().is_some_and(|credentials| credentials != current)
    }
}

impl Local {
    /// The body of the answer to an ICE restart: this side's credentials, which the caller renewed,
    /// and all candidates. `mid` is [`super::Negotiated::transport_mid`]. // W9
    #[must_use]
    pub fn restart_answer(&self, mid: Option<&str>) -> String {
        let mut text = Text::default();
        if self.ice_lite {
            text.line(format_args!("a=ice-lite"));
        }
        write::credentials(&mut text, &self.ice);
        if let Some(mid) = mid {
            // RFC 8840 section 9.2: a pseudo m= line, of which only the mid matters.
            text.line(format_args!("m=audio 9 UDP/TLS/RTP/SAVPF 0"));
            text.line(format_args!("a=mid:{mid}"));
        }
        write::candidates(&mut text, &self.candidates);
        text.finish()
    }
}
