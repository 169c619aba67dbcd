//! The profile on disk: a directory with a key file and an encrypted database. The only room that names `rusqlite`.
//!
//! passphrase → Argon2id → key slot → database key → SQLCipher. What `commit` returned from is on the disk; what an erasing commit
//! removed is not, neither in free pages nor in the log. Below the file system this ends: worn-out flash cells, snapshots and backups
//! keep what they keep. Not here: what rows mean (`messenger`), and which directory it is (`cli`).

mod codes;
mod database;
mod directory;
mod error;
mod read;
mod schema;
mod slot;
mod write;

#[cfg(test)]
mod erasure;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

pub use directory::write_atomically;
pub use error::OpenError;
pub use slot::Cost;

use crate::crypto::random::Stream;
use crate::messenger::persistence::{
    AccountBytes, Batch, Change, MessageRow, Persistence, Snapshot, StoreError,
};
use crate::platform;
use directory::Directory;
use error::store_error;
use slot::DatabaseKey;

/// An open profile. Dropping it closes the database and frees the directory.
pub struct Profile {
    /// Empty after an error that left the connection in doubt: the next use opens a new one.
    connection: Option<Connection>,
    key: DatabaseKey,
    database: PathBuf,
    /// Held, not used: it goes last, when the database is closed.
    directory: Option<Directory>,
    throw_away: bool,
    was_open_to_others: bool,
    /// Texts were removed, and the file could not yet be written anew without them.
    texts_remain: bool,
}

impl Profile {
    /// Makes a profile in a directory that holds none. The passphrase may be any bytes but none at all.
    pub fn create(
        path: &Path,
        passphrase: &[u8],
        cost: Cost,
        random: &mut Stream,
    ) -> Result<Profile, OpenError> {
        if passphrase.is_empty() {
            return Err(OpenError::EmptyPassphrase);
        }
        Profile::make(Directory::make(path)?, random, |key, random| {
            slot::seal(key, passphrase, cost, random)
        })
    }

    /// A profile with a passphrase that nobody ever knows, in a new directory among the temporary files; removed when it is dropped.
    pub fn throw_away(random: &mut Stream) -> Result<Profile, OpenError> {
        let name: String = (random.bytes::<16>().iter())
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // With the process number, because two runs of the same seed may live at the same time.
        let path = std::env::temp_dir().join(format!("paratox-{}-{name}", std::process::id()));
        let directory = Directory::make_new(&path)?;
        let sealed = Profile::make(directory, random, |key, random| {
            slot::seal_throw_away(key, &random.bytes(), random)
        });
        let mut profile = sealed.inspect_err(|_| {
            // What is left if this fails holds nothing.
            let _ = std::fs::remove_dir_all(&path);
        })?;
        profile.throw_away = true;
        Ok(profile)
    }

    fn make(
        directory: Directory,
        random: &mut Stream,
        seal: impl FnOnce(&DatabaseKey, &mut Stream) -> Result<Vec<u8>, slot::BadCost>,
    ) -> Result<Profile, OpenError> {
        let key = DatabaseKey::random(random);
        let slot = seal(&key, random)
            .map_err(|error| OpenError::io(directory.path())(std::io::Error::other(error)))?;
        // The database first, under another name: a profile exists from the moment its key file does.
        let unfinished = directory.unfinished();
        platform::open_private(&unfinished, platform::Open::New)
            .and_then(|_| platform::restrict(&unfinished, 0o600))
            .map_err(OpenError::io(&unfinished))?;
        database::create(&unfinished, &key)?;
        write_atomically(&directory.keys(), &slot).map_err(OpenError::io(directory.keys()))?;
        Profile::finish(directory, key)
    }

    /// Whether there is a profile that could be opened now. Nothing is changed, and no passphrase is asked for.
    pub fn look(path: &Path) -> Result<(), OpenError> {
        Directory::find(path).map(drop)
    }

    /// Opens the profile in a directory. A wrong passphrase, and every other error, leaves each file as it is.
    pub fn open(path: &Path, passphrase: &[u8]) -> Result<Profile, OpenError> {
        let directory = Directory::find(path)?;
        let (keys, database) = (directory.keys(), directory.database());
        for file in [&keys, &database] {
            if file.exists() && database::is_plain(file).map_err(OpenError::io(file))? {
                return Err(OpenError::PlainSqlite(file.clone()));
            }
        }
        if !keys.exists() {
            return Err(OpenError::damaged(keys, "the key file is missing"));
        }
        if !database.exists() && !directory.unfinished().exists() {
            return Err(OpenError::damaged(database, "the database is missing"));
        }
        let slot = read_slot(&keys)?;
        let key = slot::open(&slot, passphrase, &keys)?;
        Profile::finish(directory, key)
    }

