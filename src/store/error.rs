//! Why a profile cannot be made or opened: one sentence each, with a way out.

use std::io;
use std::path::PathBuf;

use crate::messenger::persistence::StoreError;

/// Nothing was overwritten, whichever it is.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "there is no profile in {0}: create one with `paratox`, or with `paratox headless --name NAME`, or name another directory with --data-dir"
    )]
    NoProfile(PathBuf),
    #[error("{0} already holds a profile: open it, or name another directory with --data-dir")]
    Exists(PathBuf),
    #[error("the passphrase is empty: choose one of several words")]
    EmptyPassphrase,
    #[error("the passphrase is wrong: try again, nothing was changed")]
    WrongPassphrase,
    #[error(
        "{0} is a plain, unencrypted SQLite file and no profile of paratox: move it away, or name another directory with --data-dir"
    )]
    PlainSqlite(PathBuf),
    #[error(
        "{file} is damaged ({what}): restore a copy of the whole data directory, nothing was overwritten"
    )]
    Damaged { file: PathBuf, what: String },
    #[error(
        "the profile was written by a newer paratox (format {found}, this one knows {known}): update paratox, nothing was changed"
    )]
    Newer { found: u32, known: u32 },
    #[error("the profile is in use{}: close the other program, or name another directory with --data-dir", .pid.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    InUse { pid: Option<u32> },
    #[error("{0} belongs to another user: name a directory of your own with --data-dir")]
    NotYours(PathBuf),
    #[error("the disk is full: free some space and start again")]
    Full,
    #[error(
        "{path} cannot be used ({source}): check that the directory exists and can be written, or name another with --data-dir"
    )]
    Io { path: PathBuf, source: io::Error },
}

impl OpenError {
    /// What the program exits with: 2 wrong usage, 3 wrong passphrase, 4 directory in use, 5 damaged or newer file, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            OpenError::EmptyPassphrase => 2,
            OpenError::WrongPassphrase => 3,
            OpenError::InUse { .. } => 4,
            OpenError::PlainSqlite(_) | OpenError::Damaged { .. } | OpenError::Newer { .. } => 5,
            OpenError::NoProfile(_)
            | OpenError::Exists(_)
            | OpenError::NotYours(_)
            | OpenError::Full
            | OpenError::Io { .. } => 1,
        }
    }

    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> OpenError {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpenError::Full,
            _ => OpenError::Io { path, source },
        }
    }

    pub(super) fn damaged(path: impl Into<PathBuf>, what: impl Into<String>) -> OpenError {
        OpenError::Damaged {
            file: path.into(),
            what: what.into(),
        }
    }

    /// An error of the database while it is being opened.
    pub(super) fn database(path: impl Into<PathBuf>) -> impl FnOnce(rusqlite::Error) -> OpenError {
        let path = path.into();
        move |error| match store_error(error) {
            StoreError::Full => OpenError::Full,
            StoreError::Damaged | StoreError::Refused(_) | StoreError::NotErased => {
                OpenError::damaged(path, "it does not open with the key of its key file")
            }
            StoreError::Io(what) => OpenError::Io {
                path,
                source: io::Error::other(what),
            },
        }
    }
}

/// What an error of the database means for the messenger. The text of an unknown one is SQLite's; it holds no values.
pub(super) fn store_error(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DiskFull => StoreError::Full,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Damaged,
            _ => StoreError::Io(failure.to_string()),
        },
        // A column that is not of the type it was written with.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::QueryReturnedNoRows => StoreError::Damaged,
        _ => StoreError::Io("the database refused a statement".into()),
    }
}
