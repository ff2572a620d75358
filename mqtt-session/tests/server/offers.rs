use mqtt_proto::{Packet, packet::SubscriptionOptions};
use mqtt_session::server::{Offer, ServerConfig};

use crate::net::*;

#[test]
fn each_listener_offers_its_own() {
    let mut net = Net::with(|config| {
        config.offer_mut(1).receive_maximum = 7;
        config.offer_mut(1).maximum_qos = Q1;
        config.offer_mut(1).wildcard_available = false;
        config.offer_mut(1).keep_alive_max = Some(30);
        config.offer_mut(1).grant.limits.session_expiry_max = 9;
        config.offer_mut(1).grant.limits.subscriptions = 1;
    });
    // Listener 2 has no offer of its own.
    for (listener, special) in [(0, false), (1, true), (2, false)] {
        let end = net.open_at(V5, listener);
        let list = [mqtt_proto::Property::SessionExpiryInterval(10)];
        let name = format!("c{listener}");
        let connect = mqtt_proto::packet::Connect {
            properties: mqtt_proto::Properties::new(&list),
            ..connect(V5, &name)
        };
        net.send(end, Packet::Connect(connect));
        let said = net.recv(end).remove(0);
        for part in [
            "receive_maximum=7",
            "maximum_qos=1",
            "wildcard_subscription_available=0",
            "server_keep_alive=30",
            "session_expiry_interval=9",
        ] {
            assert_eq!(said.contains(part), special, "{part} at {listener}: {said}");
        }
        let options = SubscriptionOptions::new(Q2);
        let granted = if special { "0xa2" } else { "2" };
        let code = |code| [format!("SUBACK id=900 codes=[{code}]")];
        assert_eq!(net.subscribe_with(end, "a/#", options, None), code(granted));
        let granted = if special { "1" } else { "2" };
        assert_eq!(net.subscribe_with(end, "a", options, None), code(granted));
        let granted = if special { "0x97" } else { "2" };
        assert_eq!(net.subscribe_with(end, "b", options, None), code(granted));
    }
}

#[test]
fn how_large_a_packet_may_be_and_how_late_connect_is_the_listeners() {
    let mut net = Net::with(|config| {
        config.offer_mut(1).max_packet_size = 100;
        config.offer_mut(1).connect_timeout = core::time::Duration::from_secs(2);
    });
    let (large, small) = (net.open_at(V5, 0), net.open_at(V5, 1));
    for end in [large, small] {
        net.raw(end, &[0x10, 0x7F]);
    }
    assert_eq!(
        (net.recv(large).len(), net.recv(small)),
        (0, vec!["close".into()])
    );
    let (patient, hasty) = (net.open_at(V5, 0), net.open_at(V5, 1));
    net.pass_secs(3);
    assert_eq!(
        (net.recv(patient).len(), net.recv(hasty)),
        (0, vec!["close".into()])
    );
}

#[test]
fn an_offer_that_is_made_begins_as_the_first() {
    let mut config = ServerConfig::default();
    config.offer_mut(0).max_packet_size = 100;
    config.offer_mut(2).retain_available = false;
    assert_eq!(config.offers.len(), 3);
    assert_eq!(config.offers[0], config.offers[1]);
    assert_eq!(config.offer(2).max_packet_size, 100);
    assert_eq!(config.offer(9), config.offer(0));
    config.offers.clear();
    assert_eq!(*config.offer(0), Offer::DEFAULT);
    assert_eq!(config.offer_mut(0).max_packet_size, 16 * 1024 * 1024);
}
