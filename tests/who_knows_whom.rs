//! No hop's state holds both people's addresses: while Alice and Bob talk, all that each node has in memory is read byte by byte.
//!
//! Every allocation belongs to the node that was at work when it was made, so nothing a node keeps is left out: links, tables of the ring, pools,
//! queues, keys, spurs. The two people have addresses of sixteen random bytes that nothing else contains by chance. They have links like
//! everybody, but are no members of the ring and nobody's hops: their addresses in other nodes' memory come from their own circuits alone.
//!
//! A binary of its own, because the whole process allocates in this way.

#[path = "worlds/circuits/world.rs"]
mod world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use paratox::node::person::{ContactTag, PersonEvent};
use paratox::wire::class::Class;
use paratox::wire::size::PARCEL;
use world::{AT_WORK, NOBODY, World};

/// Living allocations: where, how long, whose.
static LIVING: Mutex<BTreeMap<usize, (usize, usize)>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// Set while the table itself is changed.
    static WITHIN: Cell<bool> = const { Cell::new(false) };
}

/// Notes what is allocated while a node is at work.
struct Noting;

fn note(change: impl FnOnce(&mut BTreeMap<usize, (usize, usize)>)) {
    if !WITHIN.replace(true) {
        change(&mut LIVING.lock().expect("nobody panics with it"));
        WITHIN.set(false);
    }
}

unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Without what another node left there: one process has one node.
        let place = unsafe { System.alloc_zeroed(layout) };
        let whose = AT_WORK.get();
        if whose != NOBODY && !place.is_null() {
            note(|living| {
                living.insert(place as usize, (layout.size(), whose));
            });
        }
        place
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        note(|living| {
            living.remove(&(place as usize));
        });
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Noting = Noting;

const NODES: usize = 18;
const ALICE: usize = 0;
/// Neither a neighbour of Alice nor with a neighbour in common: whoever is linked to both has both in its table of links, and that is no secret.
const BOB: usize = 9;

fn ip(n: usize) -> Ipv6Addr {
    // Sixteen bytes that differ in each place, in the range of private addresses.
    let mut octets = [0xfd; 16];
    for (at, octet) in octets.iter_mut().enumerate().skip(1) {
        *octet = (n as u8 + 1)
            .wrapping_mul(37)
            .wrapping_add((at as u8).wrapping_mul(83))
            ^ 0x5a;
    }
    Ipv6Addr::from(octets)
}

fn addr(n: usize) -> SocketAddr {
    SocketAddr::from((ip(n), 4000))
}

/// Which of these people's addresses each node has anywhere in its memory, and how many bytes that is.
fn known(world: &World, people: &[usize]) -> (Vec<BTreeSet<usize>>, usize) {
    let mut blocks = Vec::new();
    note(|living| {
        blocks.extend(
            living
                .iter()
                .map(|(place, (length, n))| (*place, *length, *n)),
        )
    });
    for (n, node) in world.nodes.iter().enumerate() {
        blocks.push((&raw const node.links as usize, size_of_val(&node.links), n));
        blocks.push((&raw const node.dht as usize, size_of_val(&node.dht), n));
        blocks.push((
            &raw const node.circuits as usize,
            size_of_val(&node.circuits),
            n,
        ));
    }
    let file = File::open("/proc/self/mem").expect("a process may read itself");
    let mut known = vec![BTreeSet::new(); world.nodes.len()];
    let mut read = 0;
    for (place, length, n) in blocks {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, place as u64)
            .expect("living memory can be read");
        read += length;
        for person in people {
            let wanted = ip(*person).octets();
            if bytes.windows(wanted.len()).any(|window| window == wanted) {
                known[n].insert(*person);
            }
        }
    }
    (known, read)
}

#[test]
fn no_node_on_the_way_has_both_addresses_anywhere_in_its_memory() {
    let mut world = World::new(NODES, Class::Fast, 7, &[ALICE, BOB], addr);
    world.until(90.0, "everybody online", World::online);
    // Parcels both ways, so that circuits, spurs and queues are in use.
    let target = world.target(1, BOB, 0);
    world.nodes[ALICE].circuits.want_spurs(vec![target]);
    world.nodes[BOB].circuits.set_tokens(&[[3; 16]; 40]);
    world.until(120.0, "a spur to Bob", |w| w.has_spur(ALICE, 1));
    let answered = |w: &World| {
        let came = |event: &PersonEvent| matches!(event, PersonEvent::FromSpur { .. });
        w.nodes[ALICE].events.iter().any(|(_, event)| came(event))
    };
    for round in 0..5 {
        let parcel = || Box::new([round; PARCEL]);
        world.nodes[ALICE]
            .circuits
            .send_spur(ContactTag(1), parcel());
        world.run(2.0);
        if let Some((handle, _)) = world.arrived(BOB).last() {
            world.nodes[BOB].circuits.send_reply(*handle, parcel());
        }
    }
    world.run(2.0);
    assert!(!world.arrived(BOB).is_empty() && answered(&world));

    let (known, bytes) = known(&world, &[ALICE, BOB]);
    let knows = |person: usize| -> BTreeSet<usize> {
        (0..NODES).filter(|n| known[*n].contains(&person)).collect()
    };
    println!(
        "{bytes} bytes read; Alice's address is at {:?}, Bob's at {:?}",
        knows(ALICE),
        knows(BOB)
    );
    let neighbours = |person: usize| -> BTreeSet<usize> {
        let peers = world.nodes[person].up.values();
        peers.map(|peer| world.index(&peer.node)).collect()
    };
    for (person, role) in [(ALICE, "outbound"), (BOB, "inbound")] {
        let way = world.path(person, role).expect("online");
        assert_eq!(way.len(), 3, "a way of full length");
        assert!(knows(person).contains(&world.index(&way[0].node)));
        // The search finds what is there: whoever is linked with a person has the address it sends to.
        assert!(knows(person).is_superset(&neighbours(person)));
        let others = knows(person).into_iter().filter(|n| *n != person);
        let others: BTreeSet<usize> = others.collect();
        assert_eq!(others, neighbours(person), "nobody else has it");
    }
    assert!(
        knows(ALICE).is_disjoint(&knows(BOB)),
        "not even one another"
    );
}
