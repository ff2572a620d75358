//! Lines with `do`: calls of a client.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "each call knows the type of the packet that it asked for"
)]

use core::num::NonZeroU16;

use mqtt_proto::packet::{Packet, Subscription};
use mqtt_proto::{PacketType, Properties, PropertyId, ReasonCode, TopicFilter, Version};
use mqtt_session::client::Ack;
use mqtt_session::storage::Heap;
use mqtt_session::{AckToken, Client, Instant, Publish, Refused, Token};

use crate::fields::table::{Place, Spec};
use crate::fields::{Fields, Val};
use crate::play::call::Call;
use crate::play::world::Refusal;
use crate::trace::ast::Command;

type Given = Result<Option<Val>, Refusal>;

/// Calls the client. What is given back is the number of the operation's token.
///
/// The arguments are the fields of the packet that the call leads to; `subscribe` and `unsubscribe` take `filter=".."`
/// and the options of one filter as well.
pub(super) fn call(client: &mut Client<Heap>, now: Instant, version: Version, call: &Call) -> Given {
    if call.command != Command::Ack && !call.values.is_empty() {
        return invalid("the arguments of this call have names: `topic=\"t\"`");
    }
    match call.command {
        Command::Connect => with(
            PacketType::Connect,
            version,
            &call.fields,
            |packet| match packet {
                Packet::Connect(connect) => nothing(client.connect(now, connect)),
                _ => unreached(),
            },
        ),
        Command::Publish => with(
            PacketType::Publish,
            version,
            &call.fields,
            |packet| match packet {
                Packet::Publish(publish) => {
                    let mut message = Publish::new(publish.head.topic, publish.head.qos);
                    message.retain = publish.head.retain;
                    // Topic Alias is a property of the packet, but beside the others in the call.
                    let all = publish.head.properties;
                    message.alias = all.topic_alias().and_then(NonZeroU16::new);
                    let others: Vec<_> = all
                        .iter()
                        .filter(|property| property.id() != PropertyId::TopicAlias)
                        .collect();
                    message.properties = Properties::new(&others);
                    token(
                        client
                            .publish(now, &message, publish.payload)
                            .map_err(|refused| refused.why),
                    )
                }
                _ => unreached(),
            },
        ),
        Command::Subscribe => {
            let fields = with_filters(&call.fields, PacketType::Subscribe);
            with(PacketType::Subscribe, version, &fields, |packet| match packet {
                Packet::Subscribe(subscribe) => {
                    let filters: Vec<Subscription<'_>> = subscribe.filters.iter().collect();
                    token(client.subscribe(now, &filters, subscribe.properties))
                }
                _ => unreached(),
            })
        }
        Command::Unsubscribe => {
            let fields = with_filters(&call.fields, PacketType::Unsubscribe);
            with(PacketType::Unsubscribe, version, &fields, |packet| match packet {
                Packet::Unsubscribe(unsubscribe) => {
                    let filters: Vec<TopicFilter<'_>> = unsubscribe.filters.iter().collect();
                    token(client.unsubscribe(now, &filters, unsubscribe.properties))
                }
                _ => unreached(),
            })
        }
        Command::Ack => {
            let [Val::Int(raw)] = call.values[..] else {
                return invalid("`do ack $m`, where $m is what `event Message .. as m` gave");
            };
            let mut fields = call.fields.clone();
            fields.push(("id".to_owned(), Val::Int(1)));
            with(PacketType::PubAck, version, &fields, |packet| {
                match (packet, AckToken::from_raw(raw)) {
                    (Packet::PubAck(ack), Some(token)) => {
                        let mut answer = Ack::new(ack.code);
                        answer.properties = ack.properties;
                        nothing(
                            client
                                .acknowledge(now, token, &answer)
                                .map_err(|refused| refused.why),
                        )
                    }
                    _ => invalid("what `event Message .. as m` gave is to be acknowledged"),
                }
            })
        }
        Command::Authenticate => with(PacketType::Auth, version, &call.fields, |packet| match packet {
            Packet::Auth(auth) if auth.code == ReasonCode::RE_AUTHENTICATE => {
                token(client.reauthenticate(now, auth.properties))
            }
            Packet::Auth(auth) => nothing(client.authenticate(now, auth.properties)),
            _ => unreached(),
        }),
        Command::Ping => token(client.ping(now)),
        Command::Disconnect => with(
            PacketType::Disconnect,
            version,
            &call.fields,
            |packet| match packet {
                Packet::Disconnect(disconnect) => nothing(client.disconnect(now, disconnect)),
                _ => unreached(),
            },
        ),
    }
}

/// Makes the packet that the arguments describe, and lends it.
fn with(
    packet_type: PacketType,
    version: Version,
    arguments: &[(String, Val)],
    then: impl FnOnce(&Packet<'_>) -> Given,
) -> Given {
    let place = Place::Packet(packet_type);
    let mut list = Vec::new();
    for (name, value) in arguments {
        match place.field(name) {
            Some(spec) if spec.is_in(version) => list.push((spec.name, value.clone())),
            Some(_) => {}
            None => return invalid(&format!("the call has no argument `{name}`")),
        }
    }
    // The client chooses the packet id; a packet cannot be made without one.
    if matches!(packet_type, PacketType::Subscribe | PacketType::Unsubscribe) {
        list.push(("id", Val::Int(1)));
    }
    let fields = Fields { packet_type, list };
    match fields.with_packet(version, then) {
        Ok(given) => given,
        Err(error) => invalid(&error.to_string()),
    }
}

/// `filter="a" qos=1` as `filters=[{"a" qos=1}]`.
fn with_filters(arguments: &[(String, Val)], packet_type: PacketType) -> Vec<(String, Val)> {
    let Some((_, Val::Data(filter))) = arguments.iter().find(|(name, _)| name == "filter") else {
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

fn token(given: Result<Token, Refused>) -> Given {
    given
        .map(|token| Some(Val::Int(token.get().into())))
        .map_err(|why| refused(&why))
}

fn nothing(given: Result<(), Refused>) -> Given {
    given.map(|()| None).map_err(|why| refused(&why))
}

/// A refusal by the name of its variant.
fn refused(why: &Refused) -> Refusal {
    let name: String = format!("{why:?}")
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    Refusal::Refused(name, why.to_string())
}

fn invalid(why: &str) -> Given {
    Err(Refusal::Invalid(why.to_owned()))
}

fn unreached() -> Given {
    invalid("the packet is of another type than its fields")
}
