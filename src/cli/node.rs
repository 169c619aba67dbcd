//! `paratox node`: a relay and entry node without an account. The more of them there are, the more there is to hide among.
//!
//! Its NodeId is fresh at every start like everybody's. What stays is its entry key, because tickets name it.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::account;
use super::args::Options;
use super::exit::Failure;
use super::place;
use crate::crypto::keys::EntryKey;
use crate::crypto::random::Stream;
use crate::net::clock::Clock;
use crate::net::{driver, seed};
use crate::node::{Node, NodeConfig, Shaping};
use crate::platform;
use crate::wire::ticket::{EntrySecret, Ticket};

/// Where the entry key lies in the data directory: 32 bytes, readable by the owner alone, locked while it is in use.
const KEY_FILE: &str = "entry.key";
/// The port that a node without `--listen` takes if it is free, so that its ticket outlives a restart.
const USUAL_PORT: u16 = 40_123;
/// How often it is checked that the node still runs.
const CHECK: Duration = Duration::from_secs(1);

pub fn run(options: &Options) -> Result<(), Failure> {
    let directory = match &options.data_dir {
        Some(named) => named.clone(),
        None => place::data_dir(options)?.join("node"),
    };
    // The key file stays open, and with it locked, until the end.
    let (entry_key, _held) = entry_key(&directory, &mut account::random("entry key")?)?;
    let socket = place::socket(options, Some(USUAL_PORT))?;
    let bound = socket
        .local_addr()
        .map_err(|error| Failure::failed(error.to_string()))?;
    let address = reachable(bound);
    let ticket = Ticket::new(entry_key.id(), EntrySecret::NONE, vec![address])
        .expect("there is one address");
    let runtime = super::runtime()?;
    // Before the line that scripts wait for: whoever has read it may end the program.
    let mut signals = super::watch_signals_in(&runtime)?;
    let clock = Clock::start();
    let config = NodeConfig {
        class: options.class(),
        lan: options.lan,
        address: Some(address),
        entries: options.entries.clone(),
        entry_key: Some((entry_key, EntrySecret::NONE)),
        shaping: Shaping::On,
    };
    let seed = seed::fresh().map_err(|error| Failure::failed(error.to_string()))?;
    let node = Node::new(config, &seed, clock.now());
    drop(seed);
    let running = driver::start(runtime.handle(), clock, socket, node, None, "node")
        .map_err(|error| Failure::failed(format!("the node cannot start ({error})")))?;
    // The one line that scripts read; a reader who has gone is no reason to stop relaying.
    let _ = writeln!(std::io::stdout(), "{ticket}");
    let _ = std::io::stdout().flush();
    if let Some(advice) = advice(bound, address, options.lan) {
        let _ = writeln!(std::io::stderr(), "paratox: {advice}");
    }
    let ended = runtime.block_on(async {
        loop {
            tokio::select! {
                () = signals.wait() => return Ok(()),
                () = tokio::time::sleep(CHECK) => if running.has_ended() {
                    return Err(Failure::failed(super::DEFECT));
                }
            }
        }
    });
    drop(running);
    runtime.shutdown_background();
    ended
}

/// The address to put into a ticket: the bound one, or for "every address" the one that leads out of this computer.
fn reachable(bound: SocketAddr) -> SocketAddr {
    if !bound.ip().is_unspecified() {
        return bound;
    }
    let ip = crate::net::socket::way_out().unwrap_or(IpAddr::from([127, 0, 0, 1]));
    SocketAddr::new(ip, bound.port())
}

/// What the operator should know about a ticket that not everybody can use.
fn advice(bound: SocketAddr, told: SocketAddr, lan: bool) -> Option<String> {
    use crate::wire::address::{Address, Reach};
    if bound.ip().is_unspecified() && told.ip().is_loopback() {
        return Some(
            "no way leads out of this computer, so the ticket is good on this computer only; name an address that others reach with --listen".to_owned(),
        );
    }
    if lan || Address::from(told).is_allowed(Reach::Public) {
        return None;
    }
    Some(format!(
        "{} is a private address: others reach this entry only if it and they run with --lan; or name a public address with --listen",
        told.ip()
    ))
}

