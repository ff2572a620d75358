//! The last name that was routed: publishers send many messages in a row to one topic, and where the second one goes is
//! where the first one went, as long as no subscription changes.

use alloc::vec::Vec;

use super::{Match, SessionKey};

/// Longer names are not remembered, so that no peer decides what this keeps.
const NAME_MOST: usize = 256;
/// Nor are more deliveries than this, beside which a search costs nothing.
const DELIVERIES_MOST: usize = 16;

/// What is remembered. Never of a name with groups: their members take turns.
#[derive(Clone, Debug, Default)]
pub(super) struct Last {
    known: bool,
    from: Option<SessionKey>,
    name: Vec<u8>,
    deliveries: Vec<Match>,
}

impl Last {
    /// Appends what this name led to the last time; false if that is not known.
    pub(super) fn repeat(&self, name: &str, from: Option<SessionKey>, deliveries: &mut Vec<Match>) -> bool {
        let same = self.known && self.from == from && self.name == name.as_bytes();
        if same {
            deliveries.extend_from_slice(&self.deliveries);
        }
        same
    }

    pub(super) fn remember(&mut self, name: &str, from: Option<SessionKey>, deliveries: &[Match]) {
        self.forget();
        if name.len() <= NAME_MOST && deliveries.len() <= DELIVERIES_MOST {
            self.known = true;
            self.from = from;
            self.name.extend_from_slice(name.as_bytes());
            self.deliveries.extend_from_slice(deliveries);
        }
    }

    /// Subscriptions change.
    pub(super) fn forget(&mut self) {
        self.known = false;
        self.name.clear();
        self.deliveries.clear();
    }
}
