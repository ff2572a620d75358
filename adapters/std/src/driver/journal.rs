//! Records on their way to where they are safe.

use std::io;

use mqtt_session::{Client, Instant, Record, storage::Storage};

/// Where a client's records are kept safe, if [`Config::journal`](mqtt_session::Config::journal) is on: a file, or a
/// database. With the feature `records` of `mqtt-session`, `Record::encode` makes bytes of a record;
/// [`mqtt_session::Client::restore`] makes a client of all of them.
///
/// It is called while the client is driven, before anything is sent that depends on a record: many are appended, then
/// synced once. A message that was published is safe when the client was driven after it.
pub trait Journal {
    /// Appends a record.
    ///
    /// # Errors
    /// As of [`sync`](Self::sync).
    fn append(&mut self, record: &Record<'_>) -> io::Result<()>;

    /// Makes all safe that was appended, and returns when it is.
    ///
    /// # Errors
    /// It cannot be made safe. The connection ends with this error, and so does every later one: what was appended and is
    /// not safe would be missing for ever. Go on with a client that is restored from the journal.
    fn sync(&mut self) -> io::Result<()>;

    /// It has grown far beyond what is alive: a snapshot may take its place.
    fn is_long(&self) -> bool {
        false
    }

    /// Puts these records in the place of all there are, and makes them safe; all that was appended is synced. Called after
    /// [`is_long`](Self::is_long).
    ///
    /// # Errors
    /// As of [`sync`](Self::sync).
    fn replace(&mut self, snapshot: &mut dyn Iterator<Item = Record<'_>>) -> io::Result<()> {
        let _ = snapshot;
        Ok(())
    }
}

/// What has become of the journal.
#[derive(Default)]
pub(super) enum Records {
    /// Nobody has named one.
    #[default]
    None,
    Kept(Box<dyn Journal + Send>),
    Broken,
}

impl Records {
    /// Makes all safe that the machine wants to be.
    ///
    /// # Errors
    /// What depends on it can never be sent.
    pub(super) fn keep<S: Storage>(&mut self, machine: &mut Client<S>, now: Instant) -> io::Result<()> {
        // Nothing at all without `Config::journal`.
        while machine.has_record() {
            let kept = match self {
                Self::None => Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "Config::journal is on, and there is no journal",
                )),
                Self::Kept(journal) => persist(&mut **journal, machine, now),
                Self::Broken => Err(io::Error::other("the journal has failed before")),
            };
            if let Err(error) = kept {
                if matches!(self, Self::Kept(_)) {
                    *self = Self::Broken;
                }
                return Err(error);
            }
        }
        // Records that were given out before it failed are open, and bytes wait for them.
        match self {
            Self::Broken => Err(io::Error::other("the journal has failed before")),
            Self::None | Self::Kept(_) => Ok(()),
        }
    }
}

/// Makes all safe that the machine has to record, and tells it so. For those who drive a machine by hand; clients with a
/// [`Driver`](super::Driver) do it by themselves.
///
/// # Errors
/// It cannot be made safe: the machine must be driven no further, because what was given out and is not safe would be missing
/// for ever.
pub fn persist<S: Storage>(
    journal: &mut dyn Journal,
    machine: &mut Client<S>,
    now: Instant,
) -> io::Result<()> {
    let mut last = None;
    while let Some((seq, record)) = machine.poll_record() {
        journal.append(&record)?;
        last = Some(seq);
    }
    if let Some(last) = last {
        journal.sync()?;
        machine.handle_persisted(now, last);
        if journal.is_long() {
            journal.replace(&mut machine.snapshot())?;
        }
    }
    Ok(())
}
