//! Connections by number, and where they come from.

use alloc::{boxed::Box, sync::Arc};
use core::{
    fmt,
    net::{SocketAddr, SocketAddrV4},
};

/// A connection of a server. Ids of connections that are gone are recognised and ignored, even after their place is
/// taken again.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl ConnId {
    /// A number below the highest count of connections so far: dense, and used again. Good as an index beside the
    /// server's own tables.
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// Both halves in one number, for a place that takes nothing else.
    pub const fn into_raw(self) -> u64 {
        ((self.generation as u64) << 32) | self.index as u64
    }

    /// The id that [`into_raw`](Self::into_raw) made this number of.
    pub const fn from_raw(raw: u64) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "the two halves")]
        Self {
            index: raw as u32,
            generation: (raw >> 32) as u32,
        }
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnId({}.{})", self.index, self.generation)
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// Where a connection comes from, as far as its transport knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The address of the other end.
    pub address: Option<SocketAddr>,
    /// Which of the listeners it came through; the meaning is the caller's.
    pub listener: u16,
    /// The names it gave, if its transport has names.
    pub names: Option<Arc<PeerNames>>,
}

/// Names that a transport learns of a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerNames {
    /// The host it wanted: TLS server name, or the Host of a WebSocket upgrade.
    pub host: Option<Box<str>>,
    /// The path that it asked for in a WebSocket upgrade.
    pub path: Option<Box<str>>,
    /// The subject of its checked certificate.
    pub certificate: Option<Box<str>>,
}

impl Peer {
    /// A peer at this address, through listener 0.
    pub const fn at(address: SocketAddr) -> Self {
        Self {
            address: Some(address),
            listener: 0,
            names: None,
        }
    }
}

/// A [`Peer`] as it is kept: most have an address of IPv4 and no names, or neither.
#[derive(Clone, Debug)]
pub(crate) enum KeptPeer {
    Unknown { listener: u16 },
    At { address: SocketAddrV4, listener: u16 },
    Other(Box<Peer>),
}

impl From<Peer> for KeptPeer {
    fn from(peer: Peer) -> Self {
        let listener = peer.listener;
        match (peer.address, &peer.names) {
            (None, None) => Self::Unknown { listener },
            (Some(SocketAddr::V4(address)), None) => Self::At { address, listener },
            _ => Self::Other(Box::new(peer)),
        }
    }
}

impl KeptPeer {
    pub(crate) fn get(&self) -> Peer {
        let (address, listener) = match self {
            Self::Unknown { listener } => (None, *listener),
            Self::At { address, listener } => (Some(SocketAddr::V4(*address)), *listener),
            Self::Other(peer) => return Peer::clone(peer),
        };
        Peer {
            address,
            listener,
            names: None,
        }
    }

    pub(crate) fn listener(&self) -> u16 {
        match self {
            Self::Unknown { listener } | Self::At { listener, .. } => *listener,
            Self::Other(peer) => peer.listener,
        }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Unknown { .. } => None,
            Self::At { address, .. } => Some(SocketAddr::V4(*address)),
            Self::Other(peer) => peer.address,
        }
    }
}

/// There is no room for another connection.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overloaded;

impl fmt::Display for Overloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room for another connection")
    }
}

impl core::error::Error for Overloaded {}
