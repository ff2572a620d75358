//! Records in a file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use mqtt_session::{
    Client, Config, Instant, Record, Seq,
    client::Restoring,
    record::{RecordError, Records},
    storage::Heap,
};

use crate::Result;

/// From so many bytes on, a snapshot takes the place of the file.
const LONG: usize = 64 << 10;

/// Bytes for each call of the system: few, so that a process often dies between two of one record.
const PIECE: usize = 16;

pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    length: usize,
    unwritten: Vec<u8>,
}

impl Journal {
    /// The client that the file tells of, a new one if there is none.
    pub(crate) fn open(path: &Path, config: Config, now: Instant) -> Result<(Self, Client<Heap>)> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let bytes = fs::read(path)?;
        let mut records = Records::new(&bytes);
        let mut restoring = Restoring::new(config, Heap::new(), now);
        for record in &mut records {
            restoring.apply(&record)?;
        }
        match records.error() {
            None => {}
            Some(RecordError::Incomplete { .. }) => file.set_len(records.offset() as u64)?,
            Some(other) => return Err(other.into()),
        }
        let journal = Self {
            path: path.into(),
            file,
            length: records.offset(),
            unwritten: Vec::new(),
        };
        Ok((journal, restoring.finish()))
    }

    /// Writes all there is to record and makes it safe.
    pub(crate) fn persist(&mut self, client: &mut Client<Heap>, now: Instant) -> io::Result<()> {
        let mut latest = None;
        while let Some((seq, record)) = client.poll_record() {
            latest = Some(seq);
            push(&mut self.unwritten, &record);
        }
        let Some(latest) = latest else { return Ok(()) };
        self.length += self.unwritten.len();
        if self.length > LONG {
            return self.compact(client, now, latest);
        }
        for piece in self.unwritten.chunks(PIECE) {
            self.file.write_all(piece)?;
        }
        self.unwritten.clear();
        self.file.sync_data()?;
        client.handle_persisted(now, latest);
        Ok(())
    }

    fn compact(&mut self, client: &mut Client<Heap>, now: Instant, latest: Seq) -> io::Result<()> {
        self.unwritten.clear();
        for record in client.snapshot() {
            push(&mut self.unwritten, &record);
        }
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&self.unwritten)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?;
        }
        self.file = file;
        self.length = self.unwritten.len();
        self.unwritten.clear();
        client.handle_persisted(now, latest);
        Ok(())
    }
}

fn push(bytes: &mut Vec<u8>, record: &Record<'_>) {
    let from = bytes.len();
    bytes.resize(from + record.encoded_len(), 0);
    // There is as much room as it asked for.
    let _ = record.encode(&mut bytes[from..]);
}
