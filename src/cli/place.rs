//! Where a profile lies and what opens it: the directory, the passphrase, the socket.

use std::io::{IsTerminal, Read};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::args::Options;
use super::exit::Failure;
use crate::app::field::Field;
use crate::app::first_run::PASSPHRASE_MAX;
use crate::messenger::text;
use crate::net::socket;
use crate::platform;
use crate::store::{OpenError, Profile};

/// Longest passphrase file that is read: a passphrase is a line, not a book.
const MAX_PASSPHRASE: u64 = 4096;

/// The directory of the profile: the one named, or the usual place of this system.
pub fn data_dir(options: &Options) -> Result<PathBuf, Failure> {
    if let Some(named) = &options.data_dir {
        return Ok(named.clone());
    }
    directories::ProjectDirs::from("", "", "paratox")
        .map(|places| places.data_dir().to_path_buf())
        .ok_or_else(|| Failure::usage("this system has no home directory to keep the profile in; name one with --data-dir"))
}

/// The passphrase of a command without a screen: from the file named, or else from the person at the terminal. In a script there is nobody
/// to ask, and a question would wait for ever. `may_make`: the command makes the profile if there is none.
pub fn passphrase(
    options: &Options,
    directory: &Path,
    may_make: bool,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if let Some(file) = &options.passphrase_file {
        return passphrase_from(file);
    }
    let nobody = || {
        Failure::usage(
            "there is no terminal to ask for the passphrase at; write it into a file and name it with --passphrase-file",
        )
    };
    // A terminal may belong to the process though a script has all its pipes: then nobody waits for a question there.
    if !(std::io::stdin().is_terminal() || std::io::stderr().is_terminal()) {
        return Err(nobody());
    }
    // Nobody shall be asked in vain.
    let make = match Profile::look(directory) {
        Ok(()) => false,
        Err(OpenError::NoProfile(_)) if may_make => true,
        Err(error) => return Err(error.into()),
    };
    let what = if make {
        "New passphrase for"
    } else {
        "Passphrase of"
    };
    let place = text::clean_line(&directory.display().to_string());
    let given = ask(&format!("{what} {place}: "))?.ok_or_else(nobody)?;
    if given.is_empty() {
        return Err(Failure::usage(
            "no passphrase was given; nothing was opened",
        ));
    }
    // A slip of the finger would lock the new profile for ever.
    if make && ask("The same again: ")?.ok_or_else(nobody)? != given {
        return Err(Failure::usage(
            "the two passphrases do not match; nothing was made",
        ));
    }
    Ok(given)
}

/// One question and its answer, taken as the screens take it: a passphrase chosen there opens here.
fn ask(question: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    let Some(typed) = platform::ask_hidden(question).map_err(|error| match error.kind() {
        std::io::ErrorKind::Interrupted => {
            Failure::failed("no passphrase was given; nothing was opened")
        }
        _ => Failure::failed(format!(
            "the terminal cannot be asked for the passphrase ({error}); write it into a file and name it with --passphrase-file"
        )),
    })?
    else {
        return Ok(None);
    };
    let typed = std::str::from_utf8(&typed)
        .map_err(|_| Failure::usage("what was typed is not UTF-8; set the terminal to UTF-8"))?;
    let mut field = Field::hidden(PASSPHRASE_MAX);
    field.take(typed);
    Ok(Some(Zeroizing::new(field.text().as_bytes().to_vec())))
}

/// The first line of the passphrase file without its line break.
pub fn passphrase_from(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let sentence = |error| {
        Failure::usage(format!(
            "the passphrase file {} cannot be read ({error}); check its path",
            file.display()
        ))
    };
    let opened = std::fs::File::open(file).map_err(sentence)?;
    // Room for all of it at once: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_PASSPHRASE as usize + 1));
    opened
        .take(MAX_PASSPHRASE + 1)
        .read_to_end(&mut bytes)
        .map_err(sentence)?;
    if bytes.len() as u64 > MAX_PASSPHRASE {
        return Err(Failure::usage(format!(
            "the passphrase file {} is longer than 4 kB; is it the right file?",
            file.display()
        )));
    }
    let line = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(bytes.len());
    let line = if line > 0 && bytes[line - 1] == b'\r' {
        line - 1
    } else {
        line
    };
    bytes.truncate(line);
    if bytes.is_empty() {
        return Err(Failure::usage(format!(
            "the first line of the passphrase file {} is empty; write the passphrase there",
            file.display()
        )));
    }
    Ok(bytes)
}

/// The socket asked for; without a wish, any port of every address, or `usual` if it is free.
pub fn socket(options: &Options, usual: Option<u16>) -> Result<socket::Bound, Failure> {
    let any = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let (listen, opened) = match (options.listen, usual) {
        (Some(listen), _) => (listen, socket::bind(listen)),
        (None, Some(port)) => (
            any(port),
            socket::bind(any(port)).or_else(|_| socket::bind(any(0))),
        ),
        (None, None) => (any(0), socket::bind(any(0))),
    };
    opened.map_err(|error| {
        Failure::failed(format!(
            "UDP on {listen} cannot be opened ({error}); name another address with --listen"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Result<Vec<u8>, Failure> {
        let place = tempfile::tempdir().expect("a temporary directory");
        let file = place.path().join("passphrase");
        std::fs::write(&file, content).expect("written");
        passphrase_from(&file).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn the_passphrase_is_the_first_line_whatever_ends_it() {
        for content in ["two words", "two words\n", "two words\r\nmore\n"] {
            assert_eq!(
                read(content.as_bytes()).expect("a passphrase"),
                b"two words"
            );
        }
    }

    #[test]
    fn an_empty_missing_or_endless_passphrase_file_is_wrong_usage() {
        for content in [&b""[..], b"\nsecond", &[b'x'; 5000]] {
            assert_eq!(read(content).expect_err("refused").code, 2);
        }
        assert_eq!(
            passphrase_from(Path::new("/nowhere/at/all"))
                .expect_err("missing")
                .code,
            2
        );
    }
}
