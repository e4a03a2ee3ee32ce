//! Reading init segments and fragments with a reader of our own, strictly (P20, P21).

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};

/// What an init segment says of one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// track_ID.
    pub id: u32,
    /// Ticks per second of the media.
    pub timescale: u32,
    /// `vide` or `soun`.
    pub handler: String,
    /// The sample entry, such as `avc1`.
    pub sample_entry: String,
}

/// One sample of a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Decode time in the track's timescale.
    pub dts: u64,
    /// How long it lasts, in the track's timescale.
    pub duration: u32,
    /// Presentation minus decode time.
    pub composition: i32,
    /// A sync sample: decoding can start here.
    pub sync: bool,
    /// The coded bytes.
    pub bytes: Vec<u8>,
}

/// Samples by track_ID.
pub type Samples = BTreeMap<u32, Vec<Sample>>;

/// A box: its type and what is inside.
type Atom<'a> = (&'a [u8; 4], &'a [u8]);

/// Reads an init segment.
///
/// # Errors
/// Naming what P21 asks for and is not there.
pub fn read_init(bytes: &[u8]) -> anyhow::Result<Vec<Track>> {
    let top = atoms(bytes)?;
    let [(b"ftyp", brands), (b"moov", moov)] = top.as_slice() else {
        bail!("P21: an init segment is ftyp and moov, this is {}", names(&top));
    };
    // iso6 or one that includes it.
    let brand = |wanted: &[u8]| brands.chunks(4).any(|brand| brand == wanted);
    ensure!(
        [b"iso6", b"iso7", b"iso8", b"iso9", b"cmfc", b"cmf2"].iter().any(|b| brand(*b)),
        "P21: brands"
    );
    let moov = atoms(moov)?;
    ensure!(duration_of(find(&moov, b"mvhd")?)? == 0, "P21: mvhd has a duration");
    let extends = atoms(find(&moov, b"mvex").context("P21: no mvex")?)?;
    let mut tracks = Vec::new();
    for (_, trak) in moov.iter().filter(|(kind, _)| *kind == b"trak") {
        tracks.push(read_track(trak)?);
    }
    let trex = extends.iter().filter(|(kind, _)| *kind == b"trex");
    let extended: Vec<_> = trex.map(|(_, trex)| u32_at(trex, 4)).collect::<Result<_, _>>()?;
    let ids: Vec<_> = tracks.iter().map(|track| track.id).collect();
    ensure!(extended == ids && !ids.is_empty(), "P21: trex for {extended:?}, trak for {ids:?}");
    Ok(tracks)
}

fn read_track(trak: &[u8]) -> anyhow::Result<Track> {
    let trak = atoms(trak)?;
    let tkhd = find(&trak, b"tkhd")?;
    let (id_at, duration) = match version(tkhd)? {
        0 => (12, u64::from(u32_at(tkhd, 20)?)),
        _ => (20, u64_at(tkhd, 28)?),
    };
    ensure!(duration == 0, "P21: tkhd has a duration");
    let mdia = atoms(find(&trak, b"mdia")?)?;
    let mdhd = find(&mdia, b"mdhd")?;
    let timescale = u32_at(mdhd, if version(mdhd)? == 0 { 12 } else { 20 })?;
    let handler = find(&mdia, b"hdlr")?.get(8..12).context("hdlr")?;
    let minf = atoms(find(&mdia, b"minf")?)?;
    let dinf = atoms(find(&minf, b"dinf")?)?;
    let dref = atoms(find(&dinf, b"dref")?.get(8..).context("dref")?)?;
    let own_data = dref.iter().all(|(_, entry)| entry.last().is_some_and(|flags| flags & 1 == 1));
    ensure!(own_data, "P21: an external data reference");
    let stbl = atoms(find(&minf, b"stbl")?)?;
    for table in [b"stts", b"stsc", b"stco"] {
        ensure!(u32_at(find(&stbl, table)?, 4)? == 0, "P21: the init segment has samples");
    }
    ensure!(u32_at(find(&stbl, b"stsz")?, 8)? == 0, "P21: the init segment has samples");
    let entries = atoms(find(&stbl, b"stsd")?.get(8..).context("stsd")?)?;
    let [(entry, _)] = entries.as_slice() else { bail!("{} sample entries", entries.len()) };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (handler, sample_entry) = (text(handler), text(*entry));
    Ok(Track { id: u32_at(tkhd, id_at)?, timescale, handler, sample_entry })
}

