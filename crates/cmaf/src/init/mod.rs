//! Init segments: `ftyp` and `moov` (P21; ISO/IEC 14496-12, ISO/IEC 23000-19).
//!
//! No edit lists: frames' presentation times are those of the show's timeline already, so there is
//! no delay to take away. Players disagree about edit lists in fragmented files; nobody disagrees
//! about their absence.

mod sample_entry;

use std::sync::Arc;

use bytes::Bytes;
use tally_media::{Medium, Track};

use crate::boxes::BoxWriter;

/// Identity matrix of `mvhd` and `tkhd`.
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];
/// `tkhd` flags: enabled and in the movie.
const TRACK_FLAGS: u32 = 3;
/// `url ` flag: the media is in this file (P21: no external data references).
const SELF_CONTAINED: u32 = 1;
/// `und` as three five-bit letters: the language is in `elng`, which holds BCP 47 whole.
const UNDETERMINED: u16 = 0x55C4;
/// The movie header's timescale. Nothing is measured by it: durations are 0.
const MOVIE_TIMESCALE: u32 = 1_000;

/// The init segment for `tracks`; the n-th gets track_ID n + 1.
pub(crate) fn init_segment(tracks: &[Arc<Track>]) -> Bytes {
    let mut writer = BoxWriter::with_capacity(2_048);
    writer.boxed(*b"ftyp", |w| {
        // P21 asks for iso6 or higher; cmfc says CMAF.
        w.put(b"iso6").u32(0).put(b"iso6cmfcmp41");
    });
    writer.boxed(*b"moov", |w| {
        movie_header(w, tracks.len());
        for (id, track) in (1..).zip(tracks) {
            w.boxed(*b"trak", |w| track_box(w, id, track));
        }
        w.boxed(*b"mvex", |w| {
            for id in (1..).take(tracks.len()) {
                w.full(*b"trex", 0, 0, |w| {
                    w.u32(id).u32(1).zeros(12);
                });
            }
        });
    });
    writer.finish()
}

fn movie_header(w: &mut BoxWriter, tracks: usize) {
    w.full(*b"mvhd", 0, 0, |w| {
        w.zeros(8).u32(MOVIE_TIMESCALE).u32(0); // created, modified, timescale, duration 0 (P21)
        w.u32(0x1_0000).u16(0x100).zeros(10); // rate 1, volume 1
        matrix(w);
        w.zeros(24);
        w.u32(u32::try_from(tracks).unwrap_or(u32::MAX).saturating_add(1));
    });
}

fn track_box(w: &mut BoxWriter, id: u32, track: &Track) {
    let medium = track.id.medium();
    let (width, height) = track.codec.video().map_or((0, 0), |video| (video.width, video.height));
    w.full(*b"tkhd", 0, TRACK_FLAGS, |w| {
        w.zeros(8).u32(id).zeros(4).u32(0).zeros(8); // times, track, duration 0 (P21)
        w.u16(0).u16(0).u16(if medium == Medium::Audio { 0x100 } else { 0 }).u16(0);
        matrix(w);
        w.u32(u32::from(width) << 16).u32(u32::from(height) << 16);
    });
    w.boxed(*b"mdia", |w| {
        w.full(*b"mdhd", 0, 0, |w| {
            w.zeros(8).u32(track.timescale.per_second()).u32(0).u16(UNDETERMINED).u16(0);
        });
        handler(w, medium);
        if let Some(language) = &track.language {
            w.full(*b"elng", 0, 0, |w| {
                let text = language.bytes().take_while(|&byte| byte != 0);
                w.put(&text.collect::<Vec<_>>()).u8(0);
            });
        }
        w.boxed(*b"minf", |w| media_information(w, track));
    });
}

fn handler(w: &mut BoxWriter, medium: Medium) {
    let (kind, name): (_, &[u8]) = match medium {
        Medium::Video => (b"vide", b"video\0"),
        Medium::Audio => (b"soun", b"audio\0"),
    };
    w.full(*b"hdlr", 0, 0, |w| {
        w.u32(0).put(kind).zeros(12).put(name);
    });
}

fn media_information(w: &mut BoxWriter, track: &Track) {
    match track.id.medium() {
        Medium::Video => w.full(*b"vmhd", 0, 1, |w| {
            w.zeros(8);
        }),
        Medium::Audio => w.full(*b"smhd", 0, 0, |w| {
            w.zeros(4);
        }),
    }
    w.boxed(*b"dinf", |w| {
        w.full(*b"dref", 0, 0, |w| {
            w.u32(1).full(*b"url ", 0, SELF_CONTAINED, |_| ());
        });
    });
    w.boxed(*b"stbl", |w| {
        w.full(*b"stsd", 0, 0, |w| {
            w.u32(1);
            sample_entry::sample_entry(w, track);
        });
        // P21: an init segment has no samples.
        for kind in [*b"stts", *b"stsc", *b"stco"] {
            w.full(kind, 0, 0, |w| {
                w.u32(0);
            });
        }
        w.full(*b"stsz", 0, 0, |w| {
            w.zeros(8);
        });
    });
}

fn matrix(w: &mut BoxWriter) {
    for value in MATRIX {
        w.u32(value);
    }
}
