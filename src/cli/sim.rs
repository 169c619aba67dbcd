//! `paratox sim`: two people in a simulated network, in virtual time; the same options give the same run, bit for bit.
//!
//! The nodes and messengers are those of the program; only sockets, clocks and disks are played. Not here: the world (`sim`), and what must
//! hold in it (the tests).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::args::Options;
use super::exit::Failure;
use crate::messenger::view::{ChatEvent, ContactState, Delivery};
use crate::messenger::{Command, Reply};
use crate::sim::wires::WireConfig;
use crate::sim::world::{World, WorldConfig};

/// Nodes with their queues and tables take about a megabyte each.
const MAX_SIZE: u32 = 2000;
/// A week.
const MAX_MINUTES: u32 = 10_080;
/// Between two looks at the world.
const LOOK: Duration = Duration::from_secs(1);
/// Each of the two writes one message so often, once they have accepted each other.
const PAUSE: u64 = 10;
/// At the end nobody writes for this long, or for a quarter of the time, so that what is on its way can arrive.
const QUIET: u64 = 60;

/// Options of `paratox sim`.
#[derive(Args, Debug, Clone)]
pub struct SimOptions {
    /// The same number and options give the same run
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Nodes, those of the two people included
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(3..=i64::from(MAX_SIZE)))]
    pub size: u32,
    /// How long the world lives, in its own time
    #[arg(long, value_name = "M", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=i64::from(MAX_MINUTES)))]
    pub minutes: u32,
    /// Share of datagrams that the wires lose, 0 to 0.9
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub loss: f64,
    /// The report as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Write what Eve sees into this file, one datagram a line
    #[arg(long, value_name = "FILE")]
    pub observer: Option<PathBuf>,
    /// Nodes that come and go (not in this version)
    #[arg(long, value_name = "SHARE", hide = true)]
    pub churn: Option<String>,
    /// Nodes that lie (not in this version)
    #[arg(long, value_name = "SHARE", hide = true)]
    pub hostile: Option<String>,
}

fn share(written: &str) -> Result<f64, String> {
    (written.parse().ok())
        .filter(|share| (0.0..=0.9).contains(share))
        .ok_or_else(|| "a share is a number from 0 to 0.9, such as 0.05".to_owned())
}

pub fn run(options: &Options, sim: &SimOptions) -> Result<(), Failure> {
    // A report without them would read as if they had been there.
    for (name, asked) in [("--churn", &sim.churn), ("--hostile", &sim.hostile)] {
        if asked.is_some() {
            return Err(Failure::usage(format!(
                "nodes for {name} are not simulated in this version; leave it away"
            )));
        }
    }
    let mut observer = sim.observer.as_deref().map(Observer::create).transpose()?;
    let ended = told_to_end()?;
    let mut chat = Chat::begin(options, sim);
    let awake = std::io::stderr().is_terminal();
    for second in 0..u64::from(sim.minutes) * 60 {
        if ended.load(Ordering::Relaxed) {
            break;
        }
        if awake && second > 0 && second % 60 == 0 {
            let _ = writeln!(
                std::io::stderr(),
                "minute {} of {}",
                second / 60,
                sim.minutes
            );
        }
        chat.second(second);
        chat.watch(second, observer.as_mut())?;
    }
    if let Some(observer) = observer {
        observer.finish()?;
    }
    let report = chat.report(sim);
    let line = if sim.json {
        serde_json::to_string(&report).expect("numbers and texts always have a JSON text")
    } else {
        report.to_string()
    };
    // A reader who has gone has read enough.
    let _ = writeln!(std::io::stdout(), "{line}");
    Ok(())
}

/// Becomes true at the first signal: then the report is about the time until there.
fn told_to_end() -> Result<Arc<AtomicBool>, Failure> {
    let runtime = super::runtime()?;
    let mut signals = super::watch_signals_in(&runtime)?;
    let ended = Arc::new(AtomicBool::new(false));
    let tell = ended.clone();
    std::thread::spawn(move || {
        runtime.block_on(signals.wait());
        tell.store(true, Ordering::Relaxed);
    });
    Ok(ended)
}

