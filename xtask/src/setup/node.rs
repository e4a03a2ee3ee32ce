//! npm packages: the pages' build and tests, and the players' drivers.

use std::path::Path;

use super::Missing;
use crate::shell;

/// Folders with a `package.json`, and what each is needed for.
const FOLDERS: [(&str, &str); 2] =
    [("crates/web/ui", "building and testing the pages"), ("crates/e2e/js", "browser players")];

/// Runs `npm ci` wherever the lock file is newer than what is installed.
pub(super) fn install(root: &Path) -> Vec<Missing> {
    let mut missing = Vec::new();
    for (folder, needed_for) in FOLDERS {
        let path = root.join(folder);
        if is_installed(&path) {
            continue;
        }
        let arguments = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
        if let Err(error) = shell::run(&mut shell::program(&path, "npm", &arguments)) {
            missing.push(Missing {
                what: format!("npm packages of {folder}"),
                needed_for,
                remedy: format!("install Node.js 20 or later with npm ({error:#})"),
            });
        }
    }
    missing
}

/// npm writes a copy of the lock into `node_modules` when it is done.
fn is_installed(folder: &Path) -> bool {
    let modified = |path: &str| {
        std::fs::metadata(folder.join(path)).and_then(|metadata| metadata.modified()).ok()
    };
    let installed = modified("node_modules/.package-lock.json");
    installed.is_some() && installed >= modified("package-lock.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_means_done_after_the_last_change_of_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("package-lock.json"), "{}").unwrap();
        assert!(!is_installed(folder.path()));
        std::fs::create_dir(folder.path().join("node_modules")).unwrap();
        std::fs::write(folder.path().join("node_modules/.package-lock.json"), "{}").unwrap();
        assert!(is_installed(folder.path()));
    }
}
