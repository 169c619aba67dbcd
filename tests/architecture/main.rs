//! The rule of the house: a room imports only from the rooms above it, and only the rooms made for it touch the world outside.
//!
//! The order is that of the crate documentation. The test reads the sources, because a rule that nothing checks is a wish.

mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::{Named, Source};

/// A room, and the rooms it uses: some of those above it in this list, never one below.
const ROOMS: [(&str, &[&str]); 10] = [
    ("crypto", &[]),
    ("wire", &["crypto"]),
    ("node", &["crypto", "wire"]),
    ("messenger", &["crypto", "wire", "node"]),
    ("store", &["crypto", "wire", "messenger", "platform"]),
    ("net", &["wire", "node", "messenger", "platform"]),
    ("app", &["crypto", "wire", "node", "messenger"]),
    (
        "tui",
        &["crypto", "wire", "node", "messenger", "app", "platform"],
    ),
    ("sim", &["crypto", "wire", "node", "messenger"]),
    (
        "cli",
        &[
            "crypto",
            "wire",
            "node",
            "messenger",
            "store",
            "net",
            "app",
            "tui",
            "sim",
            "platform",
        ],
    ),
];

/// Machines of `node`: none calls another. Of a sibling they name its words and its bounds, no more.
const SIBLINGS: [(&str, &[&str]); 5] = [
    ("node::link", &[]),
    ("node::dht", &[]),
    ("node::person", &[]),
    ("node::topology", &["link::AssocId"]),
    (
        "node::circuit",
        &["link::AssocId", "link::BodyKind", "link::Purpose", "person"],
    ),
];
/// What all of them may name of their parent.
const OF_NODE: [&str; 2] = ["Cause", "Shaping"];

/// A path that only some rooms may name, with everything below it.
struct Rule {
    path: &'static str,
    allowed: &'static [&'static str],
    because: &'static str,
}

const fn only(allowed: &'static [&'static str], path: &'static str, because: &'static str) -> Rule {
    Rule {
        path,
        allowed,
        because,
    }
}

const DRAWS: &str = "only the terminal room draws";
const SOCKET: &str = "only net owns a socket";
const WAITS: &str = "state machines do not wait";
const TIME: &str = "time is an argument";
const CHANCE: &str = "randomness is an argument";
const FILES: &str = "state machines have no files";
const PRINTS: &str = "only the command line prints";
const ORDER: &str = "its order differs from run to run";
const SYSTEM: &str = "state machines know no system";
const FOREIGN: &str = "what is unsafe or of another language stands in one file";
const TESTS: &str = "made for tests alone: no way of the program may lead to it";

/// Rooms and files that belong to the world outside.
const OUTSIDE: &[&str] = &["net", "tui", "cli", "main", "platform"];

