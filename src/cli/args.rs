//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::exit::Failure;
use super::sim::SimOptions;
use crate::messenger::text;
use crate::wire::address::Reach;
use crate::wire::class::Class;
use crate::wire::ticket::{BadTicket, Ticket};

/// A private chat for the terminal. Alice and Bob talk although Eve watches every wire: she must learn neither what they say
/// nor that they talk to each other. There is no server.
#[derive(Parser, Debug)]
#[command(
    name = "paratox",
    version,
    args_conflicts_with_subcommands = false,
    disable_help_subcommand = true
)]
#[command(
    after_help = "Try it without friends and without a network: paratox demo\n\
    Exit codes: 0 clean, 1 failure, 2 wrong usage, 3 wrong passphrase, 4 directory in use, 5 damaged or newer file."
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub options: Options,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// A whole network in this process, on loopback sockets, with contacts that answer
    Demo {
        /// JSON lines on stdin and stdout in the place of the screen
        #[arg(long)]
        headless: bool,
    },
    /// Run as a relay and entry node without an account; the first line on stdout is its ticket
    Node,
    /// The chat without a screen: JSON lines on stdin and stdout
    Headless {
        /// Create the account under this name if the data directory is empty
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Print the own AccountID on the first line; on a terminal also in groups of four and as a QR code
    Id,
    /// Two people in a simulated network, in virtual time; prints a report
    Sim(SimOptions),
}

/// Options of every command.
#[derive(Args, Debug, Clone, Default)]
pub struct Options {
    /// Where this profile lives; one directory is one profile
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Read the passphrase from the first line of this file; without it, it is asked for at the terminal
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Ticket of an entry node (pxe1…@address:port); may be given several times
    #[arg(long = "entry", global = true, value_name = "TICKET", value_parser = ticket)]
    pub entries: Vec<Ticket>,
    /// Allow private addresses and several nodes in one /16, as in a home network or on one computer
    #[arg(long, global = true)]
    pub lan: bool,
    /// Address and port to listen on [default: any port of every address]
    #[arg(long, global = true, value_name = "IP:PORT", value_parser = listen)]
    pub listen: Option<SocketAddr>,
    /// Constant traffic of this node, the same whether you chat or not: normal (about 30 kB/s each way) or fast (about 100 kB/s;
    /// messages take a third of the time) [default: normal]
    #[arg(long, global = true, value_name = "CLASS", value_parser = class)]
    pub class: Option<Class>,
}

/// A ticket as it is written; the sentence about a wrong one names the place.
fn ticket(written: &str) -> Result<Ticket, String> {
    written.parse().map_err(|bad: BadTicket| {
        let place = (bad.position).map(|place| format!("at character {}", place + 1));
        match place {
            Some(place) if !bad.reason.ends_with(&place) => format!("{} ({place})", bad.reason),
            _ => bad.reason,
        }
    })
}

/// An address to bind, as it is written. A name would have to be looked up, and that would tell somebody.
fn listen(written: &str) -> Result<SocketAddr, String> {
    (written.parse()).map_err(|_| {
        "an address is written as 203.0.113.7:40123 or [2001:db8::7]:40123, names are not looked up"
            .to_owned()
    })
}

/// A class as it is written.
fn class(written: &str) -> Result<Class, String> {
    match written {
        "normal" => Ok(Class::Normal),
        "fast" => Ok(Class::Fast),
        "saver" => Err("the class saver comes in a later version, take normal or fast".to_owned()),
        _ => Err("a class is normal or fast".to_owned()),
    }
}

impl Options {
    /// The class asked for, or the default.
    pub fn class(&self) -> Class {
        self.class.unwrap_or(Class::Normal)
    }

    /// Whether every entry named can be reached at all: otherwise the program would wait for ever, and nobody would know for what.
    pub fn check(&self) -> Result<(), Failure> {
        let reach = Reach::of(self.lan);
        let deaf = (self.entries.iter()).find(|ticket| ticket.address(reach).is_none());
        let place = deaf.and_then(|ticket| ticket.addresses().first());
        place.map_or(Ok(()), |place| {
            Err(Failure::usage(format!(
                "the entry node at {place} has a private address, which is reached only with --lan; add --lan, or name an entry with a public address"
            )))
        })
    }
}

