//! Which SSRC is which track.

use tally_media::{Medium, TrackId};

use super::peer::{ms, start, video_section};
use crate::ingest::sources::{Label, PayloadFormat, Section, Source, Sources, TRACKS_MAX};

fn audio_section() -> Section {
    Section {
        medium: Medium::Audio,
        mid: Some("a".to_owned()),
        formats: vec![PayloadFormat { payload_type: 111, clock_rate: 48_000, rtx: None }],
        nack: false,
        fir: false,
        rids: Vec::new(),
        ssrcs: Vec::new(),
        repairs: Vec::new(),
    }
}

const fn label(ssrc: u32, payload_type: u8) -> Label<'static> {
    Label { ssrc, payload_type, mid: None, rid: None, repaired_rid: None }
}

const fn video(n: u8) -> Option<Source> {
    Some(Source::Media { track: TrackId::Video(n), clock_rate: 90_000 })
}

const fn repair(n: u8) -> Option<Source> {
    Some(Source::Repair { track: TrackId::Video(n) })
}

#[test]
fn simulcast_layers_are_told_by_rid_and_then_by_ssrc() {
    let now = start();
    let rids = ["h", "m", "l"].map(str::to_owned).to_vec();
    let mut sources = Sources::new(vec![audio_section(), Section { rids, ..video_section() }]);
    for (n, rid) in [&b"h"[..], b"m", b"l"].into_iter().enumerate() {
        let (ssrc, track) = (u32::try_from(n).unwrap() + 10, u8::try_from(n).unwrap());
        let first = Label { mid: Some(b"v"), rid: Some(rid), ..label(ssrc, 96) };
        assert_eq!(sources.resolve(now, first), video(track));
        assert_eq!(sources.resolve(now, label(ssrc, 96)), video(track));
        let repairs = Label { mid: Some(b"v"), repaired_rid: Some(rid), ..label(ssrc + 10, 97) };
        assert_eq!(sources.resolve(now, repairs), repair(track));
        assert_eq!(sources.resolve(now, label(ssrc + 10, 97)), repair(track));
    }
    // A layer nobody announced, and a payload type that cannot say which layer.
    let unknown = Label { mid: Some(b"v"), rid: Some(b"x"), ..label(50, 96) };
    assert_eq!(sources.resolve(now, unknown), None);
    assert_eq!(sources.resolve(now, label(51, 96)), None);
    assert_eq!((sources.known(), sources.unknown_packets()), (6, 2));
}

#[test]
fn the_offer_names_ssrcs() {
    let now = start();
    let section = Section { ssrcs: vec![5, 6], repairs: vec![(7, 6)], ..video_section() };
    let rids = vec!["h".to_owned(), "l".to_owned()];
    let mut sources = Sources::new(vec![Section { rids, ..section }]);
    assert_eq!(sources.resolve(now, label(6, 96)), video(1));
    assert_eq!(sources.resolve(now, label(7, 97)), repair(1));
    assert_eq!(sources.resolve(now, label(5, 96)), video(0));
}

#[test]
fn the_payload_type_decides_last_and_only_after_silence() {
    let now = start();
    let mut sources = Sources::new(vec![audio_section(), video_section()]);
    let audio = Some(Source::Media { track: TrackId::Audio(0), clock_rate: 48_000 });
    assert_eq!(sources.resolve(now, label(1, 111)), audio);
    assert_eq!(sources.resolve(now, label(2, 111)), None);
    assert_eq!(sources.resolve(now + ms(2_000), label(2, 111)), audio);
    assert_eq!(sources.resolve(now + ms(2_000), label(1, 111)), None);
    // A MID is believed at once.
    let named = Label { mid: Some(b"a"), ..label(3, 111) };
    assert_eq!(sources.resolve(now + ms(2_000), named), audio);
    assert_eq!(sources.known(), 1);
}

#[test]
fn a_payload_type_of_another_section_belongs_nowhere() {
    let now = start();
    let mut sources = Sources::new(vec![audio_section(), video_section()]);
    let crossed = Label { mid: Some(b"a"), ..label(1, 96) };
    assert_eq!(sources.resolve(now, crossed), None);
    let nobody = Label { mid: Some(b"x"), ..label(1, 96) };
    assert_eq!(sources.resolve(now, nobody), None);
    assert_eq!(sources.resolve(now, label(1, 96)), video(0));
    // Known as pictures now: sound on the same SSRC is not theirs.
    assert_eq!(sources.resolve(now, label(1, 111)), None);
}

#[test]
fn sections_beyond_the_tracks_are_not_taken() {
    let sources = Sources::new(vec![video_section(); 20]);
    assert_eq!(sources.tracks().count(), TRACKS_MAX);
}
