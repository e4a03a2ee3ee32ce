//! Offers as real clients write them, the rules, and hostile text.

use super::*;
use crate::transport::{Credentials, DtlsRole, Fingerprint, Protocol};

mod clients;
mod hostile;
mod patch;
mod player;
mod rules;

/// The files of `tests/offers`, as the clients sent them: Chromium 156, Firefox ESR 153, ffmpeg 9
/// and 8.0, GStreamer 1.22, aiortc 1.16, node-datachannel 0.33, werift 0.24. Those of OBS and Pion
/// are written after their sources, with invented values.
macro_rules! client_offer {
    ($name:literal) => {
        include_str!(concat!("../../../tests/offers/", $name, ".sdp"))
    };
}
use client_offer;

/// A High profile source at level 4.0, with Opus.
const H264_HIGH: Playable =
    Playable { video: Some(VideoFormat::H264([0x64, 0x00, 0x28])), opus: true };

fn local() -> Local {
    let udp = "192.0.2.1:8189".parse().unwrap();
    Local {
        session_id: 4_000_000_000,
        ice: Credentials { ufrag: "srvu".to_owned(), pwd: "serverpasswordserverpw".to_owned() },
        fingerprint: Fingerprint::parse(&format!("sha-256 {}A5", "A5:".repeat(31))).unwrap(),
        candidates: vec![
            Candidate::host(Protocol::Udp, udp, 0),
            Candidate::host(Protocol::Udp, "[2001:db8::1]:8189".parse().unwrap(), 1),
            Candidate::host(Protocol::Tcp, udp, 0),
        ],
        ice_lite: false,
        cname: "tally".to_owned(),
        stream_id: "show".to_owned(),
        audio_ssrc: 1_001,
        video_ssrc: 1_002,
        video_rtx_ssrc: 1_003,
    }
}

fn offer(text: &str) -> Offer {
    Offer::parse(text).unwrap()
}

fn play(text: &str, playable: Playable) -> Answer {
    answer_play(&offer(text), &playable, &local()).unwrap()
}

fn publish(text: &str) -> Answer {
    answer_publish(&offer(text), &local()).unwrap()
}

/// The lines of the n-th media section of a description.
fn section_lines(sdp: &str, index: usize) -> Vec<&str> {
    let mut sections: Vec<Vec<&str>> = Vec::new();
    for line in sdp.split_terminator("\r\n") {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    sections.swap_remove(index)
}
