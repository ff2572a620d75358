//! Connections that are over, and the end of all.
//!
//! A socket that is closed while something unread lies in it resets the connection, and the reset takes what was written last
//! with it: the client would never learn why. So a link that was told something at the end is closed in one direction, and read
//! into nothing until the client has closed it too, for a short time.

use core::{
    task::{Context, Poll},
    time::Duration,
};
use std::{
    collections::{BTreeMap, VecDeque},
    task::Wake,
};

use mqtt_session::{Instant, server::ConnId};

use super::Wire;
use crate::Link;

/// How long a client may take to close its side.
const LINGER: Duration = Duration::from_secs(1);

/// Links that linger; beyond, the oldest is dropped.
const LINGERING: usize = 1_024;

/// Reads of one link in one turn.
const READS: usize = 4;

/// Links that belong to no connection of the server any more.
pub(super) struct Lingering<L> {
    links: BTreeMap<ConnId, (Wire<L>, bool)>,
    /// In the order of their ends; some may be gone.
    ends: VecDeque<(Instant, ConnId)>,
}

impl<L: Link> Lingering<L> {
    pub(super) const fn new() -> Self {
        Self {
            links: BTreeMap::new(),
            ends: VecDeque::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.links.clear();
        self.ends.clear();
    }

    /// Closes a link in one direction, and keeps it while the client may still be sending.
    pub(super) fn close(&mut self, now: Instant, wire: Wire<L>, scratch: &mut [u8]) {
        let id = wire.id;
        self.links.insert(id, (wire, false));
        self.woken(id, scratch);
        if !self.links.contains_key(&id) {
            return;
        }
        self.ends.push_back((now + LINGER, id));
        if self.ends.len() > LINGERING {
            self.drop_first();
        }
    }

    /// Its link was woken; nothing happens if it does not linger.
    pub(super) fn woken(&mut self, id: ConnId, scratch: &mut [u8]) {
        let Some((wire, closed)) = self.links.get_mut(&id) else {
            return;
        };
        wire.waker.taken();
        if is_gone(wire, closed, scratch) {
            self.links.remove(&id);
            if self.links.is_empty() {
                self.ends = VecDeque::new();
            }
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, id)) = self.ends.pop_front() {
            self.links.remove(&id);
        }
    }

    /// Gives up those whose time is over; says when the next one's is.
    pub(super) fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        loop {
            let &(at, id) = self.ends.front()?;
            if at > now && self.links.contains_key(&id) {
                return Some(at);
            }
            self.drop_first();
        }
    }
}

fn is_gone<L: Link>(wire: &mut Wire<L>, closed: &mut bool, scratch: &mut [u8]) -> bool {
    let task = wire.task();
    let cx = &mut Context::from_waker(&task);
    if !*closed {
        match wire.link.poll_close(cx) {
            Poll::Ready(Ok(())) => *closed = true,
            Poll::Ready(Err(_)) => return true,
            Poll::Pending => {}
        }
    }
    for _ in 0..READS {
        match wire.link.poll_read(cx, scratch) {
            Poll::Ready(Ok(0) | Err(_)) => return *closed,
            Poll::Ready(Ok(_)) => {}
            Poll::Pending => return false,
        }
    }
    wire.waker.wake_by_ref();
    false
}
