//! Commands on their way from a handle to the task.
//!
//! A command travels as the bytes of its packet in 5.0, which can say everything that the others can: so topics,
//! filters and properties need no owned forms, and what no packet can say is refused before it is sent.

use core::{num::NonZeroU16, time::Duration};

use bytes::Bytes;
use futures_channel::oneshot;
use mqtt_proto::{
    EncodeError, Packet, PacketId, Properties, Property, QoS, ReasonCode, Sender, TopicFilter, Version,
    packet::{
        Auth, Disconnect, Filters, HeadStatus, PublishHead, Subscribe, Subscription, Subscriptions,
        Unsubscribe,
    },
};
use mqtt_session::{
    AckToken, Instant, Publish, Refused, Token,
    client::{Ack, Counters, OutboxState},
    storage::Storage,
};
use mqtt_std::driver::Driver;

use crate::operation::{End, Operations};

/// What a handle asks for.
#[derive(Debug)]
pub(crate) enum Command {
    /// An encoded head, what stands beside it, and the payload.
    Publish(Box<[u8]>, Beside, Bytes, oneshot::Sender<End>),
    /// An encoded SUBSCRIBE or UNSUBSCRIBE.
    Request(Box<[u8]>, oneshot::Sender<End>),
    Ping(oneshot::Sender<End>),
    /// An encoded AUTH that answers the server.
    Authenticate(Box<[u8]>, oneshot::Sender<Result<(), Refused>>),
    /// An encoded AUTH that begins anew.
    Reauthenticate(Box<[u8]>, oneshot::Sender<End>),
    Outbox(oneshot::Sender<OutboxState>),
    Counters(oneshot::Sender<Option<Counters>>),
    Acknowledge(AckToken, ReasonCode),
    Disconnect,
    Shutdown(Duration),
    Abort,
    Start,
}

/// What the head of a PUBLISH does not say of a message.
#[derive(Debug)]
pub(crate) struct Beside {
    deadline: Option<Instant>,
    alias: Option<NonZeroU16>,
}

/// The packet id is given by the machine; until then any stands for it.
const ANY: PacketId = PacketId::MIN;

impl Command {
    pub(crate) fn publish(
        message: &Publish<'_>,
        payload: Bytes,
        reply: oneshot::Sender<End>,
    ) -> Result<Self, Refused> {
        let len = u32::try_from(payload.len()).map_err(|_| Refused::TooLarge)?;
        let head = PublishHead {
            dup: false,
            qos: message.qos,
            retain: message.retain,
            topic: message.topic,
            packet_id: (message.qos > QoS::AtMostOnce).then_some(ANY),
            properties: message.properties,
        };
        let mut bytes = vec![0; head.encoded_len(Version::V5, len)?];
        head.encode(Version::V5, len, &mut bytes)?;
        let beside = Beside {
            deadline: message.deadline,
            alias: message.alias,
        };
        Ok(Self::Publish(bytes.into(), beside, payload, reply))
    }

