//! Owned properties, and which a list may have.

use alloc::{string::String, vec::Vec};

use super::{draw, source::Source};
use crate::{PacketType, Property, PropertyId, Sender, property::PropertyPlace};

/// A property with its own memory: the fields that its identifier asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AnyProperty {
    id: PropertyId,
    number: u32,
    text: String,
    second: String,
    data: Vec<u8>,
}

impl AnyProperty {
    pub(super) fn borrow(&self) -> Property<'_> {
        let [.., high, low] = self.number.to_be_bytes();
        let (number, short, byte) = (self.number, u16::from_be_bytes([high, low]), low);
        let (text, data) = (self.text.as_str(), self.data.as_slice());
        match self.id {
            PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(byte),
            PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(number),
            PropertyId::ContentType => Property::ContentType(text),
            PropertyId::ResponseTopic => Property::ResponseTopic(text),
            PropertyId::CorrelationData => Property::CorrelationData(data),
            PropertyId::SubscriptionIdentifier => Property::SubscriptionIdentifier(number),
            PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(number),
            PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier(text),
            PropertyId::ServerKeepAlive => Property::ServerKeepAlive(short),
            PropertyId::AuthenticationMethod => Property::AuthenticationMethod(text),
            PropertyId::AuthenticationData => Property::AuthenticationData(data),
            PropertyId::RequestProblemInformation => Property::RequestProblemInformation(byte),
            PropertyId::WillDelayInterval => Property::WillDelayInterval(number),
            PropertyId::RequestResponseInformation => Property::RequestResponseInformation(byte),
            PropertyId::ResponseInformation => Property::ResponseInformation(text),
            PropertyId::ServerReference => Property::ServerReference(text),
            PropertyId::ReasonString => Property::ReasonString(text),
            PropertyId::ReceiveMaximum => Property::ReceiveMaximum(short),
            PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(short),
            PropertyId::TopicAlias => Property::TopicAlias(short),
            PropertyId::MaximumQoS => Property::MaximumQoS(byte),
            PropertyId::RetainAvailable => Property::RetainAvailable(byte),
            PropertyId::UserProperty => Property::UserProperty(text, &self.second),
            PropertyId::MaximumPacketSize => Property::MaximumPacketSize(number),
            PropertyId::WildcardSubscriptionAvailable => Property::WildcardSubscriptionAvailable(byte),
            PropertyId::SubscriptionIdentifierAvailable => Property::SubscriptionIdentifierAvailable(byte),
            PropertyId::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(byte),
        }
    }

    fn draw(id: PropertyId, source: &mut Source<'_>) -> Self {
        let mut any = Self {
            id,
            number: 0,
            text: String::new(),
            second: String::new(),
            data: Vec::new(),
        };
        match id {
            PropertyId::PayloadFormatIndicator
            | PropertyId::RequestProblemInformation
            | PropertyId::RequestResponseInformation
            | PropertyId::MaximumQoS
            | PropertyId::RetainAvailable
            | PropertyId::WildcardSubscriptionAvailable
            | PropertyId::SubscriptionIdentifierAvailable
            | PropertyId::SharedSubscriptionAvailable => any.number = u32::from(source.bit()),
            PropertyId::ServerKeepAlive | PropertyId::TopicAliasMaximum => {
                any.number = u32::from(source.u16())
            }
            PropertyId::ReceiveMaximum | PropertyId::TopicAlias => {
                any.number = u32::from(source.u16().max(1))
            }
            PropertyId::MessageExpiryInterval
            | PropertyId::SessionExpiryInterval
            | PropertyId::WillDelayInterval => {
                any.number = source.u32();
            }
            PropertyId::MaximumPacketSize => any.number = source.u32().max(1),
            PropertyId::SubscriptionIdentifier => {
                any.number = source.u32().clamp(1, crate::MAX_REMAINING_LENGTH);
            }
            PropertyId::ResponseTopic => any.text = draw::topic_name(source),
            PropertyId::ContentType
            | PropertyId::AssignedClientIdentifier
            | PropertyId::AuthenticationMethod
            | PropertyId::ResponseInformation
            | PropertyId::ServerReference
            | PropertyId::ReasonString => any.text = source.text(),
            PropertyId::CorrelationData | PropertyId::AuthenticationData => any.data = source.binary(),
            PropertyId::UserProperty => (any.text, any.second) = (source.text(), source.text()),
        }
        any
    }
}

/// Properties that may stand together there.
pub(super) fn draw_list(place: PropertyPlace, from: Sender, source: &mut Source<'_>) -> Vec<AnyProperty> {
    let mut list: Vec<AnyProperty> = Vec::new();
    let has = |list: &[AnyProperty], id| list.iter().any(|p| p.id == id);
    if place == PropertyPlace::Packet(PacketType::Auth) {
        list.push(AnyProperty::draw(PropertyId::AuthenticationMethod, source));
    }
    for _ in 0..source.below(8) {
        let id = source.one(PropertyId::UserProperty, &PropertyId::ALL);
        let sender_may = match (place, id) {
            (PropertyPlace::Packet(PacketType::Publish), PropertyId::SubscriptionIdentifier)
            | (PropertyPlace::Packet(PacketType::Disconnect), PropertyId::ServerReference) => {
                from != Sender::Client
            }
            (PropertyPlace::Packet(PacketType::Disconnect), PropertyId::SessionExpiryInterval) => {
                from != Sender::Server
            }
            _ => true,
        };
        if !id.is_allowed(place) || !sender_may || has(&list, id) && !id.may_repeat(place) {
            continue;
        }
        // Authentication Data stands only beside its method.
        if id == PropertyId::AuthenticationData && !has(&list, PropertyId::AuthenticationMethod) {
            list.push(AnyProperty::draw(PropertyId::AuthenticationMethod, source));
        }
        list.push(AnyProperty::draw(id, source));
    }
    list
}
