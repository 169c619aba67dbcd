//! A data directory: which files it holds, who holds it, and how small files are replaced.
//!
//! One directory is one profile. The lock belongs to the kernel and dies with the process; the number written into it is a hint.
//! Not here: what the files mean.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::error::OpenError;
use crate::platform::{self, Open};

const LOCK: &str = "lock";
const KEYS: &str = "keys";
const DATABASE: &str = "paratox.db";
/// The database while a profile is being made: it takes its name only after the key file is there.
const UNFINISHED: &str = "paratox.db.new";

/// Most bytes of a lock file that are read.
const MAX_HINT: u64 = 16;

/// A directory that this process holds alone.
pub struct Directory {
    path: PathBuf,
    lock: File,
    settled: bool,
}

impl Directory {
    /// Makes or takes a directory that holds no profile yet.
    pub fn make(path: &Path) -> Result<Directory, OpenError> {
        platform::make_private_directory(path).map_err(OpenError::io(path))?;
        let directory = Directory::hold(path)?;
        if directory.keys().exists() || directory.database().exists() {
            return Err(OpenError::Exists(directory.path.clone()));
        }
        match fs::remove_file(directory.unfinished()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(OpenError::io(directory.unfinished())(error))
            }
            _ => Ok(directory),
        }
    }

    /// Makes a directory that is not there yet, so that nobody else can have prepared it.
    pub fn make_new(path: &Path) -> Result<Directory, OpenError> {
        platform::make_new_private_directory(path).map_err(OpenError::io(path))?;
        Directory::hold(path)
    }

    /// Takes a directory that holds a profile, or part of one. Nothing in it is changed.
    pub fn find(path: &Path) -> Result<Directory, OpenError> {
        let there = |name| {
            let found = path.join(name).try_exists();
            found.map_err(OpenError::io(path))
        };
        if !there(KEYS)? && !there(DATABASE)? {
            return Err(OpenError::NoProfile(path.to_path_buf()));
        }
        Directory::hold(path)
    }

    fn hold(path: &Path) -> Result<Directory, OpenError> {
        // The real path: the database is opened without following links.
        let path = fs::canonicalize(path).map_err(OpenError::io(path))?;
        if !platform::is_ours(&path).map_err(OpenError::io(&path))? {
            return Err(OpenError::NotYours(path));
        }
        let file = path.join(LOCK);
        let lock = platform::open_private(&file, Open::Either).map_err(OpenError::io(&file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Directory {
                path,
                lock,
                settled: false,
            }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { pid: holder(&lock) }),
            Err(TryLockError::Error(error)) => Err(OpenError::io(file)(error)),
        }
    }

    /// Says who holds the directory and takes every right from others. Only once the passphrase was right: before that nothing changes.
    /// Whether others could read a file of the profile until now.
    pub fn settle(&mut self) -> io::Result<bool> {
        let entered = platform::restrict(&self.path, 0o700)?;
        let mut read = false;
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let ours = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name == LOCK || name == KEYS || name.starts_with(DATABASE));
            if ours && entry.file_type()?.is_file() {
                read |= platform::restrict(&entry.path(), 0o600)?;
            }
        }
        self.settled = true;
        self.lock.set_len(0)?;
        // Only a hint: on a full disk the profile opens without it.
        let _ = self
            .lock
            .write_all(std::process::id().to_string().as_bytes());
        Ok(entered && read)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn keys(&self) -> PathBuf {
        self.path.join(KEYS)
    }

    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    pub fn unfinished(&self) -> PathBuf {
        self.path.join(UNFINISHED)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A hint that outlives its process could name a stranger. If this fails, the reader finds no such process.
        if self.settled {
            let _ = self.lock.set_len(0);
        }
        // Closing alone would leave the lock with a child process that is just being started and has not yet closed what it inherited.
        let _ = self.lock.unlock();
    }
}

fn holder(lock: &File) -> Option<u32> {
    let mut text = String::new();
    lock.take(MAX_HINT).read_to_string(&mut text).ok()?;
    text.trim()
        .parse()
        .ok()
        .filter(|pid| platform::process_exists(*pid))
}

/// Replaces a small private file so that a crash at any step leaves the old or the new one, never neither: written beside it, synced,
/// renamed, and the directory synced.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let beside = path.with_file_name(name);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = (|| {
        let mut file = platform::open_private(&beside, Open::New)?;
        platform::restrict(&beside, 0o600)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        // The first error is the one to tell; the leftover is removed next time.
        let _ = fs::remove_file(&beside);
    }
    written?;
    platform::sync_directory(path.parent().unwrap_or(Path::new(".")))
}
