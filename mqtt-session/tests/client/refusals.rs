//! Commands are taken or refused, and a refused one changes nothing.

use mqtt_proto::{
    Packet, Properties, Property, QoS, ReasonCode, Version,
    packet::{ConnAck, Disconnect, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    Config, Event, Publish, Refused, Unsupported,
    client::{Ack, Acknowledge},
    storage::Heap,
};

use crate::peer::{Peer, options, topic};

fn limited(properties: &[Property<'_>]) -> Peer {
    let mut peer = Peer::new(Version::V5);
    peer.client
        .connect(peer.now, &options(Version::V5, true))
        .unwrap();
    peer.sent();
    let properties = Properties::new(properties);
    peer.send(&Packet::ConnAck(ConnAck {
        session_present: false,
        code: ReasonCode::SUCCESS,
        properties,
    }));
    peer.events();
    peer
}

#[test]
fn requests_need_a_connection() {
    let mut peer = Peer::new(Version::V5);
    assert_eq!(peer.client.ping(peer.now), Err(Refused::NotConnected));
    let last = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
    assert_eq!(
        peer.client.disconnect(peer.now, &last),
        Err(Refused::NotConnected)
    );
    assert_eq!(
        peer.client.subscribe(peer.now, &[], Properties::EMPTY),
        Err(Refused::NotConnected)
    );
    assert_eq!(
        peer.client.unsubscribe(peer.now, &[], Properties::EMPTY),
        Err(Refused::NotConnected)
    );
    peer.connect(true, false);
    assert_eq!(
        peer.client.connect(peer.now, &options(Version::V5, true)),
        Err(Refused::AlreadyConnected)
    );
}

/// 5/MQTT-3.2.2-11, 5/MQTT-3.2.2-14, 5/MQTT-3.2.2-15
#[test]
fn what_the_server_cannot_do_is_refused_at_once() {
    let publish = |peer: &mut Peer, qos, retain, payload: &str| {
        let message = Publish {
            retain,
            ..Publish::new(topic("t"), qos)
        };
        peer.client
            .publish(peer.now, &message, payload)
            .map_err(|refused| refused.why)
    };
    let mut peer = limited(&[
        Property::MaximumQoS(1),
        Property::RetainAvailable(0),
        Property::MaximumPacketSize(20),
    ]);
    assert_eq!(
        publish(&mut peer, QoS::ExactlyOnce, false, ""),
        Err(Refused::Unsupported(Unsupported::QoS))
    );
    assert_eq!(
        publish(&mut peer, QoS::AtMostOnce, true, ""),
        Err(Refused::Unsupported(Unsupported::Retain))
    );
    assert_eq!(
        publish(&mut peer, QoS::AtMostOnce, false, &"x".repeat(15)),
        Err(Refused::TooLarge)
    );
    assert!(publish(&mut peer, QoS::AtMostOnce, false, &"x".repeat(14)).is_ok());
    assert_eq!(peer.sent().len(), 1);
}

#[test]
fn subscriptions_that_the_server_cannot_do_are_refused_at_once() {
    let subscribe = |peer: &mut Peer, filter, properties| {
        let filter = mqtt_proto::TopicFilter::new(filter).unwrap();
        let subscription = Subscription {
            filter,
            options: SubscriptionOptions::default(),
        };
        peer.client.subscribe(peer.now, &[subscription], properties)
    };
    let mut peer = limited(&[
        Property::WildcardSubscriptionAvailable(0),
        Property::SubscriptionIdentifierAvailable(0),
        Property::SharedSubscriptionAvailable(0),
    ]);
    let refused = |what| Err(Refused::Unsupported(what));
    assert_eq!(
        subscribe(&mut peer, "a/#", Properties::EMPTY),
        refused(Unsupported::WildcardSubscription)
    );
    assert_eq!(
        subscribe(&mut peer, "$share/g/a", Properties::EMPTY),
        refused(Unsupported::SharedSubscription)
    );
    let id = [Property::SubscriptionIdentifier(1)];
    assert_eq!(
        subscribe(&mut peer, "a", Properties::new(&id)),
        refused(Unsupported::SubscriptionIdentifier)
    );
    assert!(subscribe(&mut peer, "a", Properties::EMPTY).is_ok());
    assert!(matches!(
        peer.client.subscribe(peer.now, &[], Properties::EMPTY),
        Err(Refused::Invalid(_))
    ));
}

#[test]
fn properties_are_refused_on_a_connection_of_3() {
    let mut peer = Peer::connected(Version::V311);
    let properties = [Property::ContentType("x")];
    let message = Publish {
        properties: Properties::new(&properties),
        ..Publish::new(topic("t"), QoS::AtMostOnce)
    };
    let refused = peer.client.publish(peer.now, &message, "").unwrap_err();
    assert_eq!(refused.why, Refused::Unsupported(Unsupported::Properties));
    assert!(peer.client.is_idle());
}

#[test]
fn a_message_accepted_offline_with_properties_goes_to_any_version() {
    for version in Version::ALL {
        let mut peer = Peer::new(version);
        let properties = [Property::ContentType("x")];
        let message = Publish {
            properties: Properties::new(&properties),
            ..Publish::new(topic("t"), QoS::AtLeastOnce)
        };
        peer.client.publish(peer.now, &message, "p").unwrap();
        peer.connect(true, false);
        assert_eq!(peer.sent(), ["PUBLISH #1 p"], "{version}");
    }
}

/// 5/3.4.2.1, 5/3.5.2.1, 5/MQTT-3.14.2-1, 5/MQTT-3.3.4-6
#[test]
fn what_only_a_server_may_say_is_refused() {
    let mut config = Config::DEFAULT;
    config.acknowledge = Acknowledge::Manual;
    let mut peer = Peer::with(Version::V5, config, Heap::new());
    peer.connect(true, false);
    let invalid = |refused: &Refused| matches!(refused, Refused::Invalid(_));
    for (qos, n) in [(QoS::AtLeastOnce, 1), (QoS::ExactlyOnce, 2)] {
        peer.send_publish(qos, Some(n), false, b"");
        let token = peer.next(|event| match event {
            Some(Event::Message(message)) => message.ack.unwrap(),
            other => panic!("{other:?}"),
        });
        let answer = Ack::new(ReasonCode::NO_MATCHING_SUBSCRIBERS);
        let back = peer.client.acknowledge(peer.now, token, &answer).unwrap_err();
        assert!(invalid(&back.why), "{}", back.why);
        peer.client
            .acknowledge(peer.now, back.given, &Ack::SUCCESS)
            .unwrap();
    }
    assert_eq!(peer.sent(), ["PUBACK #1", "PUBREC #2"]);
    let list = [Property::SubscriptionIdentifier(1)];
    let mut message = Publish::new(topic("t"), QoS::AtLeastOnce);
    message.properties = Properties::new(&list);
    let back = peer.client.publish(peer.now, &message, b"").unwrap_err();
    assert!(invalid(&back.why), "{}", back.why);
    let last = Disconnect::new(ReasonCode::SERVER_SHUTTING_DOWN);
    let refused = peer.client.disconnect(peer.now, &last).unwrap_err();
    assert!(invalid(&refused), "{refused}");
    assert!(peer.sent().is_empty() && peer.client.is_connected());
}