/// The entry key of the directory, made at the first start, and its open file.
fn entry_key(directory: &Path, random: &mut Stream) -> Result<(EntryKey, File), Failure> {
    let path = directory.join(KEY_FILE);
    let unusable = |error: std::io::Error| {
        Failure::failed(format!(
            "{} cannot be used ({error}); name another directory with --data-dir",
            path.display()
        ))
    };
    platform::make_private_directory(directory).map_err(unusable)?;
    let mut file = platform::open_private(&path, platform::Open::Either).map_err(unusable)?;
    if platform::restrict(&path, 0o600).map_err(unusable)? {
        let _ = writeln!(
            std::io::stderr(),
            "paratox: other users of this computer could read {} until now; remove it to get a new key and a new ticket",
            path.display()
        );
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Failure::in_use(format!(
                "another node runs with {}; end it, or name another directory with --data-dir",
                path.display()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(unusable(error)),
    }
    // One byte more than a key, so that a longer file is seen to be none.
    let mut bytes = Zeroizing::new([0; 33]);
    let mut length = 0;
    loop {
        match file.read(&mut bytes[length..]).map_err(unusable)? {
            0 => break,
            read => length += read,
        }
    }
    if length == 0 {
        let key = EntryKey::generate(random);
        // A crash in between leaves an empty file (made anew) or a short one (refused below): never a wrong key.
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(&key.to_bytes()[..]))
            .map_err(unusable)?;
        file.sync_all()
            .and_then(|()| platform::sync_directory(directory))
            .map_err(unusable)?;
        return Ok((key, file));
    }
    let key = <&[u8; 32]>::try_from(&bytes[..length])
        .ok()
        .and_then(|bytes| EntryKey::from_bytes(bytes).ok());
    key.map(|key| (key, file)).ok_or_else(|| damaged(&path))
}

fn damaged(path: &Path) -> Failure {
    Failure::damaged(format!(
        "{} is no entry key; restore it from a copy, or remove it to get a new key and a new ticket",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(number: u8) -> Stream {
        Stream::from_seed([number; 32])
    }

    #[test]
    fn an_entry_keeps_its_key_and_two_nodes_never_share_it() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let (first, held) = entry_key(place.path(), &mut stream(1)).expect("made");
        assert_eq!(
            entry_key(place.path(), &mut stream(2))
                .err()
                .expect("in use")
                .code,
            4
        );
        drop(held);
        let (second, _held) = entry_key(place.path(), &mut stream(3)).expect("found");
        assert_eq!(first.id(), second.id());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_entry_key_that_others_could_read_becomes_private() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = place.path().join(KEY_FILE);
        let mode = || {
            std::fs::metadata(&path)
                .expect("there")
                .permissions()
                .mode()
                & 0o7777
        };
        drop(entry_key(place.path(), &mut stream(1)).expect("made"));
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("ours");
        drop(entry_key(place.path(), &mut stream(1)).expect("found"));
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn the_operator_is_told_of_a_ticket_that_not_everybody_can_use() {
        let at = |text: &str| -> SocketAddr { text.parse().expect("written here") };
        let (any, loopback) = (at("[::]:40123"), at("127.0.0.1:40123"));
        assert!(advice(any, loopback, true).is_some_and(|said| said.contains("--listen")));
        assert_eq!(advice(loopback, loopback, true), None);
        let home = at("192.168.1.2:40123");
        assert!(advice(any, home, false).is_some_and(|said| said.contains("--lan")));
        assert_eq!(advice(any, home, true), None);
        assert_eq!(advice(any, at("9.9.9.9:40123"), false), None);
    }

    #[test]
    fn a_damaged_entry_key_is_refused_and_left_as_it_is() {
        for content in [&[0u8; 32][..], &[7; 31], &[7; 33], &[7; 1000]] {
            let place = tempfile::tempdir().expect("a temporary directory");
            let path = place.path().join(KEY_FILE);
            std::fs::write(&path, content).expect("written");
            assert_eq!(
                entry_key(place.path(), &mut stream(1))
                    .err()
                    .expect("refused")
                    .code,
                5
            );
            assert_eq!(std::fs::read(&path).expect("still there"), content);
        }
    }
}
