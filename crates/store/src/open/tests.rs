//! Faults of the disk that a test cannot cause from outside without being root.

use tempfile::TempDir;

use super::{Store, options};
use crate::{Error, Handle, StreamKey};

/// A store with the creator `@alice`, closed again.
async fn with_alice() -> (TempDir, StreamKey) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tally.db");
    let store = Store::open(path.to_str().unwrap()).await.unwrap();
    let key = store.creators().add(&"alice".parse().unwrap()).await.unwrap();
    store.close().await;
    (directory, key)
}

fn handle(number: usize) -> Handle {
    format!("creator{number}").parse().unwrap()
}

#[tokio::test]
async fn a_full_disk_is_named_and_keeps_nobody_from_publishing_with_a_key() {
    let (directory, key) = with_alice().await;
    let path = directory.path().join("tally.db");
    // SQLite answers at this size, a few pages more than it has, exactly as when the disk is full.
    let small = options(&path).pragma("max_page_count", "16");
    let store = Store::connect(path.clone(), small).await.unwrap();
    let mut creators = 1;
    let full = loop {
        match store.ensure_creator(&handle(creators)).await {
            Ok(_) => creators += 1,
            Err(error) => break error,
        }
        assert!(creators < 100_000, "the limit never bites");
    };
    assert!(matches!(&full, Error::Full { path: named } if *named == path), "{full:?}");
    assert!(store.authenticate(key.reveal()).await.unwrap().is_some());
    assert_eq!(store.creators().list().await.unwrap().len(), creators);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_named_and_keeps_nobody_from_publishing_with_a_key() {
    let (directory, key) = with_alice().await;
    let path = directory.path().join("tally.db");
    let store = Store::connect(path.clone(), options(&path).read_only(true)).await.unwrap();
    assert!(store.authenticate(key.reveal()).await.unwrap().is_some());
    let error = store.ensure_creator(&handle(1)).await.unwrap_err();
    assert!(matches!(&error, Error::ReadOnly { path: named } if *named == path), "{error:?}");
}

#[tokio::test]
async fn a_file_locked_for_too_long_is_named() {
    let (directory, _key) = with_alice().await;
    let path = directory.path().join("tally.db");
    let patient = Store::open(path.to_str().unwrap()).await.unwrap();
    let hasty = options(&path).busy_timeout(std::time::Duration::ZERO);
    let hasty = Store::connect(path.clone(), hasty).await.unwrap();
    let holding = patient.begin_write().await.unwrap();
    let error = hasty.ensure_creator(&handle(1)).await.unwrap_err();
    assert!(matches!(&error, Error::Busy { path: named } if *named == path), "{error:?}");
    drop(holding);
    patient.ensure_creator(&handle(1)).await.unwrap();
    hasty.ensure_creator(&handle(2)).await.unwrap();
}
