//! The line, field by field.

use core::fmt::{self, Display, Formatter, Write};

use super::text::{Code, Data, Text};
use crate::packet::{Ack, Connect, Packet, PublishHead, ReasonCodes, RetainHandling, Subscription, Will};
use crate::property::{Properties, Property};
use crate::{PacketId, PacketType, QoS, ReasonCode};

/// A line that is being written.
pub(super) struct Line<'f, 'g> {
    f: &'f mut Formatter<'g>,
    /// Show passwords and authentication data.
    secrets: bool,
    /// A blank goes before the next field.
    gap: bool,
}

/// What stands where a secret would; no value begins like this.
const MASK: &str = "***";

impl<'f, 'g> Line<'f, 'g> {
    /// A line whose first word is written.
    pub(super) const fn new(f: &'f mut Formatter<'g>, secrets: bool) -> Self {
        Self {
            f,
            secrets,
            gap: true,
        }
    }

    /// A line that begins with a field.
    pub(super) const fn inside(f: &'f mut Formatter<'g>, secrets: bool) -> Self {
        Self {
            f,
            secrets,
            gap: false,
        }
    }

    pub(super) fn packet(&mut self, packet: &Packet<'_>) -> fmt::Result {
        self.f.write_str(packet.packet_type().name())?;
        match packet {
            Packet::Connect(connect) => self.connect(connect)?,
            Packet::ConnAck(ack) => {
                self.field("session_present", u8::from(ack.session_present))?;
                self.field("code", Code(ack.code))?;
                self.properties(&ack.properties)?;
            }
            Packet::Publish(publish) => {
                self.publish_head(&publish.head)?;
                self.payload(publish.payload)?;
            }
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
                self.ack(ack)?
            }
            Packet::Subscribe(subscribe) => {
                self.id(subscribe.packet_id)?;
                self.list("filters", subscribe.filters.iter(), |line, one| {
                    line.subscription(&one)
                })?;
                self.properties(&subscribe.properties)?;
            }
            Packet::SubAck(ack) => {
                self.id(ack.packet_id)?;
                self.codes(ack.codes)?;
                self.properties(&ack.properties)?;
            }
            Packet::Unsubscribe(unsubscribe) => {
                self.id(unsubscribe.packet_id)?;
                self.list("filters", unsubscribe.filters.iter(), |line, one| {
                    Text(one.as_str()).fmt(line.f)
                })?;
                self.properties(&unsubscribe.properties)?;
            }
            Packet::UnsubAck(ack) => {
                self.id(ack.packet_id)?;
                if !ack.codes.is_empty() {
                    self.codes(ack.codes)?;
                }
                self.properties(&ack.properties)?;
            }
            Packet::PingReq | Packet::PingResp => {}
            Packet::Disconnect(disconnect) => {
                self.code_unless_zero(disconnect.code)?;
                self.properties(&disconnect.properties)?;
            }
            Packet::Auth(auth) => {
                self.code_unless_zero(auth.code)?;
                self.properties(&auth.properties)?;
            }
        }
        if self.f.alternate() {
            self.comment(packet)
        } else {
            Ok(())
        }
    }

    fn field(&mut self, name: &str, value: impl Display) -> fmt::Result {
        if self.gap {
            self.f.write_char(' ')?;
        }
        self.gap = true;
        write!(self.f, "{name}={value}")
    }

    fn flag_if_set(&mut self, name: &str, flag: bool) -> fmt::Result {
        if flag { self.field(name, 1) } else { Ok(()) }
    }

    fn secret(&mut self, name: &str, bytes: &[u8]) -> fmt::Result {
        if self.secrets {
            self.field(name, Data(bytes))
        } else {
            self.field(name, MASK)
        }
    }

    fn id(&mut self, id: PacketId) -> fmt::Result {
        self.field("id", id.get())
    }

    fn qos_unless_zero(&mut self, qos: QoS) -> fmt::Result {
        if qos == QoS::AtMostOnce {
            Ok(())
        } else {
            self.field("qos", qos as u8)
        }
    }

    fn code_unless_zero(&mut self, code: ReasonCode) -> fmt::Result {
        if code == ReasonCode::SUCCESS {
            Ok(())
        } else {
            self.field("code", Code(code))
        }
    }

    fn payload(&mut self, payload: &[u8]) -> fmt::Result {
        if payload.is_empty() {
            Ok(())
        } else {
            self.field("payload", Data(payload))
        }
    }

    fn list<T>(
        &mut self,
        name: &str,
        items: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Self, T) -> fmt::Result,
    ) -> fmt::Result {
        self.field(name, '[')?;
        for (i, item) in items.enumerate() {
            if i > 0 {
                self.f.write_char(' ')?;
            }
            write(self, item)?;
        }
        self.f.write_char(']')
    }

    fn codes(&mut self, codes: ReasonCodes<'_>) -> fmt::Result {
        self.list("codes", codes.iter(), |line, code| Code(code).fmt(line.f))
    }

    fn connect(&mut self, connect: &Connect<'_>) -> fmt::Result {
        self.field("client_id", Text(connect.client_id))?;
        self.field("clean_start", u8::from(connect.clean_start))?;
        self.field("keep_alive", connect.keep_alive)?;
        if let Some(name) = connect.user_name {
            self.field("user_name", Text(name))?;
        }
        if let Some(password) = connect.password {
            self.secret("password", password)?;
        }
        if let Some(will) = &connect.will {
            self.field("will", "")?;
            self.will(will)?;
        }
        self.properties(&connect.properties)
    }

    pub(super) fn will(&mut self, will: &Will<'_>) -> fmt::Result {
        self.f.write_char('{')?;
        self.gap = false;
        self.field("topic", Text(will.topic.as_str()))?;
        self.qos_unless_zero(will.qos)?;
        self.flag_if_set("retain", will.retain)?;
        self.properties(&will.properties)?;
        self.payload(will.payload)?;
        self.f.write_char('}')
    }

    pub(super) fn publish_head(&mut self, head: &PublishHead<'_>) -> fmt::Result {
        if !head.topic.is_empty() {
            self.field("topic", Text(head.topic.as_str()))?;
        }
        self.qos_unless_zero(head.qos)?;
        self.flag_if_set("dup", head.dup)?;
        self.flag_if_set("retain", head.retain)?;
        if let Some(id) = head.packet_id {
            self.id(id)?;
        }
        self.properties(&head.properties)
    }

    fn ack(&mut self, ack: &Ack<'_>) -> fmt::Result {
        self.id(ack.packet_id)?;
        self.code_unless_zero(ack.code)?;
        self.properties(&ack.properties)
    }

    pub(super) fn subscription(&mut self, one: &Subscription<'_>) -> fmt::Result {
        write!(self.f, "{{{}", Text(one.filter.as_str()))?;
        self.gap = true;
        self.field("qos", one.options.qos as u8)?;
        self.flag_if_set("no_local", one.options.no_local)?;
        self.flag_if_set("retain_as_published", one.options.retain_as_published)?;
        if one.options.retain_handling != RetainHandling::Send {
            self.field("retain_handling", one.options.retain_handling as u8)?;
        }
        self.f.write_char('}')
    }

    pub(super) fn properties(&mut self, properties: &Properties<'_>) -> fmt::Result {
        properties
            .iter()
            .try_for_each(|property| self.property(&property))
    }

    pub(super) fn property(&mut self, property: &Property<'_>) -> fmt::Result {
        let name = property.id().name();
        match *property {
            Property::PayloadFormatIndicator(value)
            | Property::RequestProblemInformation(value)
            | Property::RequestResponseInformation(value)
            | Property::MaximumQoS(value)
            | Property::RetainAvailable(value)
            | Property::WildcardSubscriptionAvailable(value)
            | Property::SubscriptionIdentifierAvailable(value)
            | Property::SharedSubscriptionAvailable(value) => self.field(name, value),
            Property::ServerKeepAlive(value)
            | Property::ReceiveMaximum(value)
            | Property::TopicAliasMaximum(value)
            | Property::TopicAlias(value) => self.field(name, value),
            Property::MessageExpiryInterval(value)
            | Property::SubscriptionIdentifier(value)
            | Property::SessionExpiryInterval(value)
            | Property::WillDelayInterval(value)
            | Property::MaximumPacketSize(value) => self.field(name, value),
            Property::ContentType(value)
            | Property::ResponseTopic(value)
            | Property::AssignedClientIdentifier(value)
            | Property::AuthenticationMethod(value)
            | Property::ResponseInformation(value)
            | Property::ServerReference(value)
            | Property::ReasonString(value) => self.field(name, Text(value)),
            Property::CorrelationData(value) => self.field(name, Data(value)),
            Property::AuthenticationData(value) => self.secret(name, value),
            Property::UserProperty(key, value) => {
                self.field(name, format_args!("({} {})", Text(key), Text(value)))
            }
        }
    }

    /// What the numbers mean.
    fn comment(&mut self, packet: &Packet<'_>) -> fmt::Result {
        let mut before = " # ";
        let kind = packet.packet_type();
        let mut name = |f: &mut Formatter<'_>, code: ReasonCode| {
            let name = match (code.0, kind) {
                // 0x00 has three names (5.0 section 2.4).
                (0, PacketType::SubAck) => "Granted QoS 0",
                (0, PacketType::Disconnect) => "Normal disconnection",
                _ => code.name().unwrap_or("unknown code"),
            };
            f.write_str(core::mem::replace(&mut before, ", "))?;
            f.write_str(name)
        };
        match packet {
            Packet::Connect(connect) => write!(self.f, " # MQTT {}", connect.version),
            Packet::ConnAck(ack) => name(self.f, ack.code),
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
                name(self.f, ack.code)
            }
            Packet::Disconnect(disconnect) => name(self.f, disconnect.code),
            Packet::Auth(auth) => name(self.f, auth.code),
            Packet::SubAck(ack) => ack.codes.iter().try_for_each(|code| name(self.f, code)),
            Packet::UnsubAck(ack) => ack.codes.iter().try_for_each(|code| name(self.f, code)),
            Packet::Publish(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::PingResp => Ok(()),
        }
    }
}