/// What the parser says of a line that is no command to carry out. Help and version were asked for, and go to stdout; everything else is
/// wrong usage, in one sentence.
pub fn not_a_command(said: &clap::Error) -> Result<(), Failure> {
    if said.use_stderr() {
        return Err(Failure::usage(sentence(&said.to_string())));
    }
    // A reader who has gone has read enough.
    let _ = said.print();
    Ok(())
}

/// The parser's words on one line, without its usage: that is what --help is for.
fn sentence(said: &str) -> String {
    let words: Vec<&str> = said
        .lines()
        .map(|line| line.strip_prefix("error: ").unwrap_or(line).trim())
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect();
    // The arguments come back in it, whatever they are.
    let words = text::clean(&words.join(" "));
    format!("{words}; `paratox --help` says what there is")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::EntryKey;
    use crate::crypto::random::Stream;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_may_stand_before_and_behind_the_command() {
        for line in [
            ["paratox", "--lan", "--data-dir", "d", "node"],
            ["paratox", "node", "--lan", "--data-dir", "d"],
        ] {
            let arguments = Arguments::try_parse_from(line).expect("both are fine");
            assert!(matches!(arguments.command, Some(Command::Node)));
            assert!(arguments.options.lan);
            assert_eq!(arguments.options.data_dir, Some(PathBuf::from("d")));
        }
    }

    fn refused(line: &[&str]) -> String {
        let error = Arguments::try_parse_from(line).expect_err("refused");
        assert_eq!(error.exit_code(), 2, "{line:?}");
        let failure = not_a_command(&error).expect_err("wrong usage");
        assert_eq!(failure.code, 2, "{line:?}");
        assert_eq!(failure.sentence.lines().count(), 1, "{failure}");
        assert!(failure.sentence.contains("--help"), "{failure}");
        failure.sentence
    }

    #[test]
    fn a_wrong_line_is_wrong_usage_and_one_sentence_says_why() {
        for (line, says) in [
            (&["paratox", "dance"][..], "dance"),
            (&["paratox", "--no-such-option"], "--no-such-option"),
            (&["paratox", "--listen", "localhost:1"], "--listen"),
            (&["paratox", "--class", "turbo"], "normal or fast"),
            (&["paratox", "--class", "saver"], "a later version"),
            (&["paratox", "--data-dir"], "--data-dir"),
            (&["paratox", "node", "a\u{1b}[31m\nb"], "b"),
        ] {
            let sentence = refused(line);
            assert!(sentence.contains(says), "{sentence}");
            assert!(!sentence.chars().any(char::is_control), "{sentence:?}");
        }
    }

    fn some_ticket(place: &str) -> String {
        let key = EntryKey::generate(&mut Stream::from_seed([1; 32])).id();
        format!("{key}@{place}")
    }

    #[test]
    fn a_typo_in_a_ticket_is_named_with_its_place() {
        let good = some_ticket("198.51.100.7:1");
        let mut key: Vec<char> = good.chars().collect();
        key[20] = if key[20] == 'q' { 'p' } else { 'q' };
        let key: String = key.into_iter().collect();
        assert!(refused(&["paratox", "--entry", &key]).contains("at character 21"));
        let at = good.find('@').expect("a ticket has one");
        let port = some_ticket("198.51.100.7:70000");
        assert!(
            refused(&["paratox", "--entry", &port]).contains(&format!("at character {}", at + 2))
        );
    }

    #[test]
    fn an_entry_that_nobody_could_reach_is_refused_and_not_waited_for() {
        let private = some_ticket("192.168.1.2:40123");
        let checked = |line: &[&str]| {
            let arguments = Arguments::try_parse_from(line).expect("well formed");
            arguments.options.check()
        };
        let failure = checked(&["paratox", "--entry", &private]).expect_err("unreachable");
        assert_eq!(failure.code, 2);
        assert!(failure.sentence.contains("--lan"), "{failure}");
        assert_eq!(checked(&["paratox", "--lan", "--entry", &private]), Ok(()));
        let public = some_ticket("9.9.9.9:40123");
        assert_eq!(checked(&["paratox", "--entry", &public]), Ok(()));
    }
}
