//! Lines with `do`: calls of a client.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a call leads to few types of packets"
)]

use core::num::NonZeroU16;

use mqtt_proto::packet::{Packet, Subscription};
use mqtt_proto::{Properties, PropertyId, ReasonCode, TopicFilter, Version};
use mqtt_session::client::Ack;
use mqtt_session::storage::Heap;
use mqtt_session::{AckToken, Client, Instant, Publish, Refused, Token};

use crate::fields::Val;
use crate::play::call::Call;
use crate::play::world::Refusal;

type Given = Result<Option<Val>, Refusal>;

/// Calls the client. What is given back is the number of the operation's token.
///
/// The arguments are the fields of the packet that the call leads to; `subscribe` and `unsubscribe` take `filter=".."`
/// and the options of one filter as well.
pub(super) fn call(client: &mut Client<Heap>, now: Instant, version: Version, call: &Call) -> Given {
    // The client chooses the packet id; a packet cannot be made without one.
    call.with_packet(version, 1, |packet| match packet {
        Packet::Connect(connect) => nothing(client.connect(now, connect)),
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
            let published = client.publish(now, &message, publish.payload);
            token(published.map_err(|refused| refused.why))
        }
        Packet::Subscribe(subscribe) => {
            let filters: Vec<Subscription<'_>> = subscribe.filters.iter().collect();
            token(client.subscribe(now, &filters, subscribe.properties))
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters: Vec<TopicFilter<'_>> = unsubscribe.filters.iter().collect();
            token(client.unsubscribe(now, &filters, unsubscribe.properties))
        }
        Packet::PubAck(ack) => {
            let Some(token) = AckToken::from_raw(call.acknowledges()?) else {
                return invalid("what `event Message .. as m` gave is to be acknowledged");
            };
            let mut answer = Ack::new(ack.code);
            answer.properties = ack.properties;
            let acknowledged = client.acknowledge(now, token, &answer);
            nothing(acknowledged.map_err(|refused| refused.why))
        }
        Packet::Auth(auth) if auth.code == ReasonCode::RE_AUTHENTICATE => {
            token(client.reauthenticate(now, auth.properties))
        }
        Packet::Auth(auth) => nothing(client.authenticate(now, auth.properties)),
        Packet::PingReq => token(client.ping(now)),
        Packet::Disconnect(disconnect) => nothing(client.disconnect(now, disconnect)),
        _ => invalid("no call leads to such a packet"),
    })
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
