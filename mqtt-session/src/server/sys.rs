//! `$SYS`: what the server publishes about itself.

use super::{
    RetainedPolicy,
    retained::{Quota, Retained},
};

#[derive(Clone, Debug)]
pub(crate) struct Sys {
    /// What it published last. It counts against no limit, and no client can change it.
    pub(crate) retained: Retained,
}

impl Sys {
    pub(crate) fn new() -> Self {
        Self {
            retained: Retained::new(Quota::UNLIMITED, RetainedPolicy::RefuseNew),
        }
    }
}
