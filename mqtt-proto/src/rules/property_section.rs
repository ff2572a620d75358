//! Which section of 5.0 speaks of a property in a packet.

use crate::{PacketType, PropertyId, Statement, property::PropertyPlace, statement};

/// The section of this property in the chapter of this packet; `None` where it may not stand.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "the properties that may not stand there"
)]
pub(super) fn property_section(id: PropertyId, place: PropertyPlace) -> Option<Statement> {
    use PropertyId as Id;
    let packet = match place {
        PropertyPlace::Packet(packet) => packet,
        PropertyPlace::Will => {
            return Some(match id {
                Id::WillDelayInterval => statement!("5/3.1.3.2.2"),
                Id::PayloadFormatIndicator => statement!("5/3.1.3.2.3"),
                Id::MessageExpiryInterval => statement!("5/3.1.3.2.4"),
                Id::ContentType => statement!("5/3.1.3.2.5"),
                Id::ResponseTopic => statement!("5/3.1.3.2.6"),
                Id::CorrelationData => statement!("5/3.1.3.2.7"),
                Id::UserProperty => statement!("5/3.1.3.2.8"),
                _ => return None,
            });
        }
    };
    Some(match (packet, id) {
        (PacketType::Connect, Id::SessionExpiryInterval) => statement!("5/3.1.2.11.2"),
        (PacketType::Connect, Id::ReceiveMaximum) => statement!("5/3.1.2.11.3"),
        (PacketType::Connect, Id::MaximumPacketSize) => statement!("5/3.1.2.11.4"),
        (PacketType::Connect, Id::TopicAliasMaximum) => statement!("5/3.1.2.11.5"),
        (PacketType::Connect, Id::RequestResponseInformation) => statement!("5/3.1.2.11.6"),
        (PacketType::Connect, Id::RequestProblemInformation) => statement!("5/3.1.2.11.7"),
        (PacketType::Connect, Id::UserProperty) => statement!("5/3.1.2.11.8"),
        (PacketType::Connect, Id::AuthenticationMethod) => statement!("5/3.1.2.11.9"),
        (PacketType::Connect, Id::AuthenticationData) => statement!("5/3.1.2.11.10"),

        (PacketType::ConnAck, Id::SessionExpiryInterval) => statement!("5/3.2.2.3.2"),
        (PacketType::ConnAck, Id::ReceiveMaximum) => statement!("5/3.2.2.3.3"),
        (PacketType::ConnAck, Id::MaximumQoS) => statement!("5/3.2.2.3.4"),
        (PacketType::ConnAck, Id::RetainAvailable) => statement!("5/3.2.2.3.5"),
        (PacketType::ConnAck, Id::MaximumPacketSize) => statement!("5/3.2.2.3.6"),
        (PacketType::ConnAck, Id::AssignedClientIdentifier) => statement!("5/3.2.2.3.7"),
        (PacketType::ConnAck, Id::TopicAliasMaximum) => statement!("5/3.2.2.3.8"),
        (PacketType::ConnAck, Id::ReasonString) => statement!("5/3.2.2.3.9"),
        (PacketType::ConnAck, Id::UserProperty) => statement!("5/3.2.2.3.10"),
        (PacketType::ConnAck, Id::WildcardSubscriptionAvailable) => statement!("5/3.2.2.3.11"),
        (PacketType::ConnAck, Id::SubscriptionIdentifierAvailable) => statement!("5/3.2.2.3.12"),
        (PacketType::ConnAck, Id::SharedSubscriptionAvailable) => statement!("5/3.2.2.3.13"),
        (PacketType::ConnAck, Id::ServerKeepAlive) => statement!("5/3.2.2.3.14"),
        (PacketType::ConnAck, Id::ResponseInformation) => statement!("5/3.2.2.3.15"),
        (PacketType::ConnAck, Id::ServerReference) => statement!("5/3.2.2.3.16"),
        (PacketType::ConnAck, Id::AuthenticationMethod) => statement!("5/3.2.2.3.17"),
        (PacketType::ConnAck, Id::AuthenticationData) => statement!("5/3.2.2.3.18"),

        (PacketType::Publish, Id::PayloadFormatIndicator) => statement!("5/3.3.2.3.2"),
        (PacketType::Publish, Id::MessageExpiryInterval) => statement!("5/3.3.2.3.3"),
        (PacketType::Publish, Id::TopicAlias) => statement!("5/3.3.2.3.4"),
        (PacketType::Publish, Id::ResponseTopic) => statement!("5/3.3.2.3.5"),
        (PacketType::Publish, Id::CorrelationData) => statement!("5/3.3.2.3.6"),
        (PacketType::Publish, Id::UserProperty) => statement!("5/3.3.2.3.7"),
        (PacketType::Publish, Id::SubscriptionIdentifier) => statement!("5/3.3.2.3.8"),
        (PacketType::Publish, Id::ContentType) => statement!("5/3.3.2.3.9"),

        (PacketType::PubAck, Id::ReasonString) => statement!("5/3.4.2.2.2"),
        (PacketType::PubAck, Id::UserProperty) => statement!("5/3.4.2.2.3"),
        (PacketType::PubRec, Id::ReasonString) => statement!("5/3.5.2.2.2"),
        (PacketType::PubRec, Id::UserProperty) => statement!("5/3.5.2.2.3"),
        (PacketType::PubRel, Id::ReasonString) => statement!("5/3.6.2.2.2"),
        (PacketType::PubRel, Id::UserProperty) => statement!("5/3.6.2.2.3"),
        (PacketType::PubComp, Id::ReasonString) => statement!("5/3.7.2.2.2"),
        (PacketType::PubComp, Id::UserProperty) => statement!("5/3.7.2.2.3"),

        (PacketType::Subscribe, Id::SubscriptionIdentifier) => statement!("5/3.8.2.1.2"),
        (PacketType::Subscribe, Id::UserProperty) => statement!("5/3.8.2.1.3"),
        (PacketType::SubAck, Id::ReasonString) => statement!("5/3.9.2.1.2"),
        (PacketType::SubAck, Id::UserProperty) => statement!("5/3.9.2.1.3"),
        (PacketType::Unsubscribe, Id::UserProperty) => statement!("5/3.10.2.1.2"),
        (PacketType::UnsubAck, Id::ReasonString) => statement!("5/3.11.2.1.2"),
        (PacketType::UnsubAck, Id::UserProperty) => statement!("5/3.11.2.1.3"),

        (PacketType::Disconnect, Id::SessionExpiryInterval) => statement!("5/3.14.2.2.2"),
        (PacketType::Disconnect, Id::ReasonString) => statement!("5/3.14.2.2.3"),
        (PacketType::Disconnect, Id::UserProperty) => statement!("5/3.14.2.2.4"),
        (PacketType::Disconnect, Id::ServerReference) => statement!("5/3.14.2.2.5"),
        (PacketType::Auth, Id::AuthenticationMethod) => statement!("5/3.15.2.2.2"),
        (PacketType::Auth, Id::AuthenticationData) => statement!("5/3.15.2.2.3"),
        (PacketType::Auth, Id::ReasonString) => statement!("5/3.15.2.2.4"),
        (PacketType::Auth, Id::UserProperty) => statement!("5/3.15.2.2.5"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_has_a_section_exactly_where_it_may_stand() {
        for id in PropertyId::ALL {
            for place in PacketType::ALL
                .map(PropertyPlace::Packet)
                .into_iter()
                .chain([PropertyPlace::Will])
            {
                assert_eq!(
                    property_section(id, place).is_some(),
                    id.is_allowed(place),
                    "{id:?} in {place:?}"
                );
            }
        }
    }
}