/// The file with what Eve sees.
struct Observer {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Observer {
    fn create(path: &Path) -> Result<Observer, Failure> {
        let opened = File::create(path).and_then(|file| {
            let mut file = BufWriter::new(file);
            writeln!(file, "microseconds,from,to,bytes")?;
            Ok(file)
        });
        Ok(Observer {
            path: path.to_path_buf(),
            file: opened.map_err(unwritable(path))?,
        })
    }

    fn line(
        &mut self,
        at: u64,
        from: SocketAddr,
        to: SocketAddr,
        bytes: u16,
    ) -> Result<(), Failure> {
        writeln!(self.file, "{at},{from},{to},{bytes}").map_err(unwritable(&self.path))
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.file.flush().map_err(unwritable(&self.path))
    }
}

fn unwritable(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    move |error| {
        Failure::failed(format!(
            "{} cannot be written ({error}); name another file with --observer",
            path.display()
        ))
    }
}

/// A world with Alice and Bob in it, who meet and write to each other.
struct Chat {
    world: World,
    class: &'static str,
    /// Alice and Bob: the nodes that come last.
    who: [usize; 2],
    /// The second in which all nodes have started.
    complete: u64,
    end: u64,
    requested: Option<u64>,
    accepted: Option<u64>,
    /// When each text was written, in milliseconds; taken away when it is read on the other side.
    written: BTreeMap<String, u64>,
    /// How long each took, in milliseconds.
    took: Vec<u64>,
    sent: u64,
    /// Sender and number of each that is not yet marked delivered and forward secret.
    unconfirmed: BTreeSet<(usize, u64)>,
    /// Texts that were shown and that nobody had written, or that had been shown before.
    strange: u64,
    seen_sizes: Option<(u16, u16)>,
    /// Datagrams that each node sent in the second half, when the start is over.
    later: Vec<u64>,
    /// Seconds of it.
    later_seconds: u64,
}

impl Chat {
    fn begin(options: &Options, sim: &SimOptions) -> Chat {
        let size = sim.size as usize;
        let config = WorldConfig {
            class: options.class(),
            wires: WireConfig {
                loss: sim.loss,
                ..WireConfig::default()
            },
            // Taken out every second.
            log: usize::MAX,
            ..WorldConfig::new(sim.seed, size)
        };
        let complete = config.stagger.mul_f64(f64::from(sim.size)).as_secs() + 1;
        let mut world = World::new(config);
        let who = [size - 2, size - 1];
        world.add_person(who[0], "Alice");
        world.add_person(who[1], "Bob");
        Chat {
            world,
            class: options.class().word(),
            who,
            complete,
            end: u64::from(sim.minutes) * 60,
            requested: None,
            accepted: None,
            written: BTreeMap::new(),
            took: Vec::new(),
            sent: 0,
            unconfirmed: BTreeSet::new(),
            strange: 0,
            seen_sizes: None,
            later: vec![0; size],
            later_seconds: 0,
        }
    }

    /// What the two do in this second, and what happens in it.
    fn second(&mut self, second: u64) {
        let [alice, bob] = self.who;
        if second == self.complete {
            let add = Command::Add {
                id: self.world.account(bob).to_string(),
                name: "Bob".into(),
                text: "It is me".into(),
            };
            self.world.command(alice, add).expect("a valid id");
        }
        if let Some(accepted) = self.accepted
            && (second - accepted).is_multiple_of(PAUSE)
            && second + QUIET.min(self.end / 4) < self.end
        {
            self.write(alice, bob, second);
            self.write(bob, alice, second);
        }
        self.world.run_for(LOOK);
        for who in self.who {
            for event in self.world.take_events(who) {
                self.shown(who, second, event);
            }
        }
    }

