//! Two contacts who have just heard each other, in a network in which something is about to break.

use std::time::Duration;

use paratox::sim::world::{World, WorldConfig};
use paratox::wire::class::Class;

/// They come last, to a network that is there already: whoever starts with its first nodes knows few of them and builds short circuits.
pub const NODES: usize = 12;
pub const ALICE: usize = 10;
pub const BOB: usize = 11;
const STAGGER: Duration = Duration::from_secs(2);
/// Between two looks whether something has come.
pub const LOOK: Duration = Duration::from_millis(500);

/// Their circuits are past their beginnings.
pub fn chatting(seed: u64) -> World {
    let mut world = World::new(WorldConfig {
        class: Class::Fast,
        stagger: STAGGER,
        ..WorldConfig::new(seed, NODES)
    });
    world.add_acquainted(&[(ALICE, "Alice"), (BOB, "Bob")]);
    world.run_for(Duration::from_secs(60));
    world.say(ALICE, BOB, "before");
    world.say(BOB, ALICE, "before");
    let both = world.run_until(Duration::from_secs(60), LOOK, |world| {
        world.delivered(ALICE).len() == 1 && world.delivered(BOB).len() == 1
    });
    assert!(both, "seed {seed}: the first messages never arrived");
    world
}
