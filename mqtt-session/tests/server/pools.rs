use mqtt_proto::{
    Packet,
    packet::{Connect, SubscriptionOptions},
};
use mqtt_session::server::{DropCause, Pool, ServerEvent};

use crate::net::*;

/// Listener 0 leads to the default pool, 1 and 2 to one of their own; the third does not see `$SYS`.
fn three_pools() -> Net {
    Net::with(|config| {
        for listener in 1..=2 {
            config.offer_mut(listener).grant.pool = Pool(listener.into());
        }
        config.offer_mut(2).grant.sees_sys = false;
    })
}

fn join(net: &mut Net, listener: u16, connect: Connect<'_>) -> (End, String) {
    let end = net.open_at(connect.version, listener);
    net.send(end, Packet::Connect(connect));
    let said = net.recv(end).remove(0);
    assert!(said.contains("code=0"), "{said}");
    (end, said)
}

#[test]
fn clients_of_different_pools_never_see_each_others_messages() {
    let mut net = three_pools();
    let ends: Vec<End> = (0..3)
        .map(|listener| join(&mut net, listener, connect(V5, "same id")).0)
        .collect();
    for &end in &ends {
        net.subscribe(end, "#", Q0);
        net.subscribe(end, "a/+", Q0);
        net.subscribe(end, "$share/g/a/b", Q0);
    }
    for (n, &from) in ends.iter().enumerate() {
        net.say(from, "a/b", &format!("of {n}"));
        for (at, &end) in ends.iter().enumerate() {
            let said = net.recv(end);
            // One for the two plain subscriptions, one for the group.
            assert_eq!(said.len(), if at == n { 2 } else { 0 }, "{said:?}");
            assert!(said.iter().all(|said| said.contains(&format!("of {n}"))));
        }
    }
    net.publish(ends[1], message("a/b", Q1, 1, "x"));
    net.unsubscribe(ends[0], "#");
    net.publish(ends[2], message("c", Q1, 1, "x"));
    assert_eq!(net.recv(ends[0]), [""; 0]);
}

#[test]
fn the_same_client_id_in_two_pools_is_two_sessions() {
    let mut net = three_pools();
    let kept = Connect {
        clean_start: false,
        ..connect(V311, "a")
    };
    let (zero, said) = join(&mut net, 0, kept);
    assert!(!said.contains("session_present=1"));
    net.subscribe(zero, "t", Q1);
    let (one, said) = join(&mut net, 1, kept);
    assert!(!said.contains("session_present=1"));
    assert_eq!(net.recv(zero), [""; 0], "nobody took it over");
    assert_eq!(net.server.broker().holdings().sessions, 2);
    net.cut(one);
    let (one, said) = join(&mut net, 1, kept);
    assert!(said.contains("session_present=1"));
    // A new session in one pool leaves that in the other.
    let new = Connect {
        clean_start: true,
        ..kept
    };
    join(&mut net, 1, new);
    assert_eq!(net.recv(one), ["close"], "this one was taken over");
    net.publish(zero, message("t", Q1, 1, "x"));
    assert_eq!(net.recv(zero).len(), 2);
}

#[test]
fn retained_messages_and_wills_stay_in_their_pool() {
    let mut net = three_pools();
    let (zero, _) = join(&mut net, 0, connect(V311, "zero"));
    let (one, _) = join(&mut net, 1, connect(V311, "one"));
    net.retain(zero, "t", "of zero");
    net.retain(one, "t", "of one");
    for (listener, payload) in [(0, Some("of zero")), (1, Some("of one")), (2, None)] {
        let (end, _) = join(&mut net, listener, connect(V311, "new"));
        let said = net.subscribe_with(end, "#", SubscriptionOptions::new(Q0), None);
        assert_eq!(said.len(), if payload.is_some() { 2 } else { 1 }, "{said:?}");
        assert!(payload.is_none_or(|payload| said[1].contains(payload)));
    }
    net.retain(zero, "t", "");
    assert_eq!(net.server.broker().holdings().retained_messages, 1);

    let mut net = three_pools();
    let ends: Vec<End> = (0..2)
        .map(|listener| join(&mut net, listener, connect(V311, "watch")).0)
        .collect();
    for &end in &ends {
        net.subscribe(end, "w", Q0);
    }
    let (dies, _) = join(
        &mut net,
        1,
        Connect {
            will: Some(will("w", b"gone")),
            ..connect(V311, "dies")
        },
    );
    // The last of its sessions takes nothing of it away before the will is out.
    net.cut(dies);
    assert_eq!((net.recv(ends[0]).len(), net.recv(ends[1]).len()), (0, 1));
}

#[test]
fn nobody_but_the_server_publishes_to_sys() {
    for version in [V31, V311, V5] {
        let mut net = Net::new();
        let watch = net.client(version, "watch");
        net.subscribe(watch, "$SYS/x", Q1);
        net.subscribe(watch, "$SYSTEM", Q1);
        let end = net.client(version, "a");
        net.say(end, "$SYS/x", "0");
        net.publish(end, message("$SYS/x", Q1, 1, "1"));
        net.publish(end, message("$SYS", Q2, 2, "2"));
        let code = if version == V5 { " code=0x87" } else { "" };
        assert_eq!(
            net.recv(end),
            [format!("PUBACK id=1{code}"), format!("PUBREC id=2{code}")]
        );
        net.retain(end, "$SYS/x", "kept");
        assert_eq!(net.recv(watch), [""; 0]);
        assert_eq!(net.server.broker().holdings().retained_messages, 0);
        assert!(net.events().contains(&ServerEvent::Dropped {
            cause: DropCause::NotAllowed,
            count: 4
        }));
        net.say(end, "$SYSTEM", "is an ordinary topic");
        assert_eq!(net.recv(watch).len(), 1);
        let dies = net.open(version);
        let lasting = Connect {
            will: Some(will("$SYS/x", b"")),
            ..connect(version, "dies")
        };
        net.send(dies, Packet::Connect(lasting));
        let said = net.recv(dies).remove(0);
        assert!(said.contains("code=0x87"), "its will: {said}");
    }
}

#[test]
fn sys_is_for_those_who_were_granted_it() {
    let mut net = three_pools();
    for (listener, version, code) in [
        (0, V5, "1"),
        (1, V5, "1"),
        (2, V5, "0x87"),
        (2, V311, "0x80"),
        // 3.1 has no code for a refusal.
        (2, V31, "1"),
    ] {
        let (end, _) = join(&mut net, listener, connect(version, "a"));
        let options = SubscriptionOptions::new(Q1);
        for filter in ["$SYS/#", "$SYS/broker/+", "$share/g/$SYS/#"] {
            let said = net.subscribe_with(end, filter, options, None).remove(0);
            if version == V5 || !filter.starts_with("$share") {
                assert_eq!(said, format!("SUBACK id=900 codes=[{code}]"), "{filter}");
            }
        }
        net.cut(end);
    }
}
