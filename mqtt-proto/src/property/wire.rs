//! A property as bytes, and the rules about its value.

use nom::{Parser as _, combinator::map, sequence::pair};

use super::{Property, PropertyId};
use crate::{
    DecodeErrorKind, EncodeError, EncodeErrorKind, PacketType, Sender,
    rules::{Broken, Site},
    wire::{self, MAX_REMAINING_LENGTH, Parsed, Sink, binary, text, u8, u16, u32},
};

impl PropertyId {
    /// The value behind this identifier, and whether a variable byte integer in it is as short as can be.
    pub(crate) fn value(self, input: &[u8]) -> Parsed<'_, (Property<'_>, bool)> {
        if matches!(self, Self::SubscriptionIdentifier) {
            let (rest, (id, minimal)) = wire::varint(input)?;
            return Ok((rest, (Property::SubscriptionIdentifier(id), minimal)));
        }
        let (rest, property) = match self {
            Self::PayloadFormatIndicator => map(u8, Property::PayloadFormatIndicator).parse(input),
            Self::MessageExpiryInterval => map(u32, Property::MessageExpiryInterval).parse(input),
            Self::ContentType => map(text, Property::ContentType).parse(input),
            Self::ResponseTopic => map(text, Property::ResponseTopic).parse(input),
            Self::CorrelationData => map(binary, Property::CorrelationData).parse(input),
            // Is read above.
            Self::SubscriptionIdentifier => Err(wire::short()),
            Self::SessionExpiryInterval => map(u32, Property::SessionExpiryInterval).parse(input),
            Self::AssignedClientIdentifier => map(text, Property::AssignedClientIdentifier).parse(input),
            Self::ServerKeepAlive => map(u16, Property::ServerKeepAlive).parse(input),
            Self::AuthenticationMethod => map(text, Property::AuthenticationMethod).parse(input),
            Self::AuthenticationData => map(binary, Property::AuthenticationData).parse(input),
            Self::RequestProblemInformation => map(u8, Property::RequestProblemInformation).parse(input),
            Self::WillDelayInterval => map(u32, Property::WillDelayInterval).parse(input),
            Self::RequestResponseInformation => map(u8, Property::RequestResponseInformation).parse(input),
            Self::ResponseInformation => map(text, Property::ResponseInformation).parse(input),
            Self::ServerReference => map(text, Property::ServerReference).parse(input),
            Self::ReasonString => map(text, Property::ReasonString).parse(input),
            Self::ReceiveMaximum => map(u16, Property::ReceiveMaximum).parse(input),
            Self::TopicAliasMaximum => map(u16, Property::TopicAliasMaximum).parse(input),
            Self::TopicAlias => map(u16, Property::TopicAlias).parse(input),
            Self::MaximumQoS => map(u8, Property::MaximumQoS).parse(input),
            Self::RetainAvailable => map(u8, Property::RetainAvailable).parse(input),
            Self::UserProperty => map(pair(text, text), |(name, value)| {
                Property::UserProperty(name, value)
            })
            .parse(input),
            Self::MaximumPacketSize => map(u32, Property::MaximumPacketSize).parse(input),
            Self::WildcardSubscriptionAvailable => {
                map(u8, Property::WildcardSubscriptionAvailable).parse(input)
            }
            Self::SubscriptionIdentifierAvailable => {
                map(u8, Property::SubscriptionIdentifierAvailable).parse(input)
            }
            Self::SharedSubscriptionAvailable => map(u8, Property::SharedSubscriptionAvailable).parse(input),
        }?;
        Ok((rest, (property, true)))
    }
}

