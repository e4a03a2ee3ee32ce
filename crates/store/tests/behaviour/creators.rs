//! Adding and listing creators.

use tally_store::Error;

use crate::{Place, handle, open};

/// 2024-01-01: the database's clock is later than this, and its milliseconds are not seconds.
const LONG_AGO_MS: i64 = 1_704_067_200_000;

#[tokio::test]
async fn creators_are_listed_by_handle() {
    let Place { store, directory: _directory } = Place::new().await;
    assert_eq!(store.creators().list().await.unwrap(), []);
    store.creators().add(&handle("zoe")).await.unwrap();
    store.creators().add(&handle("alice")).await.unwrap();
    let listed = store.creators().list().await.unwrap();
    let handles: Vec<_> = listed.iter().map(|creator| creator.handle.as_str()).collect();
    assert_eq!(handles, ["alice", "zoe"]);
    assert_ne!(listed[0].id, listed[1].id);
    assert!(listed[0].created_at_ms >= listed[1].created_at_ms);
    assert!(listed[1].created_at_ms > LONG_AGO_MS);
    assert!(listed[1].key_created_at_ms.unwrap() >= listed[1].created_at_ms);
    assert_eq!(listed[1].key_last_used_at_ms, None);
}

#[tokio::test]
async fn a_handle_is_given_once() {
    let Place { store, directory: _directory } = Place::new().await;
    let key = store.creators().add(&handle("alice")).await.unwrap();
    let refused = store.creators().add(&handle("alice")).await.unwrap_err();
    assert_eq!(refused.to_string(), "a creator @alice is there already");
    assert!(store.authenticate(key.reveal()).await.unwrap().is_some(), "the key is still good");
}

#[tokio::test]
async fn open_publishing_makes_a_creator_once_and_without_a_key() {
    let Place { store, directory: _directory } = Place::new().await;
    let first = store.ensure_creator(&handle("alice")).await.unwrap();
    assert_eq!(first.key_created_at_ms, None);
    assert_eq!(store.ensure_creator(&handle("alice")).await.unwrap(), first);
    assert_eq!(store.creator(&handle("alice")).await.unwrap(), Some(first.clone()));
    assert_eq!(store.creators().list().await.unwrap(), [first]);
    assert_eq!(store.creator(&handle("bob")).await.unwrap(), None);
    assert!(store.authenticate("").await.unwrap().is_none());
    assert!(store.authenticate("alice").await.unwrap().is_none());
}

#[tokio::test]
async fn a_creator_made_by_open_publishing_can_be_given_a_key() {
    let Place { store, directory: _directory } = Place::new().await;
    store.ensure_creator(&handle("alice")).await.unwrap();
    let key = store.creators().rotate_key(&handle("alice")).await.unwrap();
    let creator = store.authenticate(key.reveal()).await.unwrap().unwrap();
    assert_eq!(creator.handle, handle("alice"));
    let refused = store.creators().rotate_key(&handle("bob")).await.unwrap_err();
    assert!(matches!(refused, Error::UnknownCreator(unknown) if unknown == handle("bob")));
}

#[tokio::test]
async fn creators_outlive_the_process() {
    let Place { store, directory } = Place::new().await;
    let key = store.creators().add(&handle("alice")).await.unwrap();
    store.close().await;
    let store = open(&directory).await;
    assert!(store.authenticate(key.reveal()).await.unwrap().is_some());
}
