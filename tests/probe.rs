use paratox::sim::world::{World, WorldConfig};
use paratox::sim::wires::WireConfig;
use paratox::messenger::Command;
use paratox::messenger::view::*;
use paratox::wire::class::Class;
use std::time::Duration;
#[test]
fn probe() {
  for seed in 1..=5u64 {
    let wires = WireConfig { delay: Duration::from_millis(1), jitter: Duration::from_millis(1), loss: 0.0 };
    let mut w = World::new(WorldConfig { class: Class::Fast, wires, stagger: Duration::from_millis(20), ..WorldConfig::new(seed, 27) });
    for (i, n) in [(24, "Echo"), (25, "Watcher"), (26, "You")] { w.add_person(i, n); }
    let ids = [w.account(24), w.account(25), w.account(26)];
    for i in 0..2 { w.command(26, Command::Add { id: ids[i].to_string(), name: ["Echo","Watcher"][i].into(), text: "".into() }).unwrap(); }
    let mut seen = [0; 3]; let mut states = vec![String::new(); 3];
    let mut sent = 0; let mut last = 0u64; let mut lat: Vec<f64> = vec![];
    for s in 0..600 { w.run_for(Duration::from_millis(100)); let t = w.now().at.0 as f64/1e6;
      for (k, i) in [24usize, 25, 26].into_iter().enumerate() {
        let info = w.node(i).map(|n| n.info(w.now()));
        if let Some(info) = info { let st = format!("{} {:?}", info.online, info.circuits.iter().map(|c| format!("{}:{}:{}", &c.role[..3], c.state, c.rebuilt)).collect::<Vec<_>>()); if st != states[k] { if s < 200 { println!("{seed} {t:.1} node{i} {st} pool {} stored {}", info.pool_records, info.stored_values); } states[k] = st; } }
        let ev = w.events(i);
        for e in &ev[seen[k]..] { match e {
          ChatEvent::Contact(c) => { println!("{seed} {t:.1} p{i} contact {} {:?} reach {} session {}", c.name, c.state, c.reachable, c.session);
             if i == 26 && c.state == ContactState::Accepted && c.id == ids[0] && sent == 0 { sent = 1; last = w.now().at.0; w.command(26, Command::Send { to: ids[0].to_string(), text: "m".into(), allow_no_fs: false }).unwrap(); } }
          ChatEvent::Request(c) => { println!("{seed} {t:.1} p{i} request {}", c.name); w.command(i, Command::Accept { id: c.id.to_string() }).unwrap(); }
          ChatEvent::Message(m) if !m.mine && i == 24 => { let l = (w.now().at.0 - last) as f64/1e6; lat.push(l); if sent < 20 { sent += 1; last = w.now().at.0; w.command(26, Command::Send { to: ids[0].to_string(), text: "m".into(), allow_no_fs: false }).unwrap(); } }
          _ => {} } }
        seen[k] = ev.len(); } }
    lat.sort_by(|a,b| a.total_cmp(b)); println!("{seed} one-way {:?}", lat);
  }
}
