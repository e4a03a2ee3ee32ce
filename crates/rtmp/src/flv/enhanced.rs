//! What enhanced audio and video headers have in common: `ModEx` packets and multitrack layouts.

use bytes::Bytes;

use super::{FlvError, array, take, ui24};

/// Packet type of `ModEx`, the same for audio and video.
const MOD_EX: u8 = 7;
/// `ModEx` type of a timestamp offset.
const TIMESTAMP_OFFSET_NANO: u8 = 0;
/// Largest offset: one millisecond less a nanosecond.
const NANO_OFFSET_MAX: u32 = 999_999;
/// Most track bodies in one message. Track numbers are bytes, and a message has a track once.
const TRACKS_MAX: usize = 256;

/// Reads the chain of `ModEx` packets, if there is one. Gives the type of the packet they modify
/// and the nanoseconds to add to the message's timestamp; an offset outside 0..=999,999 is ignored.
pub(super) fn mod_ex(body: &mut Bytes, mut packet_type: u8) -> Result<(u8, u32), FlvError> {
    let what = "ModEx packet";
    let mut nano_offset = 0;
    while packet_type == MOD_EX {
        let mut size = usize::from(array::<1>(body, what)?[0]) + 1;
        if size == 256 {
            size = usize::from(u16::from_be_bytes(array(body, what)?)) + 1;
        }
        let data = take(body, size, what)?;
        let [types] = array(body, what)?;
        packet_type = types & 0x0f;
        if types >> 4 == TIMESTAMP_OFFSET_NANO
            && let Some(offset) = data.first_chunk::<3>().map(|bytes| ui24(*bytes))
            && offset <= NANO_OFFSET_MAX
        {
            nano_offset = offset;
        }
    }
    Ok((packet_type, nano_offset))
}

/// The bodies of a message's tracks, in order. Ends after the first error.
#[derive(Debug)]
pub(super) struct TrackBodies {
    layout: Layout,
    /// FourCC of all tracks, where they share one.
    four_cc: [u8; 4],
    rest: Bytes,
    given: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// No multitrack: one body, track 0.
    Plain,
    OneTrack,
    ManyTracks,
    ManyTracksManyCodecs,
    /// All bodies were given.
    Done,
}

/// One track's part of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TrackBody {
    pub(super) track: u8,
    pub(super) four_cc: [u8; 4],
    pub(super) bytes: Bytes,
}

impl TrackBodies {
    /// A body without multitrack header: FourCC, then everything else.
    pub(super) fn plain(mut body: Bytes) -> Result<Self, FlvError> {
        let four_cc = array(&mut body, "FourCC")?;
        Ok(Self { layout: Layout::Plain, four_cc, rest: body, given: 0 })
    }

    /// A body with multitrack header; gives the packet type of all its tracks too.
    pub(super) fn multitrack(mut body: Bytes, multitrack: u8) -> Result<(u8, Self), FlvError> {
        let [types] = array(&mut body, "multitrack header")?;
        let packet_type = types & 0x0f;
        if packet_type == multitrack {
            return Err(FlvError::NestedMultitrack);
        }
        let layout = match types >> 4 {
            0 => Layout::OneTrack,
            1 => Layout::ManyTracks,
            2 => Layout::ManyTracksManyCodecs,
            value => return Err(FlvError::Unknown { what: "multitrack type", value }),
        };
        let four_cc = match layout {
            Layout::ManyTracksManyCodecs => [0; 4],
            _ => array(&mut body, "FourCC")?,
        };
        Ok((packet_type, Self { layout, four_cc, rest: body, given: 0 }))
    }

    fn read(&mut self) -> Result<TrackBody, FlvError> {
        let what = "multitrack body";
        if self.given == TRACKS_MAX {
            return Err(FlvError::TooManyTracks { max: TRACKS_MAX });
        }
        self.given += 1;
        if self.layout == Layout::ManyTracksManyCodecs {
            self.four_cc = array(&mut self.rest, what)?;
        }
        let track = match self.layout {
            Layout::Plain => 0,
            _ => array::<1>(&mut self.rest, what)?[0],
        };
        let bytes = match self.layout {
            Layout::ManyTracks | Layout::ManyTracksManyCodecs => {
                let size = ui24(array(&mut self.rest, what)?) as usize;
                take(&mut self.rest, size, what)?
            }
            _ => std::mem::take(&mut self.rest),
        };
        Ok(TrackBody { track, four_cc: self.four_cc, bytes })
    }
}

impl Iterator for TrackBodies {
    type Item = Result<TrackBody, FlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.layout == Layout::Done {
            return None;
        }
        let body = self.read();
        let many = matches!(self.layout, Layout::ManyTracks | Layout::ManyTracksManyCodecs);
        if body.is_err() || !many || self.rest.is_empty() {
            self.layout = Layout::Done;
        }
        Some(body)
    }
}
