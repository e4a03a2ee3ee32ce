//! Rules that one live media playlist shows by itself: P2-P7, P9, P11, P13-P16.

use anyhow::{Context, ensure};

use crate::playlist::{MediaPlaylist, Segment};

/// Checks a whole (not a delta) media playlist.
///
/// # Errors
/// Naming the rule.
pub fn check(playlist: &MediaPlaylist) -> anyhow::Result<()> {
    header(playlist)?;
    server_control(playlist)?;
    durations(playlist)?;
    parts(playlist)?;
    hints(playlist)?;
    first_segment(playlist)?;
    part_tags_near_the_end(playlist)
}

fn header(playlist: &MediaPlaylist) -> anyhow::Result<()> {
    let MediaPlaylist { version, .. } = playlist;
    ensure!(*version == 6, "P2: EXT-X-VERSION {version}, a whole playlist needs 6");
    ensure!(playlist.target_duration_s >= 1, "P3: no target duration");
    ensure!(playlist.part_target_us > 0, "P4: no part target");
    ensure!(playlist.discontinuity_sequence.is_some(), "P14: no EXT-X-DISCONTINUITY-SEQUENCE");
    ensure!(playlist.playlist_type.is_none(), "P16: a live playlist has no type");
    Ok(())
}

fn server_control(playlist: &MediaPlaylist) -> anyhow::Result<()> {
    let target_us = playlist.target_duration_s * 1_000_000;
    let control = |name: &str| playlist.control_us(name).with_context(|| format!("P7: no {name}"));
    let blocks = playlist.server_control.get("CAN-BLOCK-RELOAD").is_some_and(|v| v == "YES");
    ensure!(blocks, "P7: no CAN-BLOCK-RELOAD=YES");
    ensure!(control("CAN-SKIP-UNTIL")? >= 6 * target_us, "P7: CAN-SKIP-UNTIL");
    ensure!(control("HOLD-BACK")? >= 3 * target_us, "P7: HOLD-BACK");
    ensure!(control("PART-HOLD-BACK")? >= 3 * playlist.part_target_us, "P7: PART-HOLD-BACK");
    Ok(())
}

/// P3: EXTINF rounded is at most the target, never more than half a second above it. P23: a
/// segment's parts sum up to it.
fn durations(playlist: &MediaPlaylist) -> anyhow::Result<()> {
    let target_us = playlist.target_duration_s * 1_000_000;
    for segment in &playlist.segments {
        let Segment { msn, duration_us, .. } = segment;
        let rounded_s = (duration_us + 500_000) / 1_000_000;
        ensure!(rounded_s <= playlist.target_duration_s, "P3: {msn} lasts {duration_us} us");
        ensure!(*duration_us <= target_us + 500_000, "P3: {msn} lasts {duration_us} us");
        let of_parts: u64 = segment.parts.iter().map(|part| part.duration_us).sum();
        // Each duration is rounded on its own.
        let rounding_us = 1_000 * (segment.parts.len() as u64 + 1);
        let same = segment.parts.is_empty() || of_parts.abs_diff(*duration_us) <= rounding_us;
        ensure!(same, "P23: {msn} lasts {duration_us} us, its parts {of_parts} us");
    }
    Ok(())
}

/// P4, P5, P6.
fn parts(playlist: &MediaPlaylist) -> anyhow::Result<()> {
    let target_us = playlist.part_target_us;
    let listed: Vec<_> = playlist.parts().collect();
    for (index, (segment, part)) in listed.iter().enumerate() {
        let uri = &part.uri;
        let duration_us = part.duration_us;
        ensure!(duration_us <= target_us, "P4: {uri} lasts {duration_us} of {target_us} us");
        let next = listed.get(index + 1);
        let before_gap = next.is_some_and(|(_, next)| next.gap);
        let last = !segment.uri.is_empty() && segment.parts.last() == Some(*part);
        let excepted = part.independent || part.gap || before_gap || last;
        let enough = duration_us * 100 >= target_us * 85;
        ensure!(enough || excepted, "P5: {uri} lasts {duration_us} of {target_us} us");
        let first = segment.parts.first() == Some(*part);
        ensure!(!first || part.independent || part.gap, "P6: {uri} begins {}", segment.msn);
    }
    Ok(())
}

/// P11, P19.
fn hints(playlist: &MediaPlaylist) -> anyhow::Result<()> {
    let of_type = |kind: &str| {
        let hints = playlist.hints.iter();
        hints.filter(|hint| hint.get("TYPE").is_some_and(|value| value == kind)).count()
    };
    if playlist.ended {
        ensure!(playlist.hints.is_empty(), "P11: a hint after the end");
        ensure!(playlist.open.parts.is_empty(), "P19: parts without their segment at the end");
        return Ok(());
    }
    ensure!(of_type("PART") == 1 && of_type("MAP") <= 1, "P11: {:?}", playlist.hints);
    let listed =
        playlist.parts().any(|(_, part)| Some(part.uri.as_str()) == playlist.hinted_part());
    ensure!(!listed, "P11: the hinted part is listed already");
    Ok(())
}

