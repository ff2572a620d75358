use mqtt_proto::{Packet, Properties, Property, ReasonCode, packet::Disconnect};
use mqtt_session::server::{DropCause, ServerEvent};

use crate::net::*;

#[test]
fn unacknowledged_publish_and_pubrel_are_sent_again_in_order_and_only_on_resume_5_mqtt_4_4_0_1() {
    for version in [V311, V5] {
        let mut net = Net::new();
        let (to, _) = net.keeper(version, "s");
        let from = net.client(version, "p");
        net.subscribe(to, "t", Q2);
        net.publish(from, message("t", Q1, 1, "one"));
        net.publish(from, message("t", Q2, 2, "two"));
        net.publish(from, message("t", Q2, 3, "three"));
        net.publish(from, message("t", Q1, 4, "four"));
        assert_eq!(net.recv(to).len(), 4);
        net.pubrec(to, 2);
        assert_eq!(net.recv(to), ["PUBREL id=2"]);
        net.puback(to, 4);
        net.pass_secs(50);
        assert_eq!(net.recv(to), [""; 0]);
        net.cut(to);

        net.publish(from, message("t", Q1, 5, "five"));
        let (to, present) = net.keeper(version, "s");
        assert!(present, "5/MQTT-3.1.2-5");
        let again = [
            r#"PUBLISH topic="t" qos=1 dup=1 id=1 payload="one""#,
            "PUBREL id=2",
            r#"PUBLISH topic="t" qos=2 dup=1 id=3 payload="three""#,
            r#"PUBLISH topic="t" qos=1 id=5 payload="five""#,
        ];
        assert_eq!(net.recv(to), again);
        net.puback(to, 1);
        net.pubcomp(to, 2);
        net.pubrec(to, 3);
        net.puback(to, 5);
        assert_eq!(net.recv(to), ["PUBREL id=3"]);
        net.pubcomp(to, 3);
        net.cut(to);
        let (to, _) = net.keeper(version, "s");
        assert_eq!(net.recv(to), [""; 0], "nothing is left");
    }
}

/// Four messages of QoS 1, `1` to `4`, that were sent, and a client that came back and takes so many at a time.
fn four_to_be_sent_again(receive_maximum: u16) -> (Net, End) {
    use mqtt_proto::{Properties, Property, packet::Connect};
    let mut net = Net::new();
    let (to, _) = net.keeper(V5, "s");
    net.subscribe(to, "t", Q1);
    for n in 1..=4 {
        net.publish(to, message("t", Q1, n, &n.to_string()));
    }
    let _ = net.recv(to);
    net.cut(to);
    let list = [
        Property::ReceiveMaximum(receive_maximum),
        Property::SessionExpiryInterval(100),
    ];
    let (to, _) = net.client_with(Connect {
        clean_start: false,
        properties: Properties::new(&list),
        ..connect(V5, "s")
    });
    (net, to)
}

