//! Connections without a wire: what the owner of the server publishes and subscribes to itself.

use mqtt_proto::{
    Packet, Properties, Property, QoS, ReasonCode,
    packet::{RetainHandling, SubscriptionOptions},
    topic::Pattern,
};
use mqtt_session::server::{
    Bucket, ConnId, DropCause, Ended, Grant, LocalOptions, LocalSubscription, NotPublished, ServerEvent,
};

use crate::net::*;

impl Net {
    fn local(&mut self, name: &str) -> ConnId {
        let options = LocalOptions::new(name);
        self.server.broker_mut().open_local(self.now, options).unwrap()
    }

    fn hear(&mut self, conn: ConnId, pattern: &str) -> LocalSubscription {
        let options = SubscriptionOptions::new(Q2);
        let pattern = Pattern::new(pattern).unwrap();
        self.server
            .broker_mut()
            .subscribe_local(self.now, conn, pattern, options)
            .unwrap()
    }

    fn tell(&mut self, conn: ConnId, name: &str, qos: QoS, payload: &str) -> Result<usize, NotPublished> {
        let message = message(name, qos, 0, payload);
        self.server.broker_mut().publish_local(self.now, conn, &message)
    }

    /// Topic, payload and captures of what there is to take.
    fn taken(&mut self, conn: ConnId) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(delivery) = self.server.broker_mut().poll_delivery(self.now, conn) {
            let message = delivery.message();
            let payload = core::str::from_utf8(message.payload()).unwrap();
            let mut text = format!(
                "{} {payload:?} q{} r{}",
                message.topic().as_str(),
                u8::from(delivery.qos()),
                u8::from(delivery.retain())
            );
            for (_, captures) in delivery.matches() {
                let captures: Vec<_> = captures.map(|(name, text)| format!("{name}={text}")).collect();
                text += &format!(" [{}]", captures.join(" "));
            }
            all.push(text);
        }
        all
    }
}

