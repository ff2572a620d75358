use mqtt_proto::{
    Packet, Properties, Property, TopicFilter,
    packet::{Connect, Filters, Subscribe, Subscription, SubscriptionOptions, Subscriptions, Unsubscribe},
};
use mqtt_session::server::Pool;

use crate::net::*;

#[test]
fn several_filters_get_one_suback_with_their_codes_in_order_5_mqtt_3_8_4_5_to_7() {
    let mut net = Net::new();
    let end = net.client(V311, "a");
    let list = [("a/#", Q2), ("b", Q0), ("+/c", Q1)].map(|(filter, qos)| Subscription {
        filter: TopicFilter::new(filter).unwrap(),
        options: SubscriptionOptions::new(qos),
    });
    let filters = Subscriptions::new(&list);
    net.send(
        end,
        Packet::Subscribe(Subscribe {
            packet_id: id(7),
            properties: Properties::EMPTY,
            filters,
        }),
    );
    assert_eq!(net.recv(end), ["SUBACK id=7 codes=[2 0 1]"]);
    net.publish(end, message("a/c", Q2, 1, "x"));
    assert_eq!(
        net.recv(end),
        ["PUBREC id=1", r#"PUBLISH topic="a/c" qos=2 id=1 payload="x""#],
        "5/MQTT-3.3.4-2"
    );
}

#[test]
fn unsuback_has_a_code_for_each_filter_in_5_0_5_mqtt_3_10_4_1_to_6() {
    for version in [V31, V311, V5] {
        let mut net = Net::new();
        let end = net.client(version, "a");
        net.subscribe(end, "a/+", Q0);
        let list = ["a/b", "a/+"].map(|filter| TopicFilter::new(filter).unwrap());
        let filters = Filters::new(&list);
        net.send(
            end,
            Packet::Unsubscribe(Unsubscribe {
                packet_id: id(9),
                properties: Properties::EMPTY,
                filters,
            }),
        );
        let wanted = if version == V5 {
            "UNSUBACK id=9 codes=[0x11 0]"
        } else {
            "UNSUBACK id=9"
        };
        assert_eq!(net.recv(end), [wanted]);
        net.say(end, "a/b", "x");
        assert_eq!(net.recv(end), [""; 0]);
    }
}

#[test]
fn a_delivery_under_way_at_unsubscribe_is_finished_5_mqtt_3_10_4_3() {
    let mut net = Net::new();
    let end = net.client(V5, "a");
    net.subscribe(end, "t", Q2);
    net.publish(end, message("t", Q2, 1, "x"));
    let _ = net.recv(end);
    net.unsubscribe(end, "t");
    net.pubrec(end, 1);
    assert_eq!(net.recv(end), ["PUBREL id=1"]);
}

#[test]
fn subscribing_again_replaces_the_subscription_5_mqtt_3_8_4_3() {
    let mut net = Net::new();
    let end = net.client(V5, "a");
    net.subscribe(end, "t", Q2);
    net.subscribe(end, "t", Q0);
    net.publish(end, message("t", Q1, 1, "x"));
    assert_eq!(net.recv(end), ["PUBACK id=1", r#"PUBLISH topic="t" payload="x""#]);
}

#[test]
fn identifiers_of_all_overlapping_subscriptions_come_with_the_one_copy_5_mqtt_3_3_4_3_and_4() {
    let mut net = Net::new();
    let end = net.client(V5, "a");
    let options = SubscriptionOptions::new(Q0);
    net.subscribe_with(end, "a/b", options, Some(1));
    net.subscribe_with(end, "a/+", options, Some(268_435_455));
    net.subscribe_with(end, "#", options, None);
    net.subscribe_with(end, "+/b", options, Some(3));
    net.subscribe_with(end, "a/#", options, Some(4));
    net.say(end, "a/b", "x");
    let said = net.recv(end);
    assert_eq!(said.len(), 1);
    for id in ["1", "268435455", "3", "4"] {
        assert!(
            said[0].contains(&format!("subscription_identifier={id} ")),
            "{said:?}"
        );
    }
}

#[test]
fn no_local_5_mqtt_3_8_3_3() {
    let mut net = Net::new();
    let (end, _) = net.keeper(V5, "a");
    let other = net.client(V5, "b");
    net.subscribe_with(
        end,
        "t",
        SubscriptionOptions {
            no_local: true,
            ..Default::default()
        },
        None,
    );
    net.say(end, "t", "own");
    net.say(other, "t", "other");
    assert_eq!(net.recv(end), [r#"PUBLISH topic="t" payload="other""#]);
}

#[test]
fn a_wildcard_in_front_does_not_match_a_dollar_but_for_clients_of_3_1_5_mqtt_4_7_2_1() {
    for (version, count) in [(V31, 1), (V311, 0), (V5, 0)] {
        for filter in ["#", "+/x"] {
            let mut net = Net::new();
            let end = net.client(version, "a");
            net.subscribe(end, filter, Q0);
            net.say(end, "$own/x", "x");
            assert_eq!(net.recv(end).len(), count, "{version} {filter}");
        }
        let mut net = Net::new();
        let end = net.client(version, "a");
        net.subscribe(end, "$own/#", Q0);
        net.say(end, "$own/x", "x");
        assert_eq!(net.recv(end).len(), 1);
    }
}

#[test]
fn a_shared_subscription_gives_each_message_to_one_member_5_0_4_8_2() {
    let mut net = Net::new();
    let members = ["a", "b", "c"].map(|name| net.client(V5, name));
    for member in members {
        net.subscribe(member, "$share/g/t/+", Q1);
    }
    let other = net.client(V5, "other");
    net.subscribe(other, "$share/h/t/#", Q1);
    let from = net.client(V311, "p");
    for n in 1..=6 {
        net.publish(from, message("t/x", Q1, n, "x"));
    }
    assert_eq!(members.map(|member| net.recv(member).len()), [2, 2, 2]);
    assert_eq!(net.recv(other).len(), 6);
    assert_eq!(
        net.unsubscribe(members[0], "$share/g/t/+"),
        ["UNSUBACK id=901 codes=[0]"]
    );
    net.say(from, "t/x", "x");
    net.say(from, "t/x", "x");
    assert_eq!(members.map(|member| net.recv(member).len()), [0, 1, 1]);
}

#[test]
fn in_3_x_share_is_an_ordinary_filter() {
    for version in [V31, V311] {
        let mut net = Net::new();
        let end = net.client(version, "a");
        net.subscribe(end, "$share/g/t", Q0);
        net.say(end, "t", "x");
        assert_eq!(net.recv(end), [""; 0]);
        net.say(end, "$share/g/t", "x");
        assert_eq!(net.recv(end).len(), 1);
    }
}

#[test]
fn when_a_member_ends_its_qos_1_messages_go_to_another_and_qos_2_under_way_does_not_5_mqtt_4_8_2_5() {
    let mut net = Net::new();
    let (gone, _) = net.keeper(V5, "gone");
    net.subscribe(gone, "$share/g/t", Q2);
    net.publish(gone, message("t", Q1, 1, "one"));
    net.publish(gone, message("t", Q2, 2, "two"));
    assert_eq!(net.recv(gone).len(), 4);
    net.cut(gone);
    let from = net.client(V5, "p");
    net.publish(from, message("t", Q2, 3, "three"));
    let stays = net.client(V5, "stays");
    net.subscribe(stays, "$share/g/t", Q2);
    net.pass_secs(99);
    assert_eq!(net.recv(stays), [""; 0]);
    net.pass_secs(1);
    assert_eq!(
        net.recv(stays),
        [
            r#"PUBLISH topic="t" qos=1 id=1 payload="one""#,
            r#"PUBLISH topic="t" qos=2 id=2 payload="three""#
        ]
    );
}

#[test]
fn what_is_not_available_is_said_in_connack_and_refused_5_0_3_2_2_3_11_to_13() {
    let mut net = Net::with(|config| {
        config.offer_mut(0).wildcard_available = false;
        config.offer_mut(0).subscription_ids_available = false;
        config.offer_mut(0).shared_available = false;
        config.offer_mut(0).maximum_qos = Q1;
    });
    let (end, said) = net.client_with(connect(V5, "a"));
    assert!(said.ends_with(
        "wildcard_subscription_available=0 subscription_identifier_available=0 shared_subscription_available=0"
    ));
    assert!(said.contains("maximum_qos=1"), "5/MQTT-3.2.2-9");
    let options = SubscriptionOptions::new(Q2);
    assert_eq!(
        net.subscribe_with(end, "a/#", options, None),
        ["SUBACK id=900 codes=[0xa2]"]
    );
    assert_eq!(
        net.subscribe_with(end, "a", options, None),
        ["SUBACK id=900 codes=[1]"],
        "5/MQTT-3.2.2-10"
    );
    let old = net.client(V311, "old");
    assert_eq!(
        net.subscribe_with(old, "a/#", options, None),
        ["SUBACK id=900 codes=[0x80]"]
    );
    let older = net.client(V31, "older");
    assert_eq!(
        net.subscribe_with(older, "a/#", options, None),
        ["SUBACK id=900 codes=[2]"],
        "3.1 has no refusal"
    );
    assert_eq!(
        net.subscribe_with(end, "$share/g/a", options, None),
        ["DISCONNECT code=0x9e", "close"]
    );
    let end = net.client(V5, "a");
    assert_eq!(
        net.subscribe_with(end, "a", options, Some(1)),
        ["DISCONNECT code=0xa1", "close"]
    );
    let end = net.client(V5, "a");
    net.publish(end, message("t", Q2, 1, "x"));
    assert_eq!(
        net.recv(end),
        ["DISCONNECT code=0x9b", "close"],
        "5/MQTT-3.2.2-11"
    );
}

#[test]
fn a_session_that_called_one_filter_two_things_leaves_neither_behind() {
    let mut net = Net::new();
    let filter = "$share/g/t";
    let (old, _) = net.keeper(V311, "a");
    net.subscribe(old, filter, Q0);
    let (new, _) = net.keeper(V5, "a");
    net.subscribe(new, filter, Q0);
    assert_eq!(net.unsubscribe(new, filter), ["UNSUBACK id=901 codes=[0]"]);
    let (last, _) = net.client_with(connect(V5, "a"));
    net.cut(last);
    // The place of that session is another's now.
    let other = net.client(V5, "b");
    let from = net.client(V311, "p");
    net.say(from, filter, "x");
    net.say(from, "t", "x");
    assert_eq!(net.recv(other), [""; 0]);
}

#[test]
fn retain_as_published_of_one_overlapping_subscription_is_enough_5_mqtt_3_3_1_13() {
    for (first, second) in [("a/#", "a/b"), ("a/b", "a/#")] {
        let mut net = Net::new();
        let end = net.client(V5, "a");
        net.subscribe(end, first, Q0);
        let options = SubscriptionOptions {
            retain_as_published: true,
            ..SubscriptionOptions::new(Q0)
        };
        net.subscribe_with(end, second, options, None);
        net.retain(end, "a/b", "x");
        assert_eq!(net.recv(end), [r#"PUBLISH topic="a/b" retain=1 payload="x""#]);
    }
}

#[test]
fn a_shared_subscription_brings_no_retained_messages_5_0_4_8_2() {
    let mut net = Net::new();
    let from = net.client(V311, "p");
    net.retain(from, "t", "x");
    net.retain(from, "$share/g/t", "a name as any other in 3.x");
    let end = net.client(V5, "a");
    net.subscribe(end, "$share/g/t", Q0);
    assert_eq!(net.recv(end), [""; 0]);
}

#[test]
fn the_highest_qos_of_overlapping_subscriptions_counts_in_whichever_order_they_came_5_mqtt_3_3_4_2() {
    for qos in [[Q0, Q2, Q1], [Q2, Q0, Q1], [Q1, Q0, Q2]] {
        let mut net = Net::new();
        let to = net.client(V5, "s");
        for (filter, qos) in ["a/b", "a/+", "#"].into_iter().zip(qos) {
            net.subscribe(to, filter, qos);
        }
        let from = net.client(V5, "p");
        net.publish(from, message("a/b", Q2, 1, "x"));
        assert_eq!(
            net.recv(to),
            [r#"PUBLISH topic="a/b" qos=2 id=1 payload="x""#],
            "{qos:?}"
        );
    }
}

#[test]
fn a_replaced_subscription_takes_its_identifier_along_5_mqtt_3_8_4_3() {
    for filter in ["t", "$share/g/t"] {
        let mut net = Net::new();
        let end = net.client(V5, "a");
        let options = SubscriptionOptions::new(Q0);
        for (identifier, told) in [
            (Some(1), "subscription_identifier=1 "),
            (Some(2), "subscription_identifier=2 "),
            (None, ""),
        ] {
            net.subscribe_with(end, filter, options, identifier);
            net.say(end, "t", "x");
            assert_eq!(
                net.recv(end),
                [format!(r#"PUBLISH topic="t" {told}payload="x""#)],
                "{filter}"
            );
        }
    }
}

#[test]
fn a_wildcard_in_front_of_a_shared_subscription_does_not_match_a_dollar_5_mqtt_4_7_2_1() {
    for (filter, count) in [
        ("$share/g/#", 0),
        ("$share/g/+/x", 0),
        ("$share/g/$own/#", 1),
        ("$share/g/$own/+", 1),
    ] {
        let mut net = Net::new();
        let end = net.client(V5, "a");
        net.subscribe(end, filter, Q0);
        net.say(end, "$own/x", "x");
        assert_eq!(net.recv(end).len(), count, "{filter}");
    }
}

#[test]
fn retain_as_published_counts_in_a_shared_subscription_too_5_mqtt_3_3_1_13() {
    for (retain_as_published, flag) in [(false, ""), (true, "retain=1 ")] {
        let mut net = Net::new();
        let end = net.client(V5, "a");
        let options = SubscriptionOptions {
            retain_as_published,
            ..SubscriptionOptions::new(Q0)
        };
        net.subscribe_with(end, "$share/g/t", options, None);
        net.retain(end, "t", "x");
        assert_eq!(net.recv(end), [format!(r#"PUBLISH topic="t" {flag}payload="x""#)]);
    }
}

/// How a member of a group stands when a message comes, with its rank among the members.
const STANDS: [(&str, u8); 6] = [
    ("full", 0),
    ("away and full", 0),
    ("away", 1),
    ("behind: the window is full", 2),
    ("behind: something waits", 2),
    ("ready", 3),
];

/// A member of the group `g`, which stands like that; a queue holds two messages here.
fn member(net: &mut Net, name: &str, stands: &str) {
    let list = [Property::ReceiveMaximum(1), Property::SessionExpiryInterval(100)];
    let (end, _) = net.client_with(Connect {
        properties: Properties::new(&list),
        ..connect(V5, name)
    });
    net.subscribe(end, "$share/g/t", Q1);
    net.subscribe(end, name, Q1);
    let from = net.client(V5, "to one");
    let own = |net: &mut Net, count: u16| {
        for n in 1..=count {
            net.publish(from, message(name, Q1, n, "own"));
        }
    };
    match stands {
        "full" => own(net, 2),
        "away and full" => {
            own(net, 2);
            net.cut(end);
        }
        "away" => net.cut(end),
        "behind: the window is full" => {
            own(net, 1);
            assert_eq!(net.recv(end).len(), 1);
        }
        "behind: something waits" => own(net, 1),
        _ => {}
    }
}

#[test]
fn a_message_of_a_shared_subscription_goes_to_the_member_with_the_most_room() {
    for (one, rank) in STANDS {
        for (other, other_rank) in STANDS.into_iter().filter(|(_, other)| *other != rank) {
            let mut net = Net::with(|config| config.offer_mut(0).grant.limits.queue_messages = 2);
            member(&mut net, "one", one);
            member(&mut net, "other", other);
            let waiting = |net: &Net, name| {
                let found = net.server.broker().find_session(Pool::DEFAULT, name);
                found.unwrap().queue_messages()
            };
            let before = ["one", "other"].map(|name| waiting(&net, name));
            let from = net.client(V5, "p");
            net.publish(from, message("t", Q1, 1, "x"));
            assert_eq!(
                ["one", "other"].map(|name| waiting(&net, name)),
                [
                    before[0] + usize::from(rank > other_rank),
                    before[1] + usize::from(rank < other_rank)
                ],
                "one {one}, the other {other}"
            );
        }
    }
}

#[test]
fn what_an_ended_member_leaves_goes_to_one_that_is_there_and_is_not_counted_as_dropped() {
    for away_first in [false, true] {
        let mut net = Net::new();
        let join = |net: &mut Net, name| {
            let (end, _) = net.keeper(V5, name);
            net.subscribe(end, "$share/g/t", Q1);
            end
        };
        let (gone, here, away);
        if away_first {
            away = join(&mut net, "away");
            here = join(&mut net, "here");
        } else {
            here = join(&mut net, "here");
            away = join(&mut net, "away");
        }
        net.unsubscribe(here, "$share/g/t");
        net.unsubscribe(away, "$share/g/t");
        gone = net.client(V5, "gone");
        net.subscribe(gone, "$share/g/t", Q1);
        let from = net.client(V5, "p");
        for n in 1..=3 {
            net.publish(from, message("t", Q1, n, "x"));
        }
        net.subscribe(here, "$share/g/t", Q1);
        net.subscribe(away, "$share/g/t", Q1);
        net.cut(away);
        net.cut(gone);
        assert_eq!(net.recv(here).len(), 3);
        assert_eq!(net.server.metrics(net.now).dropped_in_all(), 0);
    }
}

#[test]
fn what_a_member_leaves_behind_goes_to_one_that_has_room_for_it() {
    let mut net = Net::with(|config| config.offer_mut(0).grant.limits.queue_messages = 4);
    let from = net.client(V5, "p");
    let (full, _) = net.keeper(V5, "full");
    net.subscribe(full, "fill", Q0);
    for _ in 0..4 {
        net.say(from, "fill", "x");
    }
    let (leaves, free) = (net.client(V5, "leaves"), net.client(V5, "free"));
    net.subscribe(leaves, "$share/g/t", Q1);
    for n in 1..=4 {
        net.publish(from, message("t", Q1, n, "x"));
    }
    let options = SubscriptionOptions::new(Q1);
    drop(net.subscribe_with(full, "$share/g/t", options, None));
    for _ in 0..4 {
        net.say(from, "fill", "y");
    }
    net.subscribe(free, "$share/g/t", Q1);
    net.cut(leaves);
    assert_eq!(net.recv(free).len(), 4);
    assert_eq!(
        net.server
            .metrics(net.now)
            .dropped(mqtt_session::server::DropCause::SessionEnded),
        0
    );
}
