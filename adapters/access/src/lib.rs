//! Who may do what on an MQTT server: ready policies, independent of any runtime.
//!
//! | | |
//! |---|---|
//! | [`Passwords`] | a file of users and argon2 hashes: read, verify, change |
//! | [`Verifier`] | threads on which passwords are verified, so that a server's one thread never waits for that |
//! | [`Rules`] | a file that says who may publish and subscribe where |
//! | [`Gate`] | both as the answers to a server's questions, at once or later |
//!
//! Both files are read whole, or refused with the line that is wrong.
#![forbid(unsafe_code)]

mod covering;
mod file_error;
mod gate;
mod passwords;
mod rules;
mod topic_pattern;
mod verifier;

pub use file_error::{FileError, LineError};
pub use gate::{Door, Gate, Reviewed};
pub use passwords::{PasswordError, Passwords};
pub use rules::{Rules, Who};
pub use verifier::{Busy, Verifier};
