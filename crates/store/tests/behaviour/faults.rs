//! What an operator reads when the file or the disk is at fault.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};

use tally_store::{Error, Store};

use crate::{Place, file, handle};

#[tokio::test]
async fn a_url_of_another_database_is_refused_without_its_password() {
    let refused = Store::open("postgres://tally:secret@db/tally").await.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("postgres") && !text.contains("secret"), "{text}");
    assert!(matches!(Store::open("sqlite:").await, Err(Error::UnsupportedUrl { .. })));
}

#[tokio::test]
async fn a_sqlite_url_and_a_path_name_the_same_file() {
    let Place { store, directory } = Place::new().await;
    store.ensure_creator(&handle("alice")).await.unwrap();
    let path = file(&directory);
    for scheme in ["sqlite:", "sqlite://"] {
        let same = Store::open(&format!("{scheme}{}", path.display())).await.unwrap();
        assert_eq!(same.creators().list().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_place_that_cannot_hold_a_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "in the way").unwrap();
    let path = directory.path().join("file/tally.db");
    let error = Store::open(path.to_str().unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error:?}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    let error = Store::open(directory.path().to_str().unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let notes = "these are my notes, not a database\n".repeat(100);
    fs::write(file(&directory), &notes).unwrap();
    let error = Store::open(file(&directory).to_str().unwrap()).await.unwrap_err();
    assert!(matches!(&error, Error::Corrupt { path } if *path == file(&directory)), "{error:?}");
    assert_eq!(fs::read_to_string(file(&directory)).unwrap(), notes);
}

#[tokio::test]
async fn a_damaged_database_is_an_error_and_no_panic() {
    let Place { store, directory } = Place::new().await;
    for number in 0..200 {
        store.ensure_creator(&handle(&format!("creator{number}"))).await.unwrap();
    }
    store.close().await;
    // Everything after the first page, which holds the schema, is overwritten.
    let mut damaged = fs::OpenOptions::new().read(true).write(true).open(file(&directory)).unwrap();
    let mut first_page = [0; 4_096];
    damaged.read_exact(&mut first_page).unwrap();
    let len = damaged.metadata().unwrap().len();
    damaged.seek(SeekFrom::Start(4_096)).unwrap();
    damaged.write_all(&vec![0xa5; usize::try_from(len).unwrap() - 4_096]).unwrap();
    drop(damaged);
    let error = match Store::open(file(&directory).to_str().unwrap()).await {
        Ok(store) => store.creators().list().await.map(drop).unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let Place { store, directory } = Place::new().await;
    store.close().await;
    let raw = sqlx::SqlitePool::connect(file(&directory).to_str().unwrap()).await.unwrap();
    let newer = "UPDATE _sqlx_migrations SET version = 99 WHERE version = 1";
    sqlx::query(newer).execute(&raw).await.unwrap();
    raw.close().await;
    let error = Store::open(file(&directory).to_str().unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Migration { .. }), "{error:?}");
    assert!(error.to_string().contains("99"), "{error}");
}
