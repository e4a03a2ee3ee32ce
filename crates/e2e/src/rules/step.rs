//! Rules between one playlist and the next: P3, P4, P7, P11, P14, P16; P17 over many.

use anyhow::ensure;

use crate::playlist::{MediaPlaylist, Segment};
use crate::record::Version;

/// What encoder and network may add to the time between two parts (P17).
const LATE_MS: i64 = 50;

/// Checks two versions of a live playlist that follow each other.
///
/// # Errors
/// Naming the rule.
pub fn check(before: &Version, after: &Version) -> anyhow::Result<()> {
    let (old, new) = (&before.playlist, &after.playlist);
    let same = |what: bool, name: &str| {
        ensure!(what, "{name} changed");
        Ok(())
    };
    same(old.target_duration_s == new.target_duration_s, "P3: the target duration")?;
    same(old.part_target_us == new.part_target_us, "P4: the part target")?;
    same(old.server_control == new.server_control, "P7: the server control")?;
    sequences(old, new)?;
    appended(old, new)?;
    hint_kept(old, new)
}

/// P16: what was listed stays as it was, but for parts that have become old.
fn appended(old: &MediaPlaylist, new: &MediaPlaylist) -> anyhow::Result<()> {
    ensure!(new.next() >= old.next(), "P16: it went back to {:?}", new.next());
    for segment in &old.segments {
        let Some(now) = find(new, segment.msn) else { continue };
        let same = (&now.uri, now.duration_us, now.gap)
            == (&segment.uri, segment.duration_us, segment.gap);
        ensure!(same && now.discontinuity == segment.discontinuity, "P16: {} changed", now.msn);
        ensure!(now.map == segment.map, "P16: the map of {} changed", now.msn);
        let parts_kept = now.parts.is_empty() || now.parts == segment.parts;
        ensure!(parts_kept, "P16: the parts of {} changed", now.msn);
        let times = (&now.date_time, &segment.date_time);
        let same_time = !matches!(times, (Some(now), Some(then)) if now != then);
        ensure!(same_time, "P9: the date-time of {} changed", now.msn);
    }
    let open = &old.open;
    if let Some(now) = find(new, open.msn).or((new.open.msn == open.msn).then_some(&new.open)) {
        let kept = now.parts.starts_with(&open.parts);
        ensure!(kept || now.parts.is_empty(), "P16: the parts of {} changed", now.msn);
    }
    Ok(())
}

/// P14.
fn sequences(old: &MediaPlaylist, new: &MediaPlaylist) -> anyhow::Result<()> {
    ensure!(new.media_sequence >= old.media_sequence, "P14: the media sequence went back");
    let removed = old.segments.iter().filter(|segment| segment.msn < new.media_sequence);
    let discontinuities = removed.filter(|segment| segment.discontinuity).count() as u64;
    let expected = old.discontinuity_sequence.map(|sequence| sequence + discontinuities);
    let counted = new.discontinuity_sequence == expected;
    ensure!(counted, "P14: {:?}, expected {expected:?}", new.discontinuity_sequence);
    Ok(())
}

/// P11: the part that comes has the URI that was hinted, unless a new segment began instead.
fn hint_kept(old: &MediaPlaylist, new: &MediaPlaylist) -> anyhow::Result<()> {
    let Some(hinted) = old.hinted_part() else { return Ok(()) };
    let known = old.parts().count();
    let last = old.parts().last().map(|(_, part)| part.uri.clone());
    let mut news = new.parts().skip_while(|(_, part)| Some(&part.uri) != last.as_ref()).skip(1);
    let Some((segment, first)) = news.next() else { return Ok(()) };
    let same_segment = segment.msn == old.open.msn;
    let as_hinted = first.uri == hinted || !same_segment;
    ensure!(known == 0 || as_hinted, "P11: {hinted} was hinted, {} came", first.uri);
    Ok(())
}

