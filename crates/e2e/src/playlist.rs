//! Reading playlists as a player would, strictly: what the rules forbid is an error here.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};

/// Attributes of a tag: `NAME=value` with quotes removed.
pub type Attributes = BTreeMap<String, String>;

/// A media playlist as one response carried it.
#[derive(Debug, Clone, Default)]
pub struct MediaPlaylist {
    /// EXT-X-VERSION.
    pub version: u32,
    /// EXT-X-TARGETDURATION.
    pub target_duration_s: u64,
    /// EXT-X-PART-INF:PART-TARGET.
    pub part_target_us: u64,
    /// EXT-X-SERVER-CONTROL.
    pub server_control: Attributes,
    /// EXT-X-MEDIA-SEQUENCE.
    pub media_sequence: u64,
    /// EXT-X-DISCONTINUITY-SEQUENCE.
    pub discontinuity_sequence: Option<u64>,
    /// SKIPPED-SEGMENTS of EXT-X-SKIP.
    pub skipped: u64,
    /// Whole segments, oldest first, after the skipped ones.
    pub segments: Vec<Segment>,
    /// Parts of the segment that is not whole yet, with what stands before them.
    pub open: Segment,
    /// EXT-X-PRELOAD-HINT tags.
    pub hints: Vec<Attributes>,
    /// EXT-X-RENDITION-REPORT tags.
    pub reports: Vec<Attributes>,
    /// EXT-X-ENDLIST.
    pub ended: bool,
    /// EXT-X-PLAYLIST-TYPE.
    pub playlist_type: Option<String>,
    /// EXT-X-INDEPENDENT-SEGMENTS.
    pub independent_segments: bool,
}

/// A segment, or the open end of the playlist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segment {
    /// Media sequence number.
    pub msn: u64,
    /// Where to get it; empty for the open end.
    pub uri: String,
    /// EXTINF.
    pub duration_us: u64,
    /// Its parts, when still listed.
    pub parts: Vec<Part>,
    /// EXT-X-DISCONTINUITY before it.
    pub discontinuity: bool,
    /// EXT-X-MAP in force.
    pub map: Option<String>,
    /// EXT-X-PROGRAM-DATE-TIME on it, as written.
    pub date_time: Option<String>,
    /// EXT-X-GAP on it.
    pub gap: bool,
}

/// A partial segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Where to get it.
    pub uri: String,
    /// DURATION.
    pub duration_us: u64,
    /// INDEPENDENT=YES.
    pub independent: bool,
    /// GAP=YES.
    pub gap: bool,
}

/// Tags that may stand once in a media playlist (P1).
const ONCE: [&str; 10] = [
    "#EXTM3U",
    "#EXT-X-VERSION",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-PART-INF",
    "#EXT-X-SERVER-CONTROL",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    "#EXT-X-SKIP",
    "#EXT-X-ENDLIST",
];