const RULES: &[Rule] = &[
    only(&["tui"], "ratatui", DRAWS),
    only(&["tui"], "crossterm", DRAWS),
    only(&["tui"], "tui_textarea", DRAWS),
    only(&["store"], "rusqlite", "only the store names the database"),
    only(&["net"], "tokio::net", SOCKET),
    only(&["net"], "socket2", SOCKET),
    only(&["net"], "std::net::UdpSocket", SOCKET),
    only(&["net"], "std::net::TcpStream", SOCKET),
    only(&["net"], "std::net::TcpListener", SOCKET),
    only(&["net"], "std::net::ToSocketAddrs", SOCKET),
    only(&["net", "platform"], "rustix::net", SOCKET),
    only(&[], "std::os::unix::net", SOCKET),
    only(OUTSIDE, "tokio", WAITS),
    only(OUTSIDE, "futures_util", WAITS),
    only(OUTSIDE, "std::thread", WAITS),
    only(OUTSIDE, "std::sync::mpsc", WAITS),
    only(OUTSIDE, "std::sync::Condvar", WAITS),
    only(&["net", "tui", "cli", "main"], "std::time::Instant", TIME),
    only(
        &["net", "tui", "cli", "main", "store"],
        "std::time::SystemTime",
        TIME,
    ),
    only(&["tui", "cli"], "jiff::Timestamp::now", TIME),
    only(&["tui", "cli"], "jiff::Zoned::now", TIME),
    only(&["tui", "cli"], "jiff::tz::TimeZone::system", TIME),
    only(&["net"], "getrandom", CHANCE),
    only(&[], "rand_core::OsRng", CHANCE),
    only(&[], "rand_core::UnwrapErr", CHANCE),
    only(&[], "rand", CHANCE),
    only(
        &["store", "net", "tui", "cli", "platform"],
        "std::fs",
        FILES,
    ),
    only(&["store", "cli"], "std::env", SYSTEM),
    only(
        &["store", "cli", "main", "platform"],
        "std::process",
        SYSTEM,
    ),
    only(&["platform"], "std::os", SYSTEM),
    only(&["platform"], "rustix", SYSTEM),
    only(&["tui", "platform"], "signal_hook", SYSTEM),
    only(&["tui", "cli", "platform"], "std::io::stdin", SYSTEM),
    only(&["tui", "cli", "platform"], "std::io::stdout", PRINTS),
    only(&["tui", "cli", "platform"], "std::io::stderr", PRINTS),
    only(&["cli"], "print!", PRINTS),
    only(&["cli"], "println!", PRINTS),
    only(&["cli"], "eprint!", PRINTS),
    only(&["cli"], "eprintln!", PRINTS),
    only(&[], "dbg!", PRINTS),
    only(&["net", "tui", "cli"], "std::collections::HashMap", ORDER),
    only(&["net", "tui", "cli"], "std::collections::HashSet", ORDER),
    only(&[], "std::collections::hash_map", ORDER),
    only(&[], "std::hash::RandomState", ORDER),
    only(&["platform"], "unsafe", FOREIGN),
    only(&[], "extern", FOREIGN),
    only(
        &["node", "sim"],
        "crate::node::Shaping::OffForPositiveControl",
        TESTS,
    ),
    only(&["store"], "crate::store::Cost::LEAST", TESTS),
];

