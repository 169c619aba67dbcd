//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::wire::class::Class;
use crate::wire::ticket::Ticket;

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
    #[arg(long = "entry", global = true, value_name = "TICKET")]
    pub entries: Vec<Ticket>,
    /// Allow private addresses and several nodes in one /16, as in a home network or on one computer
    #[arg(long, global = true)]
    pub lan: bool,
    /// Address and port to listen on [default: any port of every address]
    #[arg(long, global = true, value_name = "IP:PORT")]
    pub listen: Option<SocketAddr>,
    /// Constant traffic of this node, the same whether you chat or not [default: normal]
    #[arg(long, global = true, value_enum, value_name = "CLASS")]
    pub class: Option<ClassName>,
}

/// Traffic classes as they are written.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassName {
    /// About 30 kB/s each way
    Normal,
    /// About 100 kB/s each way; messages take a third of the time
    Fast,
}

impl From<ClassName> for Class {
    fn from(name: ClassName) -> Class {
        match name {
            ClassName::Normal => Class::Normal,
            ClassName::Fast => Class::Fast,
        }
    }
}

impl Options {
    /// The class asked for, or the default.
    pub fn class(&self) -> Class {
        self.class.map_or(Class::Normal, Class::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[test]
    fn a_wrong_ticket_class_or_address_is_wrong_usage() {
        for line in [
            ["paratox", "--entry", "pxe1nonsense@127.0.0.1:1"],
            ["paratox", "--class", "turbo"],
            ["paratox", "--listen", "localhost:1"],
        ] {
            let error = Arguments::try_parse_from(line).expect_err("refused");
            assert_eq!(error.exit_code(), 2, "{line:?}");
        }
    }
}
