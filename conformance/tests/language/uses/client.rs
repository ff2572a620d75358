//! The column `client`: ours, in memory.

use mqtt_conformance::target::client::MemoryClient;

use super::{calling, fails, is_no_trace, passes, says_nothing_of};

#[test]
fn to_server() {
    let publish = "do publish topic=\"t\" payload=\"m\" as p\n";
    let completed = "event Completed token=$p ..";
    passes(
        &mut MemoryClient,
        "client",
        &calling(&format!(
            "{publish}-> PUBLISH topic=\"t\" payload=\"m\"\n{completed}"
        )),
    );
    fails(
        &mut MemoryClient,
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
        &mut MemoryClient,
        "client",
        &calling("<- PUBLISH topic=\"t\"\nevent Message topic=\"t\" .."),
    );
}

#[test]
fn hex() {
    passes(
        &mut MemoryClient,
        "client",
        &calling("<- hex 30 04 00 01 74 00\nevent Message topic=\"t\" .."),
    );
    let ping = "do ping as p\n";
    let pong = "<- PINGRESP\nevent Completed token=$p ..";
    passes(
        &mut MemoryClient,
        "client",
        &calling(&format!("{ping}-> hex c0 00\n{pong}")),
    );
    fails(
        &mut MemoryClient,
        "client",
        6,
        &calling(&format!("{ping}-> hex c0 01\n{pong}")),
    );
}

#[test]
fn bad() {
    passes(&mut MemoryClient, "codec", "<- hex d1 00 ! bad 0x81");
    // A message is no reason to close.
    fails(
        &mut MemoryClient,
        "codec",
        1,
        "<- hex 30 04 00 01 74 00 ! bad 0x81",
    );
    says_nothing_of(&mut MemoryClient, "codec", "-> hex c1 00 ! bad 0x81");
}

#[test]
fn incomplete() {
    says_nothing_of(
        &mut MemoryClient,
        "codec",
        "<- hex 32 0f 00 03 61 ! incomplete 17",
    );
}

#[test]
fn calls() {
    passes(&mut MemoryClient, "client", "do ping refused=NotConnected");
    fails(&mut MemoryClient, "client", 1, "do ping");
}

#[test]
fn events() {
    passes(
        &mut MemoryClient,
        "client",
        &calling("cut\nevent Closed by=transport .."),
    );
    fails(
        &mut MemoryClient,
        "client",
        6,
        &calling("cut\nevent Closed by=server .."),
    );
    fails(&mut MemoryClient, "client", 5, &calling("cut"));
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
        &mut MemoryClient,
        "client",
        &format!("{connect}quiet 59999s\n-> PINGREQ in 0s..2s\n<- PINGRESP"),
    );
    fails(&mut MemoryClient, "client", 5, &format!("{connect}quiet 60002s"));
    fails(
        &mut MemoryClient,
        "client",
        6,
        &format!("{connect}+ 59000s\n-> PINGREQ in 0s..2s\n<- PINGRESP"),
    );
}
