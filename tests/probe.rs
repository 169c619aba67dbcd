use paratox::sim::world::{World, WorldConfig};
use paratox::messenger::Command;
use paratox::wire::class::Class;
use std::time::Duration;
#[test]
fn probe() {
    let n: usize = std::env::var("N").map(|s| s.parse().unwrap()).unwrap_or(12);
    let class = if std::env::var("FAST").is_ok() { Class::Fast } else { Class::Normal };
    let mut w = World::new(WorldConfig { class, ..WorldConfig::new(1, n) });
    w.add_person(4, "Alice"); w.add_person(9, "Bob");
    let t = std::time::Instant::now();
    let show = |w: &World, i: usize| { if let Some(node) = w.node(i) { let info = node.info(w.now());
        println!("t={:.1}s node {i}: online {} known {} est {} pool {} stored {} links {:?} circuits {:?}", w.now().at.0 as f64/1e6, info.online, info.known_nodes, info.estimated_nodes, info.pool_records, info.stored_values, info.links.iter().map(|l| format!("{}:{}:{}s", l.purpose, l.state, l.seconds)).collect::<Vec<_>>(), info.circuits.iter().map(|c| format!("{}:{}:{}h:{}r", c.role, c.state, c.hops, c.rebuilt)).collect::<Vec<_>>()); } };
    for s in 0..12 { w.run_for(Duration::from_secs(if s < 6 { 2 } else { 10 })); show(&w, 4); println!("  wall {:?} seen {}", t.elapsed(), w.eve.seen); }
    let bob = w.account(9);
    w.command(4, Command::Add { id: bob.to_string(), name: "Bob".into(), text: "Hello".into() }).unwrap();
    let mut seen = (0, 0);
    for s in 0..150 { w.run_for(Duration::from_secs(2));
        let (a, b) = (w.events(4), w.events(9));
        if (a.len(), b.len()) != seen { println!("t+{} alice {:?}\n   bob {:?}", s*2, &a[seen.0..], &b[seen.1..]); seen = (a.len(), b.len());
          if b.iter().any(|e| matches!(e, paratox::messenger::view::ChatEvent::Request(_))) && !b.iter().any(|e| matches!(e, paratox::messenger::view::ChatEvent::Message(_))) {
            let alice = w.account(4);
            println!("accept {:?}", w.command(9, Command::Accept { id: alice.to_string() }));
            println!("send {:?}", w.command(9, Command::Send { to: alice.to_string(), text: "hi".into(), allow_no_fs: false }));
          } }
        if s % 20 == 0 { show(&w, 4); show(&w, 9); }
    }
    println!("wall {:?} seen {}", t.elapsed(), w.eve.seen);
}
