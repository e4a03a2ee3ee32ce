//! A media playlist reader written from the rules alone. It refuses whatever P1 forbids.

use std::collections::{BTreeMap, BTreeSet};

/// Attributes by name, values without their quotes.
pub(crate) type Attributes = BTreeMap<String, String>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Playlist {
    pub(crate) version: u8,
    pub(crate) target_s: u64,
    pub(crate) control: Attributes,
    /// In 10 µs, like all durations here.
    pub(crate) part_target: u64,
    pub(crate) media_sequence: u64,
    pub(crate) discontinuity_sequence: u64,
    pub(crate) skip: Option<Attributes>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) hints: Vec<Attributes>,
    pub(crate) reports: Vec<Attributes>,
    pub(crate) date_ranges: Vec<Attributes>,
    pub(crate) ended: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) msn: u64,
    pub(crate) discontinuity: bool,
    /// The init segment in force, stated here or before; `None` in a delta that inherits it.
    pub(crate) map: Option<String>,
    pub(crate) date_unix_ms: Option<i64>,
    pub(crate) parts: Vec<Part>,
    pub(crate) gap: bool,
    /// EXTINF and address; `None` while it grows.
    pub(crate) complete: Option<(u64, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) uri: String,
    pub(crate) duration: u64,
    pub(crate) independent: bool,
    pub(crate) gap: bool,
}

impl Segment {
    pub(crate) fn duration(&self) -> u64 {
        let parts = || self.parts.iter().map(|part| part.duration).sum();
        self.complete.as_ref().map_or_else(parts, |(duration, _)| *duration)
    }
}

impl Playlist {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader::default();
        let mut lines = text.strip_suffix('\n').ok_or("no newline at the end")?.split('\n');
        if lines.next() != Some("#EXTM3U") {
            return Err("EXTM3U is not the first line".into());
        }
        for line in lines {
            reader.line(line).map_err(|error| format!("{error}: {line}"))?;
        }
        reader.finish()
    }

    /// Everything listed, growing segment included, in 10 µs.
    pub(crate) fn duration(&self) -> u64 {
        self.segments.iter().map(Segment::duration).sum()
    }

    pub(crate) fn whole(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.complete.is_some())
    }
}

#[derive(Default)]
struct Reader {
    playlist: Playlist,
    /// Tags that may come once.
    once: BTreeSet<String>,
    current: Segment,
    /// Whether a tag of the current segment was seen.
    started: bool,
    duration: Option<u64>,
    map: Option<String>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() || line.chars().any(|c| c.is_control() && c != '\t') {
            return Err("an empty line or a control character".into());
        }
        if self.playlist.ended && !line.starts_with("#EXT-X-RENDITION-REPORT:") {
            return Err("after the end".into());
        }
        if !line.starts_with('#') {
            return self.address(line);
        }
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXTINF"
            | "#EXT-X-PART"
            | "#EXT-X-MAP"
            | "#EXT-X-PROGRAM-DATE-TIME"
            | "#EXT-X-DISCONTINUITY"
            | "#EXT-X-GAP" => self.segment_tag(tag, value),
            _ => self.playlist_tag(tag, value),
        }
    }

    fn playlist_tag(&mut self, tag: &str, value: &str) -> Result<(), String> {
        let list = &mut self.playlist;
        let repeats =
            matches!(tag, "#EXT-X-PRELOAD-HINT" | "#EXT-X-RENDITION-REPORT" | "#EXT-X-DATERANGE");
        if !repeats && !self.once.insert(tag.to_owned()) {
            return Err("a tag that may come once".into()); // P1
        }
        match tag {
            "#EXT-X-VERSION" => list.version = parse(value)?,
            "#EXT-X-TARGETDURATION" => list.target_s = parse(value)?,
            "#EXT-X-SERVER-CONTROL" => list.control = attributes(value)?,
            "#EXT-X-PART-INF" => list.part_target = seconds(&attributes(value)?["PART-TARGET"])?,
            "#EXT-X-MEDIA-SEQUENCE" if !self.started => list.media_sequence = parse(value)?,
            "#EXT-X-DISCONTINUITY-SEQUENCE" if !self.started => {
                list.discontinuity_sequence = parse(value)?;
            }
            "#EXT-X-SKIP" if list.segments.is_empty() => list.skip = Some(attributes(value)?),
            "#EXT-X-PRELOAD-HINT" => list.hints.push(attributes(value)?),
            "#EXT-X-RENDITION-REPORT" => list.reports.push(attributes(value)?),
            "#EXT-X-DATERANGE" => list.date_ranges.push(attributes(value)?),
            "#EXT-X-ENDLIST" => list.ended = true,
            _ => return Err("unknown, or in the wrong place".into()),
        }
        Ok(())
    }

    fn segment_tag(&mut self, tag: &str, value: &str) -> Result<(), String> {
        let head =
            matches!(tag, "#EXT-X-DISCONTINUITY" | "#EXT-X-MAP" | "#EXT-X-PROGRAM-DATE-TIME");
        if head && !self.current.parts.is_empty() {
            return Err("comes after the segment's first part".into()); // P10
        }
        self.started = true;
        match tag {
            "#EXT-X-DISCONTINUITY" => self.current.discontinuity = true,
            "#EXT-X-MAP" => self.map = Some(attributes(value)?["URI"].clone()),
            "#EXT-X-PROGRAM-DATE-TIME" => self.current.date_unix_ms = Some(date(value)?),
            "#EXT-X-GAP" => self.current.gap = true,
            "#EXTINF" => {
                let text = value.strip_suffix(',').ok_or("EXTINF without a comma")?;
                self.duration = Some(seconds(text)?);
            }
            _ => self.current.parts.push(part(&attributes(value)?)?),
        }
        Ok(())
    }

    fn address(&mut self, uri: &str) -> Result<(), String> {
        let duration = self.duration.take().ok_or("an address without EXTINF")?;
        self.current.complete = Some((duration, uri.to_owned()));
        self.end_segment();
        self.started = false;
        Ok(())
    }

    fn end_segment(&mut self) {
        let mut segment = std::mem::take(&mut self.current);
        let skipped = self.playlist.skip.as_ref().map_or(0, skipped);
        segment.msn = self.playlist.media_sequence + skipped + self.playlist.segments.len() as u64;
        segment.map.clone_from(&self.map);
        self.playlist.segments.push(segment);
    }

    fn finish(mut self) -> Result<Playlist, String> {
        if self.duration.is_some() {
            return Err("EXTINF without an address".into());
        }
        if self.started {
            self.end_segment();
        }
        for tag in ["VERSION", "TARGETDURATION", "MEDIA-SEQUENCE", "DISCONTINUITY-SEQUENCE"] {
            if !self.once.contains(&format!("#EXT-X-{tag}")) {
                return Err(format!("no {tag}"));
            }
        }
        Ok(self.playlist)
    }
}

