//! Opening SQLCipher so that it is quiet, durable and forgets what it is told to forget.
//!
//! One connection, in exclusive mode: there is no shared-memory file. Not here: what the tables mean.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::OpenError;
use super::schema;
use super::slot::DatabaseKey;

/// Databases up to this size are verified page by page at each start: about 4 ms per MB. Beyond, each page is verified when it is read,
/// as always.
const FULL_CHECK: u64 = 64 << 20;

/// SQLCipher sets itself up for the whole process while the first keys are given, and two threads at once now and then fail at it
/// (1 start in 100 with eight threads, version 4.19).
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const PLAIN: &[u8; 16] = b"SQLite format 3\0";

/// Whether the file begins as an unencrypted SQLite database does.
pub fn is_plain(path: &Path) -> std::io::Result<bool> {
    use std::io::Read;
    let mut start = Vec::with_capacity(PLAIN.len());
    std::fs::File::open(path)?
        .take(PLAIN.len() as u64)
        .read_to_end(&mut start)?;
    Ok(start == PLAIN)
}

/// A connection to a file that exists (it may be empty: a new database), with its format not yet looked at. Closing it before
/// [`settle`] changes nothing on the disk.
pub fn connect(path: &Path, key: &DatabaseKey) -> rusqlite::Result<Connection> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    // First of all: SQLCipher writes its errors to stderr, over the screen.
    connection.execute_batch("PRAGMA cipher_log_level = NONE")?;
    // What SQLite frees is wiped: the key statement, pages, values. A third more time for a commit.
    connection.execute_batch("PRAGMA cipher_memory_security = ON")?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch(&key.statement())?;
    // The parameters of SQLCipher 4 (page size, ciphers), whatever a later one prefers.
    connection.execute_batch("PRAGMA cipher_compatibility = 4")?;
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;",
    )?;
    // The first page is read here: a wrong key or another kind of file shows.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
        row.get::<_, i64>(0)
    })?;
    Ok(connection)
}

/// Makes the connection durable and forgetful.
pub fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA secure_delete = ON;
         PRAGMA cell_size_check = ON;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

/// Moves the log into the database and cuts it to nothing. `false`: it is not empty afterwards.
pub fn empty_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            row.get::<_, i64>(0)
        })
        .map(|busy| busy == 0)
}

/// Looks for damage in the file. The log must be empty.
pub fn verify(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let pages = connection
        .query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0))
        .map_err(OpenError::database(path))?;
    let expected = u64::try_from(pages).unwrap_or(0) * schema::PAGE as u64;
    let length = std::fs::metadata(path).map_err(OpenError::io(path))?.len();
    if length < expected {
        return Err(OpenError::damaged(path, "its end is missing"));
    }
    if length > FULL_CHECK {
        return Ok(());
    }
    let mut statement = connection
        .prepare("PRAGMA cipher_integrity_check")
        .map_err(OpenError::database(path))?;
    let mut bad = statement.query([]).map_err(OpenError::database(path))?;
    match bad.next().map_err(OpenError::database(path))? {
        None => Ok(()),
        Some(_) => Err(OpenError::damaged(
            path,
            "a page does not match its authentication code",
        )),
    }
}

/// Opens the database of a profile: format, recovery, damage, upgrade, in this order. On a full disk it opens without the last three.
pub fn open(path: &Path, key: &DatabaseKey) -> Result<Connection, OpenError> {
    let mut connection = connect(path, key).map_err(OpenError::database(path))?;
    let found = schema::found_format(&connection).map_err(OpenError::database(path))?;
    let known = schema::format();
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    if found == 0 {
        return Err(OpenError::damaged(path, "it holds no tables"));
    }
    settle(&connection).map_err(OpenError::database(path))?;
    match empty_log(&connection) {
        Ok(true) => {
            verify(&connection, path)?;
            schema::upgrade(&mut connection, path, schema::MIGRATIONS)?;
        }
        Ok(false) => return Err(OpenError::damaged(path, "its log cannot be emptied")),
        // No room to move the log: what is there can be read all the same, and is verified as it is read.
        Err(error) => match OpenError::database(path)(error) {
            OpenError::Full if found == known => {}
            other => return Err(other),
        },
    }
    Ok(connection)
}

/// Makes the database of a new profile in an empty file, and closes it: all of it lies in the one file, synced.
pub fn create(path: &Path, key: &DatabaseKey) -> Result<(), OpenError> {
    let mut connection = connect(path, key).map_err(OpenError::database(path))?;
    settle(&connection).map_err(OpenError::database(path))?;
    schema::upgrade(&mut connection, path, schema::MIGRATIONS)?;
    empty_log(&connection).map_err(OpenError::database(path))?;
    connection
        .close()
        .map_err(|(_, error)| OpenError::database(path)(error))
}
