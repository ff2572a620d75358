//! Calls of the client's interface, with their captures resolved.

use mqtt_proto::packet::Packet;
use mqtt_proto::{PacketType, Version};

use crate::fields::table::{Place, Spec};
use crate::fields::{Fields, Val};
use crate::play::world::Refusal;
use crate::trace::ast::Command;

/// A call, as a line says it, with values for captures: `do publish topic="t" qos=1 payload="x" as p`.
///
/// The arguments are the fields of the packet that the call leads to, so [`fields`](Self::fields) is mostly all that is needed;
/// [`with_packet`](Self::with_packet) gives the same as a packet of `mqtt-proto`, and `fields(..)?.encode(version)` as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// Which call.
    pub command: Command,
    /// The arguments without a name.
    pub values: Vec<Val>,
    /// The arguments with one.
    pub fields: Vec<(String, Val)>,
}

/// See [`Call::packet_type`].
pub(crate) const fn packet_type(command: Command) -> PacketType {
    match command {
        Command::Connect => PacketType::Connect,
        Command::Publish => PacketType::Publish,
        Command::Subscribe => PacketType::Subscribe,
        Command::Unsubscribe => PacketType::Unsubscribe,
        Command::Ack => PacketType::PubAck,
        Command::Authenticate => PacketType::Auth,
        Command::Ping => PacketType::PingReq,
        Command::Disconnect => PacketType::Disconnect,
    }
}

impl Call {
    /// The packet that the call leads to. For [`Command::Ack`] it is a PUBACK, whatever the quality of service of what is to
    /// be acknowledged: it has the same fields as PUBREC.
    #[must_use]
    pub fn packet_type(&self) -> PacketType {
        packet_type(self.command)
    }

    /// What `do ack $m` acknowledges: the number that the event gave.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn acknowledges(&self) -> Result<u64, Refusal> {
        match self.values[..] {
            [Val::Int(raw)] => Ok(raw),
            _ => invalid("`do ack $m`, where $m is what `event Message .. as m` gave"),
        }
    }

    /// The fields of the packet that the call leads to, those that the version has. A packet id is the client's to choose: this
    /// one stands in the packet if it needs one.
    ///
    /// # Errors
    ///
    /// The call has an argument that is no field.
    pub fn fields(&self, version: Version, id: u16) -> Result<Fields, Refusal> {
        if self.command != Command::Ack && !self.values.is_empty() {
            return invalid("the arguments of this call have names: `topic=\"t\"`");
        }
        let packet_type = self.packet_type();
        let place = Place::Packet(packet_type);
        let mut list = Vec::new();
        for (name, value) in with_filters(&self.fields, packet_type) {
            match place.field(&name) {
                Some(spec) if spec.is_in(version) => list.push((spec.name, value)),
                Some(_) => {}
                None => return invalid(&format!("the call has no argument `{name}`")),
            }
        }
        let is_qos_0 = packet_type == PacketType::Publish
            && list
                .iter()
                .all(|(name, value)| *name != "qos" || *value == Val::Int(0));
        if let Some(spec) = place.field("id").filter(|_| !is_qos_0) {
            list.push((spec.name, Val::Int(id.into())));
        }
        Ok(Fields { packet_type, list })
    }

    /// Makes the packet that the call leads to, and lends it.
    ///
    /// # Errors
    ///
    /// The arguments make no packet, or what `then` says.
    pub fn with_packet<T>(
        &self,
        version: Version,
        id: u16,
        then: impl FnOnce(&Packet<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        match self.fields(version, id)?.with_packet(version, then) {
            Ok(given) => given,
            Err(error) => invalid(&error.to_string()),
        }
    }
}

/// `filter="a" qos=1` as `filters=[{"a" qos=1}]`.
fn with_filters(arguments: &[(String, Val)], packet_type: PacketType) -> Vec<(String, Val)> {
    let has_filters = matches!(packet_type, PacketType::Subscribe | PacketType::Unsubscribe);
    let filter = arguments.iter().find(|(name, _)| name == "filter");
    let (true, Some((_, Val::Data(filter)))) = (has_filters, filter) else {
        return arguments.to_vec();
    };
    let option = |name: &str| -> Option<Spec> { Place::Subscription.field(name) };
    let options = arguments
        .iter()
        .filter_map(|(name, value)| Some((option(name)?.name, value.clone())));
    let filter = if packet_type == PacketType::Subscribe {
        Val::Group {
            text: Some(filter.clone()),
            list: options.collect(),
        }
    } else {
        Val::Data(filter.clone())
    };
    let rest = arguments
        .iter()
        .filter(|(name, _)| name != "filter" && option(name).is_none());
    core::iter::once(("filters".to_owned(), Val::List(vec![filter])))
        .chain(rest.cloned())
        .collect()
}

fn invalid<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::Invalid(why.to_owned()))
}
