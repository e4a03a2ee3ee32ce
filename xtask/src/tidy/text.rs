//! What no file may hold: addresses of package registries, paths of one machine, tests switched off.

use super::{SourceFile, Violation};

struct Banned {
    /// In two halves, so that this file does not hold what it forbids.
    halves: [&'static str; 2],
    rule: &'static str,
    remedy: &'static str,
    /// File name endings the ban is for; empty means all.
    extensions: &'static [&'static str],
}

const SCRIPTS: &[&str] = &["js", "mjs", "ts", "mts"];
const PACKAGES: &str = "leave it out: the package client knows its own registry";
const MACHINE: &str = "use a path relative to the workspace or a temporary folder";
const SWITCHED_OFF: &str = "make the test pass or delete it";

#[rustfmt::skip]
const BANNED: [Banned; 12] = [
    Banned { halves: ["registry.npm", "js.org"], rule: "registry", remedy: PACKAGES, extensions: &[] },
    Banned { halves: ["registry.yarn", "pkg.com"], rule: "registry", remedy: PACKAGES, extensions: &[] },
    Banned { halves: ["pypi", ".org"], rule: "registry", remedy: PACKAGES, extensions: &[] },
    Banned { halves: ["files.python", "hosted.org"], rule: "registry", remedy: PACKAGES, extensions: &[] },
    Banned { halves: ["index.crates", ".io"], rule: "registry", remedy: PACKAGES, extensions: &[] },
    Banned { halves: ["static.crates", ".io"], rule: "registry", remedy: PACKAGES, extensions: &[] },
    Banned { halves: ["\"resolved\": \"", "http"], rule: "registry", remedy: PACKAGES, extensions: &["json"] },
    Banned { halves: ["/wo", "rk/"], rule: "machine-path", remedy: MACHINE, extensions: &[] },
    Banned { halves: ["/tmp/tar", "get"], rule: "machine-path", remedy: MACHINE, extensions: &[] },
    Banned { halves: ["test.sk", "ip("], rule: "skipped-test", remedy: SWITCHED_OFF, extensions: SCRIPTS },
    Banned { halves: ["it.sk", "ip("], rule: "skipped-test", remedy: SWITCHED_OFF, extensions: SCRIPTS },
    Banned { halves: [".on", "ly("], rule: "skipped-test", remedy: SWITCHED_OFF, extensions: SCRIPTS },
];

/// Reports each line that holds something banned.
pub(crate) fn check(file: &SourceFile) -> Vec<Violation> {
    let mut violations = Vec::new();
    for banned in &BANNED {
        if !banned.extensions.is_empty() && !file.has_extension(banned.extensions) {
            continue;
        }
        let wanted = banned.halves.concat();
        for (index, _) in file.text.lines().enumerate().filter(|(_, line)| line.contains(&wanted)) {
            let problem = format!("`{wanted}` in a tracked file");
            violations.push(file.violation(index + 1, banned.rule, problem, banned.remedy));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: String) -> Vec<(&'static str, usize)> {
        let file = SourceFile { path: path.to_owned(), text };
        check(&file).into_iter().map(|violation| (violation.rule, violation.line)).collect()
    }

    #[test]
    fn plain_text_passes() {
        assert_eq!(rules("README.md", "cargo xtask test\nnetwork/\n".to_owned()), []);
    }

    #[test]
    fn every_banned_text_is_found_where_it_is_banned() {
        for banned in &BANNED {
            let text = format!("fine\nx {} y\n", banned.halves.concat());
            let extension = banned.extensions.first().unwrap_or(&"toml");
            let found = rules(&format!("config/a.{extension}"), text.clone());
            assert!(found.contains(&(banned.rule, 2)), "{text}");
            if !banned.extensions.is_empty() {
                assert_eq!(rules("config/a.toml", text), []);
            }
        }
    }
}
