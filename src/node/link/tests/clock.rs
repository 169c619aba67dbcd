//! What Eve sees of a link: its clock, and bytes like any others.

use super::*;

#[test]
fn eve_sees_the_same_ticks_whatever_is_queued_or_lost() {
    let trace = |queued: u32, loss: f64, spur: bool| {
        let mut world = World::of(15, 2);
        let (a, b) = world.link(0, 1, Purpose::Link);
        world.loss = loss;
        if spur {
            world.dial(0, 1, Purpose::Spur);
            assert_eq!(world.send_contact(1, 0, 1), Ok(()));
        }
        let start = world.seen.len();
        for n in 0..queued {
            let _ = world.nodes[0].links.send(a, n % 64, &body(n));
            let _ = world.nodes[1].links.send_control(b, &[0x40; BODY]);
        }
        world.run(60.0);
        let ticks: Vec<_> = world.seen[start..].to_vec();
        ticks
    };
    let idle = trace(0, 0.0, false);
    assert!(idle.len() > 600);
    assert_eq!(trace(10, 0.0, false), idle);
    assert_eq!(trace(1000, 0.0, false), idle);
    assert_eq!(trace(1000, 0.1, false), idle);
    // With a spur and a contact session beside it, the link's own ticks are still among them.
    let busy: BTreeSet<_> = trace(1000, 0.0, true)
        .into_iter()
        .map(|s| (s.at, s.from))
        .collect();
    assert!(idle.iter().all(|s| busy.contains(&(s.at, s.from))));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut world = World::of(16, 3);
        world.keep_cells = true;
        world.loss = 0.05;
        world.delay = (0.02, 0.03);
        world.link(0, 1, Purpose::Link);
        world.link(1, 2, Purpose::Link);
        assert_eq!(world.send_contact(2, 0, 1), Ok(()));
        world.run(60.0);
        world.cells
    };
    assert!(run() == run());
}

#[test]
fn both_directions_run_at_the_slower_class_after_the_start() {
    let mut world = World::of(23, 1);
    world.add(23, 5, Class::Fast, None);
    world.link(1, 0, Purpose::Link);
    world.run(20.0);
    let before = world.seen.len();
    world.run(500.0);
    for n in 0..2 {
        let sent = world.seen[before..]
            .iter()
            .filter(|s| s.from == world.nodes[n].addr)
            .count();
        assert!((2700..3300).contains(&sent), "{sent}");
    }
}

#[test]
fn a_spur_ticks_once_a_second_from_its_first_moment() {
    let mut world = World::of(24, 2);
    world.link(0, 1, Purpose::Spur);
    let before = world.seen.len();
    world.run(1000.0);
    let sent = world.seen[before..]
        .iter()
        .filter(|s| s.from == world.nodes[0].addr)
        .count();
    assert!((900..1100).contains(&sent), "{sent}");
}

#[test]
fn spurs_to_one_node_that_are_born_in_one_moment_tick_apart() {
    let mut world = World::of(37, 2);
    for _ in 0..4 {
        world.dial(0, 1, Purpose::Spur);
    }
    world.run(15.0);
    assert_eq!(world.nodes[0].ups.len(), 4);
    let before = world.seen.len();
    world.run(100.0);
    let own = world.nodes[0].addr;
    let times: Vec<_> = world.seen[before..]
        .iter()
        .filter(|s| s.from == own)
        .map(|s| s.at)
        .collect();
    let distinct: BTreeSet<_> = times.iter().collect();
    assert!(times.len() > 300 && distinct.len() == times.len());
}

/// Every byte position over many cells, against even distribution: chi-square with 255 degrees of freedom stays below 370 with
/// probability 1 - 3e-6 a position.
#[test]
fn every_byte_of_every_cell_looks_random() {
    let mut kinds: [Vec<Box<Cell>>; 3] = Default::default();
    let mut world = World::of(32, 2);
    world.keep_cells = true;
    for _ in 0..4000 {
        let seen = world.cells.len();
        world.dial(0, 1, Purpose::Contact);
        world.run(0.03);
        kinds[0].push(world.cells[seen].1.clone());
        if let Some((_, answer)) = world.cells.get(seen + 1) {
            kinds[1].push(answer.clone());
        }
        let id = AssocId(world.nodes[0].links.last_id);
        world.close(0, id);
        world.run(0.03);
    }
    world.cells.clear();
    world.link(0, 1, Purpose::Link);
    world.run(400.0);
    kinds[2].extend(world.cells.drain(..).skip(2).map(|(_, cell)| cell));
    for (kind, cells) in kinds.iter().enumerate() {
        assert!(cells.len() > 3000, "{}", cells.len());
        for position in 0..DATAGRAM {
            let mut counts = [0f64; 256];
            for cell in cells {
                counts[usize::from(cell[position])] += 1.0;
            }
            let expected = cells.len() as f64 / 256.0;
            let chi: f64 = counts
                .iter()
                .map(|c| (c - expected).powi(2) / expected)
                .sum();
            assert!(
                (160.0..380.0).contains(&chi),
                "kind {kind}, byte {position}: {chi}"
            );
        }
        let ones: u64 = cells
            .iter()
            .flat_map(|c| c.iter())
            .map(|b| u64::from(b.count_ones()))
            .sum();
        let bits = (cells.len() * DATAGRAM * 8) as f64;
        let sigmas = (ones as f64 - bits / 2.0) / (bits / 4.0).sqrt();
        assert!(sigmas.abs() < 5.0, "kind {kind}: {sigmas}");
    }
}
