//! Names and streams.

use tally_hub::{Hub, Limits, NameTaken};

#[test]
fn a_name_belongs_to_one_producer_until_it_is_dropped() {
    let hub = Hub::new(Limits::default());
    assert!(hub.stream("alice").is_none());
    let producer = hub.create("alice").unwrap();
    assert_eq!(hub.create("alice").unwrap_err(), NameTaken { name: "alice".to_owned() });
    let first = hub.stream("alice").unwrap();
    assert_eq!(first.name(), "alice");
    assert!(first.is_same(&producer.stream()));
    drop(producer);
    assert!(hub.stream("alice").is_none());
    let _again = hub.create("alice").unwrap();
    assert!(!hub.stream("alice").unwrap().is_same(&first));
}

#[test]
fn the_hub_lists_live_streams_only() {
    let hub = Hub::new(Limits::default());
    let alice = hub.create("alice").unwrap();
    let _bob = hub.create("bob").unwrap();
    let mut names: Vec<_> = hub.live().iter().map(|stream| stream.name().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["alice", "bob"]);
    drop(alice);
    assert_eq!(hub.live().len(), 1);
}