impl MediaPlaylist {
    /// Reads a playlist.
    ///
    /// # Errors
    /// Naming the line that breaks a rule.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        ensure!(text.starts_with("#EXTM3U\n"), "P1: #EXTM3U is not the first line");
        let mut playlist = Self::default();
        let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
        for line in text.lines() {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            *seen.entry(tag).or_default() += 1;
            ensure!(!ONCE.contains(&tag) || seen[tag] == 1, "P1: a second {tag}");
            playlist.line(line, tag, value).with_context(|| format!("line `{line}`"))?;
        }
        Ok(playlist)
    }

    fn line(&mut self, line: &str, tag: &str, value: &str) -> anyhow::Result<()> {
        if !line.starts_with('#') {
            return self.uri(line);
        }
        ensure!(!self.ended, "P19: a line after #EXT-X-ENDLIST");
        match tag {
            "#EXT-X-VERSION" => self.version = value.parse()?,
            "#EXT-X-TARGETDURATION" => self.target_duration_s = value.parse()?,
            "#EXT-X-PART-INF" => {
                self.part_target_us = micros(required(&attributes(value)?, "PART-TARGET")?)?;
            }
            "#EXT-X-SERVER-CONTROL" => self.server_control = attributes(value)?,
            "#EXT-X-MEDIA-SEQUENCE" => {
                self.media_sequence = value.parse()?;
                self.open.msn = self.media_sequence;
            }
            "#EXT-X-DISCONTINUITY-SEQUENCE" => {
                ensure!(self.segments.is_empty(), "P14: it comes before the first segment");
                self.discontinuity_sequence = Some(value.parse()?);
            }
            "#EXT-X-SKIP" => {
                self.skipped = required(&attributes(value)?, "SKIPPED-SEGMENTS")?.parse()?;
                self.open.msn += self.skipped;
            }
            "#EXT-X-PLAYLIST-TYPE" => self.playlist_type = Some(value.to_owned()),
            "#EXT-X-INDEPENDENT-SEGMENTS" => self.independent_segments = true,
            "#EXT-X-PRELOAD-HINT" => self.hints.push(attributes(value)?),
            "#EXT-X-RENDITION-REPORT" => self.reports.push(attributes(value)?),
            "#EXT-X-ENDLIST" => self.ended = true,
            "#EXT-X-STREAM-INF" | "#EXT-X-MEDIA" => bail!("P1: a multivariant tag"),
            _ => self.segment_tag(tag, value)?,
        }
        Ok(())
    }

    fn segment_tag(&mut self, tag: &str, value: &str) -> anyhow::Result<()> {
        let open = &mut self.open;
        let before_parts = open.parts.is_empty();
        match tag {
            "#EXTINF" => open.duration_us = micros(value.split(',').next().unwrap_or(value))?,
            "#EXT-X-PART" => open.parts.push(Part::parse(&attributes(value)?)?),
            "#EXT-X-GAP" => open.gap = true,
            "#EXT-X-DISCONTINUITY" => {
                ensure!(before_parts, "P10: it comes before the first part");
                open.discontinuity = true;
            }
            "#EXT-X-MAP" => {
                ensure!(before_parts, "P10: it comes before the first part");
                open.map = Some(required(&attributes(value)?, "URI")?.to_owned());
            }
            "#EXT-X-PROGRAM-DATE-TIME" => {
                ensure!(before_parts, "P10: it comes before the first part");
                open.date_time = Some(value.to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn uri(&mut self, line: &str) -> anyhow::Result<()> {
        ensure!(!line.is_empty(), "an empty line");
        ensure!(self.open.duration_us > 0, "a segment without #EXTINF");
        let next =
            Segment { msn: self.open.msn + 1, map: self.open.map.clone(), ..Segment::default() };
        let mut segment = std::mem::replace(&mut self.open, next);
        segment.uri = line.to_owned();
        self.segments.push(segment);
        Ok(())
    }

    /// All parts listed, oldest first, with the segment each lies in.
    pub fn parts(&self) -> impl Iterator<Item = (&Segment, &Part)> {
        let segments = self.segments.iter().chain([&self.open]);
        segments.flat_map(|segment| segment.parts.iter().map(move |part| (segment, part)))
    }

    /// Where the playlist ends: the position the next part will have.
    pub fn next(&self) -> (u64, u64) {
        (self.open.msn, self.open.parts.len() as u64)
    }

    /// The URI hinted for the next part.
    pub fn hinted_part(&self) -> Option<&str> {
        let part = |hint: &&Attributes| hint.get("TYPE").is_some_and(|kind| kind == "PART");
        self.hints.iter().find(part)?.get("URI").map(String::as_str)
    }

    /// A duration of EXT-X-SERVER-CONTROL.
    pub fn control_us(&self, name: &str) -> Option<u64> {
        self.server_control.get(name).and_then(|value| micros(value).ok())
    }
}

impl Part {
    fn parse(attributes: &Attributes) -> anyhow::Result<Self> {
        let is_yes = |name| attributes.get(name).is_some_and(|value| value == "YES");
        Ok(Self {
            uri: required(attributes, "URI")?.to_owned(),
            duration_us: micros(required(attributes, "DURATION")?)?,
            independent: is_yes("INDEPENDENT"),
            gap: is_yes("GAP"),
        })
    }
}

/// A variant of a multivariant playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// EXT-X-STREAM-INF.
    pub attributes: Attributes,
    /// Where its media playlist is.
    pub uri: String,
}

/// A multivariant playlist.
#[derive(Debug, Clone, Default)]
pub struct Multivariant {
    /// The variants, as listed.
    pub variants: Vec<Variant>,
    /// EXT-X-MEDIA tags.
    pub media: Vec<Attributes>,
    /// EXT-X-INDEPENDENT-SEGMENTS.
    pub independent_segments: bool,
}

impl Multivariant {
    /// Reads a playlist.
    ///
    /// # Errors
    /// Naming the line that breaks a rule.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        ensure!(text.starts_with("#EXTM3U\n"), "P1: #EXTM3U is not the first line");
        let mut playlist = Self::default();
        let mut announced = None;
        for line in text.lines() {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-STREAM-INF" => announced = Some(attributes(value)?),
                "#EXT-X-MEDIA" => playlist.media.push(attributes(value)?),
                "#EXT-X-INDEPENDENT-SEGMENTS" => playlist.independent_segments = true,
                "#EXTINF" | "#EXT-X-PART" | "#EXT-X-TARGETDURATION" | "#EXT-X-MEDIA-SEQUENCE" => {
                    bail!("P1: a media tag: `{line}`");
                }
                _ if line.starts_with('#') => {}
                _ => {
                    let attributes = announced.take().context("a URI without EXT-X-STREAM-INF")?;
                    playlist.variants.push(Variant { attributes, uri: line.to_owned() });
                }
            }
        }
        Ok(playlist)
    }

    /// The relative URIs of all media playlists, each once.
    pub fn media_uris(&self) -> Vec<String> {
        let variants = self.variants.iter().map(|variant| variant.uri.clone());
        let media = self.media.iter().filter_map(|media| media.get("URI").cloned());
        let mut uris: Vec<_> = variants.chain(media).collect();
        uris.sort();
        uris.dedup();
        uris
    }
}

