//! The column `broker`: ours, in memory.

use mqtt_conformance::target::broker;

use super::{connected, fails, is_no_trace, passes, says_nothing_of};

#[test]
fn to_server() {
    passes(
        &mut broker::ours(),
        "broker",
        &connected("-> PINGREQ\n<- PINGRESP"),
    );
}

#[test]
fn to_client() {
    let lines = "-> SUBSCRIBE id=1 filters=[{\"t\" qos=1}]\n<- SUBACK id=1 codes=[1]";
    passes(&mut broker::ours(), "broker", &connected(lines));
    fails(
        &mut broker::ours(),
        "broker",
        4,
        &connected(&lines.replace("[1]", "[0]")),
    );
}

#[test]
fn hex() {
    passes(
        &mut broker::ours(),
        "broker",
        &connected("-> hex c0 00\n<- hex d0 00"),
    );
    fails(
        &mut broker::ours(),
        "broker",
        4,
        &connected("-> hex c0 00\n<- hex d0 01"),
    );
}

#[test]
fn bad() {
    passes(&mut broker::ours(), "codec", "-> hex c1 00 ! bad 0x81");
    fails(&mut broker::ours(), "codec", 1, "-> hex c0 00 ! bad 0x81");
    says_nothing_of(&mut broker::ours(), "codec", "<- hex d1 00 ! bad 0x81");
}

#[test]
fn incomplete() {
    says_nothing_of(
        &mut broker::ours(),
        "codec",
        "-> hex 32 0f 00 03 61 ! incomplete 17",
    );
}

#[test]
fn calls() {
    is_no_trace("broker", "do ping");
}

#[test]
fn events() {
    is_no_trace("broker", "event Connected ..");
}

#[test]
fn acts() {
    let lines = connected(
        "-> PUBLISH topic=\"t\" payload=\"m\" qos=1 id=1 retain=1\n<- PUBACK id=1 ..\nbroker crash\n",
    ) + &connected(
        "-> SUBSCRIBE id=2 filters=[{\"t\"}]\n<- SUBACK id=2 codes=[0]\n<- PUBLISH topic=\"t\" payload=\"m\" retain=1",
    );
    passes(&mut broker::ours(), "broker", &lines);
    let denied = |topic: &str| {
        connected(&format!(
            "broker deny topic=\"t\"\n-> PUBLISH topic=\"{topic}\" qos=1 id=1\n<- PUBACK id=1 code=0x87"
        ))
    };
    passes(&mut broker::ours(), "broker", &denied("t"));
    fails(&mut broker::ours(), "broker", 5, &denied("u"));
}

#[test]
fn time() {
    let connect = "-> CONNECT client_id=\"a\" clean_start=1 keep_alive=40000\n<- CONNACK ..\n";
    passes(
        &mut broker::ours(),
        "broker",
        &format!("{connect}quiet 59999s\nrefused 0x8d in 0s..2s"),
    );
    fails(
        &mut broker::ours(),
        "broker",
        3,
        &format!("{connect}quiet 60002s"),
    );
    fails(
        &mut broker::ours(),
        "broker",
        4,
        &format!("{connect}+ 59000s\nrefused 0x8d in 0s..2s"),
    );
}
