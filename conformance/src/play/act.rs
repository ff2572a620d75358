//! What is done to a broker, with captures resolved.

use core::fmt;

use mqtt_proto::Version;

use crate::expect::shown;
use crate::fields::{Bindings, Unresolved, Val, resolve_value};
use crate::trace::ast::BrokerAct;

/// Something that is done to the broker under test. After it has been stopped, in either way, all links are gone, and what was
/// unread on them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the language")]
pub enum Act {
    /// It is stopped in order, with time to tell its clients, and started again.
    Restart,
    /// It is gone from one moment to the next, and started again.
    Crash,
    /// From now on it refuses these: `topic` to publish to, `filter` to subscribe to, `client_id` to connect.
    Deny(Vec<(String, Val)>),
}

impl Act {
    /// What a line says.
    pub(super) fn of(act: &BrokerAct, version: Version, bindings: &Bindings) -> Result<Self, Unresolved> {
        Ok(match act {
            BrokerAct::Restart => Self::Restart,
            BrokerAct::Crash => Self::Crash,
            BrokerAct::Deny(fields) => {
                let value = |field: &crate::trace::ast::Field| {
                    resolve_value(&field.value, version, bindings).map(|value| (field.name.clone(), value))
                };
                Self::Deny(fields.iter().map(value).collect::<Result<_, _>>()?)
            }
        })
    }

    /// Whether it stops the broker.
    #[must_use]
    pub fn stops(&self) -> bool {
        matches!(self, Self::Restart | Self::Crash)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restart => f.write_str("broker restart"),
            Self::Crash => f.write_str("broker crash"),
            Self::Deny(fields) => {
                f.write_str("broker deny")?;
                fields
                    .iter()
                    .try_for_each(|(name, value)| write!(f, " {name}={}", shown(value)))
            }
        }
    }
}
