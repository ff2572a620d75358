//! A record as bytes that can be told from garbage.
//!
//! ```text
//! | version 1 | kind 1 | length of the body 4 | check of these six bytes 2 | body | CRC-32 of all before it 4 |
//! ```
//!
//! Numbers have their high byte first. The length is checked by itself, for a wrong one would make whatever follows look like
//! the torn end of the medium. The check is the lower half of the CRC-32.
//!
//! Whose records these are is not said: a journal belongs to one machine. Kinds are the machine's.

use core::fmt;

/// The version of the encoding that is written, and the only one that is read.
pub const VERSION: u8 = 1;

const HEADER: usize = 8;
const TRAILER: usize = 4;

/// Bytes of a frame beside its body.
pub const OVERHEAD: usize = HEADER + TRAILER;

/// A frame that is right.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame<'a> {
    /// What the body means.
    pub kind: u8,
    /// What was recorded.
    pub body: &'a [u8],
    /// How many bytes the frame takes.
    pub len: usize,
}

/// Bytes are no record.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RecordError {
    /// They end inside a frame. At the end of a journal that is what a crash leaves: cut it off there.
    #[non_exhaustive]
    Incomplete {
        /// Where the frame begins.
        offset: usize,
    },
    /// They are not what was written.
    #[non_exhaustive]
    Corrupt {
        /// Where the frame begins.
        offset: usize,
    },
    /// They were written in an encoding that is not known.
    #[non_exhaustive]
    UnknownVersion {
        /// Where the frame begins.
        offset: usize,
        /// Its version.
        version: u8,
    },
}

impl RecordError {
    /// Where the frame begins that could not be read.
    pub const fn offset(&self) -> usize {
        match self {
            Self::Incomplete { offset } | Self::Corrupt { offset } | Self::UnknownVersion { offset, .. } => {
                *offset
            }
        }
    }

    /// The same, in bytes that begin so much earlier.
    pub(super) const fn moved(self, by: usize) -> Self {
        match self {
            Self::Incomplete { offset } => Self::Incomplete { offset: offset + by },
            Self::Corrupt { offset } => Self::Corrupt { offset: offset + by },
            Self::UnknownVersion { offset, version } => Self::UnknownVersion {
                offset: offset + by,
                version,
            },
        }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete { offset } => write!(f, "the record at byte {offset} is not complete"),
            Self::Corrupt { offset } => write!(f, "the record at byte {offset} is not what was written"),
            Self::UnknownVersion { offset, version } => {
                write!(f, "the record at byte {offset} has the unknown version {version}")
            }
        }
    }
}

impl core::error::Error for RecordError {}

fn header(kind: u8, len: u32) -> [u8; HEADER] {
    let [a, b, c, d] = len.to_be_bytes();
    let [_, _, x, y] = crc32fast::hash(&[VERSION, kind, a, b, c, d]).to_be_bytes();
    [VERSION, kind, a, b, c, d, x, y]
}

/// Makes a frame in `out`, with a body of `len` bytes that `fill` writes. `None` if there is no room for it, or a body
/// cannot be so large; then nothing is written.
pub fn write(kind: u8, len: usize, out: &mut [u8], fill: impl FnOnce(&mut [u8])) -> Option<&[u8]> {
    let number = u32::try_from(len).ok()?;
    let frame = out.get_mut(..len.checked_add(OVERHEAD)?)?;
    let (head, rest) = frame.split_first_chunk_mut::<HEADER>()?;
    let (body, _) = rest.split_last_chunk_mut::<TRAILER>()?;
    *head = header(kind, number);
    fill(body);
    let (checked, check) = frame.split_last_chunk_mut::<TRAILER>()?;
    *check = crc32fast::hash(checked).to_be_bytes();
    Some(frame)
}

/// Reads the frame at the beginning of these bytes. Nothing is allocated, whatever length they promise.
///
/// # Errors
/// [`RecordError`], with offset 0.
pub fn read(bytes: &[u8]) -> Result<Frame<'_>, RecordError> {
    const INCOMPLETE: RecordError = RecordError::Incomplete { offset: 0 };
    const CORRUPT: RecordError = RecordError::Corrupt { offset: 0 };
    let version = *bytes.first().ok_or(INCOMPLETE)?;
    if version != VERSION {
        return Err(RecordError::UnknownVersion { offset: 0, version });
    }
    let (head, rest) = bytes.split_first_chunk::<HEADER>().ok_or(INCOMPLETE)?;
    let [_, kind, a, b, c, d, _, _] = *head;
    let number = u32::from_be_bytes([a, b, c, d]);
    if *head != header(kind, number) {
        return Err(CORRUPT);
    }
    let len = number as usize;
    let body = rest.get(..len).ok_or(INCOMPLETE)?;
    let check = rest
        .get(len..)
        .and_then(|rest| rest.first_chunk::<TRAILER>())
        .ok_or(INCOMPLETE)?;
    let checked = bytes.get(..HEADER + len).ok_or(INCOMPLETE)?;
    if crc32fast::hash(checked).to_be_bytes() != *check {
        return Err(CORRUPT);
    }
    Ok(Frame {
        kind,
        body,
        len: len + OVERHEAD,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> std::vec::Vec<u8> {
        let mut out = [0; 40];
        write(7, 5, &mut out, |body| body.copy_from_slice(b"hello"))
            .unwrap()
            .to_vec()
    }

    #[test]
    fn a_frame_comes_back_and_says_how_long_it_was() {
        let mut bytes = example();
        bytes.extend_from_slice(b"more");
        let frame = read(&bytes).unwrap();
        assert_eq!((frame.kind, frame.body, frame.len), (7, &b"hello"[..], 17));
    }

    #[test]
    fn every_prefix_of_a_frame_is_incomplete_and_never_corrupt() {
        let bytes = example();
        for len in 0..bytes.len() {
            assert_eq!(read(&bytes[..len]), Err(RecordError::Incomplete { offset: 0 }));
        }
    }

    #[test]
    fn every_changed_bit_is_seen() {
        let bytes = example();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            // Bytes follow, so that a greater length does not hide in an end that is missing.
            changed.resize(4096, 0);
            assert!(
                matches!(
                    read(&changed),
                    Err(RecordError::Corrupt { .. } | RecordError::UnknownVersion { .. })
                ),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn a_buffer_that_is_too_small_stays_as_it_was() {
        for len in 0..17 {
            let mut out = [9; 17];
            assert_eq!(write(7, 5, &mut out[..len], |body| body.fill(1)), None);
            assert_eq!(out, [9; 17]);
        }
    }
}
