//! Rules of the multivariant playlist: P1, P12, P22.

use anyhow::{Context, ensure};

use crate::playlist::{MediaPlaylist, Multivariant};

/// P22: every variant says what a player needs to choose it.
///
/// # Errors
/// Naming what is missing.
pub fn check(playlist: &Multivariant) -> anyhow::Result<()> {
    ensure!(!playlist.variants.is_empty(), "P22: no variants");
    for variant in &playlist.variants {
        let attribute = |name: &str| {
            variant.attributes.get(name).with_context(|| format!("P22: {} no {name}", variant.uri))
        };
        let bandwidth: u64 = attribute("BANDWIDTH")?.parse()?;
        let average: u64 = attribute("AVERAGE-BANDWIDTH")?.parse()?;
        ensure!(average > 0 && average <= bandwidth, "P22: {average} of {bandwidth} bit/s");
        attribute("CODECS")?;
        attribute("RESOLUTION")?;
        attribute("FRAME-RATE")?;
    }
    for media in &playlist.media {
        let video = media.get("TYPE").is_some_and(|kind| kind == "VIDEO");
        ensure!(video || media.contains_key("LANGUAGE"), "P22: A8.10: {media:?}");
    }
    Ok(())
}

/// P12: one relative report for every other media playlist of the show.
///
/// # Errors
/// Naming the difference.
pub fn check_reports(playlist: &MediaPlaylist, others: usize) -> anyhow::Result<()> {
    let reports = &playlist.reports;
    ensure!(reports.len() == others, "P12: {} reports for {others} others", reports.len());
    for report in reports {
        let uri = report.get("URI").context("P12: a report without URI")?;
        let relative = !uri.contains("://") && !uri.starts_with('/');
        ensure!(relative, "P12: `{uri}` is not relative");
        ensure!(report.contains_key("LAST-MSN"), "P12: no LAST-MSN for {uri}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=900,AVERAGE-BANDWIDTH=800,\
        CODECS=\"avc1.42c01e,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=30.000\nv0/playlist.m3u8\n";

    #[test]
    fn a_whole_variant_passes_and_one_without_an_attribute_does_not() {
        check(&Multivariant::parse(GOOD).unwrap()).unwrap();
        for gone in ["BANDWIDTH=900,", "AVERAGE-BANDWIDTH=800,", "RESOLUTION=640x360,"] {
            let text = GOOD.replacen(gone, "", 1);
            assert!(check(&Multivariant::parse(&text).unwrap()).is_err(), "{gone}");
        }
        let less = GOOD.replace("BANDWIDTH=900", "BANDWIDTH=700");
        assert!(check(&Multivariant::parse(&less).unwrap()).is_err());
    }

    #[test]
    fn reports_are_counted_and_relative() {
        let report = "#EXTM3U\n#EXT-X-RENDITION-REPORT:URI=\"../v1/playlist.m3u8\",LAST-MSN=4\n";
        let playlist = MediaPlaylist::parse(report).unwrap();
        check_reports(&playlist, 1).unwrap();
        assert!(check_reports(&playlist, 2).is_err());
        let absolute = MediaPlaylist::parse(&report.replace("../v1", "/live/v1")).unwrap();
        assert!(check_reports(&absolute, 1).is_err());
    }
}