impl<'a> Property<'a> {
    /// The property that checked bytes begin with, and the bytes after it.
    pub(super) fn next(wire: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&id, value) = wire.split_first()?;
        let (rest, (property, _)) = PropertyId::from_u8(id)?.value(value).ok()?;
        Some((property, rest))
    }

    /// The rules about its value and its sender.
    #[allow(clippy::wildcard_enum_match_arm, reason = "the values that break no rule")]
    pub(crate) fn check(&self, site: Site) -> Result<(), Broken> {
        let id = self.id();
        match *self {
            Self::PayloadFormatIndicator(value)
            | Self::RequestProblemInformation(value)
            | Self::RequestResponseInformation(value)
            | Self::MaximumQoS(value)
            | Self::RetainAvailable(value)
            | Self::WildcardSubscriptionAvailable(value)
            | Self::SubscriptionIdentifierAvailable(value)
            | Self::SharedSubscriptionAvailable(value)
                if value > 1 =>
            {
                Err(site.broken(DecodeErrorKind::PropertyBool(id)))
            }
            Self::ReceiveMaximum(0) | Self::MaximumPacketSize(0) | Self::SubscriptionIdentifier(0) => {
                Err(site.broken(DecodeErrorKind::PropertyZero(id)))
            }
            Self::TopicAlias(0) => Err(site.broken(DecodeErrorKind::TopicAliasZero)),
            Self::ResponseTopic("") => Err(site.broken(DecodeErrorKind::ResponseTopicEmpty)),
            // 5/MQTT-3.3.2-14
            Self::ResponseTopic(topic) if topic.bytes().any(|b| matches!(b, b'+' | b'#')) => {
                Err(site.broken(DecodeErrorKind::ResponseTopicWildcard))
            }
            Self::SubscriptionIdentifier(_)
                if matches!(
                    (site.packet, site.from),
                    (Some(PacketType::Publish), Sender::Client)
                ) =>
            {
                Err(site.broken(DecodeErrorKind::SubscriptionIdFromClient))
            }
            Self::SessionExpiryInterval(_)
                if matches!(
                    (site.packet, site.from),
                    (Some(PacketType::Disconnect), Sender::Server)
                ) =>
            {
                Err(site.broken(DecodeErrorKind::SessionExpiryFromServer))
            }
            Self::ServerReference(_)
                if matches!(
                    (site.packet, site.from),
                    (Some(PacketType::Disconnect), Sender::Client)
                ) =>
            {
                Err(site.broken(DecodeErrorKind::ServerReferenceFromClient))
            }
            _ => Ok(()),
        }
    }

    /// What its type does not say and its bytes cannot hold: too long, U+0000, a number too large.
    #[allow(clippy::wildcard_enum_match_arm, reason = "the values that always fit")]
    pub(super) fn check_fits(&self, site: Site) -> Result<(), EncodeError> {
        match *self {
            Self::ContentType(text)
            | Self::ResponseTopic(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => site.check_text(text),
            Self::UserProperty(name, value) => {
                // 5/MQTT-1.5.7-1
                if name.bytes().chain(value.bytes()).any(|b| b == 0) {
                    return Err(site.broken(DecodeErrorKind::StringPair).into());
                }
                site.check_text(name)?;
                site.check_text(value)
            }
            Self::CorrelationData(data) | Self::AuthenticationData(data) => site.check_binary(data),
            Self::SubscriptionIdentifier(id) if id > MAX_REMAINING_LENGTH => {
                Err(site.encode_error(EncodeErrorKind::ValueTooLarge(self.id())))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn write(&self, sink: &mut impl Sink) {
        sink.u8(self.id() as u8);
        match *self {
            Self::PayloadFormatIndicator(value)
            | Self::RequestProblemInformation(value)
            | Self::RequestResponseInformation(value)
            | Self::MaximumQoS(value)
            | Self::RetainAvailable(value)
            | Self::WildcardSubscriptionAvailable(value)
            | Self::SubscriptionIdentifierAvailable(value)
            | Self::SharedSubscriptionAvailable(value) => sink.u8(value),
            Self::ServerKeepAlive(value)
            | Self::ReceiveMaximum(value)
            | Self::TopicAliasMaximum(value)
            | Self::TopicAlias(value) => sink.u16(value),
            Self::MessageExpiryInterval(value)
            | Self::SessionExpiryInterval(value)
            | Self::WillDelayInterval(value)
            | Self::MaximumPacketSize(value) => sink.u32(value),
            Self::SubscriptionIdentifier(value) => sink.varint(value),
            Self::ContentType(text)
            | Self::ResponseTopic(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => sink.text(text),
            Self::CorrelationData(data) | Self::AuthenticationData(data) => sink.binary(data),
            Self::UserProperty(name, value) => {
                sink.text(name);
                sink.text(value);
            }
        }
    }
}
