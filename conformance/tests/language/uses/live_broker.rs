//! The column `live broker`: our server on tokio, behind TCP.

use core::time::Duration;

use mqtt_conformance::profile::Profile;
use mqtt_conformance::target::live::LiveBroker;

use super::super::our_server::with_server;
use super::{connected, fails, is_no_trace, passes, says_nothing_of};

/// A broker that listens while `then` runs.
fn with_broker(then: impl FnOnce(&mut LiveBroker)) {
    let mut profile = Profile::new("ours");
    (profile.patience, profile.slack) = (Duration::from_secs(5), Duration::from_millis(500));
    with_server(|address| then(&mut LiveBroker::at(address).expect("it listens").with_profile(profile)));
}

#[test]
fn to_server() {
    with_broker(|broker| passes(broker, "broker", &connected("-> PINGREQ\n<- PINGRESP")));
}

#[test]
fn to_client() {
    let lines = "-> SUBSCRIBE id=1 filters=[{\"t\" qos=1}]\n<- SUBACK id=1 codes=[1]";
    with_broker(|broker| {
        passes(broker, "broker", &connected(lines));
        fails(broker, "broker", 4, &connected(&lines.replace("[1]", "[0]")));
    });
}

#[test]
fn hex() {
    with_broker(|broker| {
        passes(broker, "broker", &connected("-> hex c0 00\n<- hex d0 00"));
        fails(broker, "broker", 4, &connected("-> hex c0 00\n<- hex d0 01"));
    });
}

#[test]
fn bad() {
    with_broker(|broker| {
        passes(broker, "codec", "-> hex c1 00 ! bad 0x81");
        fails(broker, "codec", 1, "-> hex c0 00 ! bad 0x81");
        says_nothing_of(broker, "codec", "<- hex d1 00 ! bad 0x81");
    });
}

#[test]
fn incomplete() {
    with_broker(|broker| says_nothing_of(broker, "codec", "-> hex 32 0f 00 03 61 ! incomplete 17"));
}

#[test]
fn calls() {
    is_no_trace("broker", "do ping");
    with_broker(|broker| says_nothing_of(broker, "client", "do ping refused=NotConnected"));
}

#[test]
fn events() {
    is_no_trace("broker", "event Connected ..");
    with_broker(|broker| says_nothing_of(broker, "client", "event Connected .."));
}

/// Without a command in its profile it cannot be done; with one: see the tests of profiles.
#[test]
fn acts() {
    with_broker(|broker| says_nothing_of(broker, "broker", &connected("broker restart")));
}

#[test]
fn time() {
    with_broker(|broker| {
        passes(broker, "broker", &connected("+ 200ms\nquiet 100ms"));
        // What takes time takes it here, and a span has the slack at both ends.
        let cut_off = |span: &str| {
            format!(
                "-> CONNECT client_id=\"a\" clean_start=1 keep_alive=1\n<- CONNACK ..\nrefused 0x8d in {span}"
            )
        };
        passes(broker, "broker", &cut_off("1s..8s"));
        fails(broker, "broker", 3, &cut_off("5s..9s"));
    });
}