#[test]
fn a_resend_is_held_to_the_receive_maximum_of_the_new_connection_5_mqtt_3_3_4_9() {
    let (mut net, to) = four_to_be_sent_again(2);
    let told = |n| format!(r#"PUBLISH topic="t" qos=1 dup=1 id={n} payload="{n}""#);
    assert_eq!(net.recv(to), [told(1), told(2)]);
    net.publish(to, message("t", Q1, 9, "new"));
    assert_eq!(net.recv(to), ["PUBACK id=9"]);
    net.puback(to, 1);
    assert_eq!(net.recv(to), [told(3)]);
    net.puback(to, 2);
    net.puback(to, 3);
    assert_eq!(
        net.recv(to),
        [
            told(4),
            r#"PUBLISH topic="t" qos=1 id=5 payload="new""#.to_string()
        ]
    );
}

#[test]
fn qos_2_ids_received_outlive_the_link_5_mqtt_4_3_3_10() {
    for version in [V311, V5] {
        let mut net = Net::new();
        let to = net.client(version, "s");
        net.subscribe(to, "t", Q0);
        for answered in [false, true] {
            let (from, _) = net.keeper(version, "p");
            net.publish(from, message("t", Q2, 5, "x"));
            if answered {
                assert_eq!(net.recv(from), ["PUBREC id=5"]);
            }
            net.cut(from);
            let (from, _) = net.keeper(version, "p");
            let mut again = message("t", Q2, 5, "x");
            again.head.dup = true;
            net.publish(from, again);
            assert_eq!(net.recv(from), ["PUBREC id=5"]);
            net.pubrel(from, 5);
            assert_eq!(net.recv(from), ["PUBCOMP id=5"]);
            net.cut(from);
            assert_eq!(net.recv(to).len(), 1);
        }
    }
}

#[test]
fn a_qos_1_id_does_not_outlive_the_link_and_its_repeat_is_passed_on() {
    let mut net = Net::new();
    let to = net.client(V5, "s");
    net.subscribe(to, "t", Q0);
    let (from, _) = net.keeper(V5, "p");
    net.publish(from, message("t", Q1, 5, "x"));
    net.cut(from);
    let (from, _) = net.keeper(V5, "p");
    net.publish(from, message("t", Q1, 5, "x"));
    assert_eq!(net.recv(from), ["PUBACK id=5"]);
    assert_eq!(net.recv(to).len(), 2);
}

#[test]
fn messages_of_qos_1_and_2_wait_for_a_kept_session_and_qos_0_only_if_told_so_5_mqtt_4_5_0_1() {
    for keep in [false, true] {
        let mut net = Net::with(|config| config.queue_qos_0_while_away = keep);
        let (to, _) = net.keeper(V311, "s");
        net.subscribe(to, "t", Q2);
        net.cut(to);
        let from = net.client(V5, "p");
        net.say(from, "t", "zero");
        net.publish(from, message("t", Q1, 1, "one"));
        let (to, _) = net.keeper(V311, "s");
        let said = net.recv(to);
        let one = r#"PUBLISH topic="t" qos=1 id=1 payload="one""#;
        if keep {
            assert_eq!(said, [r#"PUBLISH topic="t" payload="zero""#, one]);
        } else {
            assert_eq!(said, [one]);
            assert!(net.events().contains(&ServerEvent::Dropped {
                cause: DropCause::Away,
                count: 1
            }));
        }
    }
}

#[test]
fn a_session_ends_with_its_connection_or_its_time_and_never_before_5_mqtt_4_1_0_1_and_2() {
    let mut net = Net::new();
    let (to, _) = net.keeper(V5, "s");
    net.pass_secs(1_000);
    net.cut(to);
    net.pass_secs(99);
    let (to, present) = net.keeper(V5, "s");
    assert!(present);
    net.disconnect(to, ReasonCode::NORMAL_DISCONNECTION);
    assert_eq!(net.recv(to), ["close"]);
    net.pass_secs(100);
    assert!(
        net.events()
            .iter()
            .any(|e| matches!(e, ServerEvent::SessionEnded { client_id } if **client_id == *"s"))
    );
    assert_eq!(net.server.broker().holdings().sessions, 0);
    let (_, present) = net.keeper(V5, "s");
    assert!(!present);

    let once = net.client(V311, "once");
    assert_eq!(net.server.broker().holdings().sessions, 2);
    net.cut(once);
    assert_eq!(net.server.broker().holdings().sessions, 1, "3.1.1/MQTT-3.1.2-6");
}

#[test]
fn disconnect_may_change_the_session_expiry_but_not_from_zero() {
    use mqtt_proto::{Packet, Properties, Property, packet::Disconnect};
    let list = [Property::SessionExpiryInterval(5)];
    let bye = Packet::Disconnect(Disconnect {
        code: ReasonCode::NORMAL_DISCONNECTION,
        properties: Properties::new(&list),
    });
    let mut net = Net::new();
    let (end, _) = net.keeper(V5, "a");
    net.send(end, bye);
    net.cut(end);
    net.pass_secs(5);
    assert_eq!(net.server.broker().holdings().sessions, 0);

    let end = net.client(V5, "a");
    net.send(end, bye);
    assert_eq!(net.recv(end), ["DISCONNECT code=0x82", "close"]);
}

#[test]
fn a_session_goes_from_one_version_to_another() {
    let mut net = Net::new();
    let (old, _) = net.keeper(V311, "s");
    net.subscribe(old, "t", Q1);
    net.cut(old);
    let from = net.client(V5, "p");
    let list = [Property::ContentType("text")];
    let mut sent = message("t", Q1, 1, "x");
    sent.head.properties = Properties::new(&list);
    net.publish(from, sent);
    let (new, present) = net.keeper(V5, "s");
    assert!(present);
    assert_eq!(
        net.recv(new),
        [r#"PUBLISH topic="t" qos=1 id=1 content_type="text" payload="x""#]
    );
    net.cut(new);
    let (old, _) = net.keeper(V31, "s");
    assert_eq!(
        net.recv(old),
        [r#"PUBLISH topic="t" qos=1 dup=1 id=1 payload="x""#]
    );
}

#[test]
fn a_resend_that_is_too_large_for_the_new_connection_is_taken_for_delivered_5_mqtt_3_1_2_25() {
    use mqtt_proto::{Properties, Property, packet::Connect};
    let mut net = Net::new();
    let (to, _) = net.keeper(V5, "s");
    net.subscribe(to, "t", Q1);
    for (n, len) in [(1, 100), (2, 1)] {
        net.publish(to, message("t", Q1, n, &"x".repeat(len)));
    }
    let _ = net.recv(to);
    net.cut(to);
    for again in [1, 0] {
        let list = [
            Property::MaximumPacketSize(64),
            Property::SessionExpiryInterval(100),
        ];
        let properties = Properties::new(&list);
        let (to, _) = net.client_with(Connect {
            clean_start: false,
            properties,
            ..connect(V5, "s")
        });
        let said = net.recv(to);
        assert_eq!(said.len(), again, "{said:?}");
        if again > 0 {
            net.puback(to, 2);
        }
        net.cut(to);
    }
}

#[test]
fn a_refused_qos_2_message_is_refused_again_if_the_refusal_was_lost() {
    let mut net = Net::with(|config| config.limits.topic_levels = 1);
    for old_link_takes_it in [false, true] {
        let (first, _) = net.keeper(V5, "a");
        net.publish(first, message("too/deep", Q2, 1, "x"));
        if !old_link_takes_it {
            net.cut(first);
        }
        let (again, present) = net.keeper(V5, "a");
        assert!(present);
        if old_link_takes_it {
            assert_eq!(net.recv(first)[0], "PUBREC id=1 code=0x90");
        }
        let mut repeat = message("too/deep", Q2, 1, "x");
        repeat.head.dup = true;
        net.publish(again, repeat);
        assert_eq!(net.recv(again), ["PUBREC id=1 code=0x90"]);
        // The id is free for another message.
        net.publish(again, message("t", Q2, 1, "y"));
        assert_eq!(net.recv(again), ["PUBREC id=1 code=0x10"]);
        net.pubrel(again, 1);
        assert_eq!(net.recv(again), ["PUBCOMP id=1"]);
        net.cut(again);
    }
}

#[test]
fn a_session_that_the_limit_made_one_of_its_connection_alone_may_still_ask_for_more() {
    let mut net = Net::with(|config| config.offer_mut(0).grant.limits.session_expiry_max = 0);
    let (end, _) = net.keeper(V5, "a");
    let list = [Property::SessionExpiryInterval(100)];
    net.send(
        end,
        Packet::Disconnect(Disconnect {
            properties: Properties::new(&list),
            ..Disconnect::new(ReasonCode::SUCCESS)
        }),
    );
    assert_eq!(
        net.recv(end),
        ["close"],
        "CONNECT did not say 0 (5.0, 3.14.2.2.2)"
    );
    assert!(!net.keeper(V5, "a").1);
}

#[test]
fn a_client_that_comes_back_has_the_session_expiry_of_its_last_connect() {
    let mut net = Net::new();
    let (end, _) = net.keeper(V5, "a");
    net.cut(end);
    let for_ever = |net: &mut Net| {
        let list = [Property::SessionExpiryInterval(u32::MAX)];
        let (end, said) = net.client_with(mqtt_proto::packet::Connect {
            clean_start: false,
            properties: Properties::new(&list),
            ..connect(V5, "a")
        });
        assert!(said.contains("session_present=1"), "{said}");
        net.cut(end);
    };
    for_ever(&mut net);
    net.pass_secs(1_000_000);
    for_ever(&mut net);
}

#[test]
fn a_resend_that_is_too_large_takes_no_place_in_the_window_5_mqtt_3_1_2_25() {
    use mqtt_proto::{Properties, Property, packet::Connect};
    let mut net = Net::new();
    let (to, _) = net.keeper(V5, "s");
    net.subscribe(to, "t", Q1);
    for (n, len) in [(1, 100), (2, 1), (3, 100)] {
        net.publish(to, message("t", Q1, n, &"x".repeat(len)));
    }
    let _ = net.recv(to);
    net.cut(to);
    let list = [
        Property::MaximumPacketSize(64),
        Property::ReceiveMaximum(1),
        Property::SessionExpiryInterval(100),
    ];
    let (to, _) = net.client_with(Connect {
        clean_start: false,
        properties: Properties::new(&list),
        ..connect(V5, "s")
    });
    net.publish(to, message("t", Q1, 9, "new"));
    assert_eq!(
        net.recv(to),
        ["PUBACK id=9", r#"PUBLISH topic="t" qos=1 dup=1 id=2 payload="x""#]
    );
    net.puback(to, 2);
    assert_eq!(net.recv(to), [r#"PUBLISH topic="t" qos=1 id=4 payload="new""#]);
}

#[test]
fn an_answer_to_what_was_not_sent_again_yet_frees_no_place_in_the_window_5_mqtt_4_9_0_2() {
    let (mut net, to) = four_to_be_sent_again(1);
    let told = |n| format!(r#"PUBLISH topic="t" qos=1 dup=1 id={n} payload="{n}""#);
    assert_eq!(net.recv(to), [told(1)]);
    net.puback(to, 3);
    assert_eq!(net.recv(to), [""; 0], "the first one is still under way");
    net.puback(to, 1);
    assert_eq!(net.recv(to), [told(2)]);
    net.puback(to, 2);
    assert_eq!(net.recv(to), [told(4)], "the third one has ended");
}

#[test]
fn what_is_sent_again_is_what_was_sent_but_for_dup_5_mqtt_4_4_0_1() {
    use mqtt_proto::packet::SubscriptionOptions;
    let mut net = Net::new();
    let (to, _) = net.keeper(V5, "s");
    let mut kept = message("t", Q1, 1, "x");
    kept.head.retain = true;
    net.publish(to, kept);
    let _ = net.recv(to);
    let said = net.subscribe_with(to, "t", SubscriptionOptions::new(Q1), Some(7));
    let told =
        |dup| format!(r#"PUBLISH topic="t" qos=1 {dup}retain=1 id=1 subscription_identifier=7 payload="x""#);
    assert_eq!(said[1], told(""));
    net.cut(to);
    let (to, _) = net.keeper(V5, "s");
    assert_eq!(net.recv(to), [told("dup=1 ")]);
}
