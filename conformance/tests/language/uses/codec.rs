//! The column `codec`.

use mqtt_conformance::target::codec;

use super::{Version, connected, fails, is_no_trace, outcome_in, passes, says_nothing_of};

#[test]
fn to_server() {
    let line = "-> PUBLISH topic=\"a\" qos=1 id=7 payload=\"m\"";
    passes(&mut codec::ours(), "codec", line);
    passes(
        &mut codec::ours(),
        "codec",
        &format!("{line} = 32 07 00 01 61 00 07 00 6d"),
    );
    fails(
        &mut codec::ours(),
        "codec",
        1,
        &format!("{line} = 32 07 00 01 61 00 08 00 6d"),
    );
    // A packet that servers alone send.
    fails(&mut codec::ours(), "codec", 1, "-> SUBACK id=7 codes=[0]");
    // In any trace; what leaves something open says nothing of it.
    passes(&mut codec::ours(), "broker", &connected(""));
    says_nothing_of(&mut codec::ours(), "client", "-> PUBLISH qos=0 ..");
}

#[test]
fn to_client() {
    passes(
        &mut codec::ours(),
        "codec",
        "<- SUBACK id=7 codes=[0] = 90 04 00 07 00 00",
    );
    fails(
        &mut codec::ours(),
        "codec",
        1,
        "<- SUBACK id=7 codes=[0] = 90 04 00 07 00 01",
    );
    fails(
        &mut codec::ours(),
        "codec",
        1,
        "<- SUBSCRIBE id=7 filters=[{\"a\"}]",
    );
    says_nothing_of(&mut codec::ours(), "broker", "<- CONNACK ..");
}

#[test]
fn hex() {
    passes(&mut codec::ours(), "codec", "-> hex c0 00");
    passes(&mut codec::ours(), "broker", "-> hex c0 00 c0 00");
    fails(&mut codec::ours(), "codec", 1, "-> hex c1 00");
    fails(&mut codec::ours(), "codec", 1, "-> hex c0");
}

#[test]
fn bad() {
    passes(
        &mut codec::ours(),
        "codec",
        "-> hex c1 00 ! bad 0x81 5/MQTT-2.1.3-1 at 0",
    );
    fails(&mut codec::ours(), "codec", 1, "-> hex c0 00 ! bad 0x81");
    fails(&mut codec::ours(), "codec", 1, "-> hex c1 00 ! bad 0x82");
    fails(
        &mut codec::ours(),
        "codec",
        1,
        "-> hex c1 00 ! bad 0x81 5/MQTT-3.3.1-2",
    );
    fails(&mut codec::ours(), "codec", 1, "-> hex c1 00 ! bad 0x81 at 1");
    // 3.x has no codes to refuse with.
    let outcome = outcome_in(
        Version::V311,
        &mut codec::ours(),
        "codec",
        "-> hex c1 00 ! bad 0x93",
    );
    assert!(format!("{outcome:?}").contains("Passed"), "{outcome:?}");
}

#[test]
fn incomplete() {
    passes(
        &mut codec::ours(),
        "codec",
        "-> hex 32 0f 00 03 61 ! incomplete 17",
    );
    fails(
        &mut codec::ours(),
        "codec",
        1,
        "-> hex 32 0f 00 03 61 ! incomplete 16",
    );
}

#[test]
fn calls() {
    says_nothing_of(&mut codec::ours(), "client", "do ping refused=NotConnected");
    is_no_trace("codec", "do ping");
}

#[test]
fn events() {
    says_nothing_of(&mut codec::ours(), "client", "event Connected ..");
    is_no_trace("codec", "event Connected ..");
}

#[test]
fn acts() {
    says_nothing_of(&mut codec::ours(), "broker", "broker restart");
    is_no_trace("codec", "broker restart");
}

#[test]
fn time() {
    says_nothing_of(&mut codec::ours(), "broker", "+ 1s\nquiet 1s");
    is_no_trace("codec", "+ 1s");
    is_no_trace("codec", "quiet 1s");
    is_no_trace("codec", "<- PINGRESP in 1s..2s");
}
