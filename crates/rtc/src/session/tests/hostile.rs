//! Whatever comes: nothing changes.

use crate::egress::testing::Chance;
use crate::transport::Path;

use super::world::{KEYFRAMES_MS, Setup, World};
use super::{AUDIO, VIDEO};

/// Noise of every kind of datagram, and what was sent before: cut, damaged, twice.
fn throw(world: &mut World, chance: &mut Chance) {
    let old = world.sent.media.clone();
    for turn in 0..2_000 {
        let to_publisher = turn % 2 == 0;
        let mut bytes = match (old.is_empty(), chance.number() % 2) {
            (false, 0) => old[chance.number() as usize % old.len()].clone(),
            _ => (0..chance.number() % 1_500).map(|_| chance.number() as u8).collect(),
        };
        if let Some(first) = bytes.first_mut().filter(|_| old.is_empty() || turn % 3 == 0) {
            // STUN, DTLS, RTP and RTCP alike.
            *first = [0, 22, 23, 0x80, 0x90, 0xff][chance.number() as usize % 6];
        }
        match chance.number() % 4 {
            0 => bytes.truncate(chance.number() as usize % (bytes.len() + 1)),
            1 if !bytes.is_empty() => {
                let at = chance.number() as usize % bytes.len();
                bytes[at] ^= 1 << (chance.number() % 8);
            }
            _ => {}
        }
        let known = world.path_to(to_publisher);
        let port = known.remote.port() ^ (chance.number() % 2) as u16;
        let path = Path { remote: (known.remote.ip(), port).into(), ..known };
        world.deliver(to_publisher, path, &mut bytes);
    }
}

#[test]
fn noise_changes_nothing() {
    let mut chance = Chance(3);
    let mut world = World::new(Setup::default());
    let media = std::mem::take(&mut world.media);
    throw(&mut world, &mut chance);
    world.run(KEYFRAMES_MS * 2);
    throw(&mut world, &mut chance);
    assert_eq!((world.whep_events.len(), world.whip_events.len()), (1, 1));
    world.media = media;
    for _ in 0..5 {
        world.run(500);
        throw(&mut world, &mut chance);
    }
    world.run_out(1_000);
    for id in [AUDIO, VIDEO] {
        let written = world.written(id);
        assert_eq!(world.numbers(id), (0..written).collect::<Vec<_>>());
    }
    assert_eq!((world.whep_closed(), world.whip_closed()), (None, None));
    assert!(world.whip.stats().refused > 500 && world.whep.stats(world.now).refused > 500);
}