/// Reads a part or a segment: one or more fragments.
///
/// # Errors
/// Naming what P21 forbids, or what does not fit together.
pub fn read_fragments(bytes: &[u8]) -> anyhow::Result<Samples> {
    let mut samples = Samples::new();
    let mut position = 0;
    let mut moof = None;
    for (kind, content) in atoms(bytes)? {
        let start = position;
        position += content.len() + 8;
        match kind {
            b"moof" => moof = Some((start, content)),
            b"mdat" => {
                let (moof_start, moof) = moof.take().context("an mdat without its moof")?;
                let whole = bytes.get(moof_start..position).context("fragment")?;
                read_fragment(moof, whole, start + 8 - moof_start, &mut samples)?;
            }
            b"styp" | b"prft" | b"emsg" | b"sidx" => {}
            other => bail!("a box {} in a fragment", String::from_utf8_lossy(other)),
        }
    }
    ensure!(moof.is_none(), "a moof without its mdat");
    ensure!(!samples.is_empty(), "no samples");
    Ok(samples)
}

/// `whole` is the fragment from the first byte of its moof; `media` is where its media begins.
fn read_fragment(
    moof: &[u8],
    whole: &[u8],
    media: usize,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    let mut used = 0;
    let mut seen = Vec::new();
    for (_, traf) in atoms(moof)?.into_iter().filter(|(kind, _)| *kind == b"traf") {
        let traf = atoms(traf)?;
        let header = Header::read(find(&traf, b"tfhd")?)?;
        ensure!(!seen.contains(&header.track), "two traf for track {}", header.track);
        seen.push(header.track);
        let tfdt = find(&traf, b"tfdt").context("P21: no tfdt")?;
        let mut dts = if version(tfdt)? == 0 { u32_at(tfdt, 4)?.into() } else { u64_at(tfdt, 4)? };
        let track = samples.entry(header.track).or_default();
        for (_, trun) in traf.iter().filter(|(kind, _)| *kind == b"trun") {
            let run = read_run(trun, &header, whole, &mut dts)?;
            used += run.iter().map(|sample| sample.bytes.len()).sum::<usize>();
            track.extend(run);
        }
    }
    ensure!(media + used == whole.len(), "mdat has {} bytes, {used} used", whole.len() - media);
    Ok(())
}

struct Header {
    track: u32,
    duration: Option<u32>,
    size: Option<u32>,
    flags: Option<u32>,
}

impl Header {
    fn read(tfhd: &[u8]) -> anyhow::Result<Self> {
        let present = u32_at(tfhd, 0)? & 0x00ff_ffff;
        ensure!(present & 0x02_0000 != 0, "P21: no default-base-is-moof");
        ensure!(present & 0x1 == 0, "P21: a base data offset");
        let mut fields = Fields { bytes: tfhd, at: 8, present };
        fields.next(0x2)?;
        let (duration, size, flags) = (fields.next(0x8)?, fields.next(0x10)?, fields.next(0x20)?);
        Ok(Self { track: u32_at(tfhd, 4)?, duration, size, flags })
    }
}

fn read_run(
    trun: &[u8],
    header: &Header,
    whole: &[u8],
    dts: &mut u64,
) -> anyhow::Result<Vec<Sample>> {
    let present = u32_at(trun, 0)? & 0x00ff_ffff;
    let mut fields = Fields { bytes: trun, at: 8, present };
    let mut offset = fields.next(0x1)?.context("trun has no data offset")? as usize;
    let mut first_flags = fields.next(0x4)?;
    let mut samples = Vec::new();
    for _ in 0..u32_at(trun, 4)? {
        let duration = fields.next(0x100)?.or(header.duration).context("no sample duration")?;
        let size = fields.next(0x200)?.or(header.size).context("no sample size")? as usize;
        let flags = fields.next(0x400)?.or(first_flags.take()).or(header.flags).unwrap_or(0);
        let composition = fields.next(0x800)?.unwrap_or(0).cast_signed();
        let bytes = whole.get(offset..offset + size).context("a sample outside its fragment")?;
        let sync = flags & 0x1_0000 == 0;
        samples.push(Sample { dts: *dts, duration, composition, sync, bytes: bytes.to_vec() });
        offset += size;
        *dts += u64::from(duration);
    }
    Ok(samples)
}