#[test]
fn a_local_connection_hears_clients_and_is_heard_by_them() {
    for version in [V31, V311, V5] {
        let mut net = Net::new();
        let inside = net.local("inside");
        net.hear(inside, "site/+room/temp/#rest");
        let outside = net.client(version, "outside");
        net.subscribe(outside, "answer", Q1);
        for (n, qos) in [Q0, Q1, Q2].into_iter().enumerate() {
            net.publish(outside, message("site/attic/temp/raw/1", qos, n as u16, "x"));
        }
        assert_eq!(net.server.broker_mut().poll_local(), Some(inside));
        assert_eq!(net.server.broker_mut().poll_local(), None);
        assert_eq!(
            net.taken(inside),
            [0, 1, 2].map(|q| format!("site/attic/temp/raw/1 \"x\" q{q} r0 [room=attic rest=raw/1]"))
        );
        net.recv(outside);
        assert_eq!(net.tell(inside, "answer", Q2, "y"), Ok(1));
        assert_eq!(net.tell(inside, "nobody", Q2, "y"), Ok(0));
        assert_eq!(
            net.recv(outside),
            [r#"PUBLISH topic="answer" qos=1 id=1 payload="y""#]
        );
    }
}

#[test]
fn what_matches_several_patterns_comes_once_with_the_captures_of_each() {
    let mut net = Net::new();
    let inside = net.local("inside");
    let first = net.hear(inside, "a/+x");
    net.hear(inside, "+y/b");
    net.hear(inside, "#all");
    let from = net.client(V5, "p");
    net.say(from, "a/b", "1");
    let mut said = net.taken(inside);
    assert_eq!(said.len(), 1);
    for part in ["[x=b]", "[y=a]", "[all=a/b]"] {
        assert!(said[0].contains(part), "{said:?}");
    }
    // The same filter with another name keeps its number, and what waits already has the new names.
    net.say(from, "a/c", "2");
    assert_eq!(net.hear(inside, "a/+z"), first);
    said = net.taken(inside);
    assert!(
        said[0].contains("[z=c]") && !said[0].contains("[x=c]"),
        "{said:?}"
    );
    assert!(net.server.broker_mut().unsubscribe_local(inside, first));
    assert!(!net.server.broker_mut().unsubscribe_local(inside, first));
    net.say(from, "a/d", "3");
    assert_eq!(net.taken(inside), [r#"a/d "3" q0 r0 [all=a/d]"#]);
}

#[test]
fn options_of_a_local_subscription_hold() {
    let mut net = Net::new();
    let (inside, from) = (net.local("inside"), net.client(V5, "p"));
    net.retain(from, "t", "kept");
    let mut options = SubscriptionOptions::new(Q1);
    (options.no_local, options.retain_as_published) = (true, true);
    let hear = |net: &mut Net, options| {
        let pattern = Pattern::new("t").unwrap();
        let broker = net.server.broker_mut();
        broker.subscribe_local(net.now, inside, pattern, options).unwrap();
    };
    hear(&mut net, options);
    assert_eq!(
        net.server.broker_mut().poll_local(),
        Some(inside),
        "retained messages are there to be taken"
    );
    assert_eq!(net.taken(inside), [r#"t "kept" q0 r1 []"#]);
    options.retain_handling = RetainHandling::SendIfNew;
    hear(&mut net, options);
    net.tell(inside, "t", Q1, "own").unwrap();
    assert_eq!(net.taken(inside), [""; 0], "5/MQTT-3.8.3-3, 5/MQTT-3.3.1-10");
    net.retain(from, "t", "live");
    assert_eq!(net.taken(inside), [r#"t "live" q0 r1 []"#], "5/MQTT-3.3.1-13");
}

#[test]
fn a_local_connection_takes_part_in_a_shared_subscription_and_hands_over_when_it_closes() {
    let mut net = Net::new();
    let inside = net.local("inside");
    let (outside, from) = (net.client(V5, "outside"), net.client(V5, "p"));
    net.hear(inside, "$share/g/jobs/+n");
    net.subscribe(outside, "$share/g/jobs/+", Q1);
    for n in 0..6 {
        net.publish(from, message(&format!("jobs/{n}"), Q1, n + 1, "x"));
    }
    let first = net.server.broker_mut().poll_delivery(net.now, inside).map(|one| {
        assert!(one.capture("n").is_some());
        one.message().topic().as_str().to_string()
    });
    assert!(first.is_some());
    net.server.broker_mut().close_local(net.now, inside);
    let told = net.recv(outside);
    assert_eq!(told.len(), 5, "all but the one that was taken: {told:?}");
    assert!(!told.iter().any(|packet| packet.contains(&first.clone().unwrap())));
}

#[test]
fn a_message_of_qos_1_is_refused_while_a_connected_subscriber_has_no_room() {
    for drop_when_full in [false, true] {
        let mut net = Net::with(|config| {
            config.offer_mut(0).grant.limits.queue_messages = 2;
            config.offer_mut(0).grant.limits.queue_bytes = 200;
        });
        let mut options = LocalOptions::new("inside");
        options.drop_when_full = drop_when_full;
        let inside = net.server.broker_mut().open_local(net.now, options).unwrap();
        let slow = net.client(V5, "slow");
        net.subscribe(slow, "t", Q1);
        let (away, _) = net.keeper(V5, "away");
        net.subscribe(away, "t", Q1);
        net.cut(away);
        net.events();
        for _ in 0..2 {
            assert_eq!(net.tell(inside, "t", Q1, "x"), Ok(2));
        }
        let wanted = if drop_when_full {
            Ok(2)
        } else {
            Err(NotPublished::Overloaded)
        };
        assert_eq!(net.tell(inside, "t", Q1, "x"), wanted);
        assert_eq!(net.tell(inside, "t", Q0, "x"), Ok(2), "QoS 0 is dropped there");
        assert_eq!(net.tell(inside, "elsewhere", Q1, "x"), Ok(0));
        let dropped = ServerEvent::Dropped {
            cause: DropCause::QueueFull,
            count: if drop_when_full { 3 } else { 1 },
        };
        assert!(net.events().contains(&dropped));
        // It reads again, and there is room; that the other one is away is no reason.
        assert_eq!(net.recv(slow).len(), 2);
        assert_eq!(net.tell(inside, "t", Q1, "x"), Ok(2));
        // What fits into no queue is dropped: to wait would not help.
        assert_eq!(net.tell(inside, "t", Q1, &"x".repeat(500)), Ok(2));
    }
}

#[test]
fn who_publishes_faster_than_its_grant_allows_is_refused_until_time_has_passed() {
    for qos in [Q0, Q1, Q2] {
        let mut net = Net::new();
        let mut grant = Grant::default();
        grant.limits.rate.messages = Some(Bucket {
            per_second: 1,
            burst: 2,
        });
        let mut options = LocalOptions::new("inside");
        options.grant = Some(grant);
        let (now, broker) = (net.now, net.server.broker_mut());
        let inside = broker.open_local(now, options).unwrap();
        let all: Vec<_> = (0..4).map(|_| net.tell(inside, "t", qos, "x")).collect();
        let refused = Err(NotPublished::Overloaded);
        assert_eq!(all, [Ok(0), Ok(0), refused.clone(), refused.clone()]);
        net.pass_secs(1);
        assert_eq!(net.tell(inside, "t", qos, "x"), Ok(0));
        assert_eq!(net.tell(inside, "t", qos, "x"), refused);
    }
}

#[test]
fn what_goes_in_and_out_inside_is_counted_apart_from_packets() {
    let mut net = Net::new();
    let inside = net.local("inside");
    net.hear(inside, "#");
    for _ in 0..3 {
        net.tell(inside, "t", Q1, "x").unwrap();
    }
    assert!(net.server.broker_mut().poll_delivery(net.now, inside).is_some());
    let total = net.server.broker().metrics(net.now).total;
    assert_eq!((total.inside_in, total.inside_out), (3, 1));
    assert_eq!((total.messages_in, total.packets_out), ([0; 3], 0));
}

#[test]
fn its_own_queue_is_bounded_as_any() {
    let mut net = Net::with(|config| config.offer_mut(0).grant.limits.queue_messages = 3);
    let (inside, from) = (net.local("inside"), net.client(V5, "p"));
    net.hear(inside, "#");
    for n in 0..10 {
        net.say(from, "t", &n.to_string());
    }
    assert_eq!(net.taken(inside).len(), 3);
}

#[test]
fn expired_messages_are_not_taken() {
    let mut net = Net::new();
    let (inside, from) = (net.local("inside"), net.client(V5, "p"));
    net.hear(inside, "#");
    let list = [Property::MessageExpiryInterval(5)];
    let mut short = message("t", Q0, 0, "short");
    short.head.properties = Properties::new(&list);
    net.publish(from, short);
    net.say(from, "t", "long");
    net.pass_secs(5);
    assert_eq!(net.taken(inside), [r#"t "long" q0 r0 []"#]);
}

#[test]
fn what_no_client_could_publish_is_refused_and_changes_nothing() {
    let mut net = Net::with(|config| {
        config.limits.topic_levels = 2;
        config.offer_mut(0).maximum_qos = Q1;
        config.offer_mut(0).retain_available = false;
    });
    let inside = net.local("inside");
    net.hear(inside, "#");
    let refused = |code| Err(NotPublished::Refused(code));
    assert_eq!(
        net.tell(inside, "t", Q2, ""),
        refused(ReasonCode::QOS_NOT_SUPPORTED)
    );
    assert_eq!(
        net.tell(inside, "a/b/c", Q0, ""),
        refused(ReasonCode::TOPIC_NAME_INVALID)
    );
    let (now, broker) = (net.now, net.server.broker_mut());
    let mut one = message("t", Q0, 0, "");
    one.head.retain = true;
    assert_eq!(
        broker.publish_local(now, inside, &one),
        refused(ReasonCode::RETAIN_NOT_SUPPORTED)
    );
    one.head.retain = false;
    one.head.topic = mqtt_proto::TopicName::EMPTY;
    assert_eq!(
        broker.publish_local(now, inside, &one),
        refused(ReasonCode::TOPIC_NAME_INVALID)
    );
    let list = [Property::ReceiveMaximum(3)];
    let mut one = message("t", Q0, 0, "");
    one.head.properties = Properties::new(&list);
    assert!(matches!(
        broker.publish_local(now, inside, &one),
        Err(NotPublished::Invalid(_))
    ));
    assert_eq!(net.taken(inside), [""; 0]);
}

#[test]
fn subscriptions_that_no_client_could_make_are_refused() {
    let mut net = Net::with(|config| {
        config.offer_mut(0).wildcard_available = false;
        config.offer_mut(0).shared_available = false;
        config.offer_mut(0).grant.limits.subscriptions = 1;
    });
    let inside = net.local("inside");
    let mut hear = |pattern: &str| {
        let broker = net.server.broker_mut();
        let options = SubscriptionOptions::new(Q0);
        broker.subscribe_local(net.now, inside, Pattern::new(pattern).unwrap(), options)
    };
    assert_eq!(
        hear("a/+b"),
        Err(ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED)
    );
    assert_eq!(
        hear("$share/g/a"),
        Err(ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED)
    );
    assert!(hear("a").is_ok());
    assert_eq!(hear("b"), Err(ReasonCode::QUOTA_EXCEEDED));
    assert!(hear("a").is_ok());
}

#[test]
fn no_client_takes_a_local_connection_over_and_its_name_is_not_a_client_id() {
    let mut net = Net::new();
    let inside = net.local("name");
    net.hear(inside, "t");
    let (outside, present) = net.keeper(V5, "name");
    assert!(!present);
    net.say(outside, "t", "x");
    assert_eq!(net.taken(inside).len(), 1);
    let another = net.local("name");
    net.server.broker_mut().close_local(net.now, inside);
    net.cut(outside);
    assert!(net.keeper(V5, "name").1, "the client's session is its own");
    assert!(net.server.broker().is_local(another));
}

#[test]
fn a_closed_local_connection_leaves_nothing_and_its_id_means_nothing() {
    let mut net = Net::new();
    let before = net.server.broker().holdings();
    let inside = net.local("inside");
    let number = net.hear(inside, "#");
    assert_eq!(net.server.broker().holdings().sessions, 1);
    net.server.broker_mut().close_local(net.now, inside);
    assert_eq!(net.server.broker().holdings(), before);
    // Its place is taken again, by a client.
    let outside = net.client(V5, "c");
    assert_eq!(outside.id.index(), inside.index());
    assert_eq!(net.tell(inside, "t", Q1, "x"), Err(NotPublished::Closed));
    assert_eq!(net.taken(inside), [""; 0]);
    let broker = net.server.broker_mut();
    assert!(!broker.unsubscribe_local(inside, number));
    broker.close_local(net.now, inside);
    broker.close_local(net.now, outside.id);
    assert!(!net.server.broker().is_over(outside.id), "it is not a local one");
}

#[test]
fn a_local_connection_that_is_ended_is_told_by_an_event_and_refuses() {
    let mut net = Net::new();
    let inside = net.local("inside");
    net.hear(inside, "#");
    net.server.shutdown(net.now);
    let ended = net.events().into_iter().any(|event| {
        matches!(event, ServerEvent::Disconnected { conn, why: Ended::Refused(_), .. } if conn == inside)
    });
    assert!(ended);
    assert_eq!(net.tell(inside, "t", Q1, "x"), Err(NotPublished::Closed));
    assert_eq!(net.server.broker().holdings().sessions, 0);
    net.server.broker_mut().close_local(net.now, inside);
    assert_eq!(net.server.broker().holdings().connections, 0);
}

#[test]
fn a_server_takes_no_bytes_for_it() {
    let mut net = Net::new();
    let inside = net.local("inside");
    net.hear(inside, "#");
    net.tell(inside, "t", Q1, "x").unwrap();
    assert_eq!(net.server.poll_ready(), None, "there is nothing to write");
    let bytes = encode(V5, Packet::Connect(connect(V5, "c")));
    assert_eq!(net.server.handle_input(net.now, inside, &bytes), bytes.len());
    assert_eq!(net.server.take_transmit(net.now, inside, &mut [0; 100]), 0);
    net.server.handle_disconnect(net.now, inside);
    assert_eq!(net.taken(inside).len(), 1, "it is closed by its owner only");
}