/// Words of a `cfg` that tell one operating system from another.
const SYSTEMS: [&str; 7] = [
    "unix",
    "windows",
    "target_os",
    "target_family",
    "target_env",
    "target_arch",
    "target_vendor",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Every source of the program with the module it is; what only tests see is left out.
fn sources() -> Vec<(Vec<String>, Source)> {
    let mut found = Vec::new();
    files(&root(), &mut found);
    found.sort();
    let read = |file: PathBuf| {
        let relative = file.strip_prefix(root()).expect("found below the root");
        let mut module = source::module_of(relative);
        let source = source::read(&fs::read_to_string(&file).expect("text"), &module);
        if module.is_empty() {
            // `lib.rs` and `main.rs` are both the root: of the two, `main` is the one with code.
            module.push(relative.with_extension("").to_string_lossy().into_owned());
        }
        (module, source)
    };
    let all: Vec<(Vec<String>, Source)> = found.into_iter().map(read).collect();
    assert!(all.len() > 100, "the sources were not found");
    let tests: Vec<Vec<String>> = all
        .iter()
        .flat_map(|(module, source)| {
            let below = |name: &String| [&module[..], std::slice::from_ref(name)].concat();
            source.test_modules.iter().map(below)
        })
        .collect();
    let is_test = |module: &[String]| tests.iter().any(|test| module.starts_with(test));
    all.into_iter()
        .filter(|(module, _)| !is_test(module))
        .collect()
}

/// Whether `path` is `above` or lies below it.
fn lies_in(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether naming `path` names what the rule is about: the thing, something in it, or everything of a module that holds it.
fn names(path: &str, rule: &str) -> bool {
    let of = |whole: &str| lies_in(path, whole) || path == format!("std::{whole}");
    let all = path.strip_suffix("::*");
    of(rule) || all.is_some_and(|module| lies_in(rule, module))
}

/// A number with a name: two machines may be built for the same one.
fn is_bound(path: &str) -> bool {
    let name = path.rsplit("::").next().unwrap_or(path);
    name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// What a module does that it must not.
fn offences(module: &[String], source: &Source) -> Vec<String> {
    let place = module.join("::");
    let room = module[0].as_str();
    let mut found = Vec::new();
    let mut say = |named: &Named, because: &str| {
        found.push(format!(
            "{place}, line {}: `{}`: {because}",
            named.line, named.path
        ));
    };
    let uses: &[&str] = match ROOMS.iter().find(|(name, _)| *name == room) {
        Some((_, uses)) => uses,
        None if room == "main" => &["cli"],
        None => &[],
    };
    for named in &source.named {
        let path = named.path.as_str();
        if let Some(inside) = path.strip_prefix("crate::") {
            let other = inside.split("::").next().unwrap_or(inside);
            if other != room && !uses.contains(&other) {
                say(named, &format!("{room} has no business there"));
            }
        }
        for rule in RULES {
            if names(path, rule.path) && !rule.allowed.contains(&room) {
                say(named, rule.because);
            }
        }
        for (sibling, words) in SIBLINGS {
            let Some(inside) = path.strip_prefix("crate::node::") else {
                continue;
            };
            let own = sibling.trim_start_matches("node::");
            let may = is_bound(inside)
                || words
                    .iter()
                    .chain(&OF_NODE)
                    .any(|word| lies_in(inside, word));
            if lies_in(&place, sibling) && !lies_in(inside, own) && !may {
                say(named, "no machine of node calls another");
            }
        }
    }
    for named in &source.conditions {
        if SYSTEMS.contains(&named.path.as_str()) && room != "platform" {
            say(
                named,
                "what depends on the operating system stands in one file",
            );
        }
        if named.path == "path" {
            say(named, "a module stands where its name says");
        }
    }
    found
}

#[test]
fn a_room_uses_only_rooms_above_it_and_only_those_made_for_it_touch_the_world_outside() {
    let broken: Vec<String> = sources()
        .iter()
        .flat_map(|(module, source)| offences(module, source))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_rooms_are_those_of_the_crate_and_each_uses_only_what_stands_above_it() {
    for (rank, (room, uses)) in ROOMS.iter().enumerate() {
        for other in uses.iter().filter(|other| **other != "platform") {
            let above = ROOMS[..rank].iter().any(|(name, _)| name == other);
            assert!(above, "{room} uses {other}");
        }
    }
    let mut there: Vec<String> = fs::read_dir(root())
        .expect("src is readable")
        .map(|entry| entry.expect("src is readable").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    there.sort();
    let mut expected: Vec<String> = ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect();
    expected.extend(["PROTOCOL.md", "lib.rs", "main.rs", "platform.rs"].map(str::to_owned));
    expected.sort();
    assert_eq!(
        there, expected,
        "a room that no rule knows, or a rule without a room"
    );
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    let mut found = Vec::new();
    files(&root(), &mut found);
    for file in found {
        let says_nothing = ["util", "utils", "helper", "helpers", "common", "misc"];
        let part = |part: std::path::Component| part.as_os_str().to_string_lossy().into_owned();
        let relative = file.strip_prefix(root()).expect("below the root");
        let mut parts = relative
            .with_extension("")
            .components()
            .map(part)
            .collect::<Vec<_>>()
            .into_iter();
        assert!(
            !parts.any(|part| says_nothing.contains(&part.as_str())),
            "{}",
            file.display()
        );
    }
}

/// Every way around the rules that anybody thought of, and what looks like one.
#[test]
fn a_rule_is_not_got_around_by_writing_it_another_way() {
    let place = |module: &str| module.split("::").map(str::to_owned).collect::<Vec<_>>();
    let found = |module: &str, text: &str| {
        let module = place(module);
        offences(&module, &source::read(text, &module))
    };
    for (module, text) in [
        ("crypto", "use crate::tui::view;"),
        ("wire::cell", "use crate::{crypto::keys, node::Node};"),
        ("wire::cell", "fn f() { crate::node::link::run() }"),
        ("node::link::ticks", "use super::super::super::net::driver;"),
        ("node::link", "use super::dht::Dht;"),
        ("node::dht::upkeep", "use crate::node::circuit::Circuits;"),
        ("node::circuit::own", "use crate::node::link::Links;"),
        ("node::circuit::own", "use crate::node::{link, dht};"),
        ("node::topology", "use super::circuit;"),
        (
            "messenger",
            "fn f() { let s = \"//\"; crate::store::open() }",
        ),
        ("app", "use crate::net::driver;"),
        ("app", "use crate as here; fn f() { here::store::open() }"),
        ("app", "mod inner { use super::super::cli; }"),
        ("sim", "use crate::net::clock::Clock;"),
        ("app", "use crate::sim::world::World;"),
        (
            "main",
            "fn main() { paratox::cli::run(); paratox::store::open() }",
        ),
        ("platform", "use crate::wire::cell;"),
        ("lib", "pub use node::Node; pub use crate::node::Node;"),
        ("node", "use std::{collections::BTreeMap, fs};"),
        ("node", "use std::io; fn f() { io::stdout(); }"),
        (
            "node",
            "use std::{self as s}; fn f() { s::fs::read(\"x\"); }",
        ),
        ("node", "use std::*;"),
        ("node", "use std::time::*;"),
        ("node", "use std::time; fn f() { time::Instant::now(); }"),
        ("node", "use std::time::Instant as Moment;"),
        ("node", "fn f() { ::std::time::SystemTime::now(); }"),
        ("node", "use std::net::{SocketAddr, UdpSocket as Wire};"),
        ("node", "fn f() { tokio::spawn(async {}); }"),
        ("node", "use tokio as t;"),
        ("node", "fn f() { std::thread::sleep(d) }"),
        ("node", "fn f(x: u8) { std::println!(\"{x}\"); }"),
        ("node", "fn f(x: u8) { dbg!(x); }"),
        ("node", "fn f() { /* a */ eprintln!(\"x\") }"),
        ("node", "use std::collections::{BTreeMap, HashMap as Map};"),
        ("node", "fn f() { getrandom::fill(&mut seed) }"),
        (
            "node",
            "#[cfg(test)]\nmod tests {\n use ratatui;\n}\nuse ratatui::Frame;",
        ),
        ("node", "#[cfg(test)]\nfn f<A, B>() {}\nuse ratatui::Frame;"),
        (
            "node",
            "#[cfg(any(test, feature = \"x\"))]\nuse ratatui::Frame;",
        ),
        ("node", "macro_rules! m { () => { std::fs::read(\"x\") } }"),
        ("node", "#[path = \"../../elsewhere.rs\"]\nmod elsewhere;"),
        ("net", "#[cfg(target_os = \"linux\")]\nconst A: u8 = 1;"),
        ("net", "fn f() { if cfg!(windows) {} }"),
        ("net", "fn f() { unsafe { g() } }"),
        ("net", "extern crate std as s;"),
        ("tui", "use rusqlite::Connection;"),
        ("cli", "use crossterm::event;"),
        (
            "cli",
            "use crate::node::Shaping; fn f() { Shaping::OffForPositiveControl; }",
        ),
        ("cli", "use crate::node::Shaping::*;"),
        ("cli", "use crate::store::Cost as C; fn f() { C::LEAST; }"),
    ] {
        assert!(!found(module, text).is_empty(), "{module} may: {text}");
    }
    for (module, text) in [
        (
            "node",
            "// use crate::tui;\n/* std::fs /* tokio */ ratatui */",
        ),
        ("node", "const A: &str = \"crate::tui, println!\";"),
        (
            "node",
            "const A: &str = r#\"\"std::fs\"\"#; const B: char = '\"';",
        ),
        ("node", "fn f<'a>(x: &'a str) -> &'a str { x }"),
        (
            "node",
            "use std::net::{IpAddr, SocketAddr}; use std::time::Duration;",
        ),
        (
            "node",
            "#[cfg(test)]\nmod tests {\n use ratatui;\n fn f() { println!() }\n}",
        ),
        ("node", "#[cfg(test)]\nuse std::time::Instant;\nfn f() {}"),
        ("node", "struct A { #[cfg(test)] b: std::fs::File, c: u8 }"),
        ("node", "fn f() { self.thread.tokio(); now.unix }"),
        (
            "node::circuit::own",
            "use crate::node::link::{AssocId, Purpose};",
        ),
        (
            "node::circuit::intro",
            "use crate::node::link::ACCEPTED_SPURS;",
        ),
        (
            "node::circuit::own",
            "use super::base::Base; use crate::node::person::Way;",
        ),
        ("node::link::ticks", "use crate::node::{Cause, Shaping};"),
        (
            "sim::world",
            "use super::eve::Eve; use crate::sim::wires::Wires;",
        ),
        (
            "sim",
            "fn f() { crate::node::Shaping::OffForPositiveControl; }",
        ),
        (
            "cli",
            "fn main() { println!(\"{}\", crate::store::open()) }",
        ),
    ] {
        assert_eq!(found(module, text), [""; 0], "{module} may not: {text}");
    }
}
