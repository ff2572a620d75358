//! The column `client`: ours, in memory.

use mqtt_conformance::target::client;

use super::{calling, fails, is_no_trace, passes, says_nothing_of};

#[test]
fn to_server() {
    let publish = "do publish topic=\"t\" payload=\"m\" as p\n";
    let completed = "event Completed token=$p ..";
    passes(
        &mut client::ours(),
        "client",
        &calling(&format!(
            "{publish}-> PUBLISH topic=\"t\" payload=\"m\"\n{completed}"
        )),
    );
    fails(
        &mut client::ours(),
        "client",
        6,
        &calling(&format!(
            "{publish}-> PUBLISH topic=\"t\" payload=\"n\"\n{completed}"
        )),
    );
}

#[test]
fn to_client() {
    passes(
        &mut client::ours(),
        "client",
        &calling("<- PUBLISH topic=\"t\"\nevent Message topic=\"t\" .."),
    );
}

#[test]
fn hex() {
    passes(
        &mut client::ours(),
        "client",
        &calling("<- hex 30 04 00 01 74 00\nevent Message topic=\"t\" .."),
    );
    let ping = "do ping as p\n";
    let pong = "<- PINGRESP\nevent Completed token=$p ..";
    passes(
        &mut client::ours(),
        "client",
        &calling(&format!("{ping}-> hex c0 00\n{pong}")),
    );
    fails(
        &mut client::ours(),
        "client",
        6,
        &calling(&format!("{ping}-> hex c0 01\n{pong}")),
    );
}

#[test]
fn bad() {
    passes(&mut client::ours(), "codec", "<- hex d1 00 ! bad 0x81");
    // A message is no reason to close.
    fails(
        &mut client::ours(),
        "codec",
        1,
        "<- hex 30 04 00 01 74 00 ! bad 0x81",
    );
    says_nothing_of(&mut client::ours(), "codec", "-> hex c1 00 ! bad 0x81");
}

#[test]
fn incomplete() {
    says_nothing_of(
        &mut client::ours(),
        "codec",
        "<- hex 32 0f 00 03 61 ! incomplete 17",
    );
}

#[test]
fn calls() {
    passes(&mut client::ours(), "client", "do ping refused=NotConnected");
    fails(&mut client::ours(), "client", 1, "do ping");
}

#[test]
fn events() {
    passes(
        &mut client::ours(),
        "client",
        &calling("cut\nevent Closed by=transport .."),
    );
    fails(
        &mut client::ours(),
        "client",
        6,
        &calling("cut\nevent Closed by=server .."),
    );
    fails(&mut client::ours(), "client", 5, &calling("cut"));
}

#[test]
fn acts() {
    is_no_trace("client", "broker restart");
}

#[test]
fn time() {
    // Days that nobody waits for.
    let connect = "do connect client_id=\"c\" clean_start=1 keep_alive=60000\n-> CONNECT ..\n<- CONNACK\nevent Connected ..\n";
    passes(
        &mut client::ours(),
        "client",
        &format!("{connect}quiet 59999s\n-> PINGREQ in 0s..2s\n<- PINGRESP"),
    );
    fails(
        &mut client::ours(),
        "client",
        5,
        &format!("{connect}quiet 60002s"),
    );
    fails(
        &mut client::ours(),
        "client",
        6,
        &format!("{connect}+ 59000s\n-> PINGREQ in 0s..2s\n<- PINGRESP"),
    );
}
