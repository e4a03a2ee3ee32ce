//! `tally serve` and `tally creator add` use one file at the same time.
//!
//! SQLite's locks belong to a connection, so several stores on one file in one process meet the same
//! locks as several processes.

use std::os::unix::fs::PermissionsExt;

use tally_store::Store;
use tokio::task::JoinSet;

use crate::{Place, file, handle, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_file_may_be_opened_by_several_at_once() {
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let path = file(&directory).to_str().unwrap().to_owned();
        let mut opening = JoinSet::new();
        for number in 0..6 {
            let path = path.clone();
            opening.spawn(async move {
                let store = Store::open(&path).await.unwrap();
                store.creators().add(&handle(&format!("creator{number}"))).await.unwrap();
                store.creators().list().await.unwrap().len()
            });
        }
        let seen = opening.join_all().await;
        assert_eq!(seen.into_iter().max(), Some(6));
    }
}

#[tokio::test]
async fn what_one_process_adds_the_other_knows_at_once() {
    let Place { store: server, directory } = Place::new().await;
    let command = open(&directory).await;
    let key = command.creators().add(&handle("alice")).await.unwrap();
    command.close().await;
    assert!(server.authenticate(key.reveal()).await.unwrap().is_some());
    server.ensure_creator(&handle("bob")).await.unwrap();
    let command = open(&directory).await;
    let new = command.creators().rotate_key(&handle("alice")).await.unwrap();
    assert_eq!(server.authenticate(key.reveal()).await.unwrap(), None);
    assert!(server.authenticate(new.reveal()).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_may_write_at_the_same_time() {
    let Place { store: first, directory } = Place::new().await;
    let second = open(&directory).await;
    let mut writing = JoinSet::new();
    for (name, store) in [("first", first.clone()), ("second", second)] {
        for number in 0..20 {
            let store = store.clone();
            writing.spawn(async move {
                let mine = handle(&format!("{name}{number}"));
                let key = store.creators().add(&mine).await.unwrap();
                store.ensure_creator(&handle(&format!("both{number}"))).await.unwrap();
                let creator = store.authenticate(key.reveal()).await.unwrap().unwrap();
                store.note_key_used(creator.id, 1).await.unwrap();
                assert_eq!(creator.handle, mine);
            });
        }
    }
    writing.join_all().await;
    assert_eq!(first.creators().list().await.unwrap().len(), 60);
}

#[tokio::test]
async fn files_are_for_their_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/data/tally.db");
    let store = Store::open(path.to_str().unwrap()).await.unwrap();
    store.ensure_creator(&handle("alice")).await.unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory.path().join("new")), 0o700);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let files = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let modes: Vec<_> = files.map(|file| mode(&file.unwrap().path())).collect();
    assert_eq!(modes, [0o600; 3], "the database, its log and its shared memory");
}