/// Optional 32-bit fields that follow each other.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    present: u32,
}

impl Fields<'_> {
    fn next(&mut self, flag: u32) -> anyhow::Result<Option<u32>> {
        if self.present & flag == 0 {
            return Ok(None);
        }
        self.at += 4;
        u32_at(self.bytes, self.at - 4).map(Some)
    }
}

/// Splits bytes into boxes with 32-bit sizes; every byte belongs to one.
fn atoms(mut bytes: &[u8]) -> anyhow::Result<Vec<Atom<'_>>> {
    let mut atoms = Vec::new();
    while !bytes.is_empty() {
        let size = u32_at(bytes, 0)? as usize;
        ensure!(size >= 8 && size <= bytes.len(), "a box of {size} in {} bytes", bytes.len());
        let kind = bytes[4..8].try_into().context("a box type")?;
        atoms.push((kind, &bytes[8..size]));
        bytes = &bytes[size..];
    }
    Ok(atoms)
}

fn find<'a>(atoms: &[Atom<'a>], wanted: &[u8; 4]) -> anyhow::Result<&'a [u8]> {
    let mut found = atoms.iter().filter(|(kind, _)| *kind == wanted);
    let (_, content) =
        found.next().with_context(|| format!("no {}", String::from_utf8_lossy(wanted)))?;
    ensure!(found.next().is_none(), "two of {}", String::from_utf8_lossy(wanted));
    Ok(content)
}

fn names(atoms: &[Atom<'_>]) -> String {
    let names = atoms.iter().map(|(kind, _)| String::from_utf8_lossy(*kind).into_owned());
    names.collect::<Vec<_>>().join(", ")
}

fn duration_of(mvhd: &[u8]) -> anyhow::Result<u64> {
    if version(mvhd)? == 0 { Ok(u32_at(mvhd, 16)?.into()) } else { u64_at(mvhd, 24) }
}

fn version(full_box: &[u8]) -> anyhow::Result<u8> {
    full_box.first().copied().context("an empty box")
}

fn u32_at(bytes: &[u8], at: usize) -> anyhow::Result<u32> {
    let field = bytes.get(at..at + 4).context("a box too short")?;
    Ok(u32::from_be_bytes(field.try_into()?))
}

fn u64_at(bytes: &[u8], at: usize) -> anyhow::Result<u64> {
    let field = bytes.get(at..at + 8).context("a box too short")?;
    Ok(u64::from_be_bytes(field.try_into()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [size.to_be_bytes().as_slice(), kind, content].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// Two samples of 3 and 2 bytes, 10 and 20 ticks, at decode time 100.
    fn fragment(base_is_moof: u32, first_size: u32) -> Vec<u8> {
        let tfhd = atom(b"tfhd", &words(&[base_is_moof, 1]));
        let tfdt = atom(b"tfdt", &words(&[0, 100]));
        let build = |offset: u32| {
            let run = [0x0301, 2, offset, 10, first_size, 20, 2];
            let traf = [tfhd.clone(), tfdt.clone(), atom(b"trun", &words(&run))].concat();
            atom(b"moof", &[atom(b"mfhd", &words(&[0, 1])), atom(b"traf", &traf)].concat())
        };
        let offset = u32::try_from(build(0).len() + 8).unwrap();
        [build(offset), atom(b"mdat", b"abcde")].concat()
    }

    #[test]
    fn samples_are_read_with_times_and_bytes() {
        let samples = read_fragments(&fragment(0x02_0000, 3)).unwrap();
        let read: Vec<_> = samples[&1].iter().map(|s| (s.dts, s.duration, &s.bytes[..])).collect();
        assert_eq!(read, [(100, 10, &b"abc"[..]), (110, 20, &b"de"[..])]);
    }

    #[test]
    fn fragments_that_break_the_rules_are_refused() {
        let refused = |bytes: &[u8]| read_fragments(bytes).unwrap_err().to_string();
        assert!(refused(&fragment(0, 3)).contains("default-base-is-moof"));
        assert!(refused(&fragment(0x02_0000, 2)).contains("mdat has 5 bytes, 4 used"));
        assert!(refused(&fragment(0x02_0000, 9)).contains("outside its fragment"));
        assert!(refused(b"").contains("no samples"));
        assert!(refused(&fragment(0x02_0000, 3)[..60]).contains("a box of"));
    }
}
