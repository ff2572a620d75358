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
