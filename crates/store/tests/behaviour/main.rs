//! What the store promises those who publish and those who operate it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod creators;
mod faults;
mod keys;
mod kills;
mod processes;
mod shows;

use tally_store::{Handle, Store};
use tempfile::TempDir;

/// A store in a directory that goes with it.
struct Place {
    store: Store,
    directory: TempDir,
}

impl Place {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory).await;
        Self { store, directory }
    }
}

async fn open(directory: &TempDir) -> Store {
    Store::open(file(directory).to_str().unwrap()).await.unwrap()
}

fn file(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("tally.db")
}

fn handle(text: &str) -> Handle {
    text.parse().unwrap()
}
