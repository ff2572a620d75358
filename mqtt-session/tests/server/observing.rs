use mqtt_proto::{Packet, packet::SubscriptionOptions};
use mqtt_session::{
    record::broker::Entry,
    server::{DropCause, Pool, Server, TopBy, Traffic},
};

use crate::net::*;

#[test]
fn everything_that_goes_in_and_out_is_counted_once() {
    let mut net = Net::with(|config| config.offer_mut(1).grant.pool = Pool(4));
    let (from, to) = (net.client(V5, "p"), net.client(V5, "s"));
    net.subscribe(to, "t", Q2);
    let before = net.server.metrics(net.now).total;
    assert_eq!((before.opened, before.connects), (2, 2));
    let packets = [
        Packet::Publish(message("t", Q0, 0, "12")),
        Packet::Publish(message("t", Q1, 1, "345")),
        Packet::Publish(message("t", Q2, 2, "6789")),
        Packet::PingReq,
    ];
    let mut bytes = 0;
    for packet in packets {
        bytes += encode(V5, packet).len();
        net.send(from, packet);
    }
    // PINGRESP and two acknowledgements; what is in pieces counts by piece.
    let mut out = 0;
    while let Some(transmit) = net.server.poll_transmit(net.now, from.id) {
        let n = transmit.len().min(3);
        out += n;
        net.server.handle_written(net.now, from.id, n);
    }
    let mut room = [0; 256];
    out += net.server.take_transmit(net.now, to.id, &mut room);
    let now = net.server.metrics(net.now);
    let total = now.total;
    assert_eq!(total.packets_in - before.packets_in, 4);
    assert_eq!(total.packets_out - before.packets_out, 6);
    assert_eq!(total.bytes_in - before.bytes_in, bytes as u64);
    assert_eq!(total.bytes_out - before.bytes_out, out as u64);
    assert_eq!((total.messages_in, total.messages_out), ([1, 1, 1], [1, 1, 1]));
    assert_eq!((total.payload_bytes_in, total.payload_bytes_out), (9, 9));
    assert_eq!((now.in_flight, now.queued_messages, now.queued_bytes), (2, 0, 0));
    assert_eq!((now.connections, now.handshakes, now.connected), (2, 0, 2));
    assert_eq!(now.subscriptions, 1);
    assert!((1..300).contains(&now.subscription_bytes), "a filter and a level");
    net.puback(to, 1);
    net.pubrec(to, 2);
    assert_eq!(net.server.metrics(net.now).in_flight, 1);
    net.recv(to);
    net.pubcomp(to, 2);
    assert_eq!(net.server.metrics(net.now).in_flight, 0);
}

#[test]
fn ends_are_counted_by_what_they_are() {
    let mut net = Net::new();
    let refused = net.open(V31);
    let not_allowed = mqtt_proto::packet::Connect {
        will: Some(will("$SYS/x", b"")),
        ..connect(V31, "refused")
    };
    net.send(refused, Packet::Connect(not_allowed));
    let first = net.client(V5, "a");
    let taken_over = net.client(V5, "a");
    assert_eq!(net.recv(first).last().unwrap(), "close");
    net.send(taken_over, Packet::Connect(connect(V5, "a")));
    let (dies, _) = net.client_with(mqtt_proto::packet::Connect {
        will: Some(will("w", b"x")),
        ..connect(V5, "dies")
    });
    net.cut(dies);
    let (kept, _) = net.keeper(V5, "kept");
    assert_eq!(net.server.metrics(net.now).sessions, 1);
    net.cut(kept);
    let now = net.server.metrics(net.now);
    assert_eq!((now.sessions, now.connected, now.connected_maximum), (1, 0, 1));
    net.pass_secs(100);
    let now = net.server.metrics(net.now);
    assert_eq!((now.sessions, now.total.sessions_expired), (0, 1));
    let total = now.total;
    assert_eq!((total.connects, total.refused, total.violations), (4, 1, 1));
    assert_eq!((total.wills, now.uptime.as_secs()), (1, 100));
}

