//! One record after the other.

use super::{Record, RecordError};

/// The records in these bytes, in order. Ends before the first bytes that are no record; [`error`](Self::error) says then
/// what they are, and [`offset`](Self::offset) where.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    offset: usize,
    error: Option<RecordError>,
}

impl<'a> Records<'a> {
    /// Reads these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            offset: 0,
            error: None,
        }
    }

    /// Where the next record begins: behind the last one that was read.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Why no record follows, if bytes are left. [`RecordError::Incomplete`] is what a crash leaves at the end.
    pub const fn error(&self) -> Option<RecordError> {
        self.error
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let rest = self.bytes.get(self.offset..).filter(|rest| !rest.is_empty())?;
        match Record::decode(rest) {
            Ok((record, len)) => {
                self.offset += len;
                Some(record)
            }
            Err(error) => {
                self.error = Some(error.moved(self.offset));
                None
            }
        }
    }
}
