//! A connection as the broker sees it.

use alloc::collections::VecDeque;

use mqtt_proto::Version;

use crate::{
    flow::Window,
    server::{Peer, Reply, route::SessionKey},
};

#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) generation: u32,
    pub(super) phase: Phase,
    /// It stands in the list of those that have something to do.
    pub(super) listed: bool,
    /// Its client was asked to wait.
    pub(super) paused: bool,
    pub(super) version: Version,
    pub(super) session: Option<SessionKey>,
    /// Messages on their way to the client.
    pub(super) outgoing: Window,
    /// Messages on their way from the client.
    pub(super) incoming: Window,
    /// The client's Maximum Packet Size.
    pub(super) max_packet: u32,
    /// Answers and other control packets, in order. Messages wait in the session.
    pub(super) owed: VecDeque<Reply>,
    pub(super) peer: Peer,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No CONNECT was accepted yet.
    Fresh,
    /// A client is there.
    Open,
    /// What is owed is still to be sent, no more.
    Over,
}

impl Link {
    pub(super) fn new(generation: u32, peer: Peer) -> Self {
        Self {
            generation,
            phase: Phase::Fresh,
            listed: false,
            paused: false,
            version: Version::V5,
            session: None,
            outgoing: Window::new(0),
            incoming: Window::new(0),
            max_packet: u32::MAX,
            owed: VecDeque::new(),
            peer,
        }
    }
}
