//! Writes the Rust source of the table of embedded files.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;

use crate::Site;

/// The script for other people's pages: its name stays when its content changes.
const HEARTBEATS: &str = "tally-heartbeats.js";

/// Writes the table of `site` to `target`: two pages, and the assets sorted by name for the
/// look-up's binary search.
///
/// # Errors
///
/// When a page is missing or a file has a type the table below does not know.
pub(crate) fn write(site: &Site, target: &Path) -> Result<(), Box<dyn Error>> {
    let built = site.note.is_none();
    let mut source = format!("const BUILD_NOTE: Option<&str> = {:?};\n", site.note);
    for (name, path) in [("HOME", "index.html"), ("WATCH", "live/watch.html")] {
        let entry = entry(&site.folder.join(path), path, false)?;
        writeln!(source, "static {name}: Asset = {entry};")?;
    }
    let mut names = Vec::new();
    for file in fs::read_dir(site.folder.join("assets"))? {
        let name = file?.file_name().into_string().map_err(|_| "asset names are ASCII")?;
        if !name.ends_with(".gz") && !name.ends_with(".br") {
            names.push(name);
        }
    }
    names.sort();
    writeln!(source, "static ASSETS: [Asset; {}] = [", names.len())?;
    for name in names {
        let immutable = built && name != HEARTBEATS;
        let entry = entry(&site.folder.join("assets").join(&name), &name, immutable)?;
        writeln!(source, "{entry},")?;
    }
    source.push_str("];\n");
    fs::write(target, source)?;
    Ok(())
}

/// One `Asset { .. }` expression. `immutable` holds for what the bundler put under `assets`, because it
/// puts a hash of the content into each name there.
fn entry(file: &Path, path: &str, immutable: bool) -> Result<String, Box<dyn Error>> {
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    Ok(format!(
        "Asset {{ path: {path:?}, bytes: include_bytes!({file:?}), gzip: {}, brotli: {}, \
         content_type: {:?}, etag: \"\\\"{:016x}\\\"\", immutable: {immutable} }}",
        compressed(file, "gz", bytes.len())?,
        compressed(file, "br", bytes.len())?,
        content_type(path)?,
        hasher.finish(),
    ))
}

/// The expression for a compressed twin beside `file`, `None` where there is none or it saves
/// nothing.
fn compressed(file: &Path, ending: &str, plain_bytes: usize) -> Result<String, Box<dyn Error>> {
    let mut twin = file.as_os_str().to_owned();
    twin.push(".");
    twin.push(ending);
    let worth_it = match fs::metadata(&twin) {
        Ok(metadata) => metadata.len() < u64::try_from(plain_bytes)?,
        Err(_) => false,
    };
    Ok(if worth_it { format!("Some(include_bytes!({twin:?}))") } else { "None".to_owned() })
}

fn content_type(path: &str) -> Result<&'static str, Box<dyn Error>> {
    let ending = path.rsplit('.').next().unwrap_or_default();
    Ok(match ending {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        _ => return Err(format!("{path}: no content type is known for .{ending}").into()),
    })
}
