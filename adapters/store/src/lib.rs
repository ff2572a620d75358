//! A durable store for the MQTT broker: a directory, and in it one file of the embedded database [redb].
//!
//! What has to outlive a broker is a set of entries, bytes by bytes, and every change of it is a batch that is made durable
//! as a whole ([`mqtt_async::Store`]). [`Database`] keeps such a set.
//!
//! ```no_run
//! use mqtt_async::Store;
//! use mqtt_store::Database;
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let mut store = Database::open("/var/lib/mqtt")?;
//! store.commit(&mut [(&b"key"[..], Some(&b"value"[..])), (b"gone", None)].into_iter())?;
//! store.load(&mut |key, value| println!("{} bytes under {key:?}", value.len()))?;
//! # Ok(()) }
//! ```
//!
//! A server that keeps everything in it, and goes on where the last one was:
//!
//! ```no_run
//! use mqtt_session::server::ServerConfig;
//! use mqtt_store::Database;
//! use mqtt_tokio::{Listener, Server};
//!
//! # async fn run() -> Result<(), Box<dyn core::error::Error>> {
//! let mut server: Server = Server::with_store(ServerConfig::default(), Database::open("/var/lib/mqtt")?)?;
//! server.listen(Listener::from(tokio::net::TcpListener::bind("127.0.0.1:1883").await?));
//! let handle = server.handle(); // for the rest of the program
//! let stop = server.stopper(); // for whoever hears of signals
//! tokio::task::unconstrained(server.run(|event| println!("{event:?}"))).await?;
//! # Ok(()) }
//! ```
//!
//! # Why redb
//!
//! `checks/store-choice` measures redb 4.5 and fjall 3.1 with what a broker does: batches of short-lived keys of 17 bytes,
//! half of them put and half deleted, beside 100,000 entries that stay, each batch synced. Two cores, ext4 on a virtual
//! disk on which a sync takes 0.2 ms.
//!
//! | value | batch | redb: commits/s | p50, p99 µs | KiB written | fjall: commits/s | p50, p99 µs | KiB written |
//! |---|---|---|---|---|---|---|---|
//! | 40 B | 1 | 2705 | 360, 581 | 32 | 4247 | 208, 651 | 4 |
//! | 40 B | 10 | 2424 | 402, 616 | 34 | 4030 | 225, 473 | 5 |
//! | 40 B | 100 | 1962 | 463, 1377 | 44 | 1434 | 663, 1176 | 10 |
//! | 40 B | 1000 | 628 | 1417, 2173 | 140 | 335 | 2624, 5153 | 77 |
//! | 1 KiB | 1 | 2511 | 386, 606 | 37 | 4281 | 215, 425 | 5 |
//! | 1 KiB | 10 | 1723 | 569, 799 | 65 | 2546 | 374, 696 | 9 |
//! | 1 KiB | 100 | 630 | 1501, 1788 | 247 | 1058 | 808, 1892 | 79 |
//! | 1 KiB | 1000 | 103 | 8693, 11833 | 2060 | 171 | 3721, 31017 | 957 |
//!
//! | entries | value | redb: opened and loaded | the same after a crash | MiB | fjall: opened and loaded | after a crash | MiB |
//! |---|---|---|---|---|---|---|---|
//! | 100,000 | 40 B | 23 ms | 41 ms | 16 | 323 ms | 452 ms | 8 |
//! | 100,000 | 1 KiB | 173 ms | 470 ms | 204 | 305 ms | 334 ms | 101 |
//! | 1,000,000 | 40 B | 178 ms | 428 ms | 128 | 3.1 s | 3.1 s | 103 |
//!
//! After the churn redb's file was 16 MiB with small values and 205 MiB with large ones, fjall's directory 59 and 242 MiB, for 5.5
//! and 100 MiB of contents. fjall, a log, syncs single changes in half the time, and writes far less. But commits are grouped: while
//! one is made, everything that comes waits for the next, so batches grow with the load, and there neither is far ahead. For redb
//! speak: a start that is eight times as fast with a million entries; no threads of its own; keys of any length (fjall's end at 65,536
//! bytes, and a topic may be nearly that long without what stands beside it in a key); and what a loss of power may leave. Of 100
//! commits of a value of 30 KB, of which each block of 4 KiB was written or not by chance, redb opened all with the state before; fjall
//! did not open 24 (`JournalRecovery(ChecksumMismatch)`), and a broker that does not start because of what was never
//! confirmed is of no use.
//!
//! redb's *quick repair*, which puts the state of its allocator behind every commit, is off: it makes single commits twice as slow,
//! for a start after a crash that is faster by 0.15 s per million entries.
//!
//! [redb]: https://www.redb.org
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "errors of the database that mean nothing else to us than their text"
)]

