use core::time::Duration;

use mqtt_proto::Packet;
use mqtt_session::server::{Bucket, DropCause, Rate};

use crate::net::*;

fn net(messages: Option<Bucket>, bytes: Option<Bucket>) -> Net {
    Net::with(|config| {
        let mut rate = Rate::default();
        rate.messages = messages;
        rate.bytes = bytes;
        config.offer_mut(0).grant.limits.rate = rate;
    })
}

fn three_at_once_then_two_a_second() -> Net {
    net(
        Some(Bucket {
            per_second: 2,
            burst: 3,
        }),
        None,
    )
}

#[test]
fn a_client_that_is_too_fast_loses_qos_0_and_it_is_counted() {
    for version in [V31, V311, V5] {
        let mut net = three_at_once_then_two_a_second();
        let (from, to) = (net.client(version, "p"), net.client(version, "s"));
        net.subscribe(to, "t", Q0);
        for n in 0..5 {
            net.say(from, "t", &n.to_string());
        }
        assert_eq!(net.recv(to).len(), 3, "at the limit");
        assert_eq!(
            net.server.metrics(net.now).dropped(DropCause::Rate),
            2,
            "above it"
        );
        net.pass(Duration::from_millis(499));
        net.say(from, "t", "x");
        assert_eq!(net.recv(to).len(), 0);
        net.pass(Duration::from_millis(1));
        net.say(from, "t", "x");
        assert_eq!(net.recv(to).len(), 1);
        assert!(net.server.wants_input(from.id), "QoS 0 holds nobody up");
    }
}

#[test]
fn in_5_0_qos_1_and_2_are_refused_with_quota_exceeded_and_may_be_sent_again() {
    let mut net = three_at_once_then_two_a_second();
    let (from, to) = (net.client(V5, "p"), net.client(V5, "s"));
    net.subscribe(to, "t", Q0);
    for n in 1..=3 {
        net.publish(from, message("t", Q1, n, "x"));
    }
    net.publish(from, message("t", Q1, 4, "x"));
    net.publish(from, message("t", Q2, 5, "x"));
    let said = net.recv(from);
    assert_eq!(
        said[2..],
        ["PUBACK id=3", "PUBACK id=4 code=0x97", "PUBREC id=5 code=0x97"]
    );
    assert_eq!(net.recv(to).len(), 3);
    net.pass_secs(1);
    // Nothing was remembered of them: both ids are free.
    net.publish(from, message("t", Q2, 4, "x"));
    net.publish(from, message("t", Q1, 5, "x"));
    assert_eq!(net.recv(from), ["PUBREC id=4", "PUBACK id=5"]);
    assert_eq!(net.recv(to).len(), 2);
    assert_eq!(net.server.metrics(net.now).dropped(DropCause::Rate), 2);
}

#[test]
fn in_3_x_a_client_that_is_too_fast_is_not_read_until_it_may_publish_again() {
    for version in [V31, V311] {
        let mut net = three_at_once_then_two_a_second();
        let (from, _) = net.client_with(mqtt_proto::packet::Connect {
            keep_alive: 1,
            ..connect(version, "p")
        });
        let to = net.client(version, "s");
        net.subscribe(to, "t", Q0);
        let mut flood: Vec<u8> = (1..=9)
            .flat_map(|n| encode(version, Packet::Publish(message("t", Q1, n, "x"))))
            .collect();
        let mut taken = Vec::new();
        loop {
            let n = net.server.handle_input(net.now, from.id, &flood);
            flood.drain(..n);
            taken.push(net.recv(from).len());
            assert_eq!(net.recv(to).len(), *taken.last().unwrap(), "nothing is lost");
            if flood.is_empty() {
                break;
            }
            assert!(!net.server.wants_input(from.id));
            // As long as its Keep Alive: that it is not heard is not its fault.
            net.pass(Duration::from_millis(999));
            assert!(!net.server.wants_input(from.id));
            while net.server.poll_ready().is_some() {}
            net.pass(Duration::from_millis(1));
            assert!(net.server.wants_input(from.id));
            assert_eq!(net.server.poll_ready(), Some(from.id), "it is read again");
        }
        assert!(net.server.wants_input(from.id));
        // The fourth is a debt of one; each turn pays it off, and one more is there.
        assert_eq!(taken, [4, 2, 2, 1]);
        assert_eq!(net.server.metrics(net.now).dropped_in_all(), 0);
    }
}

#[test]
fn bytes_have_a_bucket_of_their_own_and_what_is_larger_than_it_takes_a_full_one() {
    let mut net = net(
        None,
        Some(Bucket {
            per_second: 100,
            burst: 100,
        }),
    );
    let from = net.client(V5, "p");
    let publish = |net: &mut Net, n, len: usize| {
        net.publish(from, message("t", Q1, n, &"x".repeat(len)));
        net.recv(from).remove(0) == format!("PUBACK id={n} code=0x10")
    };
    // The topic is one byte.
    assert!(publish(&mut net, 1, 98));
    assert!(!publish(&mut net, 2, 1), "one above");
    assert!(publish(&mut net, 3, 0), "at the limit");
    assert!(!publish(&mut net, 4, 0));
    net.pass_secs(1);
    assert!(publish(&mut net, 5, 299), "three times the burst");
    net.pass(Duration::from_millis(2_000));
    assert!(!publish(&mut net, 6, 0), "its debt is only just paid off");
    net.pass(Duration::from_millis(10));
    assert!(publish(&mut net, 7, 0));
}

#[test]
fn connecting_again_fills_no_bucket_while_the_session_lasts() {
    let mut net = three_at_once_then_two_a_second();
    let (from, _) = net.keeper(V5, "p");
    for n in 1..=3 {
        net.publish(from, message("t", Q1, n, "x"));
    }
    net.recv(from);
    net.cut(from);
    let (from, present) = net.keeper(V5, "p");
    assert!(present);
    net.publish(from, message("t", Q1, 1, "x"));
    assert_eq!(net.recv(from), ["PUBACK id=1 code=0x97"]);
}

#[test]
fn a_client_that_was_too_fast_is_read_at_once_on_a_new_connection() {
    let mut net = three_at_once_then_two_a_second();
    let (from, _) = net.keeper(V311, "p");
    for n in 1..=4 {
        net.publish(from, message("t", Q1, n, "x"));
    }
    assert!(!net.server.wants_input(from.id));
    net.cut(from);
    let (from, present) = net.keeper(V311, "p");
    assert!(present);
    assert!(
        net.server.wants_input(from.id),
        "its debt stays, the pause does not"
    );
    net.publish(from, message("t", Q1, 5, "x"));
    assert!(!net.server.wants_input(from.id));
}

#[test]
fn a_bucket_that_is_granted_later_is_not_in_debt_for_what_was_before() {
    let mut net = net(
        None,
        Some(Bucket {
            per_second: 1_000_000,
            burst: 1_000_000,
        }),
    );
    let (from, to) = (net.client(V5, "p"), net.client(V5, "s"));
    net.subscribe(to, "t", Q0);
    for _ in 0..1_000 {
        net.say(from, "t", "x");
    }
    assert_eq!(net.recv(to).len(), 1_000);
    let mut grant = mqtt_session::server::Grant::default();
    grant.limits.rate.messages = Some(Bucket {
        per_second: 1,
        burst: 1,
    });
    let broker = net.server.broker_mut();
    assert!(broker.set_grant(Default::default(), "p", grant));
    net.pass(Duration::from_secs(1));
    net.say(from, "t", "x");
    assert_eq!(net.recv(to).len(), 1);
}
