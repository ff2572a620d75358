//! A client's journal in a file, so that its session outlives its process.

use core::fmt;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use mqtt_session::{
    Client, Config, Record,
    client::{RestoreError, Restoring},
    record::{RecordError, Records},
    storage::Storage,
};

use crate::{Clock, driver::Journal};

/// A journal in a file: records are appended and synced, all that there are at one time with one sync; when the file has
/// grown far beyond what is alive, a snapshot takes its place.
///
/// What a process that died wrote half is cut off when the file is opened again. One file belongs to one client in one
/// process at a time; nothing locks it.
#[derive(Debug)]
pub struct FileJournal {
    path: PathBuf,
    file: File,
    /// Bytes in the file, all of them whole records.
    length: u64,
    /// From so many on, a snapshot takes its place.
    compact_at: u64,
    unwritten: Vec<u8>,
}

/// A journal cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum JournalError {
    /// The file cannot be opened, read or cut.
    Io(io::Error),
    /// Bytes in it are damaged, and not only at the end.
    Record(RecordError),
    /// The storage has no room for what it says.
    Restore(RestoreError),
}

/// The least that a file grows to before a snapshot takes its place.
const LEAST: u64 = 64 << 10;

impl FileJournal {
    /// Opens a journal, or makes an empty one, and makes the client that it tells of: a new one if it is empty. The client
    /// has [`Config::journal`] on, whatever `config` says.
    ///
    /// ```no_run
    /// use mqtt_session::{Config, storage::Heap};
    /// use mqtt_std::{Client, FileJournal, Tcp};
    ///
    /// let (journal, machine) = FileJournal::open("session.journal", Config::DEFAULT, Heap::new())?;
    /// let mut client = Client::with_machine(Tcp::new()?, machine);
    /// client.set_journal(journal);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The file is not accessible, damaged elsewhere than at its end, or tells of more than the storage can hold. It is left
    /// as it is.
    pub fn open<S: Storage>(
        path: impl AsRef<Path>,
        mut config: Config,
        storage: S,
    ) -> Result<(Self, Client<S>), JournalError> {
        config.journal = true;
        let path = path.as_ref();
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let bytes = fs::read(path)?;
        let mut records = Records::new(&bytes);
        let mut restoring = Restoring::new(config, storage, Clock::new().now());
        for record in &mut records {
            restoring.apply(&record)?;
        }
        let length = records.offset();
        let rest = bytes.get(length..).unwrap_or_default();
        match records.error() {
            None => {}
            // Half a record, or the zeros that some file systems put where nothing was written before the power went.
            Some(RecordError::Incomplete { .. }) => file.set_len(length as u64)?,
            Some(_) if rest.iter().all(|byte| *byte == 0) => file.set_len(length as u64)?,
            Some(error) => return Err(error.into()),
        }
        let length = length as u64;
        let journal = Self {
            path: path.into(),
            file,
            length,
            compact_at: LEAST.max(length.saturating_mul(2)),
            unwritten: Vec::new(),
        };
        // A file that was just made is safe when its name is.
        journal.sync_name()?;
        Ok((journal, restoring.finish()))
    }

    /// Bytes that the file has.
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Nothing was recorded.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The file's name is safe when its directory is; only Unix can say so.
    fn sync_name(&self) -> io::Result<()> {
        if cfg!(unix) {
            let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
        }
        Ok(())
    }

    fn push(&mut self, record: &Record<'_>) -> io::Result<()> {
        let from = self.unwritten.len();
        self.unwritten.resize(from + record.encoded_len(), 0);
        let room = self.unwritten.get_mut(from..).unwrap_or_default();
        // There is as much room as it asked for.
        record
            .encode(room)
            .map(drop)
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

impl Journal for FileJournal {
    fn append(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.push(record)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.write_all(&self.unwritten)?;
        self.file.sync_data()?;
        self.length += self.unwritten.len() as u64;
        self.unwritten.clear();
        Ok(())
    }

    fn is_long(&self) -> bool {
        self.length >= self.compact_at
    }

    /// A process that dies meanwhile leaves the one or the other.
    fn replace(&mut self, snapshot: &mut dyn Iterator<Item = Record<'_>>) -> io::Result<()> {
        self.unwritten.clear();
        for record in snapshot {
            self.push(&record)?;
        }
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        let new = PathBuf::from(name);
        let mut file = OpenOptions::new().append(true).create(true).open(&new)?;
        file.set_len(0)?;
        file.write_all(&self.unwritten)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        // From here on this is the journal, whatever else fails.
        self.file = file;
        self.length = self.unwritten.len() as u64;
        self.compact_at = LEAST.max(self.length.saturating_mul(2));
        self.unwritten.clear();
        self.sync_name()
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the journal is not accessible: {error}"),
            Self::Record(error) => write!(f, "the journal is damaged: {error}"),
            Self::Restore(error) => write!(f, "no room for what the journal says: {error}"),
        }
    }
}

impl core::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(match self {
            Self::Io(error) => error,
            Self::Record(error) => error,
            Self::Restore(error) => error,
        })
    }
}

impl From<io::Error> for JournalError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<RecordError> for JournalError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<RestoreError> for JournalError {
    fn from(error: RestoreError) -> Self {
        Self::Restore(error)
    }
}