mod error;

use std::{
    fs::{DirBuilder, File},
    io,
    path::{Path, PathBuf},
};

pub use error::OpenError;
use mqtt_async::Store;
use redb::{Database as Redb, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, TableError};

/// The number of the format that is written: which tables there are, and what they mean.
const FORMAT: u32 = 1;

/// The file in the directory.
const FILE: &str = "broker.redb";

/// Memory for pages of the file. All entries are in the broker's memory already: this is for the tree above them.
const CACHE: usize = 16 << 20;

const ABOUT: TableDefinition<'static, &str, u32> = TableDefinition::new("about");
const ENTRIES: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("entries");

/// A [`Store`] in a directory: see the [crate](self).
///
/// While it is open, nobody else can open it; when its process dies, however it does, the directory is free again. A batch that was
/// being committed at that moment is there as a whole or not at all.
#[derive(Debug)]
pub struct Database {
    redb: Redb,
}

impl Database {
    /// Opens the store in this directory, which is made if there is none.
    ///
    /// After a crash this takes longer, for the file is checked: about 0.3 s for a million entries.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, OpenError> {
        let directory = directory.as_ref();
        let io = |source| OpenError::Io {
            directory: PathBuf::from(directory),
            source,
        };
        make_directory(directory).map_err(io)?;
        let path = directory.join(FILE);
        let is_new = !path.try_exists().map_err(io)?;
        let opened = Redb::builder().set_cache_size(CACHE).create(&path);
        let database = Self {
            redb: opened.map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => OpenError::InUse {
                    directory: PathBuf::from(directory),
                },
                other => io(io_error(other)),
            })?,
        };
        match database.format().map_err(io)? {
            Some(FORMAT) => {}
            None if database.is_empty().map_err(io)? => database.begin().map_err(io)?,
            found => {
                return Err(OpenError::Format {
                    directory: PathBuf::from(directory),
                    found,
                });
            }
        }
        if is_new {
            // The file's name, and the directory's, have to be safe before anything in it counts.
            sync_directory(directory).map_err(io)?;
        }
        Ok(database)
    }

    fn format(&self) -> io::Result<Option<u32>> {
        let reading = self.redb.begin_read().map_err(io_error)?;
        match reading.open_table(ABOUT) {
            Ok(about) => Ok(about
                .get("format")
                .map_err(io_error)?
                .map(|number| number.value())),
            Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => Ok(None),
            Err(other) => Err(io_error(other)),
        }
    }

    /// Nothing was ever put into it: it is new, or its first process died early.
    fn is_empty(&self) -> io::Result<bool> {
        let reading = self.redb.begin_read().map_err(io_error)?;
        Ok(reading.list_tables().map_err(io_error)?.next().is_none())
    }

    fn begin(&self) -> io::Result<()> {
        let writing = self.redb.begin_write().map_err(io_error)?;
        writing
            .open_table(ABOUT)
            .map_err(io_error)?
            .insert("format", FORMAT)
            .map_err(io_error)?;
        writing.open_table(ENTRIES).map_err(io_error)?;
        writing.commit().map_err(io_error)
    }
}

impl Store for Database {
    fn load(&mut self, each: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()> {
        let reading = self.redb.begin_read().map_err(io_error)?;
        let entries = reading.open_table(ENTRIES).map_err(io_error)?;
        for entry in entries.iter().map_err(io_error)? {
            let (key, value) = entry.map_err(io_error)?;
            each(key.value(), value.value());
        }
        Ok(())
    }

    fn commit<'c>(
        &mut self,
        changes: &mut dyn Iterator<Item = (&'c [u8], Option<&'c [u8]>)>,
    ) -> io::Result<()> {
        // The durability of a transaction is, if nothing else is asked, that it is synced.
        let writing = self.redb.begin_write().map_err(io_error)?;
        {
            let mut entries = writing.open_table(ENTRIES).map_err(io_error)?;
            for (key, value) in changes {
                match value {
                    Some(value) => entries.insert(key, value).map(drop).map_err(io_error)?,
                    None => entries.remove(key).map(drop).map_err(io_error)?,
                }
            }
        }
        writing.commit().map_err(io_error)
    }
}

/// The system's own error if there is one.
fn io_error(error: impl Into<redb::Error>) -> io::Error {
    match error.into() {
        redb::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// What clients say is nobody's business but the broker's.
fn make_directory(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    // Elsewhere directories cannot be opened.
    if cfg!(unix) {
        let directory = directory.canonicalize()?;
        File::open(&directory)?.sync_all()?;
        if let Some(parent) = directory.parent() {
            File::open(parent)?.sync_all()?;
        }
    }
    Ok(())
}