    pub(crate) fn subscribe(
        filters: &[Subscription<'_>],
        properties: Properties<'_>,
        reply: oneshot::Sender<End>,
    ) -> Result<Self, Refused> {
        let filters = Subscriptions::new(filters);
        let packet = Packet::Subscribe(Subscribe {
            packet_id: ANY,
            properties,
            filters,
        });
        Ok(Self::Request(encode(&packet)?, reply))
    }

    pub(crate) fn unsubscribe(
        filters: &[TopicFilter<'_>],
        properties: Properties<'_>,
        reply: oneshot::Sender<End>,
    ) -> Result<Self, Refused> {
        let filters = Filters::new(filters);
        let packet = Packet::Unsubscribe(Unsubscribe {
            packet_id: ANY,
            properties,
            filters,
        });
        Ok(Self::Request(encode(&packet)?, reply))
    }

    pub(crate) fn authenticate(
        properties: Properties<'_>,
        reply: oneshot::Sender<Result<(), Refused>>,
    ) -> Result<Self, Refused> {
        Ok(Self::Authenticate(auth(properties)?, reply))
    }

    pub(crate) fn reauthenticate(
        properties: Properties<'_>,
        reply: oneshot::Sender<End>,
    ) -> Result<Self, Refused> {
        Ok(Self::Reauthenticate(auth(properties)?, reply))
    }

    /// Does it, in the driver of a client.
    pub(crate) fn apply<S: Storage>(self, client: &mut Driver<S>, operations: &mut Operations) {
        match self {
            Self::Publish(head, beside, payload, reply) => {
                let begun = publish(client, &head, beside, payload);
                operations.begin(begun, reply);
            }
            Self::Request(packet, reply) => {
                let begun = request(client, &packet);
                operations.begin(begun, reply);
            }
            Self::Ping(reply) => {
                let begun = client.ping();
                operations.begin(begun, reply);
            }
            // Whoever has dropped the reply does not want to know.
            Self::Authenticate(packet, reply) => {
                let _ = reply.send(with_auth(&packet, |properties| client.authenticate(properties)));
            }
            Self::Reauthenticate(packet, reply) => {
                let begun = with_auth(&packet, |properties| client.reauthenticate(properties));
                operations.begin(begun, reply);
            }
            Self::Outbox(reply) => drop(reply.send(client.machine().outbox())),
            Self::Counters(reply) => drop(reply.send(client.machine().counters().copied())),
            Self::Acknowledge(token, code) => {
                // Refused only for a code that this connection does not know. The message must be answered all the same,
                // or those behind it would wait for ever.
                if let Err(not_taken) = client.acknowledge(token, &Ack::new(code)) {
                    let _ = client.acknowledge(not_taken.given, &Ack::SUCCESS);
                }
            }
            // Without a connection, what was asked for is so already.
            Self::Abort => client.abort(),
            Self::Start => client.start(),
            Self::Shutdown(within) => drop(client.shutdown(within)),
            Self::Disconnect => drop(client.disconnect(&Disconnect::new(ReasonCode::NORMAL_DISCONNECTION))),
        }
    }
}

fn encode(packet: &Packet<'_>) -> Result<Box<[u8]>, EncodeError> {
    let mut bytes = vec![0; packet.encoded_len(Version::V5)?];
    packet.encode(Version::V5, &mut bytes)?;
    Ok(bytes.into())
}

/// An AUTH with these properties. It has a method that stands for that of CONNECT, which the machine knows.
fn auth(properties: Properties<'_>) -> Result<Box<[u8]>, EncodeError> {
    let method = Property::AuthenticationMethod("");
    let all: Vec<_> = core::iter::once(method).chain(properties.iter()).collect();
    encode(&Packet::Auth(Auth {
        code: ReasonCode::CONTINUE_AUTHENTICATION,
        properties: Properties::new(&all),
    }))
}

/// Gives what was encoded with `auth` on to a command.
fn with_auth<R>(
    bytes: &[u8],
    command: impl FnOnce(Properties<'_>) -> Result<R, Refused>,
) -> Result<R, Refused> {
    let Ok(Packet::Auth(auth)) = Packet::decode(Version::V5, Sender::Client, bytes) else {
        return Err(Refused::TooLarge);
    };
    // The first one stands for another.
    let given: Vec<_> = auth.properties.iter().skip(1).collect();
    command(Properties::new(&given))
}

fn publish<S: Storage>(
    client: &mut Driver<S>,
    head: &[u8],
    beside: Beside,
    payload: Bytes,
) -> Result<Token, Refused> {
    let Ok(HeadStatus::Head { head, .. }) = PublishHead::decode(Version::V5, Sender::Client, head) else {
        return Err(Refused::TooLarge);
    };
    let mut message = Publish::new(head.topic, head.qos);
    message.retain = head.retain;
    message.properties = head.properties;
    message.deadline = beside.deadline;
    message.alias = beside.alias;
    client
        .publish(&message, payload)
        .map_err(|not_taken| not_taken.why)
}

fn request<S: Storage>(client: &mut Driver<S>, bytes: &[u8]) -> Result<Token, Refused> {
    match Packet::decode(Version::V5, Sender::Client, bytes) {
        Ok(Packet::Subscribe(subscribe)) => {
            let filters: Vec<_> = subscribe.filters.iter().collect();
            client.subscribe(&filters, subscribe.properties)
        }
        Ok(Packet::Unsubscribe(unsubscribe)) => {
            let filters: Vec<_> = unsubscribe.filters.iter().collect();
            client.unsubscribe(&filters, unsubscribe.properties)
        }
        _ => Err(Refused::TooLarge),
    }
}