/// P17: a new part at most a part target after the last. An encoder on a busy machine is late at
/// times, and the server can do nothing about it; it may not be late as a rule.
///
/// # Errors
/// With the times, when more than one part in ten was late.
pub fn check_in_time(versions: &[Version]) -> anyhow::Result<()> {
    let mut late = Vec::new();
    for pair in versions.windows(2).filter(|pair| !pair[1].playlist.ended) {
        let target_ms = i64::try_from(pair[1].playlist.part_target_us / 1_000)?;
        let took_ms = pair[1].at_ms - pair[0].at_ms;
        if took_ms > target_ms + LATE_MS {
            late.push(took_ms);
        }
    }
    ensure!(late.len() * 10 <= versions.len(), "P17: parts late by their time in ms: {late:?}");
    Ok(())
}

fn find(playlist: &MediaPlaylist, msn: u64) -> Option<&Segment> {
    playlist.segments.iter().find(|segment| segment.msn == msn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(at_ms: i64, text: &str) -> Version {
        let playlist = MediaPlaylist::parse(text).unwrap();
        Version { at_ms, text: text.to_owned(), playlist }
    }

    const OLD: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-PART-INF:PART-TARGET=0.5\n\
        #EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:3\n#EXT-X-DISCONTINUITY\n\
        #EXTINF:1.0,\n7.m4s\n#EXT-X-PART:DURATION=0.5,URI=\"8.0.m4s\"\n\
        #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"8.1.m4s\"\n";
    const NEW: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-PART-INF:PART-TARGET=0.5\n\
        #EXT-X-MEDIA-SEQUENCE:8\n#EXT-X-DISCONTINUITY-SEQUENCE:4\n\
        #EXT-X-PART:DURATION=0.5,URI=\"8.0.m4s\"\n#EXT-X-PART:DURATION=0.5,URI=\"8.1.m4s\"\n\
        #EXTINF:1.0,\n8.m4s\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"9.0.m4s\"\n";

    #[test]
    fn a_step_as_it_should_be_passes() {
        check(&version(0, OLD), &version(0, NEW)).unwrap();
        check(&version(0, OLD), &version(0, OLD)).unwrap();
    }

    #[test]
    fn each_rule_refuses_its_breach() {
        for (rule, old, new) in [
            ("P3", "DURATION:1", "DURATION:2"),
            ("P4", "PART-TARGET=0.5", "PART-TARGET=0.6"),
            ("P7", "#EXT-X-MEDIA", "#EXT-X-SERVER-CONTROL:HOLD-BACK=3\n#EXT-X-MEDIA"),
            ("P11", "8.1.m4s", "8.2.m4s"),
            ("P14", "EQUENCE:8", "EQUENCE:6"),
            ("P14", "EQUENCE:4", "EQUENCE:3"),
            ("P16", "DURATION=0.5,URI=\"8.0", "DURATION=0.4,URI=\"8.0"),
        ] {
            let changed = NEW.replacen(old, new, 1);
            let error = check(&version(0, OLD), &version(0, &changed)).expect_err(rule);
            assert!(error.to_string().starts_with(rule), "{rule}: {error}");
        }
    }

    #[test]
    fn parts_may_be_late_at_times_and_not_as_a_rule() {
        let versions = |late_every: i64| -> Vec<_> {
            let at_ms = |index: i64| index * 500 + index / late_every * 100;
            (0..40).map(|index| version(at_ms(index), OLD)).collect()
        };
        check_in_time(&versions(20)).unwrap();
        assert!(check_in_time(&versions(4)).unwrap_err().to_string().starts_with("P17"));
    }

    #[test]
    fn a_listed_segment_may_not_change() {
        let error =
            check(&version(0, OLD), &version(0, &OLD.replace("#EXTINF:1.0", "#EXTINF:1.1")));
        assert!(error.unwrap_err().to_string().starts_with("P16"));
    }
}
