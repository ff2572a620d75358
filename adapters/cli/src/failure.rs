//! What went wrong, and the exit status.

use core::fmt;
use std::process::ExitCode;

use mqtt_proto::{ReasonCode, Version};

/// Why the program ends with a status other than 0: one message for people, one number for scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    status: u8,
    message: String,
}

/// Anything that has no number of its own, bad arguments included.
const GENERAL: u8 = 1;
/// `-W` ran out; the number that `mosquitto_sub` gives.
const TIMED_OUT: u8 = 27;
/// As of a program that an interrupt ended.
const INTERRUPTED: u8 = 130;

impl Failure {
    /// Something with no number of its own: status 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            status: GENERAL,
            message: message.into(),
        }
    }

    /// `-W` ran out: status 27.
    pub fn timed_out() -> Self {
        Self {
            status: TIMED_OUT,
            message: "timed out".into(),
        }
    }

    /// A signal: status 130.
    pub fn interrupted() -> Self {
        Self {
            status: INTERRUPTED,
            message: "interrupted".into(),
        }
    }

    /// The server said no. The status is the number on the wire, which in 3.x is the return code.
    pub fn refused(message: impl Into<String>, code: ReasonCode, version: Version) -> Self {
        let number = if version.has_properties() {
            Some(code.0)
        } else {
            code.return_code()
        };
        Self {
            status: number.filter(|&n| n != 0).unwrap_or(GENERAL),
            message: format!("{}: {code:#}", message.into()),
        }
    }

    /// The same, and this too.
    #[must_use]
    pub fn and(mut self, more: &str) -> Self {
        if !more.is_empty() {
            self.message.push_str("; ");
            self.message.push_str(more);
        }
        self
    }

    /// The same, said of something.
    #[must_use]
    pub fn of(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The exit status.
    pub const fn status(&self) -> u8 {
        self.status
    }

    /// The message, without a newline.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Prints the message on stderr, unless `quiet`, and gives the exit status.
    pub fn report(&self, command: &str, quiet: bool) -> ExitCode {
        if !quiet {
            let blank = if command.is_empty() { "" } else { " " };
            eprintln!("mqtt{blank}{command}: {}", self.message);
        }
        ExitCode::from(self.status)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_a_refusal_is_the_number_on_the_wire() {
        let of = |code, version| Failure::refused("connection refused", code, version);
        assert_eq!(of(ReasonCode::NOT_AUTHORIZED, Version::V5).status(), 0x87);
        assert_eq!(of(ReasonCode::NOT_AUTHORIZED, Version::V311).status(), 5);
        assert_eq!(
            of(ReasonCode::BANNED, Version::V311).status(),
            1,
            "no return code of 3.x means this"
        );
        assert_eq!(
            of(ReasonCode::NOT_AUTHORIZED, Version::V31).message(),
            "connection refused: Not authorized (0x87)"
        );
    }
}