    /// From a directory with a key file and a database, perhaps still under its first name.
    fn finish(mut directory: Directory, key: DatabaseKey) -> Result<Profile, OpenError> {
        let (database, unfinished) = (directory.database(), directory.unfinished());
        if !database.exists() {
            std::fs::rename(&unfinished, &database)
                .and_then(|()| platform::sync_directory(directory.path()))
                .map_err(OpenError::io(&database))?;
        }
        let connection = database::open(&database, &key)?;
        let was_open_to_others = directory
            .settle()
            .map_err(OpenError::io(directory.path()))?;
        Ok(Profile {
            connection: Some(connection),
            key,
            database,
            directory: Some(directory),
            throw_away: false,
            was_open_to_others,
            texts_remain: false,
        })
    }

    /// Whether this is the passphrase of the profile: for unlocking a locked screen. Takes as long as opening.
    pub fn check_passphrase(&self, passphrase: &[u8]) -> Result<(), OpenError> {
        let Some(directory) = &self.directory else {
            return Err(OpenError::NoProfile(self.database.clone()));
        };
        let keys = directory.keys();
        slot::open(&read_slot(&keys)?, passphrase, &keys).map(|_| ())
    }

    /// Other users of the computer could read files of the profile until it was opened now.
    pub fn was_open_to_others(&self) -> bool {
        self.was_open_to_others
    }

    /// The directory the profile lies in.
    pub fn directory(&self) -> &Path {
        self.database.parent().unwrap_or(Path::new("."))
    }

    fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        if self.connection.is_none() {
            let connection = database::connect(&self.database, &self.key).map_err(store_error)?;
            database::settle(&connection).map_err(store_error)?;
            self.connection = Some(connection);
        }
        self.connection
            .as_mut()
            .ok_or(StoreError::Io("the database is closed".into()))
    }

    /// Runs a step on the connection. After an error of the database the connection is given up: what it believes to be on the disk may
    /// not be there.
    fn with<T>(
        &mut self,
        step: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let result = self.connection().and_then(step);
        if matches!(
            result,
            Err(StoreError::Full | StoreError::Damaged | StoreError::Io(_) | StoreError::NotErased)
        ) {
            self.connection = None;
        }
        result
    }
}

/// More than any key file has: what is longer is not one.
const MAX_SLOT: u64 = 4096;

fn read_slot(keys: &Path) -> Result<Vec<u8>, OpenError> {
    use std::io::Read;
    let file =
        platform::open_private(keys, platform::Open::Existing).map_err(OpenError::io(keys))?;
    let mut slot = Vec::new();
    file.take(MAX_SLOT)
        .read_to_end(&mut slot)
        .map_err(OpenError::io(keys))?;
    Ok(slot)
}

impl Drop for Profile {
    fn drop(&mut self) {
        self.connection = None;
        let path = self
            .directory
            .as_ref()
            .map(|directory| directory.path().to_path_buf());
        self.directory = None;
        if let (true, Some(path)) = (self.throw_away, path) {
            // What is left if this fails is encrypted with a key that is gone.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

impl Persistence for Profile {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.with(|connection| read::load(connection))
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        batch.check()?;
        if !batch.changes.is_empty() {
            self.with(|connection| {
                let transaction = connection
                    .transaction_with_behavior(TransactionBehavior::Immediate)
                    .map_err(store_error)?;
                write::apply(&transaction, &batch.changes)?;
                transaction.commit().map_err(store_error)
            })?;
        }
        if !batch.erase {
            return Ok(());
        }
        // Texts lie in tree pages (see `schema`), so erasing them means writing the file anew. Keys need only the log emptied.
        self.texts_remain |= batch.changes.iter().any(|change| {
            matches!(
                change,
                Change::RemoveContact(_) | Change::RemoveMessage { .. }
            )
        });
        let texts = self.texts_remain;
        self.with(|connection| erase(connection, texts).map_err(|_| StoreError::NotErased))?;
        self.texts_remain = false;
        Ok(())
    }

    fn messages(
        &mut self,
        contact: &AccountBytes,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<MessageRow>, StoreError> {
        self.with(|connection| read::messages(connection, contact, before, limit))
    }

    fn message(&mut self, number: u64) -> Result<Option<MessageRow>, StoreError> {
        self.with(|connection| read::message(connection, number))
    }
}

fn erase(connection: &Connection, texts: bool) -> Result<(), StoreError> {
    if texts {
        connection.execute_batch("VACUUM").map_err(store_error)?;
    }
    match database::empty_log(connection).map_err(store_error)? {
        true => Ok(()),
        false => Err(StoreError::NotErased),
    }
}