pub(crate) fn skipped(skip: &Attributes) -> u64 {
    skip["SKIPPED-SEGMENTS"].parse().unwrap()
}

fn part(attributes: &Attributes) -> Result<Part, String> {
    let yes = |name: &str| attributes.get(name).is_some_and(|value| value == "YES");
    Ok(Part {
        uri: attributes.get("URI").ok_or("a part without URI")?.clone(),
        duration: seconds(attributes.get("DURATION").ok_or("a part without DURATION")?)?,
        independent: yes("INDEPENDENT"),
        gap: yes("GAP"),
    })
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}

/// `1.5` in 10 µs. Nothing finer is ever written.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.len() > 5 || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(format!("not decimal seconds: {text}"));
    }
    Ok(parse::<u64>(whole)? * 100_000 + parse::<u64>(&format!("{fraction:0<5}"))?)
}

/// `2026-11-23T18:06:19.250Z` in Unix milliseconds.
pub(crate) fn date(text: &str) -> Result<i64, String> {
    let shape = text.len() == 24 && text.ends_with('Z') && text.as_bytes()[19] == b'.';
    if !shape {
        return Err(format!("not a date with milliseconds and zone: {text}"));
    }
    let number = |from: usize, to: usize| parse::<i64>(&text[from..to]);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    // Days since 1970 in the proleptic Gregorian calendar, years beginning in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let clock = (number(11, 13)? * 60 + number(14, 16)?) * 60 + number(17, 19)?;
    Ok((days * 86_400 + clock) * 1_000 + number(20, 23)?)
}

fn attributes(mut text: &str) -> Result<Attributes, String> {
    let mut attributes = Attributes::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once('=').ok_or("an attribute without value")?;
        let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || !name.bytes().all(legal) {
            return Err(format!("not an attribute name: {name:?}"));
        }
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or("an open quote")?,
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        if attributes.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(format!("{name} twice"));
        }
        text = match rest.strip_prefix(',') {
            Some(more) if !more.is_empty() => more,
            None if rest.is_empty() => rest,
            _ => return Err("no comma between attributes".into()),
        };
    }
    Ok(attributes)
}

mod tests {
    use super::*;

    /// A checker that cannot fail proves nothing.
    #[test]
    fn the_reader_refuses_what_the_rules_forbid() {
        let good = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n\
                    #EXT-X-DISCONTINUITY-SEQUENCE:0\n";
        assert!(Playlist::parse(good).is_ok());
        for bad in [
            "#EXT-X-VERSION:6\n",
            "#EXT-X-STREAM-INF:BANDWIDTH=1\n",
            "#EXT-X-PART:DURATION=0.25,URI=\"a\"\n#EXT-X-MAP:URI=\"i\"\n",
            "#EXTINF:2.0,\n",
            "a.m4s\n",
            "#EXTINF:2,\n\n",
            "#EXTINF:2.000001,\na\n",
            "#EXT-X-PART:DURATION=0.25,DURATION=0.25,URI=\"a\"\n",
            "#EXT-X-ENDLIST\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a\"\n",
            "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T18:06:19Z\n",
        ] {
            assert!(Playlist::parse(&format!("{good}{bad}")).is_err(), "{bad}");
        }
        assert!(Playlist::parse(good.trim_end()).is_err());
        assert!(Playlist::parse(&good[8..]).is_err());
        assert_eq!(date("2026-11-23T18:06:19.250Z"), Ok(1_795_457_179_250));
        assert_eq!(seconds("1.98333"), Ok(198_333));
    }
}
