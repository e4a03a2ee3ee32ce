//! Stream keys: good for their creator only, and nowhere in the files.

use std::fs;

use crate::{Place, handle};

#[tokio::test]
async fn a_key_names_its_creator() {
    let Place { store, directory: _directory } = Place::new().await;
    let alice = store.creators().add(&handle("alice")).await.unwrap();
    let bob = store.creators().add(&handle("bob")).await.unwrap();
    for (key, name) in [(&alice, "alice"), (&bob, "bob")] {
        let creator = store.authenticate(key.reveal()).await.unwrap().unwrap();
        assert_eq!(creator.handle, handle(name));
    }
}

#[tokio::test]
async fn nothing_but_the_exact_key_is_good() {
    let Place { store, directory: _directory } = Place::new().await;
    let key = store.creators().add(&handle("alice")).await.unwrap();
    let text = key.reveal();
    let wrong = [
        String::new(),
        "alice".to_owned(),
        text[..text.len() - 1].to_owned(),
        format!("{text}a"),
        format!(" {text}"),
        text.to_uppercase(),
        text.replacen("tly_", "", 1),
        "' OR 1=1 --".to_owned(),
        "x".repeat(100_000),
    ];
    for presented in wrong {
        assert_eq!(store.authenticate(&presented).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_new_key_ends_the_old_one() {
    let Place { store, directory: _directory } = Place::new().await;
    let old = store.creators().add(&handle("alice")).await.unwrap();
    let before = store.authenticate(old.reveal()).await.unwrap().unwrap();
    store.note_key_used(before.id, 1_800_000_000_123).await.unwrap();
    let new = store.creators().rotate_key(&handle("alice")).await.unwrap();
    assert_eq!(store.authenticate(old.reveal()).await.unwrap(), None);
    let creator = store.authenticate(new.reveal()).await.unwrap().unwrap();
    assert_eq!(creator.id, before.id);
    assert_eq!(creator.key_last_used_at_ms, None, "the new key was not used yet");
}

#[tokio::test]
async fn the_last_use_of_a_key_is_kept() {
    let Place { store, directory: _directory } = Place::new().await;
    let key = store.creators().add(&handle("alice")).await.unwrap();
    store.creators().add(&handle("bob")).await.unwrap();
    let creator = store.authenticate(key.reveal()).await.unwrap().unwrap();
    store.note_key_used(creator.id, 1_800_000_000_123).await.unwrap();
    let listed = store.creators().list().await.unwrap();
    let used: Vec<_> = listed.iter().map(|creator| creator.key_last_used_at_ms).collect();
    assert_eq!(used, [Some(1_800_000_000_123), None]);
}

#[tokio::test]
async fn no_file_holds_a_key_in_clear() {
    let Place { store, directory } = Place::new().await;
    let first = store.creators().add(&handle("findme")).await.unwrap();
    let second = store.creators().rotate_key(&handle("findme")).await.unwrap();
    store.authenticate(first.reveal()).await.unwrap();
    let contents = || {
        let files = fs::read_dir(directory.path()).unwrap();
        files.flat_map(|file| fs::read(file.unwrap().path()).unwrap()).collect::<Vec<u8>>()
    };
    let holds = |bytes: &[u8], text: &str| {
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    // Once with the write-ahead log beside the database, once folded into it.
    let open = contents();
    store.close().await;
    for bytes in [open, contents()] {
        assert!(holds(&bytes, "findme"), "these are the files");
        for key in [&first, &second] {
            assert!(!holds(&bytes, key.reveal().strip_prefix("tly_").unwrap()));
        }
        assert!(!holds(&bytes, "tly_"));
    }
}
