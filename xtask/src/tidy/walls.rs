//! The walls between crates: who may depend on whom, and on what from outside.
//!
//! The table of `crates/ARCHITECTURE.md`, held against what cargo reads in the manifests.
//! Dev-dependencies are free, because a test may bring anything, except where a crate's tests are
//! the point of the wall.

use anyhow::Context;
use serde_json::Value;

use super::Violation;

/// What one crate may use of this workspace, and what it must not use from outside.
struct Wall {
    name: &'static str,
    may_use: &'static [&'static str],
    never: &'static [&'static [&'static str]],
    /// Dev-dependencies are held to the wall too.
    tests_too: bool,
}

/// Sockets and tasks: only `api`, `server` and `loadtest` have them.
const RUNTIME: &[&str] = &["async-std", "futures-timer", "mio", "smol", "socket2", "tokio"];
/// HTTP belongs to `api`, `server` and `loadtest`.
const HTTP: &[&str] = &["axum", "h3", "hyper", "hyper-util", "reqwest", "tower", "ureq"];
/// Ciphers over sockets belong to the listeners.
const TLS: &[&str] = &["native-tls", "openssl", "quinn", "rustls", "tokio-rustls"];
/// Clocks and chance are passed in.
const CHANCE: &[&str] = &["chrono", "fastrand", "getrandom", "rand", "uuid"];
/// SQL belongs to `store`.
const SQL: &[&str] = &["diesel", "postgres", "rusqlite", "sqlx"];
/// Reading and writing formats belongs to the protocol crates.
const FORMATS: &[&str] = &[
    "h264-reader",
    "hls_m3u8",
    "m3u8-rs",
    "mp4-atom",
    "rml_amf0",
    "rml_rtmp",
    "scuffle-av1",
    "scuffle-h265",
    "symphonia",
];

const PURE: &[&[&str]] = &[RUNTIME, HTTP, TLS, CHANCE, SQL];

const WALLS: [Wall; 18] = [
    Wall { name: "media", may_use: &[], never: PURE, tests_too: false },
    Wall { name: "rtmp", may_use: &["media"], never: PURE, tests_too: false },
    Wall { name: "cmaf", may_use: &["media"], never: PURE, tests_too: false },
    Wall { name: "hls", may_use: &["media", "cmaf"], never: PURE, tests_too: false },
    Wall { name: "audio", may_use: &["media"], never: PURE, tests_too: false },
    // Keys and nonces of DTLS-SRTP need ciphers; only the sockets are forbidden.
    Wall { name: "rtc", may_use: &["media"], never: &[RUNTIME, HTTP, SQL], tests_too: false },
    Wall { name: "hub", may_use: &["media"], never: PURE, tests_too: false },
    Wall { name: "relay", may_use: &["media", "hub"], never: PURE, tests_too: false },
    Wall { name: "testsource", may_use: &["media"], never: PURE, tests_too: false },
    Wall { name: "watch", may_use: &[], never: PURE, tests_too: false },
    Wall { name: "program", may_use: &["watch"], never: PURE, tests_too: false },
    Wall {
        name: "store",
        may_use: &["watch", "program"],
        never: &[HTTP, FORMATS],
        tests_too: false,
    },
    Wall { name: "web", may_use: &[], never: &[RUNTIME, HTTP, TLS, SQL], tests_too: false },
    Wall {
        name: "api",
        may_use: &["watch", "program", "store", "web"],
        never: &[FORMATS, SQL],
        tests_too: false,
    },
    Wall {
        name: "server",
        may_use: &[
            "media",
            "rtmp",
            "cmaf",
            "hls",
            "audio",
            "rtc",
            "hub",
            "relay",
            "watch",
            "program",
            "store",
            "web",
            "api",
            "testsource",
        ],
        never: &[FORMATS, SQL],
        tests_too: false,
    },
    // End-to-end tests see what a stranger sees: the binary, its ports and nothing else.
    Wall { name: "e2e", may_use: &[], never: &[FORMATS, SQL], tests_too: true },
    // A load tool may know the protocols, never the server.
    Wall { name: "loadtest", may_use: &["media", "rtc"], never: &[FORMATS, SQL], tests_too: true },
    Wall { name: "xtask", may_use: &[], never: &[RUNTIME, HTTP, SQL], tests_too: true },
];

/// Holds `cargo metadata` output against the walls.
pub(crate) fn check(metadata: &Value) -> anyhow::Result<Vec<Violation>> {
    let root = metadata["workspace_root"].as_str().context("metadata names the root")?;
    let packages = metadata["packages"].as_array().context("metadata lists packages")?;
    let mut violations = Vec::new();
    for package in packages {
        violations.extend(check_package(root, package)?);
    }
    Ok(violations)
}