    fn write(&mut self, from: usize, to: usize, second: u64) {
        let text = format!("{from} writes in second {second}");
        let send = Command::Send {
            to: self.world.account(to).to_string(),
            text: text.clone(),
            allow_no_fs: false,
        };
        // Only a full outbox refuses: then this one is not written.
        if let Ok(Reply::Saved(number)) = self.world.command(from, send) {
            self.sent += 1;
            self.written.insert(text, self.world.now().unix.0);
            self.unconfirmed.insert((from, number));
        }
    }

    fn shown(&mut self, who: usize, second: u64, event: ChatEvent) {
        match event {
            ChatEvent::Request(view) => {
                self.requested.get_or_insert(second + 1);
                let accept = Command::Accept {
                    id: view.id.to_string(),
                };
                self.world
                    .command(self.who[1], accept)
                    .expect("a request waits");
            }
            ChatEvent::Contact(view) if self.accepted.is_none() => {
                let alices = view.id == self.world.account(self.who[1]);
                if alices && view.state == ContactState::Accepted {
                    self.accepted = Some(second + 1);
                }
            }
            ChatEvent::Message(view) if !view.mine && self.accepted.is_some() => {
                match self.written.remove(&view.text) {
                    Some(written) => self.took.push(view.time.0.saturating_sub(written)),
                    None => self.strange += 1,
                }
            }
            ChatEvent::Delivery {
                number,
                delivery: Delivery::Delivered,
                secrecy,
                ..
            } if secrecy.level() == 3 => {
                self.unconfirmed.remove(&(who, number));
            }
            _ => {}
        }
    }

    /// Hands what Eve saw to the file, if there is one.
    fn watch(&mut self, second: u64, mut observer: Option<&mut Observer>) -> Result<(), Failure> {
        let later = second >= self.end / 2;
        self.later_seconds += u64::from(later);
        for sighting in std::mem::take(&mut self.world.eve.log) {
            let (least, most) = self.seen_sizes.unwrap_or((u16::MAX, 0));
            self.seen_sizes = Some((least.min(sighting.length), most.max(sighting.length)));
            self.later[sighting.source as usize] += u64::from(later);
            if let Some(observer) = &mut observer {
                let [from, to] =
                    [sighting.source, sighting.target].map(|node| self.world.addr(node as usize));
                observer.line(sighting.at, from, to, sighting.length)?;
            }
        }
        Ok(())
    }

