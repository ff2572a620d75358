//! Topics that the server calls by number, to a client that loses its link: every message arrives under its own topic.

use mqtt_proto::{
    Properties, Property, QoS, TopicFilter, TopicName, Version,
    packet::{Connect, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    Client, Config, Publish,
    client::{ClosedBy, OwnedEvent},
    storage::Heap,
    testing::{Net, Way},
};
use proptest::prelude::*;

const TOPICS: [&str; 4] = ["site/attic", "site/cellar", "site/kitchen", "site/roof"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_server_names_by_alias_arrives_under_its_topic_over_links_that_are_cut_5_mqtt_3_3_2_7(
        aliases in 1..5_u16,
        capacity in 20..200_usize,
        messages in prop::collection::vec((0..4_usize, 1..3_u8, 0..4_u32, prop::bool::weighted(0.1)), 1..60),
    ) {
        let mut net: Net = Net::new(Default::default());
        let to = net.add(Client::new(Config::DEFAULT, Heap::new()));
        let from = net.add(Client::new(Config::DEFAULT, Heap::new()));
        net.faults(to, Way::Down).capacity = capacity;
        let list = [Property::TopicAliasMaximum(aliases), Property::SessionExpiryInterval(1_000)];
        let connect = Connect {
            clean_start: false,
            keep_alive: 0,
            properties: Properties::new(&list),
            ..Connect::new(Version::V5, "to")
        };
        net.connect(to, &connect).unwrap();
        net.connect(from, &Connect { keep_alive: 0, ..Connect::new(Version::V5, "from") }).unwrap();
        net.settle();
        let filter = TopicFilter::new("#").unwrap();
        let options = SubscriptionOptions::new(QoS::ExactlyOnce);
        let now = net.now();
        net.client(to).subscribe(now, &[Subscription { filter, options }], Properties::EMPTY).unwrap();
        net.settle();
        net.take_events(to);
        let (mut sent, mut told) = (Vec::new(), Vec::new());
        for (n, (topic, qos, turns, cut)) in messages.into_iter().enumerate() {
            let qos = QoS::from_u8(qos).unwrap();
            let message = Publish::new(TopicName::new(TOPICS[topic]).unwrap(), qos);
            let payload = [n as u8, topic as u8];
            let now = net.now();
            net.client(from).publish(now, &message, &payload[..]).unwrap();
            sent.push(n as u8);
            for _ in 0..turns {
                net.turn();
            }
            if cut {
                net.connect(to, &connect).unwrap();
            }
            told.extend(net.take_events(to));
        }
        net.settle();
        told.extend(net.take_events(to));
        let mut came = Vec::new();
        for event in told {
            match event {
                OwnedEvent::Message(message) => {
                    prop_assert_eq!(&*message.topic, TOPICS[usize::from(message.payload[1])]);
                    came.push(message.payload[0]);
                }
                // The client would close on an alias that it does not know.
                OwnedEvent::Closed(closed) => prop_assert_eq!(closed.by, ClosedBy::Transport),
                _ => {}
            }
        }
        // At QoS 1 some may come twice.
        came.sort_unstable();
        came.dedup();
        prop_assert_eq!(came, sent);
    }
}
