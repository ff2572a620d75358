//! What a session has to remember beyond its process.
//!
//! A machine tells of each change that matters as a *record*, and holds back the bytes that would tell the peer of it until
//! the record is said to be persisted. All records together, or a snapshot and the records after it, make the machine anew in
//! another process. What the medium is, a file, flash or a database, is the caller's business; so is when it is synced.
//!
//! | file | what it knows |
//! |---|---|
//! | `seq` | names for records |
//! | `client` | what a client records |
//! | `frame` | a record as bytes: version, kind, length, checksums |
//! | `fields` | numbers and texts inside a frame |
//! | `code` | a client's records as fields |
//! | `broker` | what a broker keeps: entries, their keys and values |
//! | `reader` | one record after the other, up to a torn end |
//!
//! A broker's records are *entries*, each under a key of its own: see [`broker`].
//!
//! A client's types need no feature. Encoding is the feature `records`: it brings in a CRC-32.

#[cfg(feature = "server")]
pub mod broker;
mod client;
#[cfg(feature = "records")]
mod code;
#[cfg(feature = "records")]
mod fields;
#[cfg(feature = "records")]
pub mod frame;
#[cfg(feature = "records")]
mod reader;
mod seq;

pub use client::{Record, StoredMessage, StoredPayload};
#[cfg(feature = "records")]
pub use frame::RecordError;
#[cfg(feature = "records")]
pub use reader::Records;
pub use seq::Seq;
