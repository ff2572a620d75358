//! The column `pair`: ours, joined in memory.

use mqtt_conformance::target::pair;

use super::{fails, passes, says_nothing_of};

/// A client of the pair is connected, then these lines.
fn joined(lines: &str) -> String {
    format!("do connect client_id=\"c\" clean_start=1\nevent Connected session_present=0 ..\n{lines}")
}

const PUBLISH: &str = "do publish topic=\"t\" qos=1 payload=\"m\" as p\n";
const COMPLETED: &str = "\nevent Completed token=$p ..";

#[test]
fn to_server() {
    let line = |line: &str| joined(&format!("{PUBLISH}{line}{COMPLETED}"));
    passes(
        &mut pair::ours(),
        "pair",
        &line("-> PUBLISH topic=\"t\" qos=1 id=$i payload=\"m\""),
    );
    fails(&mut pair::ours(), "pair", 4, &line("-> PUBLISH topic=\"u\" .."));
    // What no line names is passed over.
    passes(&mut pair::ours(), "pair", &line("+ 1s"));
}

#[test]
fn to_client() {
    let line = |line: &str| joined(&format!("{PUBLISH}{line}{COMPLETED}"));
    passes(&mut pair::ours(), "pair", &line("<- PUBACK id=$i code=0x10"));
    fails(&mut pair::ours(), "pair", 4, &line("<- PUBACK id=$i code=0x80"));
}

#[test]
fn hex() {
    let ping = |line: &str| joined(&format!("do ping as p\n{line}{COMPLETED}"));
    passes(&mut pair::ours(), "pair", &ping("-> hex c0 00\n<- hex d0 00"));
    fails(&mut pair::ours(), "pair", 4, &ping("-> hex c0 01"));
}

#[test]
fn bad() {
    says_nothing_of(&mut pair::ours(), "codec", "-> hex c1 00 ! bad 0x81");
}

#[test]
fn incomplete() {
    says_nothing_of(
        &mut pair::ours(),
        "codec",
        "-> hex 32 0f 00 03 61 ! incomplete 17",
    );
}

#[test]
fn calls() {
    passes(&mut pair::ours(), "pair", "do ping refused=NotConnected");
    fails(&mut pair::ours(), "pair", 1, "do ping");
}

#[test]
fn events() {
    passes(
        &mut pair::ours(),
        "pair",
        &joined("cut\nevent Closed by=transport .."),
    );
    fails(
        &mut pair::ours(),
        "pair",
        4,
        &joined("cut\nevent Closed by=server .."),
    );
    fails(&mut pair::ours(), "pair", 3, &joined("cut"));
}

#[test]
fn acts() {
    passes(
        &mut pair::ours(),
        "pair",
        &joined("broker crash\nevent Closed by=transport .."),
    );
    fails(&mut pair::ours(), "pair", 3, &joined("broker crash"));
}

#[test]
fn time() {
    let connect = "do connect client_id=\"c\" clean_start=1 keep_alive=60000\nevent Connected ..\n";
    passes(
        &mut pair::ours(),
        "pair",
        &format!("{connect}quiet 59999s\n-> PINGREQ in 0s..2s\n<- PINGRESP"),
    );
    fails(&mut pair::ours(), "pair", 3, &format!("{connect}quiet 60002s"));
    fails(
        &mut pair::ours(),
        "pair",
        4,
        &format!("{connect}+ 59000s\n-> PINGREQ in 0s..500s"),
    );
}