/// Splits an attribute list; a name twice or a stray character is an error.
///
/// # Errors
/// When the text is no attribute list.
pub fn attributes(list: &str) -> anyhow::Result<Attributes> {
    let mut attributes = Attributes::new();
    let mut rest = list;
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').with_context(|| format!("`{rest}`"))?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').context("an open quote")?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        ensure!(!name.is_empty() && !name.contains([' ', '"']), "attribute name `{name}`");
        let previous = attributes.insert(name.to_owned(), value.to_owned());
        ensure!(previous.is_none(), "attribute {name} twice");
        rest = match after.strip_prefix(',') {
            Some(next) => next,
            None if after.is_empty() => "",
            None => bail!("`{after}` after a value"),
        };
    }
    Ok(attributes)
}

/// A decimal number of seconds as microseconds, exactly.
///
/// # Errors
/// When it is no such number or is finer than a microsecond.
pub fn micros(seconds: &str) -> anyhow::Result<u64> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    ensure!(fraction.len() <= 6, "`{seconds}` is finer than a microsecond");
    let whole: u64 = whole.parse().with_context(|| format!("`{seconds}`"))?;
    let fraction: u64 = format!("{fraction:0<6}").parse()?;
    Ok(whole * 1_000_000 + fraction)
}

/// A program date-time as milliseconds since 1970.
///
/// # Errors
/// When it is not an RFC 3339 time with milliseconds and a zone.
pub fn date_time_ms(text: &str) -> anyhow::Result<i64> {
    let utc = text.strip_suffix('Z').or(text.strip_suffix("+00:00"));
    let utc = utc.with_context(|| format!("P9: `{text}` carries no UTC zone"))?;
    let (date, time) = utc.split_once('T').context("date T time")?;
    let date: Vec<i64> = date.split('-').map(str::parse).collect::<Result<_, _>>()?;
    let (clock, fraction) = time.split_once('.').context("P9: no milliseconds")?;
    let clock: Vec<i64> = clock.split(':').map(str::parse).collect::<Result<_, _>>()?;
    let (&[year, month, day], &[hour, minute, second]) = (date.as_slice(), clock.as_slice()) else {
        bail!("`{text}` is no date and time");
    };
    let fraction: i64 = format!("{fraction:0<3}")[..3].parse()?;
    let seconds = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Ok(seconds * 1_000 + fraction)
}

/// Days of the Gregorian calendar, counted from March so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

fn required<'a>(attributes: &'a Attributes, name: &str) -> anyhow::Result<&'a str> {
    attributes.get(name).map(String::as_str).with_context(|| format!("no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: &str = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n\
        #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.750\n\
        #EXT-X-PART-INF:PART-TARGET=0.250\n#EXT-X-MEDIA-SEQUENCE:7\n\
        #EXT-X-MAP:URI=\"init0.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-11-23T18:00:00.250Z\n\
        #EXTINF:2.000,\n7.m4s\n#EXT-X-PART:DURATION=0.25,URI=\"8.0.m4s\",INDEPENDENT=YES\n\
        #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"8.1.m4s\"\n";

    #[test]
    fn a_live_playlist_is_read() {
        let playlist = MediaPlaylist::parse(LIVE).unwrap();
        assert_eq!((playlist.next(), playlist.hinted_part()), ((8, 1), Some("8.1.m4s")));
        assert_eq!(playlist.control_us("PART-HOLD-BACK"), Some(750_000));
        assert_eq!((playlist.segments[0].msn, playlist.segments[0].duration_us), (7, 2_000_000));
        assert!(playlist.open.parts[0].independent);
        assert_eq!(playlist.open.map.as_deref(), Some("init0.mp4"));
    }

    #[test]
    fn broken_playlists_are_refused() {
        for (old, new) in [
            ("#EXTM3U\n", "\n#EXTM3U\n"),
            ("#EXTINF:2.000,\n", ""),
            ("#EXT-X-VERSION:6", "#EXT-X-VERSION:6\n#EXT-X-VERSION:6"),
            ("#EXT-X-PRELOAD", "#EXT-X-ENDLIST\n#EXT-X-PRELOAD"),
            ("#EXT-X-PRELOAD", "#EXT-X-DISCONTINUITY\n#EXT-X-PRELOAD"),
            ("DURATION=0.25", "DURATION=0.25,DURATION=0.5"),
        ] {
            assert!(MediaPlaylist::parse(&LIVE.replace(old, new)).is_err(), "{old} -> {new}");
        }
    }

    #[test]
    fn times_are_exact() {
        assert_eq!(micros("2.00133").unwrap(), 2_001_330);
        assert!(micros("1.0000001").is_err());
        assert_eq!(date_time_ms("1970-01-01T00:00:00.000Z").unwrap(), 0);
        assert_eq!(date_time_ms("2026-11-23T18:00:00.250Z").unwrap(), 1_795_456_800_250);
        assert_eq!(date_time_ms("2024-02-29T00:00:00.5+00:00").unwrap(), 1_709_164_800_500);
        assert!(date_time_ms("2026-11-23T18:00:00.250").is_err());
        assert!(date_time_ms("2026-11-23T18:00:00Z").is_err());
    }
}