#[test]
fn what_waits_is_counted_wherever_it_goes() {
    let mut net = Net::with(|config| config.offer_mut(0).grant.limits.queue_messages = 4);
    let from = net.client(V311, "p");
    let waiting = |net: &Net| {
        let now = net.server.metrics(net.now);
        let top = net.server.top_sessions(TopBy::QueuedBytes, 100);
        let sums = top.iter().fold((0, 0), |(messages, bytes), info| {
            (messages + info.queue_messages(), bytes + info.queue_bytes())
        });
        assert_eq!((now.queued_messages, now.queued_bytes), sums);
        now.queued_messages
    };
    let (away, _) = net.keeper(V5, "away");
    net.subscribe(away, "t", Q1);
    net.cut(away);
    let slow = net.client(V5, "slow");
    net.subscribe(slow, "t", Q1);
    net.subscribe(slow, "u", Q0);
    for n in 1..=6 {
        net.publish(from, message("t", Q1, n, &n.to_string()));
    }
    net.say(from, "u", "finds no room");
    assert_eq!(waiting(&net), 8);
    let dropped = |net: &Net, cause| net.server.metrics(net.now).dropped(cause);
    assert_eq!(dropped(&net, DropCause::QueueFull), 5);
    net.recv(slow);
    assert_eq!(waiting(&net), 4);
    assert_eq!(net.server.metrics(net.now).in_flight, 4);
    net.say(from, "u", "of QoS 0");
    assert_eq!(waiting(&net), 5);
    net.cut(slow);
    assert_eq!(waiting(&net), 4, "it ends with its connection");
    assert_eq!(
        dropped(&net, DropCause::SessionEnded) + dropped(&net, DropCause::Away),
        1
    );
    assert_eq!(net.server.metrics(net.now).in_flight, 0);
    net.pass_secs(101);
    assert_eq!(waiting(&net), 0);
    assert_eq!(
        dropped(&net, DropCause::SessionEnded) + dropped(&net, DropCause::Away),
        5
    );
}

#[test]
fn the_greatest_sessions_come_first_and_no_more_than_were_asked_for() {
    let mut net = Net::new();
    let from = net.client(V311, "p");
    for n in 0..10_usize {
        let slow = net.client(V5, &format!("c{n}"));
        net.subscribe(slow, &format!("t/{n}"), Q0);
        for _ in 0..n {
            net.say(from, &format!("t/{n}"), &"x".repeat(100 - 10 * n));
        }
    }
    let names = |by, n| -> Vec<String> {
        net.server
            .top_sessions(by, n)
            .iter()
            .map(|info| info.client_id().to_string())
            .collect()
    };
    assert_eq!(names(TopBy::QueuedMessages, 3), ["c9", "c8", "c7"]);
    assert_eq!(names(TopBy::QueuedMessages, 100).len(), 9, "c0 has nothing");
    assert_eq!(names(TopBy::QueuedBytes, 1).len(), 1);
    assert_ne!(names(TopBy::QueuedBytes, 1), ["c9"]);
    assert_eq!(names(TopBy::Packets, 1), ["p"]);
    assert_eq!(names(TopBy::Packets, 0).len(), 0);
    let top = &net.server.top_sessions(TopBy::QueuedMessages, 1)[0];
    // CONNACK, SUBSCRIBE, SUBACK
    assert_eq!(
        (top.queue_messages(), top.packets(), top.conn().is_some()),
        (9, 3, true)
    );
}

#[test]
fn pools_are_told_apart() {
    let mut net = Net::with(|config| {
        config.offer_mut(1).grant.pool = Pool(3);
        config.offer_mut(2).grant.pool = Pool(2);
    });
    for (listener, name) in [(0, "a"), (1, "a"), (1, "b"), (2, "a")] {
        let end = net.open_at(V5, listener);
        net.send(end, Packet::Connect(connect(V5, name)));
        net.retain(end, name, "x");
        if (listener, name) != (1, "a") {
            net.cut(end);
        }
    }
    let pools = net.server.metrics(net.now).pools;
    let figures: Vec<_> = pools
        .iter()
        .map(|p| (p.pool.0, p.sessions, p.connected, p.retained_messages))
        .collect();
    assert_eq!(figures, [(0, 0, 0, 1), (2, 0, 0, 1), (3, 1, 1, 2)]);
}

