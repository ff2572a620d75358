//! Numbers, texts and headers as bytes.
//!
//! - `field`: parsers of single fields, with nom.
//! - `header`: the fixed header, and [`frame_len`].
//! - `reader`: a packet's bytes being read, with the place in them and the rules that hold there.
//! - `sink`: bytes being written, or only counted.

mod field;
mod header;
mod reader;
mod sink;

pub(crate) use field::{Parsed, binary, contains, short, text, u8, u16, u32, varint};
pub use header::{Frame, MAX_REMAINING_LENGTH, frame_len};
pub(crate) use header::{Header, HeaderStatus};
pub(crate) use reader::{Reader, check_share};
pub(crate) use sink::{Count, Sink, Writer, varint_len};