fn check_package(root: &str, package: &Value) -> anyhow::Result<Vec<Violation>> {
    let name = package["name"].as_str().context("a package has a name")?;
    let manifest = package["manifest_path"].as_str().context("a package has a manifest")?;
    let manifest = manifest.strip_prefix(root).unwrap_or(manifest).trim_start_matches('/');
    let short = name.strip_prefix("tally-").unwrap_or(name);
    let mut violations = Vec::new();
    let mut report = |rule, problem, remedy| {
        let file = manifest.to_owned();
        violations.push(Violation { file, line: 1, rule, problem, remedy });
    };
    // The binary's package carries the product's name and lives in crates/server.
    let short = if short == "tally" { "server" } else { short };
    let folder = manifest.rsplit('/').nth(1).unwrap_or_default();
    if folder != short && manifest.starts_with("crates/") {
        let problem = format!("package `{name}` lies in folder `{folder}`");
        report("crate-name", problem, "name the folder as the crate, without `tally-`");
    }
    let Some(wall) = WALLS.iter().find(|wall| wall.name == short) else {
        let problem = format!("crate `{short}` has no row in the table of walls");
        report("wall", problem, "add its row here and in crates/ARCHITECTURE.md");
        return Ok(violations);
    };
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let dependency_name = dependency["name"].as_str().context("a dependency has a name")?;
        let is_dev = dependency["kind"].as_str() == Some("dev");
        if is_dev && !wall.tests_too {
            continue;
        }
        if let Some(problem) = breach(wall, dependency_name, dependency["path"].is_string()) {
            report("wall", problem, "pass the data in, or move the code to the crate that may");
        }
    }
    Ok(violations)
}

fn breach(wall: &Wall, dependency: &str, in_workspace: bool) -> Option<String> {
    let name = wall.name;
    if in_workspace {
        let short = dependency.strip_prefix("tally-").unwrap_or(dependency);
        let allowed = wall.may_use.contains(&short);
        return (!allowed).then(|| format!("`{name}` must never import `{short}`"));
    }
    let forbidden = wall.never.iter().any(|group| group.contains(&dependency));
    forbidden.then(|| format!("`{name}` must never import `{dependency}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(name: &str, folder: &str, dependencies: Value) -> Vec<String> {
        let metadata = json!({
            "workspace_root": "/src",
            "packages": [{
                "name": name,
                "manifest_path": format!("/src/crates/{folder}/Cargo.toml"),
                "dependencies": dependencies,
            }],
        });
        check(&metadata).unwrap().into_iter().map(|violation| violation.problem).collect()
    }

    #[test]
    fn arrows_of_the_plan_are_accepted() {
        let dependencies = json!([
            { "name": "tally-media", "kind": null, "path": "/src/crates/media" },
            { "name": "tally-cmaf", "kind": null, "path": "/src/crates/cmaf" },
            { "name": "bytes", "kind": null },
            { "name": "tokio", "kind": "dev" },
        ]);
        assert_eq!(problems("tally-hls", "hls", dependencies), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_arrow_is_named() {
        let dependencies =
            json!([{ "name": "tally-rtmp", "kind": null, "path": "/src/crates/rtmp" }]);
        assert_eq!(problems("tally-hub", "hub", dependencies), ["`hub` must never import `rtmp`"]);
    }

    #[test]
    fn a_runtime_in_a_pure_crate_is_named_in_build_dependencies_too() {
        for kind in [json!(null), json!("build")] {
            let dependencies = json!([{ "name": "tokio", "kind": kind }]);
            let found = problems("tally-media", "media", dependencies);
            assert_eq!(found, ["`media` must never import `tokio`"]);
        }
    }

    #[test]
    fn end_to_end_tests_link_no_server_crate_even_for_tests() {
        let dependencies =
            json!([{ "name": "tally-media", "kind": "dev", "path": "/src/crates/media" }]);
        assert_eq!(problems("tally-e2e", "e2e", dependencies), ["`e2e` must never import `media`"]);
    }

    #[test]
    fn a_new_crate_needs_a_row_and_its_folder_its_name() {
        assert_eq!(
            problems("tally-misc", "misc", json!([])),
            ["crate `misc` has no row in the table of walls"]
        );
        assert_eq!(
            problems("tally-hub", "fanout", json!([])),
            ["package `tally-hub` lies in folder `fanout`"]
        );
    }
}