#[test]
fn those_who_have_the_wires_themselves_tell_what_went_over_them() {
    let mut broker = mqtt_session::server::Broker::new(Default::default());
    broker.handle_traffic(Traffic {
        bytes_in: 7,
        bytes_out: 5,
        pings: 1,
    });
    let total = broker.metrics(mqtt_session::Instant::from_secs(1)).total;
    assert_eq!((total.bytes_in, total.bytes_out), (7, 5));
    assert_eq!((total.packets_in, total.packets_out), (1, 1));
}

#[test]
fn sys_says_what_was_counted_under_the_names_that_brokers_have_for_it() {
    let mut net = Net::new();
    let from = net.client(V311, "p");
    net.say(from, "t", "1234");
    net.pass_secs(60);
    let end = net.client(V5, "watch");
    let said = net.subscribe_with(end, "$SYS/#", SubscriptionOptions::new(Q2), None);
    assert_eq!(said[0], "SUBACK id=900 codes=[2]");
    let value = |name: &str| {
        let topic = format!("topic=\"$SYS/broker/{name}\"");
        let said = said.iter().find(|said| said.contains(&topic));
        let said = said.unwrap_or_else(|| panic!("{name}: {said:?}"));
        assert!(said.contains("retain=1") && !said.contains("qos="), "{said}");
        said.split("payload=\"").nth(1).unwrap().trim_end_matches('"')
    };
    for (name, expected) in [
        (
            "version",
            concat!("mqtt-session version ", env!("CARGO_PKG_VERSION")),
        ),
        ("uptime", "60 seconds"),
        ("clients/total", "2"),
        ("clients/connected", "2"),
        ("clients/disconnected", "0"),
        ("clients/maximum", "2"),
        ("clients/expired", "0"),
        ("messages/received", "4"),
        ("messages/sent", "2"),
        ("messages/stored", "0"),
        ("store/messages/count", "0"),
        ("store/messages/bytes", "0"),
        ("subscriptions/count", "1"),
        ("retained messages/count", "0"),
        ("publish/messages/received", "1"),
        ("publish/messages/sent", "0"),
        ("publish/messages/dropped", "0"),
        ("publish/bytes/received", "4"),
        ("publish/bytes/sent", "0"),
        // 12 in the first five seconds, and 55 to forget them
        ("load/publish/received/1min", "0.38"),
        ("load/publish/received/15min", "0.06"),
        ("load/publish/sent/5min", "0.00"),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
    for kind in ["messages", "publish", "bytes"] {
        for way in ["received", "sent"] {
            for span in ["1min", "5min", "15min"] {
                assert!(value(&format!("load/{kind}/{way}/{span}")).contains('.'));
            }
        }
    }
    for name in [
        "load/connections/1min",
        "load/sockets/15min",
        "load/publish/dropped/5min",
    ] {
        value(name);
    }
    assert_ne!((value("bytes/received"), value("bytes/sent")), ("0", "0"));
    assert_eq!(
        net.server.broker().holdings().retained_messages,
        0,
        "no limit counts them"
    );
}

#[test]
fn sys_comes_again_in_its_interval_where_it_has_changed_and_only_to_those_who_name_it() {
    let mut net = Net::new();
    let all = net.client(V5, "all");
    net.subscribe(all, "#", Q0);
    net.subscribe(all, "+/broker/uptime", Q0);
    let old = net.client(V31, "old");
    net.subscribe(old, "#", Q0);
    net.pass_secs(20);
    assert_eq!(net.server.poll_timeout(), None, "nobody wants it: no timer");
    let end = net.client(V5, "watch");
    let of = SubscriptionOptions::new(Q1);
    assert_eq!(net.subscribe_with(end, "$SYS/broker/uptime", of, None).len(), 2);
    assert_eq!(net.subscribe_with(end, "$SYS/broker/version", of, None).len(), 2);
    net.pass(core::time::Duration::from_millis(9_999));
    assert_eq!(net.recv(end), [""; 0]);
    net.pass(core::time::Duration::from_millis(1));
    let said = net.recv(end);
    assert_eq!(said.len(), 1, "the version is the same: {said:?}");
    assert!(
        said[0].contains("30 seconds") && !said[0].contains("retain=1"),
        "{said:?}"
    );
    // Away, it misses what would be old when it comes.
    net.unsubscribe(end, "$SYS/broker/version");
    net.unsubscribe(end, "$SYS/broker/uptime");
    assert_eq!(net.server.poll_timeout(), None);
    let (kept, _) = net.keeper(V5, "kept");
    net.subscribe_with(kept, "$SYS/#", of, None);
    net.cut(kept);
    net.pass_secs(30);
    assert_eq!(net.server.metrics(net.now).dropped_in_all(), 0);
    let (kept, _) = net.keeper(V5, "kept");
    assert_eq!(net.recv(kept), [""; 0]);
    net.pass_secs(10);
    assert!(net.recv(kept).len() > 3);
    assert_eq!((net.recv(all), net.recv(old)), (vec![], vec![]), "5/MQTT-4.7.2-1");
    // With the session that was subscribed goes the timer.
    net.cut(kept);
    net.pass_secs(101);
    assert_eq!(net.server.poll_timeout(), None);
}

#[test]
fn a_server_may_say_nothing_of_itself() {
    let mut net = Net::with(|config| config.sys_interval = None);
    let end = net.client(V5, "watch");
    net.subscribe(end, "$SYS/#", Q0);
    net.pass_secs(100);
    assert_eq!(net.recv(end), [""; 0]);
    let mut net = Net::with(|config| config.sys_interval = Some(core::time::Duration::ZERO));
    let end = net.client(V5, "watch");
    net.subscribe_with(end, "$SYS/broker/uptime", SubscriptionOptions::new(Q0), None);
    net.pass_secs(1);
    assert_eq!(net.recv(end).len(), 1, "as often as it changes");
}

#[test]
fn a_session_that_is_read_back_sees_sys_again_and_what_it_says_is_not_recorded() {
    let mut net = Net::with(|config| config.durable = true);
    let said = |net: &mut Net, end| {
        if let Some(changes) = net.server.poll_changes() {
            net.server.handle_persisted(net.now, changes.upto());
        }
        net.recv(end)
    };
    let connect = mqtt_proto::packet::Connect {
        clean_start: false,
        ..connect(V311, "kept")
    };
    let kept = net.open(V311);
    net.send(kept, Packet::Connect(connect));
    assert_eq!(said(&mut net, kept).len(), 1);
    let of = SubscriptionOptions::new(Q0);
    // SUBACK is withheld; what is of QoS 0 is not.
    let first = net.subscribe_with(kept, "$SYS/broker/uptime", of, None);
    assert_eq!((first.len(), said(&mut net, kept).len()), (1, 1));
    net.cut(kept);
    let stored = net.server.snapshot();
    let owned = |(key, value): (&[u8], Option<&[u8]>)| (key.to_vec(), value.unwrap().to_vec());
    let entries: Vec<_> = stored.iter().map(owned).collect();
    for (key, value) in &entries {
        let entry = Entry::decode(key, value).unwrap();
        assert!(
            !matches!(entry, Entry::Retained { .. } | Entry::Message { .. }),
            "{entry:?}"
        );
    }
    let config = net.server.broker().config().clone();
    net.server = Server::restore(config, net.now, entries).unwrap();
    assert_eq!(net.server.broker().holdings().subscriptions, 1);
    net.pass_secs(20);
    let kept = net.open(V311);
    net.send(kept, Packet::Connect(connect));
    assert!(said(&mut net, kept)[0].contains("session_present=1"));
    net.pass_secs(10);
    assert!(said(&mut net, kept).iter().any(|said| said.contains("uptime")));
}
