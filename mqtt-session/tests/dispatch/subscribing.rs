//! Together with client and registry.

use mqtt_proto::{
    Properties, Property, QoS, ReasonCode, TopicFilter, TopicName, Version,
    packet::{Connect, SubscriptionOptions},
};
use mqtt_session::{
    Client, Config, Publish, Refused,
    client::OwnedEvent,
    dispatch::{Dispatcher, Limits},
    registry::{Limits as Packets, Registry},
    storage::Heap,
    testing::Net,
};

use super::{dispatcher, pattern};

const OPTIONS: SubscriptionOptions = SubscriptionOptions::new(QoS::AtLeastOnce);

#[test]
fn what_was_not_subscribed_is_not_registered_and_the_value_comes_back() {
    let mut dispatcher = dispatcher();
    let refused = dispatcher
        .subscribe(pattern("a/+x"), OPTIONS, None, "value", |wanted, properties| {
            assert_eq!(wanted[0].filter.as_str(), "a/+");
            assert!(properties.is_empty());
            Err::<(), _>(Refused::NotConnected)
        })
        .unwrap_err();
    assert_eq!((refused.given, refused.why), ("value", Refused::NotConnected));
    assert!(dispatcher.is_empty());

    let mut limits = Limits::new(Version::V5);
    limits.registrations = 0;
    let mut none = Dispatcher::new(limits);
    let refused = none.subscribe(
        pattern("a"),
        OPTIONS,
        None,
        "value",
        |_, _| -> Result<(), Refused> { panic!("nothing is asked for that could not be registered") },
    );
    assert_eq!(refused.unwrap_err().why, Refused::Slots);
}

#[test]
fn the_registrations_of_a_filter_tell_when_it_is_not_needed_any_more() {
    let mut dispatcher = dispatcher();
    let filter = |text| TopicFilter::new(text).unwrap();
    let one = dispatcher.insert(pattern("a/+x"), 1).unwrap();
    let two = dispatcher.insert(pattern("a/+"), 2).unwrap();
    let shared = dispatcher.insert(pattern("$share/g/a/+y"), 3).unwrap();
    let of = |dispatcher: &Dispatcher<i32>, text| dispatcher.of_filter(filter(text)).collect::<Vec<_>>();
    assert_eq!(of(&dispatcher, "a/+"), [one, two]);
    assert_eq!(of(&dispatcher, "$share/g/a/+"), [shared]);
    assert_eq!(of(&dispatcher, "$share/h/a/+"), []);
    assert_eq!(of(&dispatcher, "a/#"), []);
    dispatcher.remove(one);
    dispatcher.remove(two);
    assert_eq!(of(&dispatcher, "a/+"), []);
}

/// A server that forgets everything in between: the registry restores, the values are found as before.
#[test]
fn messages_of_restored_subscriptions_go_to_their_values() {
    for version in Version::ALL {
        let mut net = Net::new(Default::default());
        let c = net.add(Client::new(Config::DEFAULT, Heap::new()));
        let options = Connect::new(version, "me");
        let mut dispatcher = Dispatcher::new(Limits::new(version));
        let mut registry = Registry::new();
        net.connect(c, &options).unwrap();
        net.settle();
        for text in ["site/+room", "site/#rest", "$share/g/site/+other"] {
            if version != Version::V5 && text.starts_with('$') {
                continue;
            }
            let identifier = match version {
                Version::V5 => dispatcher.unused_identifier(),
                Version::V31 | Version::V311 => None,
            };
            let now = net.now();
            let taken =
                dispatcher.subscribe(pattern(text), OPTIONS, identifier, text, |wanted, properties| {
                    let token = net.client(c).subscribe(now, wanted, properties)?;
                    registry.handle_subscribe(token, wanted, properties);
                    Ok::<_, Refused>(token)
                });
            let (registration, _) = taken.unwrap();
            assert_eq!(dispatcher.identifier(registration), identifier);
        }
        for round in 0..2 {
            let mut told = Vec::new();
            let mut turn = |net: &mut Net, registry: &mut Registry| {
                net.settle();
                for event in net.take_events(c) {
                    registry.handle_owned_event(&event);
                    if let OwnedEvent::Message(message) = event {
                        let topic = TopicName::new(&message.topic).unwrap();
                        let properties = message.properties.view();
                        let ids = properties.subscription_identifiers().count();
                        assert_eq!(ids > 0, version == Version::V5);
                        for (value, captures) in dispatcher.matches(topic, properties) {
                            told.push((
                                *value,
                                captures.map(|(_, text)| text.to_string()).collect::<String>(),
                            ));
                        }
                    }
                }
            };
            turn(&mut net, &mut registry);
            let now = net.now();
            while let Some(batch) = registry.poll_restore(&Packets::new(version)) {
                let token = net
                    .client(c)
                    .subscribe(now, batch.subscriptions(), batch.properties());
                registry.handle_restoring(token.unwrap());
            }
            turn(&mut net, &mut registry);
            let message = Publish::new(TopicName::new("site/attic").unwrap(), QoS::AtLeastOnce);
            net.client(c).publish(now, &message, "x").unwrap();
            turn(&mut net, &mut registry);
            told.sort();
            told.dedup();
            let mut wanted = vec![
                ("site/#rest", "attic".to_string()),
                ("site/+room", "attic".to_string()),
            ];
            if version == Version::V5 {
                wanted.insert(0, ("$share/g/site/+other", "attic".to_string()));
            }
            assert_eq!(told, wanted, "{version} {round}");
            if round == 0 {
                // The session is not to be kept.
                net.connect(c, &options).unwrap();
            }
        }
    }
}

#[test]
fn a_server_that_refuses_a_subscription_is_told_by_the_codes_and_the_value_can_go() {
    let mut net = Net::new(Default::default());
    let c = net.add(Client::new(Config::DEFAULT, Heap::new()));
    net.connect(c, &Connect::new(Version::V5, "me")).unwrap();
    net.settle();
    let mut dispatcher = dispatcher();
    let now = net.now();
    let deep = "a/".repeat(200);
    let (registration, token) = dispatcher
        .subscribe(pattern(&deep), OPTIONS, Some(9), 1, |wanted, properties| {
            assert_eq!(
                properties,
                Properties::new(&[Property::SubscriptionIdentifier(9)])
            );
            net.client(c).subscribe(now, wanted, properties)
        })
        .unwrap();
    net.settle();
    let refused = net.take_events(c).into_iter().any(|event| {
        matches!(event, OwnedEvent::Completed {
            token: of,
            outcome: mqtt_session::client::OwnedOutcome::Subscribed { codes, .. },
        } if of == token && codes == [ReasonCode::TOPIC_FILTER_INVALID])
    });
    assert!(refused);
    assert_eq!(dispatcher.remove(registration), Some(1));
}
