//! What a client is told when what it waits for is safe only after its connection has ended.

use mqtt_proto::{Packet, packet::Connect};

use crate::net::*;

fn persist(net: &mut Net) {
    while let Some(changes) = net.server.poll_changes() {
        net.server.handle_persisted(net.now, changes.upto());
    }
}

#[test]
fn answers_of_several_batches_and_the_end_behind_them_are_told_when_each_is_safe() {
    let mut net = Net::with(|config| config.durable = true);
    let kept = net.open(V311);
    let connect = Connect {
        clean_start: false,
        ..connect(V311, "kept")
    };
    net.send(kept, Packet::Connect(connect));
    persist(&mut net);
    net.subscribe_with(kept, "t", mqtt_proto::packet::SubscriptionOptions::new(Q1), None);
    persist(&mut net);
    net.cut(kept);
    persist(&mut net);
    let publisher = net.client(V5, "publisher");

    net.publish(publisher, message("t", Q1, 1, "one"));
    let first = net.server.poll_changes().expect("a message that waits");
    net.publish(publisher, message("t", Q1, 2, "two"));
    assert_eq!(net.recv(publisher), [""; 0]);
    net.server.shutdown(net.now);
    assert_eq!(net.recv(publisher), [""; 0], "the end stands behind the answers");
    net.server.handle_persisted(net.now, first.upto());
    assert_eq!(net.recv(publisher), ["PUBACK id=1"]);
    while net.server.poll_ready().is_some() {}
    persist(&mut net);
    assert!(
        net.server.poll_ready().is_some(),
        "it has something to be told again"
    );
    let told = net.recv(publisher);
    assert_eq!(told[0], "PUBACK id=2");
    assert!(told[1].starts_with("DISCONNECT code=0x8b"), "{told:?}");
    assert_eq!(told[2..], ["close"]);
}

/// A client whose session is kept and that is subscribed.
fn kept(net: &mut Net, client_id: &str, filter: &str) -> End {
    let end = net.open(V311);
    let connect = Connect {
        clean_start: false,
        ..connect(V311, client_id)
    };
    net.send(end, Packet::Connect(connect));
    persist(net);
    assert_eq!(net.recv(end).len(), 1);
    net.subscribe_with(
        end,
        filter,
        mqtt_proto::packet::SubscriptionOptions::new(Q1),
        None,
    );
    persist(net);
    assert_eq!(net.recv(end).len(), 1);
    end
}

#[test]
fn messages_of_several_batches_are_sent_when_each_is_safe() {
    let mut net = Net::with(|config| config.durable = true);
    let to = kept(&mut net, "kept", "t");
    let publisher = net.client(V5, "publisher");
    while net.server.poll_ready().is_some() {}
    let batches = [1, 2, 3].map(|n| {
        net.publish(publisher, message("t", Q1, n, "x"));
        assert_eq!(net.recv(to), [""; 0], "its packet id is not safe");
        net.server.poll_changes().expect("a message that waits").upto()
    });
    for batch in batches {
        while net.server.poll_ready().is_some() {}
        net.server.handle_persisted(net.now, batch);
        let ready: Vec<_> = core::iter::from_fn(|| net.server.poll_ready()).collect();
        assert!(ready.contains(&to.id), "it has something to be told again");
        assert_eq!(net.recv(to).len(), 1);
    }
}

#[test]
fn a_message_that_goes_from_hand_to_hand_and_ends_leaves_nothing_in_the_store() {
    use mqtt_session::testing::Store;
    let mut net = Net::with(|config| config.durable = true);
    let mut store = Store::default();
    let connect = |client_id| {
        let list: &'static [mqtt_proto::Property<'static>] =
            &[mqtt_proto::Property::SessionExpiryInterval(100)];
        Connect {
            properties: mqtt_proto::Properties::new(list),
            ..connect(V5, client_id)
        }
    };
    let publisher = net.client(V5, "publisher");
    let mut enter = |net: &mut Net, client_id| {
        let end = net.open(V5);
        net.send(end, Packet::Connect(connect(client_id)));
        let options = mqtt_proto::packet::SubscriptionOptions::new(Q1);
        net.subscribe_with(end, "$share/g/t", options, None);
        net.cut(end);
        store.turn(&mut net.server, net.now);
        store.all().len()
    };
    let before = enter(&mut net, "a");
    net.publish(publisher, message("t", Q1, 1, "x"));
    let after = enter(&mut net, "b");
    assert_eq!(after, 2 * before + 2, "the message, and that it waits");
    let broker = net.server.broker_mut();
    // Both within one batch.
    for client_id in ["a", "b"] {
        assert!(broker.discard_session(net.now, Default::default(), client_id));
    }
    store.turn(&mut net.server, net.now);
    assert_eq!(store.all().len(), 0);
}

#[test]
fn a_batch_that_is_called_safe_again_makes_no_later_one_unsafe() {
    let mut net = Net::with(|config| config.durable = true);
    kept(&mut net, "kept", "t");
    let publisher = net.client(V5, "publisher");
    let [first, second] = [1, 2].map(|n| {
        net.publish(publisher, message("t", Q1, n, "x"));
        net.server.poll_changes().expect("a message that waits").upto()
    });
    net.server.handle_persisted(net.now, second);
    assert_eq!(net.recv(publisher).len(), 2);
    net.server.handle_persisted(net.now, first);
    // Its CONNACK waits for all that was polled.
    let end = net.open(V5);
    net.send(end, Packet::Connect(connect(V5, "new")));
    assert_eq!(net.recv(end).len(), 1);
}
