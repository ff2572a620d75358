//! What a registry tells.

use alloc::string::String;
use core::fmt;

use mqtt_proto::{QoS, ReasonCode, packet::SubscriptionOptions};

use crate::Refused;

/// What became of the subscriptions that are held.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryEvent {
    /// A connection has begun; told at each one.
    Connected {
        /// The server has the session.
        session_present: bool,
        /// So many of the subscriptions are there.
        kept: usize,
        /// So many are missing: [`poll_restore`](super::Registry::poll_restore) gives them out, and unless the
        /// connection ends before, [`Restored`](Self::Restored) follows.
        to_restore: usize,
    },
    /// A subscription cannot be restored, and is no longer held.
    Refused {
        /// Its filter.
        filter: String,
        /// Its options.
        options: SubscriptionOptions,
        /// Its Subscription Identifier.
        identifier: Option<u32>,
        /// Why not.
        why: NotRestored,
    },
    /// A subscription was restored, with a lower QoS than before.
    Lowered {
        /// Its filter.
        filter: String,
        /// What the server granted now.
        granted: QoS,
    },
    /// All that was missing has been asked for and answered.
    Restored {
        /// So many are there again.
        restored: usize,
        /// So many are not; each was told as [`Refused`](Self::Refused).
        refused: usize,
    },
}

/// Why a subscription cannot be restored.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotRestored {
    /// SUBACK said so.
    Code(ReasonCode),
    /// It cannot be asked for on this connection: too large for the server, or not there in its version, or the
    /// server has said that it cannot do it.
    NotTaken(Refused),
}

impl fmt::Display for NotRestored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "refused by the server: {code:?}"),
            Self::NotTaken(why) => why.fmt(f),
        }
    }
}

impl core::error::Error for NotRestored {}
