//! What goes into the policy and what comes out of it.

use core::fmt;

use mqtt_proto::{ReasonCode, Version};

#[cfg(feature = "bytes")]
use crate::client::OwnedClosed;
use crate::{
    Instant,
    client::{Closed, ClosedBy},
    flow::Cause,
};

/// How a connection ended, as far as it matters here. Made from a [`Closed`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended<'b> {
    /// Who ended it.
    pub by: ClosedBy,
    /// CONNACK refused it.
    pub refused: bool,
    /// The reason code; none if the transport ended.
    pub code: Option<ReasonCode>,
    /// The application ended it itself, whatever code it chose.
    pub asked: bool,
    /// Where the server says to go instead (5.0, 3.2.2.3.16, 3.14.2.2.5).
    pub server_reference: Option<&'b str>,
}

impl Ended<'_> {
    /// No transport could be opened: no such host, refused, TLS failed, or it took too long.
    pub const UNREACHABLE: Self = Self::new(ClosedBy::Transport, false, None);

    /// An end without a Server Reference.
    pub const fn new(by: ClosedBy, refused: bool, code: Option<ReasonCode>) -> Self {
        Self {
            by,
            refused,
            code,
            asked: false,
            server_reference: None,
        }
    }
}

/// The application's own wish, and no fault.
const fn is_asked(cause: Cause) -> bool {
    matches!(cause, Cause::Disconnected | Cause::Aborted)
}

impl<'b> From<&Closed<'b>> for Ended<'b> {
    fn from(closed: &Closed<'b>) -> Self {
        Self {
            asked: is_asked(closed.cause),
            server_reference: closed.properties.server_reference(),
            ..Self::new(closed.by, closed.refused, closed.code)
        }
    }
}

#[cfg(feature = "bytes")]
impl<'b> From<&'b OwnedClosed> for Ended<'b> {
    fn from(closed: &'b OwnedClosed) -> Self {
        Self {
            asked: is_asked(closed.cause),
            server_reference: closed.properties.view().server_reference(),
            ..Self::new(closed.by, closed.refused, closed.code)
        }
    }
}

/// What comes after an end.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[must_use = "a referral is told once"]
#[allow(clippy::exhaustive_enums, reason = "there is another attempt, or none")]
pub enum Decision<'b> {
    /// Another attempt.
    Next {
        /// When it is due.
        at: Instant,
        /// Which one it is, counted from `start` or the last stable connection; the first is 1.
        attempt: u32,
        /// Why there has to be one.
        because: Because,
        /// The server has named another one: keep the text.
        referral: Option<Referral<'b>>,
    },
    /// No further attempt, until [`start`](super::Reconnect::start).
    Stop {
        /// Why not.
        because: StopBecause,
    },
}

/// The server has named another one (5.0, 4.11), and the policy follows.
///
/// The caller keeps the text for as long as [`Attempt::server`] may ask for it: a permanent one replaces the server
/// that was configured, and any other; a temporary one replaces the last temporary one.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Referral<'b> {
    /// The Server Reference as it came: never blank, its form up to the server.
    pub reference: &'b str,
    /// 0x9D: it is [`ServerChoice::Home`] from now on. Otherwise 0x9C: it is [`ServerChoice::Away`].
    pub permanent: bool,
}

impl<'b> Referral<'b> {
    /// The servers in the form that 4.11 recommends: separated by blanks, each a host, or a host and a port behind a
    /// colon. There is at least one.
    pub fn servers(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        self.reference.split_whitespace()
    }
}

/// An attempt that begins now: the moment to fetch a fresh token, to change options, and to open a transport.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Attempt {
    /// Which one it is, counted from `start` or the last stable connection; the first is 1.
    pub number: u32,
    /// The version for CONNECT.
    pub version: Version,
    /// The server to connect to.
    pub server: ServerChoice,
    /// Why there has to be one.
    pub because: Because,
}

/// Which of the two servers that may be known.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[allow(clippy::exhaustive_enums, reason = "temporary or not")]
pub enum ServerChoice {
    /// The configured one, or the one to which it has moved.
    Home,
    /// The one of the last temporary referral. It is used as long as it accepts connections; when an attempt fails, the
    /// two are tried in turn, and a connection at home ends it.
    Away,
}

/// Why there has to be an attempt.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Because {
    /// The caller has started.
    Started,
    /// The last connection, or the last attempt, ended like this.
    Ended {
        /// Who ended it.
        by: ClosedBy,
        /// CONNACK refused it.
        refused: bool,
        /// The reason code; none if the transport ended.
        code: Option<ReasonCode>,
    },
    /// The server does not speak 5.0.
    VersionRefused,
    /// The server has named another one.
    Referred {
        /// For good.
        permanent: bool,
    },
}

/// Why there is no further attempt.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum StopBecause {
    /// Nobody has started.
    NotStarted,
    /// The caller wanted an end: [`stop`](super::Reconnect::stop), or a DISCONNECT that names no fault.
    Asked,
    /// Another attempt would end like this again, says the verdict on its code.
    Ended {
        /// Who ended it.
        by: ClosedBy,
        /// CONNACK refused it.
        refused: bool,
        /// The reason code.
        code: ReasonCode,
    },
    /// [`Policy::max_attempts`](super::Policy::max_attempts) is reached.
    TooManyAttempts,
}

fn write_end(
    f: &mut fmt::Formatter<'_>,
    by: ClosedBy,
    refused: bool,
    code: Option<ReasonCode>,
) -> fmt::Result {
    f.write_str(match (by, refused) {
        (_, true) => "the server refused the connection",
        (ClosedBy::Client, _) => "this client ended the connection",
        (ClosedBy::Server, _) => "the server ended the connection",
        (ClosedBy::Transport, _) => "the transport ended",
    })?;
    match code {
        Some(code) => write!(f, ": {code:?}"),
        None => Ok(()),
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Started => f.write_str("started"),
            Self::Ended { by, refused, code } => write_end(f, by, refused, code),
            Self::VersionRefused => f.write_str("the server does not speak 5.0"),
            Self::Referred { permanent: true } => f.write_str("the server has moved"),
            Self::Referred { permanent: false } => f.write_str("the server asks to use another one"),
        }
    }
}

impl fmt::Display for StopBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotStarted => f.write_str("not started"),
            Self::Asked => f.write_str("the end was asked for"),
            Self::Ended { by, refused, code } => write_end(f, by, refused, Some(code)),
            Self::TooManyAttempts => f.write_str("too many attempts without a stable connection"),
        }
    }
}
