//! How the program ends: a number for scripts, and one sentence with a way out for people.

use std::fmt;

use crate::store::OpenError;

/// Something failed that has no number of its own.
const FAILED: u8 = 1;
/// The command line asks for something that cannot be. `clap` uses the same.
const USAGE: u8 = 2;
/// The passphrase does not open the profile.
pub const WRONG_PASSPHRASE: u8 = 3;
/// Another process has the directory.
const IN_USE: u8 = 4;
/// A file is damaged, not ours, or made by a newer version.
const DAMAGED: u8 = 5;

/// Why the program ends without having done what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the process exits with; scripts rely on it.
    pub code: u8,
    /// What goes to stderr.
    pub sentence: String,
}

impl Failure {
    pub fn failed(sentence: impl Into<String>) -> Failure {
        Failure {
            code: FAILED,
            sentence: sentence.into(),
        }
    }

    pub fn usage(sentence: impl Into<String>) -> Failure {
        Failure {
            code: USAGE,
            sentence: sentence.into(),
        }
    }

    pub fn in_use(sentence: impl Into<String>) -> Failure {
        Failure {
            code: IN_USE,
            sentence: sentence.into(),
        }
    }

    pub fn damaged(sentence: impl Into<String>) -> Failure {
        Failure {
            code: DAMAGED,
            sentence: sentence.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        Failure {
            code: error.exit_code(),
            sentence: error.to_string(),
        }
    }
}
