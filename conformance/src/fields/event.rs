//! Which events of a client there are, and what they say; which arguments its calls take.

use mqtt_proto::property::PropertyPlace;
use mqtt_proto::{PacketType, PropertyId};

use super::table::{Kind, Place, Spec};
use crate::trace::ast::Command;

/// An event.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EventSpec {
    /// Its name.
    pub name: &'static str,
    /// What it says beside properties.
    own: &'static [(&'static str, Says)],
    /// The packets whose properties it says.
    packets: &'static [PacketType],
    /// What `as` binds, if it is the duty to acknowledge.
    pub gives_duty: bool,
}

/// What values a field of an event takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the language")]
pub enum Says {
    /// Those of a field of a packet.
    Field(Kind),
    /// What `as` of a call has bound.
    Token,
    /// One of these words; any word if the list is empty.
    Word(&'static [&'static str]),
}

const NUMBER: Says = Says::Field(Kind::Int(0, u64::MAX));
const BYTE: Says = Says::Field(Kind::Int(0, 0xff));
const FLAG: Says = Says::Field(Kind::Int(0, 1));
const QOS: Says = Says::Field(Kind::Int(0, 2));
const ID: Says = Says::Field(Kind::Int(1, 0xffff));
const TEXT: Says = Says::Field(Kind::Text);
const DATA: Says = Says::Field(Kind::Data);

/// All events.
pub static EVENTS: [EventSpec; 9] = [
    EventSpec {
        name: "Connected",
        own: &[("session_present", FLAG)],
        packets: &[PacketType::ConnAck],
        gives_duty: false,
    },
    EventSpec {
        name: "Authenticate",
        own: &[],
        packets: &[PacketType::Auth],
        gives_duty: false,
    },
    EventSpec {
        name: "Message",
        own: &[
            ("topic", TEXT),
            ("qos", QOS),
            ("dup", FLAG),
            ("retain", FLAG),
            ("id", ID),
            ("payload", DATA),
        ],
        packets: &[PacketType::Publish],
        gives_duty: true,
    },
    EventSpec {
        name: "MessageStart",
        own: &[
            ("topic", TEXT),
            ("qos", QOS),
            ("dup", FLAG),
            ("retain", FLAG),
            ("id", ID),
            ("payload_len", NUMBER),
        ],
        packets: &[PacketType::Publish],
        gives_duty: false,
    },
    EventSpec {
        name: "MessageData",
        own: &[("offset", NUMBER), ("payload", DATA)],
        packets: &[],
        gives_duty: false,
    },
    EventSpec {
        name: "MessageEnd",
        own: &[("broken", FLAG)],
        packets: &[],
        gives_duty: true,
    },
    EventSpec {
        name: "Completed",
        own: &[
            ("token", Says::Token),
            (
                "outcome",
                Says::Word(&[
                    "written",
                    "acknowledged",
                    "subscribed",
                    "unsubscribed",
                    "authenticated",
                    "ponged",
                ]),
            ),
            ("code", BYTE),
            ("codes", Says::Field(Kind::Codes)),
        ],
        packets: &[
            PacketType::PubAck,
            PacketType::SubAck,
            PacketType::UnsubAck,
            PacketType::Auth,
        ],
        gives_duty: false,
    },
    EventSpec {
        name: "Aborted",
        own: &[("token", Says::Token), ("why", Says::Word(&[]))],
        packets: &[],
        gives_duty: false,
    },
    EventSpec {
        name: "Closed",
        own: &[
            ("by", Says::Word(&["client", "server", "transport"])),
            ("refused", FLAG),
            ("code", BYTE),
            ("statement", TEXT),
        ],
        packets: &[PacketType::ConnAck, PacketType::Disconnect],
        gives_duty: false,
    },
];

impl EventSpec {
    /// The event of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        EVENTS.iter().find(|event| event.name == name)
    }

    fn properties(&self) -> impl Iterator<Item = (PropertyId, Spec)> {
        self.packets.iter().flat_map(|&packet_type| {
            let place = Place::Packet(packet_type);
            PropertyId::ALL
                .into_iter()
                .filter(move |id| id.is_allowed(PropertyPlace::Packet(packet_type)))
                .filter_map(move |id| Some((id, place.field(id.name())?)))
        })
    }

    /// The field of this name, and whether it may stand more than once.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<(Says, bool)> {
        let own = self.own.iter().find(|(own, _)| *own == name);
        match own {
            Some((_, says)) => Some((*says, false)),
            None => self
                .properties()
                .find(|(id, _)| id.name() == name)
                .map(|(_, spec)| (Says::Field(spec.kind), spec.repeats)),
        }
    }

    /// The names of all fields.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let own = self.own.iter().map(|(name, _)| *name);
        let mut names: Vec<&str> = own.collect();
        for (id, _) in self.properties() {
            if !names.contains(&id.name()) {
                names.push(id.name());
            }
        }
        names
    }

    /// Whether the field is a property, which only 5.0 has.
    #[must_use]
    pub fn is_property(&self, name: &str) -> bool {
        self.own.iter().all(|(own, _)| *own != name) && self.field(name).is_some()
    }
}

impl Command {
    /// All calls with their names.
    pub const ALL: [(&'static str, Self); 8] = [
        ("connect", Self::Connect),
        ("publish", Self::Publish),
        ("subscribe", Self::Subscribe),
        ("unsubscribe", Self::Unsubscribe),
        ("ack", Self::Ack),
        ("authenticate", Self::Authenticate),
        ("ping", Self::Ping),
        ("disconnect", Self::Disconnect),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let mut all = Self::ALL.iter();
        all.find(|(_, command)| *command == self)
            .map_or("", |(name, _)| name)
    }

    /// The packet to which the call leads.
    #[must_use]
    pub fn packet_type(self) -> PacketType {
        match self {
            Self::Connect => PacketType::Connect,
            Self::Publish => PacketType::Publish,
            Self::Subscribe => PacketType::Subscribe,
            Self::Unsubscribe => PacketType::Unsubscribe,
            Self::Ack => PacketType::PubAck,
            Self::Authenticate => PacketType::Auth,
            Self::Ping => PacketType::PingReq,
            Self::Disconnect => PacketType::Disconnect,
        }
    }

    /// The arguments that have a name: fields of its packet without those that the client chooses itself, and the one filter
    /// of a subscription with its options.
    #[must_use]
    pub fn arguments(self) -> Vec<Spec> {
        let chosen: &[&str] = if self == Self::Publish {
            &["id", "dup"]
        } else {
            &["id"]
        };
        let mut all: Vec<Spec> = Place::Packet(self.packet_type())
            .all()
            .filter(|spec| !chosen.contains(&spec.name))
            .collect();
        if matches!(self, Self::Subscribe | Self::Unsubscribe) {
            all.push(Spec::FILTER);
        }
        if self == Self::Subscribe {
            all.extend(Place::Subscription.all());
        }
        all
    }
}