/// P9, P21: what has to stand before the first media.
fn first_segment(playlist: &MediaPlaylist) -> anyhow::Result<()> {
    let first = playlist.segments.first().unwrap_or(&playlist.open);
    ensure!(first.date_time.is_some(), "P9: no EXT-X-PROGRAM-DATE-TIME on the first segment");
    let listed = playlist.segments.iter().chain([&playlist.open]);
    for segment in listed.filter(|segment| !segment.uri.is_empty() || !segment.parts.is_empty()) {
        ensure!(segment.map.is_some(), "P21: {} without EXT-X-MAP", segment.msn);
        let stated = !segment.discontinuity || segment.date_time.is_some();
        ensure!(stated, "P9: no date-time on the discontinuity at {}", segment.msn);
        if let Some(text) = &segment.date_time {
            crate::playlist::date_time_ms(text)?;
        }
    }
    Ok(())
}

/// P13: parts are listed near the end only.
fn part_tags_near_the_end(playlist: &MediaPlaylist) -> anyhow::Result<()> {
    let mut after_us: u64 = playlist.open.parts.iter().map(|part| part.duration_us).sum();
    for segment in playlist.segments.iter().rev() {
        let far = after_us > 3 * playlist.target_duration_s * 1_000_000;
        ensure!(!far || segment.parts.is_empty(), "P13: parts of {} still listed", segment.msn);
        after_us += segment.duration_us;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: &str = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:1\n\
        #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=6.0,HOLD-BACK=3.0,\
        PART-HOLD-BACK=1.5\n\
        #EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-MEDIA-SEQUENCE:7\n\
        #EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-MAP:URI=\"init0.mp4\"\n\
        #EXT-X-PROGRAM-DATE-TIME:2026-11-23T18:00:00.250Z\n#EXT-X-PART:DURATION=0.5,\
        URI=\"7.0.m4s\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.5,URI=\"7.1.m4s\"\n\
        #EXTINF:1.0,\n7.m4s\n#EXT-X-PART:DURATION=0.5,URI=\"8.0.m4s\",INDEPENDENT=YES\n\
        #EXT-X-PART:DURATION=0.45,URI=\"8.1.m4s\"\n\
        #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"8.2.m4s\"\n";

    fn check_text(text: &str) -> anyhow::Result<()> {
        check(&MediaPlaylist::parse(text)?)
    }

    #[test]
    fn a_good_playlist_passes() {
        check_text(LIVE).unwrap();
    }

    #[test]
    fn each_rule_refuses_its_breach() {
        for (rule, old, new) in [
            ("P2", "VERSION:6", "VERSION:9"),
            ("P3", "#EXTINF:1.0", "#EXTINF:1.6"),
            ("P4", "DURATION=0.45", "DURATION=0.51"),
            ("P5", "DURATION=0.45", "DURATION=0.42"),
            ("P6", "\"8.0.m4s\",INDEPENDENT=YES", "\"8.0.m4s\""),
            ("P7", "PART-HOLD-BACK=1.5", "PART-HOLD-BACK=1.4"),
            ("P7", "CAN-SKIP-UNTIL=6.0", "CAN-SKIP-UNTIL=5.9"),
            ("P9", "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T18:00:00.250Z\n", ""),
            ("P9", "00.250Z", "00.250"),
            ("P11", "8.2.m4s", "8.1.m4s"),
            ("P11", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"8.2.m4s\"\n", ""),
            ("P14", "#EXT-X-DISCONTINUITY-SEQUENCE:0\n", ""),
            ("P16", "#EXT-X-VERSION:6", "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-VERSION:6"),
            ("P21", "#EXT-X-MAP:URI=\"init0.mp4\"\n", ""),
            ("P23", "URI=\"7.1.m4s\"\n", "URI=\"7.1.m4s\"\n#EXT-X-PART:DURATION=0.5,URI=\"x\"\n"),
        ] {
            let error = check_text(&LIVE.replacen(old, new, 1)).expect_err(rule).to_string();
            assert!(error.starts_with(rule), "{rule}: {error}");
        }
    }

    #[test]
    fn parts_far_from_the_end_are_refused() {
        let more = "#EXTINF:1.0,\n8.m4s\n#EXTINF:1.0,\n9.m4s\n#EXTINF:1.0,\n10.m4s\n\
            #EXTINF:1.0,\n11.m4s\n";
        let (before, _) = LIVE.split_once("#EXT-X-PART:DURATION=0.5,URI=\"8.0").unwrap();
        let hint = "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"12.0.m4s\"\n";
        let error = check_text(&format!("{before}{more}{hint}")).unwrap_err().to_string();
        assert!(error.starts_with("P13"), "{error}");
    }
}
