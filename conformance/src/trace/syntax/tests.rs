use mqtt_proto::PacketType;

use crate::trace::ast::{Atom, CutAfter, Item, Step, Test, Verdict};

#[test]
fn a_trace_of_every_construct_is_read() {
    let text = r##"
# a comment, then the head
title:    everything   # not part of it
test:     pair
version:  3.1.1 5
covers:   3.1.1/MQTT-4.4.0-1 5/MQTT-4.4.0-1
covers:   5/2.1.2
requires: will-delay retain
config:   maximum_qos=1 name="x"

a do connect client_id="a#b" clean_start=0 as c
a event Connected session_present=0 !server_keep_alive .. as e
a -> CONNECT client_id="x" will={topic="w" payload="p"*3 !retain} user_property=("k" "\"\n\u{20ac}\x41") ..
maybe a <- PUBLISH topic="t" qos=0|1 id=$m payload=x"00fF" message_expiry_interval=58..60 in 500ms..3s
a -> SUBSCRIBE id=0x10 filters=[{"a/+" qos=1 no_local=1} {"b"}] = 82 0f00 ff cut *
a <- SUBACK id=$m codes=[1 0 0x80|*] split 1 2 3 cut 7 in 0s..10us
b <- hex c0 80 00 ! bad 0x81|130 3.1.1/2.2.3 5/MQTT-1.5.5-1 at 1
b -> hex 320f000361 ! incomplete 17
b -> close
a cut
a refused 0x81|0x87 in 1s..2s
a refused
all quiet 1s
a quiet 10us
+ 2500ms
+2s
broker restart
broker crash
broker deny client_id="x" code=0x87
any-order {
  a <- PINGRESP          # one

  either {
    b <- PINGRESP
  } or {
    b <- PINGRESP ..
  } or {
    b cut
  }
}
b do ack $m code=0
"##;
    let trace = super::trace(text).unwrap_or_else(|e| panic!("{}", e.in_file("all")));
    assert_eq!(trace.head.title, "everything");
    assert_eq!(trace.head.test, Test::Pair);
    assert_eq!(
        (
            trace.head.covers.len(),
            trace.head.requires.len(),
            trace.head.config.len()
        ),
        (3, 2, 2)
    );
    assert_eq!(trace.lines.len(), 21);
    assert_eq!((trace.lines[3].maybe, trace.lines[3].at.line), (true, 14));
    let wire = |i: usize| {
        let Step::Wire(wire) = &trace.lines[i].step else {
            panic!("{:?}", trace.lines[i])
        };
        wire
    };
    let packet = |i: usize| {
        let Item::Packet(pattern) = &wire(i).item else {
            panic!("{:?}", trace.lines[i])
        };
        pattern
    };
    assert_eq!(packet(2).packet_type, PacketType::Connect);
    assert!(packet(2).open);
    assert_eq!(
        packet(2).fields[2].value.atoms,
        [Atom::Pair("k".to_owned(), "\"\n\u{20ac}A".to_owned())]
    );
    assert_eq!(packet(3).fields[1].value.atoms, [Atom::Int(0), Atom::Int(1)]);
    assert_eq!(packet(3).fields[3].value.atoms, [Atom::Hex(vec![0, 255], 1)]);
    assert_eq!(packet(3).fields[4].value.atoms, [Atom::Range(58, 60)]);
    assert_eq!(packet(4).bytes.as_deref(), Some(&[0x82, 0x0f, 0x00, 0xff][..]));
    assert_eq!(wire(4).cut, Some(CutAfter::Every));
    assert_eq!(
        (&wire(5).split[..], wire(5).cut),
        (&[1, 2, 3][..], Some(CutAfter::Bytes(7)))
    );
    let Some(Verdict::Bad {
        codes,
        statements,
        at,
    }) = &wire(6).verdict
    else {
        panic!()
    };
    assert_eq!(
        (&codes[..], statements.len(), *at),
        (&[0x81, 130][..], 2, Some(1))
    );
    assert_eq!(wire(7).verdict, Some(Verdict::Incomplete(17)));
    let Step::AnyOrder(lines) = &trace.lines[19].step else {
        panic!()
    };
    let Step::Either(branches) = &lines[1].step else {
        panic!()
    };
    assert_eq!(branches.len(), 3);
}
