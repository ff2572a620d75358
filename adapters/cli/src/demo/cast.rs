//! Who takes part.

use mqtt_proto::{PacketType, Version};

/// Messages that each client sends at each QoS.
pub(super) const MESSAGES: u32 = 10;

/// The one who plays on which adapter in which version, and what befalls it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) client_id: &'static str,
    pub(super) adapter: Adapter,
    pub(super) version: Version,
    pub(super) cut: Option<Cut>,
}

#[derive(Copy, Clone, Debug)]
pub(super) enum Adapter {
    Std,
    Tokio,
    Smol,
    EmbeddedIo,
}

/// A link is cut instead of carrying the first packet of this kind.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) from: End,
    pub(super) packet: PacketType,
}

/// One end of a link.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Client,
    Server,
}

impl Adapter {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Std => "std",
            Self::Tokio => "tokio",
            Self::Smol => "smol",
            Self::EmbeddedIo => "embedded-io",
        }
    }
}

/// Every adapter and every version. PUBREC is lost once on its way to a publisher, and once on its way from a subscriber.
pub(super) const CAST: &[Part] = &[
    Part {
        client_id: "demo-a",
        adapter: Adapter::Std,
        version: Version::V31,
        cut: None,
    },
    Part {
        client_id: "demo-b",
        adapter: Adapter::Tokio,
        version: Version::V5,
        cut: None,
    },
    Part {
        client_id: "demo-c",
        adapter: Adapter::Smol,
        version: Version::V311,
        cut: Some(Cut {
            from: End::Server,
            packet: PacketType::PubRec,
        }),
    },
    Part {
        client_id: "demo-d",
        adapter: Adapter::EmbeddedIo,
        version: Version::V5,
        cut: Some(Cut {
            from: End::Client,
            packet: PacketType::PubRec,
        }),
    },
];
