//! Builds the pages with Node and npm where they are present, then writes the table of files that
//! `src/embed.rs` includes.
//!
//! The source tree is never written to, but for `ui/node_modules`. Without Node (or with
//! `TALLY_WEB_SKIP=1`, for those who work on the server alone) the pages of `fallback/` are
//! embedded instead; they say why. `TALLY_WEB_REQUIRE=1` turns that into an error, for CI and
//! releases.

#![expect(clippy::print_stdout, reason = "printing is how a build script talks to Cargo")]

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

mod npm;
mod table;

/// What goes into the binary, and why it is not the real pages if it is not.
struct Site {
    folder: PathBuf,
    note: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    declare_inputs(&package);

    let site = match build_pages(&package.join("ui"), &out)? {
        npm::Outcome::Built(folder) => Site { folder, note: None },
        npm::Outcome::Unavailable(missing) => fall_back(&package.join("fallback"), &out, missing)?,
    };
    if let Some(note) = &site.note {
        if is_set("TALLY_WEB_REQUIRE") {
            return Err(format!("TALLY_WEB_REQUIRE is set, but {note}").into());
        }
        println!("cargo:warning=the watch page is left out: {note}");
    }
    table::write(&site, &out.join("assets.rs"))?;
    Ok(())
}

fn build_pages(ui: &Path, out: &Path) -> Result<npm::Outcome, Box<dyn Error>> {
    if is_set("TALLY_WEB_SKIP") {
        let reason = "TALLY_WEB_SKIP was set when this server was built";
        let missing = npm::Missing::new(reason, "Unset TALLY_WEB_SKIP.");
        return Ok(npm::Outcome::Unavailable(missing));
    }
    npm::build(ui, &out.join("site"))
}

/// Copies the pages that say what is missing, with the reason and the remedy put in.
fn fall_back(from: &Path, out: &Path, missing: npm::Missing) -> Result<Site, Box<dyn Error>> {
    let folder = out.join("fallback");
    for name in ["index.html", "live/watch.html", "assets/missing.css", "assets/missing.js"] {
        let text = fs::read_to_string(from.join(name))?
            .replace("{{reason}}", &escape(&missing.reason))
            .replace("{{remedy}}", &escape(&missing.remedy));
        let target = folder.join(name);
        fs::create_dir_all(target.parent().ok_or("a file has a folder")?)?;
        fs::write(target, text)?;
    }
    Ok(Site { folder, note: Some(missing.reason) })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0")
}

/// Tells Cargo what the pages are made of: without this it would look at `node_modules` as well.
fn declare_inputs(package: &Path) {
    let ui = ["index.html", "live", "src", "vite.config.ts", "tsconfig.json"];
    let npm = [".npmrc", "package.json", "package-lock.json"];
    for name in ui.iter().chain(&npm) {
        println!("cargo:rerun-if-changed={}", package.join("ui").join(name).display());
    }
    for name in ["build", "fallback"] {
        println!("cargo:rerun-if-changed={}", package.join(name).display());
    }
    println!("cargo:rerun-if-env-changed=TALLY_WEB_SKIP");
    println!("cargo:rerun-if-env-changed=TALLY_WEB_REQUIRE");
}