    fn report(mut self, sim: &SimOptions) -> Report {
        self.took.sort_unstable();
        let lived = self.world.now().at.0 as f64 / 1e6;
        let a_second = |sent: Option<&u64>| {
            let seconds = Some(self.later_seconds).filter(|seconds| *seconds > 0)?;
            sent.map(|sent| *sent as f64 / seconds as f64)
        };
        let share = |part: usize| {
            // The smallest time that so many of a hundred do not exceed.
            let rank = (self.took.len() * part).div_ceil(100);
            rank.checked_sub(1).map(|at| self.took[at] as f64 / 1000.0)
        };
        Report {
            seed: sim.seed,
            size: sim.size,
            class: self.class,
            loss: sim.loss,
            seconds: lived,
            request_after: self.requested.map(|second| second - self.complete),
            accepted_after: self.accepted.map(|second| second - self.complete),
            written: self.sent,
            arrived: self.took.len() as u64,
            confirmed: self.sent - self.unconfirmed.len() as u64,
            doubled: self.strange,
            one_way_p50: share(50),
            one_way_p95: share(95),
            datagrams: self.world.eve.seen,
            lost: self.world.lost,
            least_bytes: self.seen_sizes.map(|sizes| sizes.0),
            most_bytes: self.seen_sizes.map(|sizes| sizes.1),
            per_node_and_second: self.world.eve.seen as f64 / f64::from(sim.size) / lived.max(1.0),
            quietest_node_per_second: a_second(self.later.iter().min()),
            busiest_node_per_second: a_second(self.later.iter().max()),
            digest: self
                .world
                .eve
                .digest()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        }
    }
}

/// What came of it. Times in seconds of the world.
#[derive(Serialize, Debug)]
struct Report {
    seed: u64,
    size: u32,
    class: &'static str,
    loss: f64,
    seconds: f64,
    /// From the moment Alice asks.
    request_after: Option<u64>,
    accepted_after: Option<u64>,
    written: u64,
    arrived: u64,
    /// Marked delivered and forward secret at the sender.
    confirmed: u64,
    doubled: u64,
    one_way_p50: Option<f64>,
    one_way_p95: Option<f64>,
    datagrams: u64,
    lost: u64,
    least_bytes: Option<u16>,
    most_bytes: Option<u16>,
    per_node_and_second: f64,
    /// In the second half of the time.
    quietest_node_per_second: Option<f64>,
    busiest_node_per_second: Option<f64>,
    /// Of everything Eve saw, contents included.
    digest: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} nodes of class {}, {:.0} s of their time, {} of all datagrams lost on purpose, seed {}",
            self.size, self.class, self.seconds, self.loss, self.seed
        )?;
        match (self.request_after, self.accepted_after) {
            (None, _) => writeln!(f, "Alice's request has not reached Bob.")?,
            (Some(request), None) => writeln!(
                f,
                "Alice's request reached Bob after {request} s; his answer is on its way."
            )?,
            (Some(request), Some(accepted)) => writeln!(
                f,
                "Alice's request reached Bob after {request} s, his answer was back {accepted} s after she had asked."
            )?,
        }
        writeln!(
            f,
            "{} messages written, {} arrived, {} marked delivered and forward secret, {} shown twice.",
            self.written, self.arrived, self.confirmed, self.doubled
        )?;
        if let (Some(p50), Some(p95)) = (self.one_way_p50, self.one_way_p95) {
            writeln!(
                f,
                "One way: half within {p50:.1} s, 95 of 100 within {p95:.1} s."
            )?;
        }
        let bytes = match (self.least_bytes, self.most_bytes) {
            (Some(least), Some(most)) if least == most => format!("each of {least} bytes"),
            (Some(least), Some(most)) => format!("of {least} to {most} bytes"),
            _ => "none yet".to_owned(),
        };
        writeln!(
            f,
            "Eve saw {} datagrams, {bytes}, {:.1} a second from each node; the wires lost {}.",
            self.datagrams, self.per_node_and_second, self.lost
        )?;
        if let (Some(least), Some(most)) =
            (self.quietest_node_per_second, self.busiest_node_per_second)
        {
            writeln!(
                f,
                "In the second half the quietest node sent {least:.1} a second, the busiest {most:.1}."
            )?;
        }
        write!(f, "Digest of all she saw: {}", self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Arguments, Command as Line};
    use clap::Parser;

    fn options(words: &[&str]) -> (Options, SimOptions) {
        let line = ["paratox", "sim"].iter().chain(words);
        let arguments = Arguments::try_parse_from(line).expect("well formed");
        match arguments.command {
            Some(Line::Sim(sim)) => (arguments.options, sim),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_simulated_is_refused_and_not_left_out_in_silence() {
        for asked in ["--churn", "--hostile"] {
            let (options, sim) = options(&[asked, "0.2"]);
            let refused = run(&options, &sim).expect_err("refused");
            assert_eq!(refused.code, 2);
            assert!(refused.sentence.contains(asked), "{refused}");
        }
        for wrong in [
            ["--loss", "5"],
            ["--size", "2"],
            ["--minutes", "0"],
            ["--loss", "NaN"],
        ] {
            let line = ["paratox", "sim"].iter().chain(&wrong);
            assert!(Arguments::try_parse_from(line).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let (options, sim) = options(&["--observer", "/nonexistent/eve.csv"]);
        let refused = run(&options, &sim).expect_err("refused");
        assert_eq!(refused.code, 1);
        assert!(
            refused.sentence.contains("/nonexistent/eve.csv"),
            "{refused}"
        );
    }
}
